"""A panel for django-debug-toolbar: what a request sent (extra ``toolbar``)."""

from collections.abc import Awaitable
from inspect import isawaitable
from typing import Any, Final

from debug_toolbar.panels import Panel
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from signals_demo.recorder import text
from signals_demo.recorder.findings import found
from signals_demo.recorder.findings.kinds import clean_words
from signals_demo.recorder.masking import clean
from signals_demo.recorder.recording import record
from signals_demo.recorder.trace import (
    CommitHook,
    Emission,
    Query,
    ReceiverCall,
    Recording,
)
from signals_demo.recorder.transaction import ROLLED_BACK

#: How many rows a panel has. The toolbar keeps those of 25 requests.
MAX_ROWS: Final = 1_000
#: How many columns a row takes, before its remarks.
MAX_COLUMNS: Final = 80


class SignalsPanel(Panel):  # type: ignore[misc]  # debug_toolbar is not looked into
    """The signals of a request: receivers, statements, findings.

    Attributes:
        panel_id: the toolbar has a panel called ``SignalsPanel`` itself.
        is_async: it works under ASGI too.
        title: what stands above it,
        nav_title: and in the list of panels,
        nav_icon: with this icon.
        template: what shows it.
        recording: of the request, once it was answered.
    """

    panel_id = "RecordedSignalsPanel"
    is_async = True
    title = _("Signals sent")
    nav_title = title
    nav_icon = "debug_toolbar/img/signals.svg"
    template = "signals_demo_recorder/panel.html"
    recording: Recording | None = None

    @property
    def nav_subtitle(self) -> str:
        """How much there is to see."""
        stats = self.get_stats()
        if not stats:
            return ""
        counts = (
            ngettext("%d signal", "%d signals", stats["signals"]) % stats["signals"],
            ngettext("%d receiver", "%d receivers", stats["receivers"])
            % stats["receivers"],
            ngettext("%d finding", "%d findings", len(stats["findings"]))
            % len(stats["findings"]),
        )
        return ", ".join(counts)

    def process_request(self, request: HttpRequest) -> Any:
        """Answer the request, or return what will, and record it."""
        with record() as recording:
            response = self.get_response(request)
        if isawaitable(response):
            return self._answer(response)
        self.recording = recording
        return response

    async def _answer(self, response: Awaitable[HttpResponseBase]) -> HttpResponseBase:
        with record() as recording:
            answered = await response
        self.recording = recording
        return answered

    def generate_stats(self, request: HttpRequest, response: HttpResponseBase) -> None:
        """Keep what the panel shows, as plain data: the toolbar stores it as JSON."""
        if self.recording is not None:
            self.record_stats(as_stats(self.recording))


def as_stats(recording: Recording) -> dict[str, Any]:
    """Return what the panel shows of a recording, as what ``json.dumps()`` takes."""
    outline = text.Outline()
    rows = list(outline.rows(recording.entries))
    numbers = {
        node.order: number
        for number, (_branch, node) in enumerate(rows[:MAX_ROWS], 1)
        if not isinstance(node, ReceiverCall)
    }
    return {
        "signals": text.sent(recording),
        "receivers": text.called(recording),
        "summary": text.summary(recording),
        "notes": [*outline.left_out(), *text.dropped(recording)],
        "rows": [_row(branch, node) for branch, node in rows[:MAX_ROWS]],
        "more": max(len(rows) - MAX_ROWS, 0),
        "findings": [
            {**each.as_data(), "number": numbers.get(each.number)}
            for each in found(recording)
        ],
    }


def _row(branch: str, node: text.Node) -> dict[str, Any]:
    is_seen = node.started is not None
    label = clean(text.label_of(node))
    room = max(MAX_COLUMNS - len(branch), MAX_COLUMNS // 3)
    short = text.cut(label, room)
    return {
        # HTML would fold its spaces.
        "branch": branch.replace(" ", "\N{NO-BREAK SPACE}"),
        "label": short,
        "details": [
            *([label] if short != label else []),
            *filter(None, [clean_words(_detail(node))]),
        ],
        "marks": [clean(mark) for mark in text.marks_of(node) if mark],
        "took": text.duration(node.duration) if is_seen else "",
        "state": _state(node),
    }


def _detail(node: text.Node) -> str:
    """Return what does not fit into the line of a node."""
    if isinstance(node, Query):
        return node.sql
    if isinstance(node, CommitHook):
        return node.function
    if isinstance(node, Emission):
        return node.caller or ""
    return node.place


def _state(node: text.Node) -> str:
    """Return what matters most of a node, as the name of a class of CSS."""
    if node.raised:
        return "raised"
    if isinstance(node, Emission | Query):
        return "undone" if node.fate == ROLLED_BACK else ""
    return "" if node.started is not None else "missed"
