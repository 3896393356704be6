"""Where the running code is in the tree of what is recorded."""

from contextvars import ContextVar
from itertools import count
from typing import Final

from signals_demo.recorder.trace import Emission, Entry, Parent, Recording, Root

#: What the running code happens inside of; None where no recording has begun.
position: Final[ContextVar[Emission | Parent | None]] = ContextVar(
    "signals_demo.recorder.position", default=None
)

#: Numbers all entries of the process in the order in which they began.
numbers: Final = count(1)

#: Stands for what happens outside of the recordings of a context.
AMBIENT: Final = Root()

#: The recordings of the whole process. Replaced as a whole, so that a thread may go
#: through it while another one adds to it.
everywhere: tuple[Recording, ...] = ()


def current() -> Parent | None:
    """Return what an entry that begins now happens inside of; None if nobody looks."""
    parent = position.get()
    if parent is None:
        return AMBIENT if everywhere else None
    # Between send() and its first receiver, only a subclass of Signal has code.
    return parent.parent if isinstance(parent, Emission) else parent


def looking(parent: Parent) -> tuple[Recording, ...]:
    """Return the recordings that see what happens inside of the parent."""
    return parent.root.looking + everywhere


def room(parent: Parent, name: str, size: int) -> tuple[Recording, ...]:
    """Return the recordings that take an entry, if it is no emission.

    Args:
        parent: what it happens inside of.
        name: what kind of entry it is.
        size: how many bytes it takes, by estimate.
    """
    takers = parent.root.looking + everywhere
    for each in takers:
        if not each.takes(name, size, None, parent):
            takers = tuple(taker for taker in takers if taker is not each)
    return takers


def keep(parent: Parent, entry: Entry, holders: tuple[Recording, ...]) -> None:
    """Put an entry where it belongs.

    Args:
        parent: what it happens inside of. Recordings that hold it share it.
        entry: what to keep.
        holders: the recordings that take it.
    """
    entry.holders = holders
    if holders == parent.holders:  # As they are most of the time.
        entries = parent.entries
        if entries:  # A list that has begun; () and an empty one go the longer way.
            entries.append(entry)
        else:
            _append(parent, entry)
        return
    places: list[Parent] = []
    for recording in holders:
        found = place(parent, recording)
        if found not in places:
            places.append(found)
            _append(found, entry)


def place(parent: Parent, recording: Recording) -> Parent:
    """Return the innermost of what is around that the recording holds, or itself."""
    above: Parent | None = parent
    while above is not None:
        if recording in above.holders:
            return above
        above = above.root.outer
    return recording


def _append(parent: Parent, entry: Entry) -> None:
    entries = parent.entries
    if not isinstance(entries, list):
        # Most receivers never have an entry, and a list for each would cost them. Not
        # under a lock: what the garbage collector calls may come here too.
        entries = vars(parent).setdefault("entries", [])
    entries.append(entry)
