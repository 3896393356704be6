"""How far long work is, on a terminal or in a log."""

import time
from contextlib import AbstractContextManager, nullcontext, suppress
from types import TracebackType
from typing import Any, Self, TextIO

from django.core.management.base import BaseCommand, OutputWrapper

#: On a terminal: seconds of work that nobody need be told about, and those from one
#: look of the line to the next.
TERMINAL: tuple[float, float] = 1, 0.1

#: Elsewhere, a log say: seconds until the first line, and from each to the next.
LOG: tuple[float, float] = 10, 10


class Progress:
    """Says how far work is: how much is done, and when the rest will be.

    A terminal shows one line that changes, anything else gets a line now and then. Work
    that takes less than a second is not spoken of. Use it as a context manager, so that
    the line on the terminal ends whatever happens.

    Args:
        stream: where to, the standard error of a command.
        total: how much there is to do; None or 0 if nobody knows.
        what: what is counted, in the plural.
    """

    def __init__(
        self,
        stream: TextIO | OutputWrapper,
        total: int | None,
        *,
        what: str = "codes",
    ) -> None:
        """Begin to watch the clock."""
        self._stream = (
            stream if isinstance(stream, OutputWrapper) else OutputWrapper(stream)
        )
        self._total = total or 0
        self._what = what
        self._is_terminal = self._stream.isatty()
        self._width = 0
        self._begun = time.monotonic()
        first, self._pause = TERMINAL if self._is_terminal else LOG
        self._next = self._begun + first

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # After an error, the line stays to be read: it says how far the work was.
        if self._width:
            self._write("\n" if kind else f"\r{'':{self._width}}\r")

    def __call__(self, done: int) -> None:
        """Hear how far the work is, and say so if it is time to.

        Args:
            done: how much is done; never less than before.
        """
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._pause
        line = self._line(done, now - self._begun)
        if self._is_terminal:
            # Blanks cover what is left of a longer line.
            self._write(f"\r{line:{self._width}}")
            self._width = len(line)
        else:
            self._write(f"{line}\n")

    def _line(self, done: int, seconds: float) -> str:
        if not self._total:
            return f"{done:,} {self._what}"
        percent = min(100 * done // self._total, 100)
        line = f"{done:,} of {self._total:,} {self._what}, {percent} %"
        if 0 < done < self._total:
            left = seconds / done * (self._total - done)
            line += f", about {duration(left)} left"
        return line

    def _write(self, text: str) -> None:
        # The work must not fail because nobody watches it: the terminal may be gone.
        with suppress(Exception):
            self._stream.write(text, str, ending="")
            self._stream.flush()


def progress_for(
    command: BaseCommand,
    options: dict[str, Any],
    total: int | None,
    *,
    what: str = "codes",
) -> AbstractContextManager[Progress | None]:
    """Return the progress of a command: a context manager that yields it.

    With ``-v0`` it yields None.

    Args:
        command: the command, to whose standard error it goes.
        options: of the command.
        total: how much there is to do; None or 0 if nobody knows.
        what: what is counted, in the plural.
    """
    if not options["verbosity"]:
        return nullcontext()
    return Progress(command.stderr, total, what=what)


def duration(seconds: float) -> str:
    """Return a duration in words: ``45 s``, ``12 min`` or ``3 h 20 min``.

    Args:
        seconds: how long; below 1 counts as 1.
    """
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
