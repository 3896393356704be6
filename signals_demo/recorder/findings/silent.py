"""Writes that no signal came of: ``bulk_create()``, ``update()``, SQL."""

import re
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.apps import apps
from django.db.models import Model, signals

from signals_demo.recorder.inventory import Connection, connections
from signals_demo.recorder.related import model_of
from signals_demo.recorder.trace import Emission, Entry, Query, Recording
from signals_demo.recorder.translating import gettext as _

# A table may stand behind the name of its schema.
_WRITE: Final = re.compile(
    r"^(INSERT|UPDATE|DELETE|REPLACE)(?: OR \w+| IGNORE)?(?: INTO| FROM)?(?: ONLY)? "
    r"(?:(?:\w+|[\"`][^\"`]+[\"`])\.)?(?:(\w+)|[\"`]([^\"`]+)[\"`])",
    re.IGNORECASE,
)
#: The signal that comes before a statement that Django sends for one object.
_BEFORE: Final = {
    "INSERT": "pre_save",
    "REPLACE": "pre_save",
    "UPDATE": "pre_save",
    "DELETE": "pre_delete",
}
_AFTER: Final = {"pre_save": "post_save", "pre_delete": "post_delete"}
_OF_WRITES: Final = [getattr(signals, each) for pair in _AFTER.items() for each in pair]
_MIGRATE: Final = (
    "django.db.models.signals.pre_migrate",
    "django.db.models.signals.post_migrate",
)


@dataclass(frozen=True)
class SilentWrite:
    """A statement that changed rows, and no signal came of it.

    Attributes:
        query: the statement.
        verb: ``INSERT``, ``UPDATE``, ``DELETE`` or ``REPLACE``.
        model: whose table it changed.
        receivers: those that a ``save()`` or ``delete()`` would have called.
    """

    query: Query
    verb: str
    model: type[Model]
    receivers: tuple[Connection, ...]

    def __str__(self) -> str:
        """Return what happened and to whom, in one sentence."""
        return _(
            "%(verb)s of %(model)s sent no %(before)s and %(after)s: %(receivers)s did "
            "not run."
        ) % {
            "verb": self.verb,
            "model": self.model._meta.label,
            "before": _BEFORE[self.verb],
            "after": _AFTER[_BEFORE[self.verb]],
            "receivers": ", ".join(sorted({each.name for each in self.receivers})),
        }


def write_of(sql: str) -> tuple[str, str] | None:
    """Return verb and table of a statement that changes rows, or None."""
    found = _WRITE.match(sql)
    return (found[1].upper(), found[2] or found[3]) if found else None


def unannounced(recording: Recording) -> Iterator[tuple[Query, str, str]]:
    """Yield statement, verb and table of each write that no signal came before."""
    yield from _unannounced(recording.entries, _Announced())


class _Announced:
    """The tables of objects between their pre_ and their post_ signal."""

    def __init__(self) -> None:
        self.tables: Counter[tuple[str, str]] = Counter()

    def hear(self, emission: Emission) -> None:
        name, sender = emission.name, emission.sender
        begins = str(emission.arguments.get("action", name)).startswith("pre_")
        if begins and emission.raised:  # What it announced does not come.
            return
        change = 1 if begins else -1
        for before, after in _AFTER.items():
            if name in (before, after, "m2m_changed"):
                self._count(before, tables_of(sender), change)
        if name in ("pre_delete", "post_delete"):  # SET_NULL and the like.
            self._count("pre_save", _tables_pointing_to(sender), change)

    def _count(self, before: str, tables: Iterable[str], change: int) -> None:
        for table in tables:
            self.tables[before, table] = max(self.tables[before, table] + change, 0)

    def covers(self, query: Query, verb: str, table: str) -> bool:
        """Return whether the statement was announced, and take note of its end."""
        covered = self.tables[_BEFORE[verb], table] > 0
        if covered and query.raised:  # No post_ signal will come.
            self._count(_BEFORE[verb], [table], -1)
        return covered


def _unannounced(
    entries: Sequence[Entry], announced: _Announced
) -> Iterator[tuple[Query, str, str]]:
    for entry in entries:
        if isinstance(entry, Emission):
            announced.hear(entry)
            for call in entry.calls:
                # Nobody can change how Django itself makes permissions.
                if not call.receiver.startswith("django."):
                    yield from _unannounced(call.entries, _Announced())
        elif isinstance(entry, Query):
            write = write_of(entry.sql)
            if write is not None and not announced.covers(entry, *write):
                yield entry, *write
        else:
            yield from _unannounced(entry.entries, _Announced())


def tables_of(label: str | None) -> list[str]:
    """Return the tables of a model: its own, and those of its parents."""
    model = model_of(label)
    if model is None:
        return []
    parents: Any = model._meta.all_parents
    # The table of a proxy is that of a parent.
    return [*{each._meta.db_table for each in (model, *parents)}]


def _tables_pointing_to(label: str | None) -> list[str]:
    model = model_of(label)
    fields: Any = model._meta.get_fields(include_hidden=True) if model else ()
    related = [each for each in fields if each.auto_created and not each.concrete]
    return [*{each.related_model._meta.db_table for each in related}]


def models_by_table() -> dict[str, type[Model]]:
    """Return the model of each table, but for those that Django made for relations.

    Where models share a table, it is that of the one for which Django made it.
    """
    models = sorted(apps.get_models(), key=lambda model: model._meta.managed)
    return {each._meta.db_table: each for each in models if not each._meta.proxy}


def signals_of(verb: str) -> frozenset[str]:
    """Return what comes before and after a statement that Django sends for one object.

    Args:
        verb: of the statement, such as ``UPDATE``.
    """
    before = _BEFORE[verb]
    names = (before, _AFTER[before])
    return frozenset(f"django.db.models.signals.{name}" for name in names)


def silent_writes(recording: Recording) -> list[SilentWrite]:
    """Return the bulk writes of models whose receivers therefore did not run."""
    if not apps.models_ready:
        return []
    models = models_by_table()
    writes = [
        (query, verb, models[table])
        for query, verb, table in unannounced(recording)
        if table in models and query.raised is None
    ]
    if not writes:  # To look for receivers takes a while.
        return []
    known = _listening(recording)
    of_any = [each for each in known if each.sender_id is None]
    stages = [each for each in recording.emissions() if each.signal in _MIGRATE]
    found = []
    for query, verb, model in writes:
        listening = of_any if _migrates(query, stages) else known
        if missed := tuple(_missed(model, verb, listening)):
            found.append(SilentWrite(query, verb, model, missed))
    return found


def _migrates(query: Query, stages: Sequence[Emission]) -> bool:
    """Return whether a migration runs, the models of which are other senders."""
    before = bisect(stages, query.order, key=_order)
    return before > 0 and stages[before - 1].signal == _MIGRATE[0]


def _order(emission: Emission) -> int:
    return emission.order


def _listening(recording: Recording) -> list[Connection]:
    return [
        each
        for each in connections(_OF_WRITES)
        if each.is_alive and not _of_django(each) and each.name not in recording.muted
    ]


def _of_django(connection: Connection) -> bool:
    return connection.name.startswith("django.")


def _missed(
    model: type[Model], verb: str, known: list[Connection]
) -> Iterator[Connection]:
    of_verb = signals_of(verb)
    for each in known:
        if each.signal in of_verb and each.sender_id in (None, id(model)):
            yield each
