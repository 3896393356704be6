"""A recording that goes on for ever: what has happened is taken out of it."""

from collections import Counter
from collections.abc import Callable
from time import perf_counter_ns as clock

from signals_demo.recorder.live.depth import everything
from signals_demo.recorder.live.groups import Group, Inbox
from signals_demo.recorder.recording import LiveRecording
from signals_demo.recorder.trace import Emission, Entry, Query


def has_ended(entry: Entry) -> bool:
    """Return whether the entry itself has; a commit hook may wait all the while."""
    return not isinstance(entry, Emission | Query) or entry.duration != 0


class DrainedRecording(LiveRecording):
    """A recording of the process, with room for what came since it was drained last.

    Attributes:
        inbox: the entries that nothing is above.
    """

    __slots__ = ("_going", "inbox")

    def __init__(
        self, max_entries: int, max_bytes: int, hides: Callable[[str], bool]
    ) -> None:
        """Begin without entries.

        Args:
            max_entries: how many it holds until it is drained.
            max_bytes: how many bytes they take, by estimate.
            hides: says of a method and path whether nobody wants to see its request.
        """
        super().__init__(max_entries, max_bytes)
        self.inbox = self.entries = Inbox(hides)
        self._going: list[Entry] = []

    def drain(self, patience: int) -> list[tuple[Entry, Group | None]]:
        """Take out what has ended, with what it came in, in order.

        Args:
            patience: for how many nanoseconds what goes on may stay.
        """
        inbox, late = self.inbox, clock() - patience
        taken: list[Entry] = []
        for index, entry in reversed(list(enumerate(inbox))):
            if has_ended(entry) or 0 < (entry.started or 0) < late:
                # One by one, since other threads add to the end of the list.
                taken.append(entry)
                del inbox[index]
        going = [*self._going, *taken]
        self._going = [each for each in going if not has_ended(each)]
        self._make_room()
        return [(each, inbox.groups.pop(each.order)) for each in reversed(taken)]

    def _make_room(self) -> None:
        """Count what is left; other threads may count on meanwhile, and be wrong."""
        if not self.inbox and not self._going:
            self._count = self._bytes = 0
            return
        count = sum(1 for _ in everything([*self.inbox, *self._going]))
        self._bytes = self._bytes * count // max(self._count, count)
        self._count = count

    def take_dropped(self) -> dict[str, int]:
        """Return what found no room since the last time, and take entries again.

        What comes next may be inside of one that was dropped, and stands beside it.
        """
        dropped, self.dropped = self.dropped, Counter()
        return dict(dropped)
