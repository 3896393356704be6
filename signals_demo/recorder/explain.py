"""Why a receiver did not run."""

import sys
from collections.abc import Iterator
from math import inf
from types import MethodType
from typing import Any, NamedTuple

from signals_demo.recorder import capture
from signals_demo.recorder.connecting import Connected, remembered
from signals_demo.recorder.dotted import last, loaded, on_disk
from signals_demo.recorder.inventory import (
    Connection,
    connections,
    known_senders,
    waiting,
)
from signals_demo.recorder.naming import Historical, attributes
from signals_demo.recorder.related import relation
from signals_demo.recorder.trace import Emission, ReceiverCall, Recording
from signals_demo.recorder.unsent import broken_off, without_signal
from signals_demo.recorder.verdict import (
    CALLED,
    DEAD,
    DISCONNECTED,
    MUTED,
    NEVER_CONNECTED,
    NO_SUCH_RECEIVER,
    NOT_IMPORTED,
    NOT_REACHED,
    NOT_SENT,
    OTHER_SENDER,
    TAKEN_UID,
    TOO_LATE,
    Verdict,
)


def why_not(recording: Recording, receiver: Any) -> Verdict:
    """Return whether a receiver ran in a recording, or why it did not.

    Args:
        recording: one of this process, since receivers are looked for in it.
        receiver: a function or another callable, or its dotted name.
    """
    if isinstance(receiver, str):
        found = loaded(receiver)
        known = callable(found)
        asked = _Asked(capture.function(found)[0] if known else receiver)
        return next(_verdicts(recording, asked, known))
    name, place = capture.function(receiver)
    asked = _Asked(name, place, receiver)
    if "__wrapped__" in attributes(receiver):  # That may be what was connected.
        asked = _Asked(name)
    return next(_verdicts(recording, asked, known=True))


class _Asked(NamedTuple):
    """The receiver that is asked for.

    Attributes:
        name: its dotted name.
        place: its file and line, or an empty string for any.
        itself: the receiver, unless it was asked for by its name.
    """

    name: str
    place: str = ""
    itself: Any = None

    def is_called(self, name: str, place: str = "") -> bool:
        """Return whether it, or what was made from it, is called so."""
        names = (self.name, f"partial({self.name})", f"{self.name} instance")
        return name in names and (place == self.place or "" in (place, self.place))


def _verdicts(recording: Recording, asked: _Asked, known: bool) -> Iterator[Verdict]:
    """Yield what there is to say, the most certain first.

    Args:
        recording: what happened.
        asked: the receiver.
        known: whether there is such a receiver.
    """
    name = asked.name
    connected = [each for each in connections() if _is_of(each, asked)]
    yield from _seen(recording, asked, _count(asked, connected))
    connected += _ended_since(recording, asked)
    yield from _gone(recording, asked, connected)
    if not connected:
        yield from _waiting(asked)
        yield _not_connected(name, known)
    if any(asked.is_called(muted) for muted in recording.muted):
        text = "it is muted, and Django sent nothing, because nobody listened."
        yield Verdict(name, MUTED, text)
    if any(_may_be_missing(recording, each) for each in connected):
        text = f"nothing that was recorded sent it {_names(connected)}."
        yield Verdict(name, NOT_SENT, text, _left_out(recording))
    for each in connected:
        yield from _related_sender(recording, asked, each)
        yield from without_signal(recording, name, each)
    for each in connected:
        yield from broken_off(recording, name, each)
    for each in connected:
        yield from _other_senders(recording, name, each)
    yield _nothing_came(recording, name, connected)


def _is_of(connected: Connection, asked: _Asked) -> bool:
    return connected.is_alive and asked.is_called(*capture.function(connected.receiver))


def _count(asked: _Asked, connected: list[Connection]) -> int:
    """Return how many receivers there are that a call cannot tell apart."""
    alike = [each.receiver for each in connected]
    # A function may be asked for as that of a method, or of a partial.
    if any(type(each) is type(asked.itself) for each in alike):
        alike.append(asked.itself)
    return len({*map(_identity, alike)})


def _identity(receiver: Any) -> object:
    if type(receiver) is MethodType:  # Each access makes a new one.
        return id(receiver.__self__), id(receiver.__func__)
    return id(receiver)


def _seen(recording: Recording, asked: _Asked, count: int) -> Iterator[Verdict]:
    """Judge by the calls that the recording holds.

    Args:
        recording: what happened.
        asked: the receiver.
        count: how many receivers the calls may be of.
    """
    name = asked.name
    calls = [
        (emission, call)
        for emission in recording.emissions()
        for call in emission.calls
        if asked.is_called(call.receiver, call.place)
    ]
    ran = [(emission, call) for emission, call in calls if call.started is not None]
    if ran:
        times = _times(sum(call.times for _, call in ran))
        names = ", ".join(sorted({emission.name for emission, _ in ran}))
        if count > 1:
            text = f"{count} receivers go by that name, and ran {times} in all, for"
            hint = "Which of them did is not recorded."
            yield Verdict(name, CALLED, f"{text} {names}.", hint)
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
    recording: Recording, asked: _Asked, connected: list[Connection]
) -> Iterator[Verdict]:
    """Judge a receiver that has been connected, and is not any more."""
    still = {(each.signal, each.sender) for each in connected}
    came = {
        (emission.signal, sender)
        for emission in recording.emissions()
        for sender in (emission.sender, None)
    }
    for each in reversed(remembered):
        key = each.signal, each.sender
        # Connected otherwise too, it may have a better reason not to run.
        matters = key not in still and (not connected or key in came)
        if matters and asked.is_called(each.receiver, each.place):
            yield _gone_verdict(asked.name, each)


def _ended_since(recording: Recording, asked: _Asked) -> list[Connection]:
    """Return the connections that ended after the recording had."""
    end = recording.started + recording.duration if recording.duration else inf
    return [
        each.as_connection()
        for each in remembered
        if each.disconnected > end and asked.is_called(each.receiver, each.place)
    ]


def _gone_verdict(name: str, connected: Connected) -> Verdict:
    was = f"it was connected to {last(connected.signal)} at {connected.caller}"
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


def _waiting(asked: _Asked) -> Iterator[Verdict]:
    """Judge a receiver whose sender is a label that no model has."""
    for each in waiting():
        if _is_of(each, asked):
            yield Verdict(
                asked.name,
                NEVER_CONNECTED,
                f"it waits for a model {each.sender}, to be connected to its "
                f"{last(each.signal)}, but nothing has defined one.",
                "Mend the label that connect() or @receiver was given.",
            )


def _not_connected(name: str, known: bool) -> Verdict:
    """Judge a receiver that no signal would call now, and none has called."""
    module, attribute = on_disk(name)
    # What a function has made can be looked for nowhere.
    if known or ("<" in attribute and module in sys.modules):
        return Verdict(
            name,
            NEVER_CONNECTED,
            "it exists, but nothing has connected it to a signal.",
            "Put @receiver(...) above it, or call connect() in AppConfig.ready().",
        )
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
    recording: Recording, asked: _Asked, connected: Connection
) -> Iterator[Verdict]:
    """Judge a signal that came from the sender, or from a model related to it."""
    for emission in recording.emissions():
        if emission.signal != connected.signal:
            continue
        if connected.sender in (None, emission.sender):
            yield _unheard(asked, emission, connected)
        how = relation(connected.sender, emission.sender, emission.name)
        if how:
            yield Verdict(
                asked.name,
                OTHER_SENDER,
                f"{emission.name} came from {emission.sender}, but it waits for "
                f"{connected.sender}{how}.",
                f"Connect it with sender={emission.sender}.",
            )


def _unheard(asked: _Asked, emission: Emission, connected: Connection) -> Verdict:
    """Judge a signal that the receiver waits for by now."""
    if connected.sender and isinstance(emission.sender, Historical):
        return Verdict(
            asked.name,
            OTHER_SENDER,
            f"{emission.name} came from another class that is called "
            f"{emission.sender} too, as migrations have.",
            "Models of a migration are not those of the app: do there what the "
            "receiver does.",
        )
    sender = f" from {emission.sender}" if emission.sender else ""
    orders = [
        each.order
        for each in remembered
        if asked.is_called(each.receiver, each.place)
        and (each.signal, each.sender) == (connected.signal, connected.sender)
    ]
    was_connected = orders and orders[-1] < emission.order
    if (was_connected or not orders) and not _is_unique(connected):
        return Verdict(
            asked.name,
            OTHER_SENDER,
            f"{emission.name} came{sender}, but from another object than the one that "
            "it waits for.",
            "Senders are the same only if they are one object: connect it with the "
            "very one that is sent.",
        )
    if was_connected:
        return Verdict(
            asked.name,
            DISCONNECTED,
            f"{emission.name} came{sender} while something had taken it out of the "
            "list of receivers.",
            "factory_boy's mute_signals() does so, for all receivers of a signal.",
        )
    return Verdict(
        asked.name,
        TOO_LATE,
        f"{emission.name} came{sender} before it was connected, or while it was not.",
        "Connect it in AppConfig.ready().",
    )


def _is_unique(connected: Connection) -> bool:
    """Return whether no other object is described as its sender is."""
    if connected.sender is None or connected.sender_id in known_senders():
        return True
    return issubclass(type(loaded(connected.sender)), type)


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
            f"{last(connected.signal)} came from {first}{others}, but it waits for "
            f"{connected.sender}.",
        )


def _may_be_missing(recording: Recording, connected: Connection) -> bool:
    """Return whether it may have been called by what the recording left out."""
    signal, sender, wanted = connected.signal, connected.sender, recording.wanted
    is_unwanted = wanted is not None and sender and not wanted(signal, sender)
    return bool(is_unwanted or recording.dropped[signal])


def _left_out(recording: Recording) -> str:
    """Return why the recording does not hold all, or an empty string if it does."""
    if recording.wanted is not None:
        return "Not all signals were recorded, but those of a filter."
    if recording.dropped:
        return "The recording had no room for all; give it more."
    return ""


def _nothing_came(
    recording: Recording, name: str, connected: list[Connection]
) -> Verdict:
    hint = "What was recorded does not do what sends it; signals.md says what does."
    where = ""
    if recording.looking:  # It is not one of the whole process.
        where = " in this context"
        hint += " What other threads send, record(everywhere=True) shows."
    text = f"nothing{where} sent {_names(connected)}."
    return Verdict(name, NOT_SENT, text, _left_out(recording) or hint)


def _names(connected: list[Connection]) -> str:
    return " or ".join(sorted({last(each.signal) for each in connected}))


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
