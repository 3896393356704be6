"""Why a receiver did not run."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from signals_demo.recorder import capture
from signals_demo.recorder.connecting import Connected, remembered
from signals_demo.recorder.dotted import loaded, on_disk
from signals_demo.recorder.findings import (
    SilentWrite,
    silent_writes,
    tables_of,
    unannounced,
)
from signals_demo.recorder.inventory import Connection, connections
from signals_demo.recorder.related import cascading, model_of, relation
from signals_demo.recorder.trace import Emission, ReceiverCall, Recording

CALLED: Final = "called"
MUTED: Final = "muted"
NOT_REACHED: Final = "not reached"
NOT_IMPORTED: Final = "not imported"
NO_SUCH_RECEIVER: Final = "no such receiver"
NEVER_CONNECTED: Final = "never connected"
DISCONNECTED: Final = "disconnected"
DEAD: Final = "dead"
TAKEN_UID: Final = "dispatch_uid taken"
OTHER_SENDER: Final = "other sender"
BULK_WRITE: Final = "bulk write"
FAST_DELETE: Final = "fast delete"
DATABASE_CASCADE: Final = "database cascade"
TOO_LATE: Final = "connected too late"
NOT_SENT: Final = "not sent"


@dataclass(frozen=True)
class Verdict:
    """Whether a receiver ran, or why not.

    Attributes:
        receiver: its dotted name.
        reason: one of the constants of this module.
        text: what happened, in a sentence or two.
        hint: what to do about it, or an empty string.
    """

    receiver: str
    reason: str
    text: str
    hint: str = ""

    def __str__(self) -> str:
        """Return text and hint."""
        return f"{self.receiver}: {self.text}" + (f" {self.hint}" if self.hint else "")


def why_not(recording: Recording, receiver: Any) -> Verdict:
    """Return whether a receiver ran in a recording, or why it did not.

    Args:
        recording: one of this process, since receivers are looked for in it.
        receiver: a function or another callable, or its dotted name.
    """
    if isinstance(receiver, str):
        found = loaded(receiver)
        known = callable(found)
        name = capture.function(found)[0] if known else receiver
    else:
        name, known = capture.function(receiver)[0], True
    return next(_verdicts(recording, name, known))


def _verdicts(recording: Recording, name: str, known: bool) -> Iterator[Verdict]:
    """Yield what there is to say, the most certain first.

    Args:
        recording: what happened.
        name: the dotted name of the receiver.
        known: whether there is such a receiver.
    """
    yield from _seen(recording, name)
    connected = [each for each in connections() if name and _is(each.name, name)]
    yield from _gone(recording, name, connected)
    if not connected:
        yield _not_connected(name, known)
    if any(each.name in recording.muted for each in connected):
        text = "it is muted, and Django sent nothing, because nobody listened."
        yield Verdict(name, MUTED, text)
    silent = silent_writes(recording)
    for each in connected:
        yield from _related_sender(recording, name, each)
        yield from _without_signal(recording, name, each, silent)
    for each in connected:
        yield from _other_senders(recording, name, each)
    yield _nothing_came(recording, name, connected)


def _is(called: str, name: str) -> bool:
    """Return whether a receiver is the one asked for, or made from it."""
    return called in (name, f"partial({name})", f"{name} instance")


def _seen(recording: Recording, name: str) -> Iterator[Verdict]:
    """Judge by the calls that the recording holds."""
    calls = [
        (emission, call)
        for emission in recording.emissions()
        for call in emission.calls
        if _is(call.receiver, name)
    ]
    ran = [(emission, call) for emission, call in calls if call.started is not None]
    if ran:
        times = _times(sum(call.times for _, call in ran))
        names = ", ".join(sorted({emission.name for emission, _ in ran}))
        yield Verdict(name, CALLED, f"it ran {times}, for {names}.")
    for emission, call in calls:
        yield _not_called(name, emission, call)


def _not_called(name: str, emission: Emission, call: ReceiverCall) -> Verdict:
    if call.muted:
        return Verdict(name, MUTED, f"{emission.name} came, but it is muted.")
    culprit = next((each for each in emission.calls if each.raised), None)
    if culprit is None:
        return Verdict(
            name, NOT_REACHED, f"{emission.name} came, but its turn has not come yet."
        )
    hint = "send() stops at the first exception: mend that receiver"
    if not emission.signal.startswith("django."):
        hint += ", or send by send_robust()"
    return Verdict(
        name,
        NOT_REACHED,
        f"{emission.name} came, but {culprit.receiver} raised {culprit.raised} before "
        "its turn.",
        f"{hint}.",
    )


def _gone(
    recording: Recording, name: str, connected: list[Connection]
) -> Iterator[Verdict]:
    """Judge a receiver that has been connected, and is not any more."""
    still = {each.signal for each in connected}
    came = {emission.signal for emission in recording.emissions()}
    for each in reversed(remembered):
        # Connected to another signal, it may have a better reason not to run.
        matters = each.signal not in still and (not connected or each.signal in came)
        if matters and _is(each.receiver, name):
            yield _gone_verdict(name, each)


def _gone_verdict(name: str, connected: Connected) -> Verdict:
    was = f"it was connected to {_last(connected.signal)} at {connected.caller}"
    if connected.disconnected_at:
        at = connected.disconnected_at
        return Verdict(name, DISCONNECTED, f"{was}, and disconnected at {at}.")
    if connected.is_dead:
        return Verdict(
            name,
            DEAD,
            f"{was}, but it has died: signals hold receivers weakly, and nothing else "
            "held it.",
            "Connect a function of a module, or pass weak=False.",
        )
    other = _of_the_same_uid(connected)
    if other is not None:
        return Verdict(
            name,
            TAKEN_UID,
            f"{was}, but {other.receiver} had been connected with the same "
            f"dispatch_uid at {other.caller}.",
            "Give each receiver a dispatch_uid of its own.",
        )
    return Verdict(
        name,
        DISCONNECTED,
        f"{was}, and is not any more.",
        "Something has replaced the list of receivers.",
    )


def _of_the_same_uid(connected: Connected) -> Connected | None:
    for each in remembered:
        same = (each.signal, each.key) == (connected.signal, connected.key)
        if same and each.receiver != connected.receiver:
            return each
    return None


def _not_connected(name: str, known: bool) -> Verdict:
    """Judge a receiver that no signal would call now, and none has called."""
    if known or "<" in name:
        return Verdict(
            name,
            NEVER_CONNECTED,
            "it exists, but nothing has connected it to a signal.",
            "Put @receiver(...) above it, or call connect() in AppConfig.ready().",
        )
    module, attribute = on_disk(name)
    if module and attribute and module not in sys.modules:
        return Verdict(
            name,
            NOT_IMPORTED,
            f"nothing has imported {module}, so nothing in it is connected.",
            f"Import it in ready() of the app's AppConfig: import {module}.",
        )
    return Verdict(
        name,
        NO_SUCH_RECEIVER,
        f"there is no {attribute} in {module}."
        if module and attribute
        else "there is no such module.",
        "Write the dotted name, such as shop.signals.update_stock.",
    )


def _related_sender(
    recording: Recording, name: str, connected: Connection
) -> Iterator[Verdict]:
    """Judge a signal that came from the sender, or from a model related to it."""
    for emission in recording.emissions():
        if emission.signal != connected.signal:
            continue
        if connected.sender in (None, emission.sender):
            yield _unheard(name, emission, connected)
        how = relation(connected.sender, emission.sender, emission.name)
        if how:
            yield Verdict(
                name,
                OTHER_SENDER,
                f"{emission.name} came from {emission.sender}, but it waits for "
                f"{connected.sender}{how}.",
                f"Connect it with sender={emission.sender}.",
            )


def _unheard(name: str, emission: Emission, connected: Connection) -> Verdict:
    """Judge a signal that the receiver waits for by now."""
    orders = [
        each.order
        for each in remembered
        if _is(each.receiver, name) and each.signal == connected.signal
    ]
    if connected.sender and orders and orders[-1] < emission.order:
        return Verdict(
            name,
            OTHER_SENDER,
            f"{emission.name} came from another class that is called "
            f"{emission.sender} too, as migrations have.",
            "Models of a migration are not those of the app: do there what the "
            "receiver does.",
        )
    sender = f" from {emission.sender}" if emission.sender else ""
    return Verdict(
        name,
        TOO_LATE,
        f"{emission.name} came{sender} before it was connected, or while it was not.",
        "Connect it in AppConfig.ready().",
    )


def _other_senders(
    recording: Recording, name: str, connected: Connection
) -> Iterator[Verdict]:
    """Judge a signal that came from others only."""
    senders = [
        str(emission.sender)
        for emission in recording.emissions()
        if emission.signal == connected.signal
    ]
    if senders:
        first, *more = dict.fromkeys(senders)
        others = f" and {len(more)} more" if more else ""
        yield Verdict(
            name,
            OTHER_SENDER,
            f"{_last(connected.signal)} came from {first}{others}, but it waits for "
            f"{connected.sender}.",
        )


def _without_signal(
    recording: Recording, name: str, connected: Connection, silent: list[SilentWrite]
) -> Iterator[Verdict]:
    """Judge rows that changed without the signal."""
    for each in silent:
        if connected in each.receivers:
            yield _silent_verdict(name, each)
    if connected.signal.endswith(("pre_delete", "post_delete")):
        yield from _cascades(recording, name, connected)


def _silent_verdict(name: str, silent: SilentWrite) -> Verdict:
    label = silent.model._meta.label
    if silent.verb == "DELETE":
        return Verdict(
            name,
            FAST_DELETE,
            f"rows of {label} were deleted at once, which sends no signal.",
            "Call delete() of a queryset or an object.",
        )
    return Verdict(
        name,
        BULK_WRITE,
        f"{label} was changed by {silent.verb} without signals, as bulk_create(), "
        "bulk_update(), update() and SQL do.",
        "Call save() for each object, or what the receiver does.",
    )


def _cascades(
    recording: Recording, name: str, connected: Connection
) -> Iterator[Verdict]:
    """Judge rows that the database deleted with those they point to (Django 6.1)."""
    deleted = {table for _, verb, table in unannounced(recording) if verb == "DELETE"}
    for emission in recording.emissions():
        if emission.name == "pre_delete":
            deleted.update(tables_of(emission.sender))
    field = cascading(model_of(connected.sender), deleted)
    if field is not None:
        yield Verdict(
            name,
            DATABASE_CASCADE,
            f"rows of {connected.sender} go with those of "
            f"{field.related_model._meta.label}: {field.name} has DB_CASCADE, and the "
            "database sends no signals.",
            "Use CASCADE where receivers must hear of it.",
        )


def _nothing_came(
    recording: Recording, name: str, connected: list[Connection]
) -> Verdict:
    names = " or ".join(sorted({_last(each.signal) for each in connected}))
    hint = "What was recorded does not do what sends it; signals.md says what does."
    if recording.wanted is not None:
        hint = "Not all signals were recorded, but those of a filter."
    elif recording.dropped:
        hint = "The recording had no room for all; give it more."
    return Verdict(name, NOT_SENT, f"nothing sent {names}.", hint)


def _last(signal: str) -> str:
    return signal.rpartition(".")[2]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
