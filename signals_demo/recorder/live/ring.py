"""The newest messages for the live page, in bounded memory."""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition
from typing import Any, Final

from signals_demo.recorder.live.groups import Group
from signals_demo.recorder.trace import Entry

#: What a message takes beside its entries, and an entry beside its JSON, in bytes:
#: measured, rounded up.
MESSAGE_SIZE: Final = 1_000
SENT_SIZE: Final = 500


@dataclass(frozen=True, slots=True)
class Sent:
    """One top-level entry as it was sent.

    Attributes:
        entry: a copy of it as it was, and as it is told.
        group: what it came in, or None.
        text: as JSON.
        size: how many bytes it takes in memory, by estimate.
    """

    entry: Entry
    group: Group | None
    text: str
    size: int


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent at once.

    Attributes:
        number: its place among all messages of the process.
        entries: what happened, or what more is known of it by now.
        findings: what there is to say of them, or what more by now, each with its key.
        dropped: how many entries found no room, by name.
    """

    number: int
    entries: tuple[Sent, ...] = ()
    findings: tuple[dict[str, Any], ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many bytes it takes, by estimate."""
        return MESSAGE_SIZE * (1 + len(self.findings)) + sum(
            each.size for each in self.entries
        )

    @property
    def text(self) -> str:
        """The message as JSON, in ASCII and without line breaks."""
        entries = ", ".join(each.text for each in self.entries)
        findings = json.dumps(self.findings, allow_nan=False)
        dropped = json.dumps(self.dropped)
        return (
            f'{{"entries": [{entries}], "findings": {findings}, "dropped": {dropped}}}'
        )


class Ring:
    """Messages, as many as there is room for; the oldest make room for new ones.

    Attributes:
        lost: how many entries have made room.
    """

    def __init__(self) -> None:
        """Begin without messages."""
        self.lost = 0
        self._messages: deque[Message] = deque()
        self._last = 0
        self._bytes = 0
        self._changed = Condition()
        self._listeners: list[Callable[[], None]] = []

    @property
    def last(self) -> int:
        """The number of the newest message, or 0."""
        return self._last

    def add(
        self,
        room: int,
        entries: tuple[Sent, ...] = (),
        findings: tuple[dict[str, Any], ...] = (),
        dropped: dict[str, int] | None = None,
    ) -> None:
        """Keep one more message, and wake all who wait for it.

        Args:
            room: how many bytes all together may take, but for the newest.
            entries: what the message holds, as are the others.
            findings: what there is to say of entries.
            dropped: how many found no room, by name.
        """
        with self._changed:
            message = Message(self._last + 1, entries, findings, dropped or {})
            self._messages.append(message)
            self._last = message.number
            self._bytes += message.size
            while self._bytes > room and len(self._messages) > 1:
                oldest = self._messages.popleft()
                self._bytes -= oldest.size
                self._lose(oldest.entries)
            self._changed.notify_all()
            listeners = [*self._listeners]
        for wake in listeners:
            wake()

    def _lose(self, entries: tuple[Sent, ...]) -> None:
        self.lost += len(entries)
        for each in entries:
            if each.group is not None:
                each.group.is_cut = True

    def since(self, number: int) -> tuple[list[Message], int]:
        """Return the messages after one, and how many of them are lost."""
        with self._changed:
            messages = [each for each in self._messages if each.number > number]
            first = messages[0].number if messages else self._last + 1
            return messages, max(first - number - 1, 0)

    def wait(self, number: int, seconds: float) -> None:
        """Wait for a message after one, but not for ever."""
        with self._changed:
            self._changed.wait_for(lambda: self._last > number, seconds)

    def wake(self) -> None:
        """Have all who wait look around."""
        with self._changed:
            self._changed.notify_all()
            listeners = [*self._listeners]
        for wake in listeners:
            wake()

    def listen(self, wake: Callable[[], None]) -> None:
        """Have a function called after each new message."""
        with self._changed:
            self._listeners.append(wake)

    def unlisten(self, wake: Callable[[], None]) -> None:
        """Have it called no more."""
        with self._changed:
            self._listeners.remove(wake)

    def entries(self) -> list[Sent]:
        """Return the entries it holds in their order, each as it was sent last."""
        newest: dict[int, Sent] = {}
        for message in self.since(0)[0]:
            for each in message.entries:
                newest[each.entry.order] = each
        return [newest[order] for order in sorted(newest)]

    def findings(self) -> list[dict[str, Any]]:
        """Return the findings it holds, each as it was told last."""
        newest: dict[str, dict[str, Any]] = {}
        for message in self.since(0)[0]:
            newest |= {each["key"]: each for each in message.findings}
        return [*newest.values()]
