"""Trees of any depth: a receiver may have sent its own signal without end."""

from collections.abc import Iterable, Iterator
from copy import copy
from typing import Final

from signals_demo.recorder.trace import (
    CommitHook,
    Emission,
    Entry,
    Query,
    ReceiverCall,
)

#: How many entries may be inside of one another where functions call themselves for
#: each of them: a fraction of what Python allows.
MAX_DEPTH: Final = 40


def everything(entries: Iterable[Entry]) -> Iterator[tuple[Entry, int]]:
    """Yield each entry, and all inside of it, with how deep it is."""
    waiting = [(entry, 1) for entry in entries]
    while waiting:
        entry, depth = waiting.pop()
        yield entry, depth
        waiting += [(each, depth + 1) for parent in _parents(entry) for each in parent]


def _parents(entry: Entry) -> Iterator[Iterable[Entry]]:
    if isinstance(entry, Emission):
        yield from (list(call.entries) for call in list(entry.calls))
    elif isinstance(entry, CommitHook):
        yield list(entry.entries)


def shallow(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries; instead of those that are too deep, copies that are not."""
    return [
        entry
        if all(depth <= MAX_DEPTH for _, depth in everything([entry]))
        else _copied(entry, MAX_DEPTH)
        for entry in entries
    ]


def _copied(entry: Entry, depth: int) -> Entry:
    copied = copy(entry)
    if isinstance(copied, Emission):
        copied.calls = [_copied_call(each, depth) for each in copied.calls]
    elif not isinstance(copied, Query):
        copied.entries = _copied_all(copied.entries, depth)
    return copied


def _copied_call(call: ReceiverCall, depth: int) -> ReceiverCall:
    copied = copy(call)
    copied.entries = _copied_all(call.entries, depth)
    return copied


def _copied_all(entries: Iterable[Entry], depth: int) -> list[Entry]:
    return [_copied(each, depth - 1) for each in entries] if depth > 1 else []
