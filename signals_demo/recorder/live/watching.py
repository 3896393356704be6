"""What may still become of entries: their transaction ends, their hooks run."""

from dataclasses import dataclass
from typing import Final

from signals_demo.recorder.live.depth import everything
from signals_demo.recorder.live.draining import has_ended
from signals_demo.recorder.live.groups import Group
from signals_demo.recorder.trace import CommitHook, Emission, Entry
from signals_demo.recorder.transaction import OPEN, Transaction

#: How many entries are watched; of more, those that are likely to stay as they are
#: go first.
MAX_WATCHED: Final = 2_000
#: For how many seconds an entry is watched that seems to have ended: what it has begun
#: in another thread or task may go on.
AFTERGLOW: Final = 1.0
#: For how many seconds one is watched at most.
MAX_SECONDS: Final = 600.0
#: For how many seconds a change waits until the next one has come.
MAX_WAIT: Final = 1.0

#: What tells two states of an entry apart.
State = tuple[object, ...]


@dataclass(eq=False, slots=True)
class Watched:
    """An entry that has been sent, and may have to be sent again.

    Attributes:
        entry: itself.
        group: what it came in, or None.
        since: when it was sent first.
        changed: when it was sent last.
        transactions: those that it and what is inside of it happened in.
        hooks: the commit hooks among them.
        sent: its state when it was sent.
        seen: its state when it was looked at.
        noticed: when it was seen to have changed, or 0.
    """

    entry: Entry
    group: Group | None
    since: float
    changed: float
    transactions: list[Transaction]
    hooks: list[CommitHook]
    sent: State = ()
    seen: State = ()
    noticed: float = 0

    def state(self) -> State:
        """Return what may change, as far as it is quick to tell."""
        entry = self.entry
        calls = entry.calls if isinstance(entry, Emission) else ()
        return (
            entry.duration,
            getattr(entry, "times", 1),
            [(each.state, each.undone[-1:]) for each in self.transactions],
            [(each.started, each.duration, len(each.entries)) for each in self.hooks],
            [len(each.entries) for each in calls],
        )

    @property
    def has_settled(self) -> bool:
        """Whether nothing is known that may still come."""
        return (
            has_ended(self.entry)
            and all(each.state != OPEN for each in self.transactions)
            and all(each.duration or each.started is None for each in self.hooks)
        )


def watched(entry: Entry, group: Group | None, since: float, now: float) -> Watched:
    """Return the entry as it is now, ready to be watched."""
    entries = [each for each, _ in everything([entry])]
    transactions = {
        id(each.transaction): each.transaction for each in entries if each.transaction
    }
    hooks = [each for each in entries if isinstance(each, CommitHook)]
    found = Watched(entry, group, since, now, [*transactions.values()], hooks)
    found.sent = found.seen = found.state()
    return found


class Watch:
    """The entries that were sent, and may change."""

    def __init__(self) -> None:
        """Begin with none."""
        self._watched: list[Watched] = []

    def add(self, entry: Entry, group: Group | None, now: float) -> None:
        """Watch an entry that is sent now."""
        self._watched.append(watched(entry, group, now, now))

    def changed(self, now: float) -> list[tuple[Entry, Group | None]]:
        """Return the entries to send again, and let go those that stay as they are."""
        kept, changed = [], []
        for each in self._watched:
            if self._has_changed(each, now):
                changed.append((each.entry, each.group))
                kept.append(watched(each.entry, each.group, each.since, now))
            elif self._matters(each, now):
                kept.append(each)
        self._watched = kept if len(kept) <= MAX_WATCHED else _most_likely(kept)
        return changed

    def _has_changed(self, each: Watched, now: float) -> bool:
        state = each.state()
        if state == each.sent:
            return False
        # Where one change came, the next one may be on its way.
        calm, each.seen = state == each.seen, state
        each.noticed = each.noticed or now
        return calm or now - each.noticed > MAX_WAIT

    def _matters(self, each: Watched, now: float) -> bool:
        if each.seen != each.sent:
            return True
        if now - each.since > MAX_SECONDS:
            return False
        return not each.has_settled or now - each.changed < AFTERGLOW


def _most_likely(each: list[Watched]) -> list[Watched]:
    """Return as many as may be watched: those that must change, and the newest."""
    ranked = sorted(each, key=lambda one: (one.has_settled, -one.changed))
    return ranked[:MAX_WATCHED]
