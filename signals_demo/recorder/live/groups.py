"""What entries of the live page came in: a request, or an action.

The page is mounted by two lines, and no middleware is among them. So a request is known
by its own signals: what ``request_started`` sets in its context is there for all that
the request does, in its thread under WSGI, in its tasks and their threads under ASGI.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from signals_demo.recorder.trace import Emission, Entry

STARTED: Final = "django.core.signals.request_started"
FINISHED: Final = "django.core.signals.request_finished"
#: How many requests may be inside of one another, as those of a test client are.
MAX_DEPTH: Final = 5

_numbers: Final = count(1)


@dataclass(eq=False, slots=True)
class Group:
    """What some entries came in.

    Attributes:
        number: that of the group in this process.
        label: the method and path of a request, or the title of an action.
        hidden: whether it is a request of the live page itself.
        inbox: the number of the inbox that knows it.
        outer: what it happens inside of, or None.
        depth: inside of how many others it is.
        is_cut: whether not all of its entries are kept any more.
    """

    number: int
    label: str
    hidden: bool
    inbox: int
    outer: "Group | None"
    depth: int
    is_cut: bool = False

    def as_data(self) -> dict[str, Any]:
        """Return what the page needs to know of it."""
        return {"id": self.number, "label": self.label}


_current: Final[ContextVar[Group | None]] = ContextVar(
    "signals_demo.recorder.group", default=None
)


class Inbox(list[Entry]):
    """Entries that nothing is above, each with what it came in.

    Attributes:
        groups: what each came in, by its order number.
        hides: says of a method and path whether nobody wants to see its request.
    """

    def __init__(self, hides: Callable[[str], bool]) -> None:
        """Begin without entries."""
        super().__init__()
        self.number = next(_numbers)
        self.groups: dict[int, Group | None] = {}
        self.hides = hides

    def append(self, entry: Entry) -> None:
        """Take an entry, in the context of the code that it tells of."""
        signal = entry.signal if isinstance(entry, Emission) else ""
        if signal == STARTED:
            label = _address(entry)
            _current.set(self._group(label, self.hides(label)))
        group = self.current()
        self.groups[entry.order] = group
        super().append(entry)
        if signal == FINISHED and group is not None:
            _current.set(group.outer)

    def _group(self, label: str, hidden: bool) -> Group:
        outer = self.current()
        depth = outer.depth + 1 if outer is not None else 0
        if depth > MAX_DEPTH:  # They were never finished.
            outer, depth = None, 0
        return Group(next(_numbers), label, hidden, self.number, outer, depth)

    def current(self) -> Group | None:
        """Return what the running code is in; None if it began before."""
        group = _current.get()
        return group if group is not None and group.inbox == self.number else None

    def hide(self) -> None:
        """Hide what the running code is in: a request."""
        group = self.current()
        if group is None:
            _current.set(self._group("", True))
        else:
            group.hidden = True

    @contextmanager
    def group(self, label: str) -> Iterator[None]:
        """Put what happens meanwhile into a group of its own."""
        token = _current.set(self._group(label, False))
        try:
            yield
        finally:
            _current.reset(token)


def _address(entry: Entry) -> str:
    """Return the method and path of a request that begins."""
    arguments = getattr(entry, "arguments", {})
    return str(arguments.get("environ") or arguments.get("scope") or "")
