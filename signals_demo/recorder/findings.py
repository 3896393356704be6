"""What a recording says about mistakes: those that show at run time only."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.apps import apps
from django.db.models import Model

from signals_demo.recorder.inventory import Connection, connections
from signals_demo.recorder.related import model_of
from signals_demo.recorder.text import Node, inside
from signals_demo.recorder.trace import Emission, Query, Recording

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
        names = ", ".join(sorted({each.name for each in self.receivers}))
        return (
            f"{self.verb} of {self.model._meta.label} sent no "
            f"{_BEFORE[self.verb]} and {_AFTER[_BEFORE[self.verb]]}: {names} did not "
            "run."
        )


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
    nodes: Sequence[Node], announced: _Announced
) -> Iterator[tuple[Query, str, str]]:
    for node in nodes:
        if isinstance(node, Emission):
            announced.hear(node)
            for call in node.calls:
                # Nobody can change how Django itself makes permissions.
                if not call.receiver.startswith("django."):
                    yield from _unannounced(call.entries, _Announced())
        elif isinstance(node, Query):
            write = write_of(node.sql)
            if write is not None and not announced.covers(node, *write):
                yield node, *write
        else:
            yield from _unannounced(inside(node), _Announced())


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
    related: Any = model._meta.related_objects if model is not None else ()
    return [*{each.related_model._meta.db_table for each in related}]


def silent_writes(recording: Recording) -> list[SilentWrite]:
    """Return the bulk writes of models whose receivers therefore did not run."""
    models = {
        model._meta.db_table: model
        for model in apps.get_models()
        if not model._meta.proxy
    }
    known = [
        each
        for each in connections()
        if each.is_alive and not _of_django(each) and each.name not in recording.muted
    ]
    silent = []
    for query, verb, table in unannounced(recording):
        if table in models and query.raised is None:
            missed = tuple(_missed(models[table], verb, known))
            if missed:
                silent.append(SilentWrite(query, verb, models[table], missed))
    return silent


def _of_django(connection: Connection) -> bool:
    return connection.name.startswith("django.")


def _missed(
    model: type[Model], verb: str, known: list[Connection]
) -> Iterator[Connection]:
    before = _BEFORE[verb]
    names = {f"django.db.models.signals.{name}" for name in (before, _AFTER[before])}
    for each in known:
        if each.signal in names and each.sender_id in (None, id(model)):
            yield each


@dataclass(frozen=True)
class SwallowedError:
    """An exception of a receiver that nobody heard of.

    Attributes:
        emission: what was sent, by ``send_robust()`` or ``asend_robust()``.
        receiver: the dotted name of the receiver.
        raised: the class of the exception.
    """

    emission: Emission
    receiver: str
    raised: str

    def __str__(self) -> str:
        """Return what happened, in one sentence."""
        return (
            f"{self.receiver} raised {self.raised}, which {self.emission.method}() of "
            f"{self.emission.name} kept to itself."
        )


def swallowed_errors(recording: Recording) -> list[SwallowedError]:
    """Return the exceptions that ``send_robust()`` returned instead of raising."""
    return [
        SwallowedError(emission, call.receiver, call.raised)
        for emission in recording.emissions()
        if emission.method.endswith("_robust")
        for call in emission.calls
        if call.raised
    ]
