"""The live page's event streams, under WSGI and ASGI.

The format is that of https://html.spec.whatwg.org/multipage/server-sent-events.html.
All data are JSON in ASCII, so that no argument of a signal can end a line.
"""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from random import choice
from time import monotonic
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.db import close_old_connections

from signals_demo.recorder.live.feed import Feed
from signals_demo.recorder.live.ring import Message

#: Seconds between two signs of life. A browser that has gone is noticed by them.
HEARTBEAT: Final = 5.0
#: Seconds between two looks at whether the server is about to end.
LOOK: Final = 0.5
#: Seconds after which a stream ends, and the browser asks for another one: who may not
#: look any more is noticed then, and others get their turn.
LONGEST: Final = 600.0
#: Milliseconds after which a browser asks again: after a stream that was kept, and
#: after one that could not be, some sooner and some later.
RETRY: Final = 2_000
RETRY_BUSY: Final = range(5_000, 10_000)

_ALIVE: Final = ": \n\n"
_ID: Final = re.compile(r"([\w-]{1,50})\.(\d{1,18})", re.ASCII)


def parsed(last_event_id: str) -> tuple[str, int] | None:
    """Return the process and the number of a message; None if it is not one.

    Args:
        last_event_id: what the browser says it got last.
    """
    found = _ID.fullmatch(last_event_id)
    return (found[1], int(found[2])) if found else None


def server_is_ending() -> bool:
    """Return whether the server waits for its last responses.

    A stream would have it wait for ever. There is no standard way to know: gunicorn
    and uvicorn note it where their handlers of signals are.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return (
        getattr(server, "should_exit", False) is True
        or getattr(server, "alive", True) is False
    )


class Stream:
    """What one response sends: first what there is, then what happens.

    Attributes:
        feed: what it is fed from.
        number: that of the last message it has sent, or of the last that is gone.
    """

    #: Which interface of servers it is for.
    server = "WSGI"

    def __init__(self, feed: Feed, last_event_id: str, *, hold: bool) -> None:
        """Begin where the browser has left off.

        Args:
            feed: what to tell.
            last_event_id: what it got last, or an empty string.
            hold: whether to wait for more, if there is room.
        """
        self.feed = feed
        # Nothing is missing to who has nothing yet, but what goes from now on.
        self.number = feed.ring.since(0)[1]
        self.hold = hold
        self._holds = False
        self._began = self._spoke = monotonic()
        self._restarted = False
        known = parsed(last_event_id)
        if known is not None:
            self._restarted = known[0] != feed.process
            if not self._restarted:
                self.number = min(known[1], feed.ring.last)

    def close(self) -> None:
        """Make room for others. The server calls it, even if nothing was sent."""
        held, self._holds = self._holds, False
        if held:
            self.feed.look_away()

    def _open(self) -> Iterator[str]:
        """Yield what comes first."""
        self._holds = self.feed.look(hold=self.hold)
        retry = RETRY if self._holds else choice(RETRY_BUSY)
        yield f"retry: {retry}\n\n"
        yield self._hello(0)
        yield from self._messages()
        if not self._holds:
            yield self._event("bye", {"reason": "busy"})

    def _hello(self, missed: int) -> str:
        return self._event(
            "hello",
            {
                "process": self.feed.process,
                "pid": int(self.feed.process.rpartition("-")[2]),
                "server": self.server,
                "busy": not self._holds,
                "restarted": self._restarted,
                "missed": missed,
            },
        )

    def _messages(self) -> Iterator[str]:
        """Yield what there is by now; other messages come while they are sent."""
        messages, missed = self.feed.ring.since(self.number)
        while messages:
            if missed:
                yield self._hello(missed)
            for each in messages:
                yield self._message(each)
            messages, missed = self.feed.ring.since(self.number)

    def _message(self, message: Message) -> str:
        self.number = message.number
        return self._frame("entries", message.text)

    def _event(self, name: str, data: dict[str, Any]) -> str:
        return self._frame(name, json.dumps(data))

    def _frame(self, name: str, text: str) -> str:
        self._spoke = monotonic()
        place = f"{self.feed.process}.{self.number}"
        return f"id: {place}\nevent: {name}\ndata: {text}\n\n"

    @property
    def _is_over(self) -> bool:
        return server_is_ending() or monotonic() - self._began > LONGEST

    def _go_on(self) -> Iterator[str]:
        """Yield what has come since, or a sign of life if it is time for one."""
        yield from self._messages()
        if monotonic() - self._spoke > HEARTBEAT - LOOK:
            self._spoke = monotonic()
            yield _ALIVE


class ThreadStream(Stream):
    """A stream that takes a thread of the server."""

    def __iter__(self) -> Iterator[str]:
        """Yield events until the browser goes."""
        close_old_connections()  # Nothing is asked of them while it lasts.
        try:
            yield from self._open()
            while self._holds and not self._is_over:
                self.feed.ring.wait(self.number, LOOK)
                yield from self._go_on()
            if self._holds:
                yield self._event("bye", {"reason": "end"})
        finally:
            self.close()


class TaskStream(Stream):
    """A stream that takes a task of the server's event loop."""

    server = "ASGI"

    async def __aiter__(self) -> AsyncIterator[str]:
        """Yield events until the browser goes."""
        await sync_to_async(close_old_connections)()
        loop, woken = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # The loop has been closed.
                loop.call_soon_threadsafe(woken.set)

        self.feed.ring.listen(wake)
        try:
            for each in self._open():
                yield each
            while self._holds and not self._is_over:
                await self._wait(woken)
                for each in self._go_on():
                    yield each
            if self._holds:
                yield self._event("bye", {"reason": "end"})
        finally:
            self.feed.ring.unlisten(wake)
            self.close()

    async def _wait(self, woken: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(LOOK):
                await woken.wait()
        except TimeoutError:
            return
        woken.clear()
