"""What receivers for all senders cost those that they are not meant for."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from django.apps import apps
from django.core.checks import CheckMessage, Warning
from django.db import DEFAULT_DB_ALIAS
from django.db.models.deletion import Collector

from signals_demo.recorder.checks.wording import about, at, listed, short
from signals_demo.recorder.inventory import Connection

_HOME: Final = "django.db.models.signals"
_DELETE: Final = (f"{_HOME}.pre_delete", f"{_HOME}.post_delete")
_M2M: Final = (f"{_HOME}.m2m_changed",)
_INIT: Final = (f"{_HOME}.pre_init", f"{_HOME}.post_init")


class _Deaf(Collector):
    """Django's own judgment, if nobody received anything."""

    def _has_signal_listeners(self, model: Any) -> bool:
        return False


def slow_deletes(connected: Sequence[Connection]) -> Iterator[CheckMessage]:
    """Find receivers that take a shortcut from all models, or relations: W008.

    With a receiver, Django reads rows before it deletes them, and asks which ones are
    new before it adds to a relation.
    """
    collector = _Deaf(DEFAULT_DB_ALIAS)
    models = list(apps.get_models(include_auto_created=True))
    deleted = [
        model
        for model in models
        if collector.can_fast_delete(model)  # type: ignore[arg-type] # It reads _meta.
    ]
    between = [model for model in models if model._meta.auto_created]
    shortcuts: tuple[tuple[Sequence[str], list[Any], str], ...] = (
        (_DELETE, deleted, "rows are read before they are deleted"),
        (_M2M, between, "add() asks first which ones are new"),
    )
    for signals, candidates, what in shortcuts:
        of_these = [each for each in connected if each.signal in signals]
        taken = {each.sender_id for each in of_these}
        labels = [model._meta.label for model in candidates if id(model) not in taken]
        for each in of_these:
            if each.sender_id is None and labels:
                yield Warning(
                    f"{short(each.signal)} calls it for all senders, so {what}:"
                    f" {listed(labels)} would do without{at(each)}.",
                    hint="Connect it with the models that it is for.",
                    obj=about(each),
                    id="signals_demo.W008",
                )


def slow_reads(connected: Iterable[Connection]) -> Iterator[CheckMessage]:
    """Find receivers that are called for each object of any model: W011."""
    for each in connected:
        if each.signal in _INIT and each.sender_id is None:
            yield Warning(
                f"{short(each.signal)} calls it for each object of every model that is"
                f" read or made{at(each)}.",
                hint="Connect it with the models that it is for.",
                obj=about(each),
                id="signals_demo.W011",
            )
