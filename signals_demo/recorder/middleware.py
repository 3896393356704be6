"""What the signals of a request cost, told during development."""

import sys
from collections.abc import Awaitable, Callable, Sequence

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.core.management.color import color_style, no_style
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from signals_demo.recorder import text
from signals_demo.recorder.encoding import lines, printable
from signals_demo.recorder.masking import url_path
from signals_demo.recorder.recording import record
from signals_demo.recorder.trace import Emission, Entry, Recording

Handler = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class RecordingMiddleware:
    """Record each request, as long as ``DEBUG`` is on.

    Attributes:
        sync_capable: it runs under WSGI,
        async_capable: and under ASGI.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Handler) -> None:
        """Stand before what answers the request.

        Raises:
            MiddlewareNotUsed: ``DEBUG`` is off.
        """
        if not settings.DEBUG:
            raise MiddlewareNotUsed("Signals of requests are recorded with DEBUG only.")
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(
        self, request: HttpRequest
    ) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer the request, and tell what it sent."""
        if self.is_async:
            return self._answer(request)
        with record() as recording:
            response = self.get_response(request)
        assert isinstance(response, HttpResponseBase)
        self.tell(request, response, recording)
        return response

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        with record() as recording:
            response = self.get_response(request)
            assert not isinstance(response, HttpResponseBase)
            answered = await response
        self.tell(request, answered, recording)
        return answered

    def tell(
        self, request: HttpRequest, response: HttpResponseBase, recording: Recording
    ) -> None:
        """Tell what came; each of the two below does it in its own way."""
        raise NotImplementedError


class PrintSignalsMiddleware(RecordingMiddleware):
    """Print the tree of each request to the standard error stream."""

    def tell(
        self, request: HttpRequest, response: HttpResponseBase, recording: Recording
    ) -> None:
        """Print method, path and tree."""
        style = color_style() if sys.stderr.isatty() else no_style()
        tree = text.tree(
            recording, style, width=text.WIDTH - 2, lines=lines(sys.stderr)
        )
        # A path may hold what a terminal takes for commands.
        head = f"{request.method} {url_path(request.path)}"
        whole = "\n".join([head, *(f"  {line}" for line in tree)])
        sys.stderr.write(f"{printable(whole, sys.stderr)}\n")


class ServerTimingMiddleware(RecordingMiddleware):
    """Send what signals and statements took, for the network panel of the browser.

    The header is that of https://www.w3.org/TR/server-timing/, in milliseconds.
    """

    def tell(
        self, request: HttpRequest, response: HttpResponseBase, recording: Recording
    ) -> None:
        """Add the header, beside what others have put into it."""
        emissions, queries = list(recording.emissions()), list(recording.queries())
        top = [each for each in recording.entries if isinstance(each, Emission)]
        sent = text.plural(sum(each.times for each in emissions), "signal")
        asked = text.plural(len(queries), "query", "queries")
        metrics = [
            f'signals;dur={_total(top):.2f};desc="{sent}"',
            f'sql;dur={_total(queries):.2f};desc="{asked}"',
        ]
        before = response.headers.get("Server-Timing")
        response.headers["Server-Timing"] = ", ".join(filter(None, [before, *metrics]))


def _total(entries: Sequence[Entry]) -> float:
    return sum(entry.duration for entry in entries) / 1_000_000
