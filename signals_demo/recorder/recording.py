"""Begin and end recordings."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import Token
from threading import Lock
from time import perf_counter_ns as clock
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.dispatch import Signal

from signals_demo.recorder import database, dispatch, naming, scope
from signals_demo.recorder.explain import why_not
from signals_demo.recorder.patching import Patches, with_subclasses
from signals_demo.recorder.trace import Emission, Parent, Recording
from signals_demo.recorder.verdict import Verdict

#: How many entries a recording has room for, if nobody says otherwise.
MAX_ENTRIES: Final = 20_000
#: How many bytes they may take, if nobody says otherwise.
MAX_BYTES: Final = 50_000_000

_lock: Final = Lock()
_patches: Final = Patches()
_active = 0


@contextmanager
def hooked() -> Iterator[None]:
    """Have the methods of Django replaced, as long as at least one needs it."""
    global _active
    with _lock:
        _active += 1
        if _active == 1:
            _patches.install(with_subclasses(Signal), dispatch.REPLACING)
            wrappers = with_subclasses(BaseDatabaseWrapper)
            _patches.install(wrappers, database.REPLACING)
            cursors = with_subclasses(CursorWrapper)
            _patches.install(cursors, database.REPLACING_CURSOR)
            _patches.install(_test_cases(), database.REPLACING_TEST_CASE)
    try:
        yield
    finally:
        with _lock:
            _active -= 1
            if _active == 0:
                _patches.remove()
                database.forget()
                naming.forget()


def _test_cases() -> list[type]:
    """Return Django's test case, unless nobody has imported it."""
    case = getattr(sys.modules.get("django.test.testcases"), "TestCase", None)
    return [case] if case is not None else []


class LiveRecording(Recording):
    """A recording of this process, which can be asked about its receivers."""

    __slots__ = ()

    def why_not(self, receiver: Any) -> Verdict:
        """Return whether a receiver ran, or why it did not.

        Args:
            receiver: a function or another callable, or its dotted name.
        """
        return why_not(self, receiver)

    def end(self) -> None:
        """Take nothing more; leaving the ``with`` block does it too."""
        self.duration = self.duration or max(clock() - self.started, 1)


@contextmanager
def record(
    *,
    everywhere: bool = False,
    signals: Iterable[str] = (),
    senders: Iterable[str] = (),
    apps: Iterable[str] = (),
    max_entries: int = MAX_ENTRIES,
    max_bytes: int = MAX_BYTES,
) -> Iterator[LiveRecording]:
    """Record what happens meanwhile.

    Args:
        everywhere: in all threads and tasks of the process; otherwise in this context
            and those copied from it, as tasks have; a plain thread has its own.
        signals: names of those to keep, such as ``post_save``, or dotted names. What
            happens inside of them is kept too. Without any, all are.
        senders: labels of those to keep, such as ``shop.Book``.
        apps: labels of apps whose models to keep, such as ``shop``.
        max_entries: how many entries to keep; of more, only the number is.
        max_bytes: how many bytes they may take, by estimate.

    Raises:
        ValueError: there is no room for a single entry.
    """
    if max_entries < 1 or max_bytes < 1:
        raise ValueError("max_entries and max_bytes must be 1 or more.")
    wanted = _wanted(frozenset(signals), frozenset(senders), frozenset(apps))
    recording = LiveRecording(max_entries, max_bytes, wanted)
    with hooked():
        database.look_around()
        recording.started = clock()
        try:
            with whole_process(recording) if everywhere else _here(recording):
                yield recording
        finally:
            recording.end()


def _wanted(
    signals: frozenset[str], senders: frozenset[str], apps: frozenset[str]
) -> Callable[[str, str | None], bool] | None:
    if not (signals or senders or apps):
        return None

    def wanted(name: str, sender: str | None) -> bool:
        sender = sender or ""
        return (
            (not signals or name in signals or name.rpartition(".")[2] in signals)
            and (not senders or sender in senders)
            and (not apps or sender.partition(".")[0] in apps)
        )

    return wanted


@contextmanager
def whole_process(recording: Recording) -> Iterator[None]:
    """Have a recording see all threads and tasks of the process.

    Args:
        recording: to be used inside ``hooked()``.
    """
    with _lock:
        scope.everywhere = (*scope.everywhere, recording)
    try:
        yield
    finally:
        with _lock:
            others = [each for each in scope.everywhere if each is not recording]
            scope.everywhere = tuple(others)


@contextmanager
def _here(recording: Recording) -> Iterator[None]:
    above = scope.position.get()
    recording.outer = above.parent if isinstance(above, Emission) else above
    outer = recording.outer.root.looking if recording.outer else ()
    recording.looking = (recording, *outer)
    token = scope.position.set(recording)
    try:
        yield
    finally:
        # Another recording may have begun in this context, and go on.
        if scope.position.get() is recording:
            _go_back(above, token)


def _go_back(above: Emission | Parent | None, token: Token[Any]) -> None:
    """Go on where a recording began, or above what has ended since."""
    back = above
    while isinstance(back, Recording) and back.duration:
        back = back.outer
    try:
        scope.position.reset(token)
    except ValueError:  # It ends in another context than it began in.
        scope.position.set(back)
    if back is not above:
        scope.position.set(back)
