"""A recording as a time line for https://ui.perfetto.dev and chrome://tracing.

The format is that of "Trace Event Format", complete events ("X"): times are in
microseconds, events of one track lie inside of one another or do not touch.
"""

import json
from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final

from signals_demo.recorder.text import Node, emission_label, inside, marks_of
from signals_demo.recorder.trace import CommitHook, Emission, Query, Recording

_PROCESS: Final = 1
#: Perfetto takes thread 0 and thread 1 of process 1 for the same.
_FIRST: Final = 1


def dumps(recording: Recording) -> str:
    """Return the recording as the JSON that Perfetto opens."""
    data = {"traceEvents": events(recording), "displayTimeUnit": "ms"}
    return json.dumps(data, allow_nan=False)


def events(recording: Recording) -> list[dict[str, Any]]:
    """Return one event for each emission, receiver call, statement and commit hook."""
    writer = _Writer(recording.started)
    writer.write(recording.entries)
    named = [
        {
            "ph": "M",
            "name": "thread_name",
            "pid": _PROCESS,
            "tid": _FIRST + track,
            "args": {"name": "signals" if track == 0 else f"beside, {track}"},
        }
        for track in range(len(writer.ends))
    ]
    return named + writer.events


class _Writer:
    def __init__(self, began: int) -> None:
        self.began = began
        self.events: list[dict[str, Any]] = []
        #: Until when each track is taken.
        self.ends: list[int] = []
        #: What is to be put on a track of its own, by when it began.
        self.waiting: list[tuple[int, int, Node]] = []
        self.numbers = count(1)

    def write(self, nodes: Sequence[Node]) -> None:
        """Put nodes on tracks, in the order in which they began."""
        for node in nodes:
            self.wait(node)
        while self.waiting:
            started, _, node = heappop(self.waiting)
            track = self.free_track(started)
            self.ends[track] = started + node.duration
            self.put(node, started, track)

    def wait(self, node: Node) -> None:
        if node.started is not None:
            heappush(self.waiting, (node.started, next(self.numbers), node))

    def free_track(self, started: int) -> int:
        """Return the first track on which nothing lasts until then."""
        for track, end in enumerate(self.ends):
            if started >= end:
                return track
        self.ends.append(0)
        return len(self.ends) - 1

    def put(self, node: Node, started: int, track: int) -> None:
        """Put a node on a track, with what is inside of it and follows in turn.

        The rest waits: what runs beside another, and what ends after the node, such as
        a commit hook.
        """
        self.events.append(self.event(node, started, track))
        free, until = started, started + node.duration
        for each in inside(node):
            if (
                each.started is not None
                and free <= each.started <= until - each.duration
            ):
                free = each.started + each.duration
                self.put(each, each.started, track)
            else:
                self.wait(each)

    def event(self, node: Node, started: int, track: int) -> dict[str, Any]:
        name, category, details = _described(node)
        marks = [mark for mark in marks_of(node) if mark]
        return {
            "ph": "X",
            "name": name,
            "cat": category,
            "pid": _PROCESS,
            "tid": _FIRST + track,
            "ts": (started - self.began) / 1000,
            "dur": node.duration / 1000,
            "args": details | ({"notes": ", ".join(marks)} if marks else {}),
        }


def _described(node: Node) -> tuple[str, str, dict[str, Any]]:
    if isinstance(node, Emission):
        details = {
            "signal": node.signal,
            "sender": node.sender,
            "method": node.method,
            "caller": node.caller,
            "times": node.times,
        }
        return emission_label(node), "signal", details | {"arguments": node.arguments}
    if isinstance(node, Query):
        return node.sql, "sql", {"alias": node.alias}
    if isinstance(node, CommitHook):
        return f"on_commit {node.function}", "on_commit", {"outcome": node.outcome}
    return node.receiver, "receiver", {"place": node.place, "outcome": node.outcome}
