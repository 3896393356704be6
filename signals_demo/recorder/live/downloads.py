"""What the explorer holds, as files."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from signals_demo.recorder import export, perfetto
from signals_demo.recorder.live import offline
from signals_demo.recorder.live.depth import shallow
from signals_demo.recorder.live.details import details_of
from signals_demo.recorder.live.feed import feed
from signals_demo.recorder.live.ring import Sent
from signals_demo.recorder.trace import Recording, walk

Findings = Sequence[dict[str, Any]]


def recording_of(sent: Iterable[Sent]) -> Recording:
    """Return a recording that holds the entries.

    Args:
        sent: as the ring holds them.
    """
    recording = Recording(1, 1)
    entries = shallow(each.entry for each in sent)
    recording.entries = entries
    times = [
        (each.started, each.started + each.duration)
        for each in entries
        if each.started is not None
    ]
    if times:
        recording.started = min(began for began, _ in times)
        recording.duration = max(ended for _, ended in times) - recording.started
    return recording


def _json(sent: Sequence[Sent], findings: Findings) -> str:
    return export.dumps(recording_of(sent))


def _perfetto(sent: Sequence[Sent], findings: Findings) -> str:
    return perfetto.dumps(recording_of(sent))


def _html(sent: Sequence[Sent], findings: Findings) -> str:
    recording = recording_of(sent)
    numbers = {entry.order for entry, _ in walk(recording)}
    data = {
        "process": feed.process,
        "entries": [json.loads(each.text) for each in sent],
        "findings": [each for each in findings if each["number"] in numbers],
        "dropped": {},
    }
    return offline.page(data, details_of(recording))


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        write: returns its text.
        suffix: what its name ends with.
        content_type: what browsers take it for.
    """

    write: Callable[[Sequence[Sent], Findings], str]
    suffix: str
    content_type: str


#: What can be downloaded, by the name that addresses have for it.
FORMATS: Final = {
    "json": Format(_json, ".json", "application/json"),
    "perfetto": Format(_perfetto, ".perfetto.json", "application/json"),
    "html": Format(_html, ".html", "text/html; charset=utf-8"),
}
