"""What the messages of all checks have in common."""

from collections.abc import Iterable

from signals_demo.recorder import capture
from signals_demo.recorder.inventory import Connection
from signals_demo.recorder.masking import clean

#: How many names a message lists.
MAX_NAMES = 5


def about(each: Connection) -> str:
    """Return the name of the receiver, which stands before the message."""
    return clean(each.name)


def at(each: Connection) -> str:
    """Return where the receiver is, which stands behind the message."""
    place = capture.function(each.receiver)[1]
    return f" ({place})" if place else ""


def short(signal: str) -> str:
    """Return the name of a signal without its module."""
    return signal.rpartition(".")[2]


def listed(names: Iterable[str]) -> str:
    """Return the names in order, and how many more there are."""
    found = sorted(set(names))
    shown, more = found[:MAX_NAMES], len(found) - MAX_NAMES
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    *others, last = shown
    return f"{', '.join(others)} and {last}" if others else last
