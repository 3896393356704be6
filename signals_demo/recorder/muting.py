"""Keep receivers from being called: in this context only, whatever happens."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from django.apps import AppConfig, apps
from django.db.models import Model
from django.dispatch import Signal

from signals_demo.recorder import capture
from signals_demo.recorder.dispatch import Mute, mutes
from signals_demo.recorder.dotted import loaded
from signals_demo.recorder.recording import hooked
from signals_demo.recorder.related import model_of


@contextmanager
def mute(*targets: Any) -> Iterator[None]:
    """Have receivers treated as if they were not connected.

    Other threads and tasks go on as before, and so does this one afterwards. A
    recording shows who was muted.

    Args:
        targets: receivers, a method of a class standing for those of all its objects;
            signals, for all of their receivers; models, as senders; labels of apps,
            for the receivers in them; or dotted names of the first three.

    Raises:
        ValueError: there is no target, or one is none of these.
    """
    if not targets:
        raise ValueError("mute() wants at least one receiver, signal, model or app.")
    muted = tuple(_mute(target) for target in targets)
    with hooked():
        mutes.set((*mutes.get(), *muted))
        try:
            yield
        finally:
            # Not by a token: it may end in another context than it began in.
            mutes.set(tuple(each for each in mutes.get() if each not in muted))


def _mute(target: Any) -> Mute:
    if isinstance(target, str):
        return _mute_named(target)
    if isinstance(target, Signal):
        return lambda signal, sender, receiver: signal is target
    if isinstance(target, type) and issubclass(target, Model):
        return lambda signal, sender, receiver: sender is target
    if callable(target):
        # Two bound methods of one object are equal, but not the same.
        return lambda signal, sender, receiver: (
            target in (receiver, getattr(receiver, "__func__", None))
        )
    raise ValueError(f"{target!r} is no receiver, signal, model or app label.")


def _mute_named(name: str) -> Mute:
    if name in apps.app_configs:
        config = apps.get_app_config(name)
        return lambda signal, sender, receiver: _app_of(receiver) is config
    return _mute(model_of(name) or _imported(name))


def _app_of(receiver: object) -> AppConfig | None:
    name = capture.function(receiver)[0].removeprefix("partial(")
    return apps.get_containing_app_config(name)


def _imported(name: str) -> Any:
    error: Exception | None = None
    try:
        # Of what stands in a class, this fails after the module has been imported.
        import_module(name.rpartition(".")[0])
    except (ImportError, ValueError) as raised:
        error = raised
    found = loaded(name)
    if found is None:
        message = f"There is no receiver, signal, model or app {name!r}."
        raise ValueError(message) from error
    return found
