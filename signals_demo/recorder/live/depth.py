"""Trees of any depth: a receiver may have sent its own signal without end."""

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from typing import Final

from signals_demo.recorder.trace import (
    CommitHook,
    Emission,
    Entries,
    Entry,
    ReceiverCall,
    Root,
)

#: How many entries may be inside of one another where functions call themselves for
#: each of them: a fraction of what Python allows.
MAX_DEPTH: Final = 40
#: What copies are inside of; what the original is in holds all that is left out.
_NOWHERE: Final = Root()


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
        else copied(entry)
        for entry in entries
    ]


def copied(entry: Entry, most: int | None = None, depth: int = MAX_DEPTH) -> Entry:
    """Return a copy that holds nothing of the original but what is copied.

    Args:
        entry: with all that is inside of it.
        most: how many entries stay inside of each receiver and hook; None for all.
        depth: how many may be inside of one another.
    """
    made = copy(entry)
    made.holders = ()
    if isinstance(made, Emission):
        made.parent = _NOWHERE
        made.calls = [_copied_call(each, most, depth) for each in made.calls]
    elif isinstance(made, CommitHook):
        made.root = _NOWHERE
        made.entries = _copied_all(made.entries, most, depth)
    return made


def _copied_call(call: ReceiverCall, most: int | None, depth: int) -> ReceiverCall:
    made = copy(call)
    made.holders = ()
    made.root = _NOWHERE
    made.entries = _copied_all(call.entries, most, depth)
    return made


def _copied_all(entries: Sequence[Entry], most: int | None, depth: int) -> Entries:
    if depth == 1:
        return ()
    return [copied(each, most, depth - 1) for each in entries[:most]]
