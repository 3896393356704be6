"""What happens in the process, told to those who look while it happens."""

import os
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from logging import getLogger
from secrets import token_hex
from threading import Lock, Thread
from time import monotonic, sleep
from time import perf_counter_ns as clock
from typing import Any, Final

from django.utils import translation

from signals_demo.recorder import database
from signals_demo.recorder.conf import conf
from signals_demo.recorder.findings import found
from signals_demo.recorder.findings.kinds import SILENT_WRITE, Finding
from signals_demo.recorder.live.depth import shallow
from signals_demo.recorder.live.draining import DrainedRecording
from signals_demo.recorder.live.groups import Group
from signals_demo.recorder.live.messages import Encoder
from signals_demo.recorder.live.ring import Ring, Sent
from signals_demo.recorder.live.watching import Watch
from signals_demo.recorder.recording import MAX_BYTES, hooked, whole_process
from signals_demo.recorder.trace import Entry, Recording

logger = getLogger(__name__)

#: Seconds between two looks at what has happened.
PAUSE: Final = 0.1
#: Seconds to go on without anybody who looks: those who ask again soon lose nothing.
LINGER: Final = 15.0
#: How many nanoseconds something may go on before it is told of as it is.
PATIENCE: Final = 2_000_000_000
#: How many entries find room between two looks.
MAX_ENTRIES: Final = 50_000
#: How many entries one message holds, and from how many characters on none is added.
MAX_MESSAGE: Final = 200
MAX_MESSAGE_TEXT: Final = 200_000
#: Seconds between two searches for findings, and how many times as long as the search
#: itself took.
JUDGE_EVERY: Final = 0.5
JUDGE_SHARE: Final = 10
#: How many findings are remembered, so that each is told once, and again when it says
#: more.
MAX_FINDINGS: Final = 10_000
#: How many prefixes of addresses are known as those of the live page.
MAX_PREFIXES: Final = 20


class Feed:
    """The one recording of a process that the live page is fed from.

    While nobody looks, nothing is recorded.

    Attributes:
        process: tells this process from others, and from itself before a restart.
        ring: the newest messages.
    """

    def __init__(self) -> None:
        """Begin without a recording."""
        self.process = f"{token_hex(4)}-{os.getpid()}"
        self.ring = Ring()
        self._lock = Lock()
        self._looking = 0
        self._until = 0.0
        self._language: str | None = None
        self._recording: DrainedRecording | None = None
        self._stack = ExitStack()
        self._prefixes: list[str] = []
        # What follows is for one thread at a time.
        self._collecting = Lock()
        self._encoder = Encoder(clock())
        self._watch = Watch()
        self._to_judge: set[Group | None] = set()
        self._judged: OrderedDict[tuple[object, ...], tuple[str, str]] = OrderedDict()
        self._keys = count(1)
        self._judge_at = 0.0

    @property
    def is_recording(self) -> bool:
        """Whether somebody looks, or did a moment ago."""
        return self._recording is not None

    @property
    def looking(self) -> int:
        """How many look now, and keep a connection."""
        return self._looking

    def look(self, *, hold: bool) -> bool:
        """Have what happens recorded, for now.

        Args:
            hold: whether to go on until ``look_away()``, if not too many do already.

        Returns:
            Whether it goes on. If not, it does for some seconds.
        """
        with self._lock:
            self._until = monotonic() + LINGER
            self._language = translation.get_language()
            if self._recording is None:
                self._begin()
            hold = hold and self._looking < conf.SIGNALS_RECORDER_MAX_STREAMS
            self._looking += hold
            return hold

    def look_away(self) -> None:
        """Hold it no more."""
        with self._lock:
            self._looking -= 1
            self._until = monotonic() + LINGER

    def _begin(self) -> None:
        recording = DrainedRecording(MAX_ENTRIES, MAX_BYTES, self._hides)
        self._stack.enter_context(hooked())
        database.look_around()
        recording.started = clock()
        self._stack.enter_context(whole_process(recording))
        self._stack.callback(recording.end)
        self._recording = recording
        work = Thread(target=self._collect_while, args=[recording], daemon=True)
        work.start()

    def _collect_while(self, recording: DrainedRecording) -> None:
        while self._recording is recording:
            sleep(PAUSE)
            try:
                self.collect()
            except Exception:
                # Whatever it is, what happens next can be told.
                logger.exception("What was recorded cannot be told.")
            with self._lock:
                alone = not self._looking and monotonic() > self._until
                if alone and self._recording is recording:
                    self._end()

    def _end(self) -> None:
        self._recording = None
        stack, self._stack = self._stack, ExitStack()
        stack.close()

    def stop(self) -> None:
        """Record no more, whoever looks."""
        with self._lock:
            self._end()

    def forget(self) -> None:
        """Begin anew, as the child of a process that is looked at."""
        stack = self._stack
        self.__init__()  # type: ignore[misc]  # Its threads are not here to free locks.
        stack.close()

    def hide(self, *prefixes: str) -> None:
        """Hide the request that is being answered, and others to such addresses.

        What remains of it is hidden too if the recording began in the midst of it.

        Args:
            prefixes: paths, as they are described.
        """
        for each in prefixes:
            if each not in self._prefixes:
                self._prefixes = [each, *self._prefixes[: MAX_PREFIXES - 1]]
        recording = self._recording  # It may end at any moment.
        if recording is not None:
            recording.inbox.hide()

    def _hides(self, label: str) -> bool:
        return label.partition(" ")[2].startswith(tuple(self._prefixes))

    @contextmanager
    def group(self, label: str) -> Iterator[None]:
        """Tell what happens meanwhile apart from all else.

        Args:
            label: what it is called.
        """
        recording = self._recording
        if recording is None:
            yield
        else:
            with recording.inbox.group(label):
                yield

    def collect(self) -> None:
        """Tell what has happened since the last time."""
        recording = self._recording
        if recording is None:
            return
        with self._collecting, translation.override(self._language):
            now = monotonic()
            entries = self._watch.changed(now)
            dropped = Counter(recording.take_dropped())
            for entry, group in recording.drain(PATIENCE):
                if group is None or not group.hidden:
                    self._watch.add(entry, group, now)
                    entries.append((entry, group))
            self._tell(entries, dropped)
            self._judge(now, recording)

    def _tell(
        self, entries: list[tuple[Entry, Group | None]], dropped: Counter[str]
    ) -> None:
        """Make messages of entries, none of them too large."""
        held: list[Sent] = []
        length = 0
        for entry, group in entries:
            sent = self._encoder.sent(entry, group, dropped)
            self._to_judge.add(group)
            length += len(sent.text)
            if held and (len(held) == MAX_MESSAGE or length > MAX_MESSAGE_TEXT):
                self._add(entries=tuple(held))
                held, length = [], len(sent.text)
            held.append(sent)
        if held or dropped:
            self._add(entries=tuple(held), dropped=dict(dropped))

    def _add(self, **message: Any) -> None:
        self.ring.add(conf.SIGNALS_RECORDER_RING_BYTES, **message)

    def _judge(self, now: float, recording: Recording) -> None:
        """Tell what there is to say of entries, which may take a while to find out."""
        if not self._to_judge or now < self._judge_at:
            return
        groups, self._to_judge = self._to_judge, set()
        pairs = self._found(groups, recording)
        news = tuple(each for pair in pairs if (each := self._news(*pair)))
        if news:
            self._add(findings=news)
        took = monotonic() - now
        self._judge_at = now + max(JUDGE_EVERY, JUDGE_SHARE * took)

    def _found(
        self, groups: set[Group | None], recording: Recording
    ) -> Iterator[tuple[Group | None, Finding]]:
        """Yield the findings of groups, each of which is judged by itself."""
        kept: dict[Group | None, list[Entry]] = {group: [] for group in groups}
        for sent in self.ring.entries():
            if sent.group in kept:
                kept[sent.group].append(sent.entry)
        for group, entries in kept.items():
            is_cut = group.is_cut if group is not None else self.ring.lost > 0
            for finding in found(_part(recording, entries)):
                # What announced the statement may be gone.
                if not (is_cut and finding.kind == SILENT_WRITE):
                    yield group, finding

    def _news(self, group: Group | None, finding: Finding) -> dict[str, Any] | None:
        """Return a finding with a key; None if that was told with the same message.

        Args:
            group: what its entry came in, or None.
            finding: may have been told already, when less was known of it.
        """
        number = group.number if group is not None else None
        identity = number, finding.kind, finding.key or finding.number
        known = self._judged.pop(identity, None)
        key, message = known or (str(next(self._keys)), None)
        self._judged[identity] = key, finding.message
        if len(self._judged) > MAX_FINDINGS:
            self._judged.popitem(last=False)
        return {**finding.as_data(), "key": key} if message != finding.message else None


def _part(recording: Recording, entries: list[Entry]) -> Recording:
    part = Recording(1, 1)
    part.entries = shallow(entries)
    part.started = recording.started
    part.muted = recording.muted
    return part


#: That of this process.
feed: Final = Feed()

os.register_at_fork(after_in_child=feed.forget)
