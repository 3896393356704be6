"""Recordings as JSON that can be opened again, and for the viewers of others."""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from signals_demo.recorder.findings import Finding, KnownRecording, found
from signals_demo.recorder.trace import (
    CommitHook,
    Emission,
    Entry,
    Query,
    ReceiverCall,
    Recording,
    walk,
)
from signals_demo.recorder.transaction import Transaction

#: What the JSON looks like; raised when a reader of the old one would go wrong.
VERSION: Final = 1


class UnreadableRecording(ValueError):
    """What should be a recording is none, or was made by a newer version."""


def as_data(recording: Recording) -> dict[str, Any]:
    """Return the recording as what ``json.dumps()`` takes.

    Numbers are those of the recording, from 1 on; times are nanoseconds since it began.
    """
    writer = Writer(recording)
    return {
        "version": VERSION,
        "duration": recording.duration,
        "dropped": dict(recording.dropped),
        "entries": [writer.entry(entry) for entry in recording.entries],
        "transactions": writer.transactions(),
        "findings": [
            {**each.as_data(), "number": writer.number(each.number)}
            for each in found(recording)
        ],
    }


def dumps(recording: Recording) -> str:
    """Return the recording as JSON, which ``loads()`` takes."""
    return json.dumps(as_data(recording), indent=1, allow_nan=False)


class Writer:
    """Makes data of the entries of a recording."""

    def __init__(self, recording: Recording) -> None:
        """Number the entries, from 1 on.

        Args:
            recording: whose entries they are.
        """
        self.began = recording.started
        self.orders = sorted({entry.order for entry, _ in walk(recording)})
        self.indexes: dict[int, int] = {}
        self.known: list[Transaction] = []

    def transaction(self, transaction: Transaction | None) -> int | None:
        """Return the index of a transaction among those that were met."""
        if transaction is None:
            return None
        if id(transaction) not in self.indexes:
            self.indexes[id(transaction)] = len(self.known)
            self.known.append(transaction)
        return self.indexes[id(transaction)]

    def transactions(self) -> list[dict[str, Any]]:
        """Return the transactions that were met."""
        return [
            {
                "alias": each.alias,
                "state": each.state,
                "undone": [
                    [bisect_right(self.orders, since), self.number(until)]
                    for since, until in each.undone
                ],
            }
            for each in self.known
        ]

    def number(self, order: int) -> int:
        """Return which entry, from 1 on, began then, or is the next that did."""
        return bisect_left(self.orders, order) + 1

    def entry(self, entry: Entry) -> dict[str, Any]:
        """Return an entry, with all that happened inside of it."""
        data: dict[str, Any] = {
            "number": self.number(entry.order),
            "started": self.since(entry.started),
            "duration": entry.duration,
            "raised": entry.raised,
            "transaction": self.transaction(entry.transaction),
            "fate": entry.transaction.fate(entry.order) if entry.transaction else None,
        }
        if isinstance(entry, Query):
            return {
                "type": "query",
                **data,
                "sql": entry.sql,
                "alias": entry.alias,
                "many": entry.many,
            }
        if isinstance(entry, CommitHook):
            return {
                "type": "on_commit",
                **data,
                "function": entry.function,
                "outcome": entry.outcome,
                "entries": [self.entry(each) for each in entry.entries],
            }
        return {
            "type": "emission",
            **data,
            "signal": entry.signal,
            "sender": entry.sender,
            "method": entry.method,
            "arguments": entry.arguments,
            "times": entry.times,
            "thread": entry.thread,
            "task": entry.task,
            "caller": entry.caller,
            "receivers": [self.call(call) for call in entry.calls],
        }

    def call(self, call: ReceiverCall) -> dict[str, Any]:
        """Return the call of a receiver, with all that happened inside of it."""
        return {
            "receiver": call.receiver,
            "place": call.place,
            "async": call.is_async,
            "outcome": call.outcome,
            "started": self.since(call.started),
            "duration": call.duration,
            "running": call.running,
            "times": call.times,
            "raised": call.raised,
            "muted": call.muted,
            "entries": [self.entry(each) for each in call.entries],
        }

    def since(self, moment: int | None) -> int | None:
        """Return the nanoseconds from the beginning to a moment."""
        return None if moment is None else moment - self.began


#: What comes of data that only look like a recording.
_DAMAGED: Final = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    RecursionError,
)


def loads(text: str) -> Recording:
    """Return the recording that ``dumps()`` wrote.

    Raises:
        UnreadableRecording: it is not one, or a newer version wrote it.
    """
    try:
        data = json.loads(text, parse_constant=_no_number)
        version = data["version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableRecording(f"This is no recording: {error!r}.") from error
    if version != VERSION:
        raise UnreadableRecording(
            f"This recording has version {version!r}; version {VERSION} can be read."
        )
    try:
        return _Reader(data).recording
    except _DAMAGED as error:
        raise UnreadableRecording(f"This recording is damaged: {error!r}.") from error


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


_TEXT: Final = (str, type(None))
_NUMBER: Final = (int, type(None))
#: The types of all that is read, wherever it stands.
_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    **dict.fromkeys(("number", "duration", "times", "thread", "running"), (int,)),
    **dict.fromkeys(("sql", "alias", "function", "signal", "method"), (str,)),
    **dict.fromkeys(("receiver", "place", "state"), (str,)),
    **dict.fromkeys(("raised", "sender", "task", "caller"), _TEXT),
    **dict.fromkeys(("started", "transaction"), _NUMBER),
    **dict.fromkeys(("many", "async", "muted"), (bool,)),
    **dict.fromkeys(("kind", "message", "hint", "documentation"), (str,)),
    **dict.fromkeys(("entries", "receivers", "transactions", "undone"), (list,)),
    "findings": (list,),
    **dict.fromkeys(("arguments", "dropped"), (dict,)),
}


def _checked(data: Mapping[str, Any]) -> Mapping[str, Any]:
    for name, value in data.items():
        if name in _KINDS and type(value) not in _KINDS[name]:
            raise TypeError(f"{name} is of type {type(value).__name__}")
    return data


class _Reader:
    def __init__(self, data: Mapping[str, Any]) -> None:
        _checked(data)
        self.recording = self.begin(data)
        self.transactions = [self.transaction(each) for each in data["transactions"]]
        self.recording.entries = [self.entry(each) for each in data["entries"]]
        self.recording.dropped.update(
            {name: int(times) for name, times in data["dropped"].items()}
        )
        self.recording.duration = data["duration"]

    def begin(self, data: Mapping[str, Any]) -> Recording:
        if "findings" not in data:  # It was written before there were any.
            return Recording(1, 1)
        recording = KnownRecording(1, 1)
        recording.findings = [self.finding(each) for each in data["findings"]]
        return recording

    def finding(self, data: Mapping[str, Any]) -> Finding:
        _checked(data)
        return Finding(
            data["kind"],
            data["message"],
            data["hint"],
            data["number"],
            data["documentation"],
        )

    def transaction(self, data: Mapping[str, Any]) -> Transaction:
        _checked(data)
        transaction = Transaction(data["alias"])
        transaction.state = data["state"]
        for since, until in sorted(data["undone"]):
            transaction.take_back(int(since), int(until))
        return transaction

    def entry(self, data: Mapping[str, Any]) -> Entry:
        index = _checked(data)["transaction"]
        transaction = None if index is None else self.transactions[index]
        entry = _READERS[data["type"]](self, data, transaction)
        entry.started = data["started"]
        entry.duration = data["duration"]
        entry.raised = data["raised"]
        return entry

    def query(self, data: Mapping[str, Any], transaction: Transaction | None) -> Query:
        return Query(
            data["number"], data["sql"], data["alias"], 0, data["many"], transaction
        )

    def hook(
        self, data: Mapping[str, Any], transaction: Transaction | None
    ) -> CommitHook:
        hook = CommitHook(data["number"], data["function"], transaction, self.recording)
        hook.entries = [self.entry(each) for each in data["entries"]]
        return hook

    def emission(
        self, data: Mapping[str, Any], transaction: Transaction | None
    ) -> Emission:
        emission = Emission(
            data["number"],
            data["signal"],
            data["sender"],
            data["method"],
            data["arguments"],
            data["thread"],
            self.recording,
        )
        emission.call_site = data["caller"]
        emission.task = data["task"]
        emission.transaction = transaction
        emission.times = data["times"]
        emission.calls = [self.call(each) for each in data["receivers"]]
        return emission

    def call(self, data: Mapping[str, Any]) -> ReceiverCall:
        _checked(data)
        call = ReceiverCall((data["receiver"], data["place"], ""), self.recording)
        call.is_async = data["async"]
        call.started = data["started"]
        call.duration = data["duration"]
        call.running = data["running"]
        call.times = data["times"]
        call.raised = data["raised"]
        call.muted = data["muted"]
        call.entries = [self.entry(each) for each in data["entries"]]
        return call


_READERS: Final[dict[str, Callable[..., Entry]]] = {
    "query": _Reader.query,
    "on_commit": _Reader.hook,
    "emission": _Reader.emission,
}
