"""Mistakes about senders: those from which a signal never comes, or not each one."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, Info, Warning
from django.db.models import Model

from signals_demo.recorder.checks.wording import about, at, listed, short
from signals_demo.recorder.inventory import UNKNOWN, Connection, made_key, origins
from signals_demo.recorder.patching import with_subclasses

_HOME: Final = "django.db.models.signals"
_MIGRATE: Final = (f"{_HOME}.pre_migrate", f"{_HOME}.post_migrate")
_DELETE: Final = (f"{_HOME}.pre_delete", f"{_HOME}.post_delete")
_WRITTEN: Final = (f"{_HOME}.pre_save", f"{_HOME}.post_save", *_DELETE)
_OF_INSTANCES: Final = (f"{_HOME}.pre_init", f"{_HOME}.post_init", *_WRITTEN)


def migrated(connected: Sequence[Connection]) -> Iterator[CheckMessage]:
    """Find senders from which ``pre_migrate`` or ``post_migrate`` never comes.

    They come from the configurations of apps (E002) that have models (W004).
    """
    configs: dict[object, AppConfig] = {
        id(config): config for config in apps.get_app_configs()
    }
    for each in connected:
        if each.signal not in _MIGRATE or each.sender_id is None:
            continue
        config = configs.get(each.sender_id)
        # Tests with other INSTALLED_APPS leave such behind; who they were may be
        # forgotten by now.
        if config is None and str(each.sender).startswith(("AppConfig ", UNKNOWN)):
            continue
        if config is None:
            yield Error(
                f"{short(each.signal)} never comes from {each.sender}: it comes from"
                f" instances of AppConfig{at(each)}.",
                hint="Connect it in ready() of the AppConfig, with sender=self.",
                obj=about(each),
                id="signals_demo.E002",
            )
        elif config.models_module is None:
            yield Warning(
                f"{short(each.signal)} never comes from the app {config.label}, which"
                f" has no module models{at(each)}.",
                hint=f"Add an empty {config.name}.models, or wait for another app.",
                obj=about(each),
                id="signals_demo.W004",
            )


def through(connected: Sequence[Connection]) -> Iterator[CheckMessage]:
    """Find ``m2m_changed`` connected with a model that is no ``through``: E003."""
    models: dict[object, type[Model]] = {id(model): model for model in _installed()}
    # What stands in the class, if somebody forgot .through.
    for field in _many_to_many():
        models[id(vars(field.model).get(field.name))] = field.model
    relations = {id(field.remote_field.through) for field in _many_to_many()}
    for each in connected:
        model = models.get(each.sender_id)
        if each.signal != f"{_HOME}.m2m_changed" or model is None:
            continue
        if each.sender_id not in relations:
            fields = [field for field in _many_to_many() if field.model is model]
            names = [f"{model.__name__}.{field.name}.through" for field in fields]
            meant = " or ".join(names) or "the through model of a relation"
            yield Error(
                f"m2m_changed never comes from {each.sender}, but from the model"
                f" between the two that belong together{at(each)}.",
                hint=f"Connect it with sender={meant}.",
                obj=about(each),
                id="signals_demo.E003",
            )


def _installed() -> Iterable[type[Model]]:
    return apps.get_models(include_auto_created=True, include_swapped=True)


def _many_to_many() -> list[Any]:
    return [
        field
        for model in _installed()
        for field in model._meta.local_many_to_many
        if getattr(field.remote_field, "through", None) is not None
    ]


def _models() -> dict[object, type[Model]]:
    """Return all models by what Django compares senders by, abstract ones too."""
    return {id(model): model for model in with_subclasses(Model)}


def without_instances(connected: Sequence[Connection]) -> Iterator[CheckMessage]:
    """Find senders that are abstract (E004), or swapped for another model (W007)."""
    models = _models()
    for each in connected:
        model = models.get(each.sender_id)
        if model is None or each.signal not in _OF_INSTANCES:
            continue
        if model is Model or model._meta.abstract:
            yield Error(
                f"{short(each.signal)} never comes from {each.sender}, which is"
                f" abstract{at(each)}.",
                hint="Connect it with each model that is derived from it, for instance"
                " in a receiver of class_prepared.",
                obj=about(each),
                id="signals_demo.E004",
            )
        elif model._meta.swapped and each.signal in _WRITTEN:
            yield Warning(
                f"{short(each.signal)} never comes from {each.sender}, for which"
                f" {model._meta.swapped} is swapped{at(each)}.",
                hint=f"Connect it with sender=settings.{model._meta.swappable}.",
                obj=about(each),
                id="signals_demo.W007",
            )


def prepared(connected: Sequence[Connection]) -> Iterator[CheckMessage]:
    """Find ``class_prepared`` connected when it had been sent already: W002."""
    calls = origins()
    for each in connected:
        if each.signal != f"{_HOME}.class_prepared":
            continue
        call = calls.get((each.signal, each.fingerprint))
        if call is None or call.sender_unready:
            continue
        if each.sender_id is not None:
            why = f"of {each.sender} had been sent before it could be named as sender"
        elif call.models_ready:
            why = f"had been sent for all installed models by then, at {call.caller}"
        else:
            continue
        yield Warning(
            f"It is connected too late: class_prepared {why}{at(each)}.",
            hint="Connect it in __init__() of the AppConfig, for all senders.",
            obj=about(each),
            id="signals_demo.W002",
        )


def relatives(connected: Sequence[Connection]) -> Iterator[CheckMessage]:
    """Find senders with proxies or children, which the receiver does not hear: I001."""
    models = _models()
    heard = {
        (each.signal, made_key(each.receiver), each.sender_id) for each in connected
    }
    for each in connected:
        model = models.get(each.sender_id)
        if each.signal not in _WRITTEN or model in (None, Model):
            continue
        if model._meta.abstract:  # E004 has said it.
            continue
        missed = [
            relative._meta.label
            for relative in apps.get_models()
            if relative is not model
            and issubclass(relative, model)
            and not (each.signal in _DELETE and model in _deleted_with(relative))
            and (each.signal, made_key(each.receiver), id(relative)) not in heard
            and (each.signal, made_key(each.receiver), None) not in heard
        ]
        if missed:
            yield Info(
                f"{short(each.signal)} of {listed(missed)}, derived from"
                f" {each.sender}, does not reach it{at(each)}.",
                hint="A signal comes from the class of the instance: connect it with"
                " each of them, if it is meant for all.",
                obj=about(each),
                id="signals_demo.I001",
            )


def _deleted_with(model: type[Model]) -> list[type[Model]]:
    """Return the models of which rows go with those of a model, being part of them."""
    concrete = model._meta.concrete_model or model
    return concrete._meta.get_parent_list()


def deleted_by_database(connected: Sequence[Connection]) -> Iterator[CheckMessage]:
    """Find receivers of what the database deletes by itself: W009 (Django 6.1)."""
    cascades = list(_cascades())
    for each in connected:
        found = [
            (model, field)
            for model, field in cascades
            if each.signal in _DELETE and each.sender_id in (None, id(model))
        ]
        if found:
            models = listed(model._meta.label for model, _field in found)
            targets = listed(field.related_model._meta.label for _model, field in found)
            names = listed(field.name for _model, field in found)
            paths = listed(
                f"{model._meta.label}.{field.name}" for model, field in found
            )
            yield Warning(
                f"{short(each.signal)} does not come from {models} when rows go with"
                f" those of {targets}: {names} (DB_CASCADE). Databases send no"
                f" signals{at(each)}.",
                hint=f"Use CASCADE for {paths}.",
                obj=about(each),
                id="signals_demo.W009",
            )


def _cascades() -> Iterator[tuple[type[Model], Any]]:
    for model in apps.get_models(include_auto_created=True):
        for field in model._meta.local_fields:
            on_delete = getattr(field.remote_field, "on_delete", None)
            if getattr(on_delete, "__name__", "") == "DB_CASCADE":
                yield model, field
