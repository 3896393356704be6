"""The hook: what takes the place of the methods of ``Signal`` while it is recorded.

Nothing is connected, because a receiver changes what Django does. All that Django
gives to the program stays what it is: the order of the results, the receivers in them,
exceptions, and what ``send_robust()`` logs.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import wraps
from inspect import CO_VARARGS
from threading import get_ident
from time import perf_counter_ns as clock
from typing import Any, Final

from django.dispatch import Signal, dispatcher

from signals_demo.recorder import capture, database, scope
from signals_demo.recorder.callers import in_library, project_frame
from signals_demo.recorder.inventory import known_names, signal_name
from signals_demo.recorder.naming import receiver_parts
from signals_demo.recorder.patching import Replacing
from signals_demo.recorder.saves import sent
from signals_demo.recorder.scope import AMBIENT, keep, numbers, position
from signals_demo.recorder.standins import Async, Driven, Receiver, Sync, coroutine_of
from signals_demo.recorder.trace import Emission, Parent, ReceiverCall, Recording

#: Sent for every row that is read; many in a row become one entry.
FOLDED: Final = frozenset(
    {"django.db.models.signals.pre_init", "django.db.models.signals.post_init"}
)
#: How far to look back for the entry that another one is folded into.
_FOLD_BACK: Final = 4
#: What an entry without arguments takes, in bytes: measured, rounded up.
ENTRY_SIZE: Final = 1_000
#: How many calls are in that, and what each of more takes.
CALLS_IN_ENTRY: Final = 1
CALL_SIZE: Final = 300

#: Says of a signal, its sender and a receiver whether it is muted in this context.
Mute = Callable[[Signal, object, object], bool]
mutes: Final[ContextVar[tuple[Mute, ...]]] = ContextVar(
    "signals_demo.recorder.mutes", default=()
)

#: Makes an object without its ``__init__()``, which saves a call for each.
_new: Final = object.__new__

#: Django's own methods, as long as nobody else has replaced them before.
_DJANGO: Final = {
    name: method
    for name, method in vars(Signal).items()
    if getattr(method, "__code__", None)
    and method.__code__.co_filename == dispatcher.__file__
}
#: What has taken the place of Django's ``_live_receivers()``, the last time.
_in_place_of_django: object = None


def _begin(
    signal: Signal, sender: object, named: dict[str, object], method: str
) -> Emission | None:
    """Return the entry of an emission that begins; None if nobody wants it."""
    above = position.get()
    parent: Parent
    if above is None:
        if not scope.everywhere:
            return None
        parent = AMBIENT
    elif isinstance(above, Emission):
        if above.pending is signal:  # The send() of a subclass, calling that of Signal.
            return None
        parent = above.parent
    else:
        parent = above
    # As signal_name() does, for one that has been sent before.
    known = known_names.get(id(signal))
    if known is not None and known[0]() is signal:
        name = known[1]
    else:
        name = signal_name(signal)
    thread = get_ident()
    if name in FOLDED:
        folded = _folded(parent, name, capture.sender(sender), thread)
        if folded is not None:
            return folded
    described_sender, described, size = sent(name, sender, named)
    size += ENTRY_SIZE
    # As room() does, for a signal and its sender.
    holders = parent.root.looking + scope.everywhere
    for each in holders:
        if not each.takes(name, size, described_sender, parent):
            holders = tuple(holder for holder in holders if holder is not each)
    if not holders:
        return None
    emission = _new(Emission)
    emission.order = next(numbers)
    emission.signal = name
    emission.sender = described_sender
    emission.method = method
    emission.arguments = described
    emission.thread = thread
    emission.parent = parent
    frame = sys._getframe(2)
    # Most are the project's own; then without a call.
    ours = in_library.get(frame.f_code.co_filename) is False
    caller = frame if ours else project_frame(frame)
    if caller is not None:
        emission.call_site = caller.f_code
        emission.instruction = caller.f_lasti
    if asyncio._get_running_loop() is not None:
        task = asyncio.current_task()
        emission.task = capture.masked(task.get_name()) if task is not None else None
    if database.open_:
        emission.transaction = database.transaction_of(thread, named.get("using"))
    entries = parent.entries
    if entries and holders == parent.holders:  # As most are; then without a call.
        emission.holders = holders
        entries.append(emission)
    else:
        keep(parent, emission, holders)
    return emission


def _folded(
    parent: Parent, name: str, sender: str | None, thread: int
) -> Emission | None:
    """Return the entry that one more emission of the kind belongs to."""
    looking = scope.looking(parent)
    for recording in looking:
        entries = scope.place(parent, recording).entries
        for entry in entries[: -_FOLD_BACK - 1 : -1]:
            if not isinstance(entry, Emission) or entry.signal not in FOLDED:
                break
            if (
                entry.signal == name
                and entry.sender == sender
                and entry.thread == thread
            ):
                if not _is_open(entry, looking):
                    return None
                entry.times += 1
                return entry
    return None


def _is_open(entry: Emission, looking: tuple[Recording, ...]) -> bool:
    """Return whether those who look are those who could when the entry was made."""
    for each in entry.holders:
        if each.duration:
            return False
    if entry.holders == looking:
        return True
    started = entry.started or 0
    return all(each.started < started for each in looking) and all(
        each in looking for each in entry.holders
    )


def _send(original: Callable[..., Any]) -> Callable[..., Any]:
    if original is not _DJANGO.get("send"):
        return _send_through(original)

    def send(self: Signal, sender: object, **named: object) -> Any:
        emission = _begin(self, sender, named, "send")
        if emission is None:
            return _returned(original(self, sender, **named))
        began = clock()
        receivers = _plain_receivers(self, sender) if emission.times == 1 else None
        if receivers is None:
            return _through(original, self, sender, named, emission)
        # What Django does is done here, for most of what is sent: to have it call what
        # stands in for the receivers would take twice as long.
        emission.started = now = began
        responses: list[tuple[Any, Any]] = []
        if not receivers:
            emission.duration = clock() - began
            return responses
        root, holders = emission.parent.root, emission.holders
        # The same as _calls(), and quicker.
        calls = []
        for each in receivers:
            call = _new(ReceiverCall)
            call.parts, call.root, call.holders = receiver_parts(each), root, holders
            calls.append(call)
        if len(calls) > CALLS_IN_ENTRY:
            _take(emission, calls)
        else:
            emission.calls = calls
        try:
            # Quicker than zip(strict=True), which is given a keyword.
            for index, receiver in enumerate(receivers):
                call = calls[index]
                token = position.set(call)
                call.started = started = clock()
                try:
                    response = receiver(signal=self, sender=sender, **named)
                except BaseException as error:
                    emission.raised = call.raised = capture.type_name(type(error))
                    raise
                finally:
                    now = clock()
                    call.duration = call.running = now - started
                    position.reset(token)
                responses.append((receiver, response))
        finally:
            emission.duration = now - began
        return responses

    return send


def _plain_receivers(signal: Any, sender: object) -> Sequence[Any] | None:
    """Return the receivers, if Django calls them one after the other, and all."""
    if type(signal)._live_receivers is not _in_place_of_django or mutes.get():
        return None
    if not signal.receivers:
        return ()
    try:
        # As Django does, which fails for some senders if it looks.
        if signal._dead_receivers or not signal.use_caching:
            known = signal.sender_receivers_cache
            if known.get(sender) is dispatcher.NO_RECEIVERS:
                return ()
        synchronous, asynchronous = _DJANGO["_live_receivers"](signal, sender)
    except TypeError:
        return None
    return None if asynchronous else synchronous


def _send_through(original: Callable[..., Any]) -> Callable[..., Any]:
    method = original.__name__

    def send(self: Signal, sender: object, **named: object) -> Any:
        emission = _begin(self, sender, named, method)
        if emission is None:
            return _returned(original(self, sender, **named))
        return _through(original, self, sender, named, emission)

    return send


def _through(
    original: Callable[..., Any],
    signal: Signal,
    sender: object,
    named: dict[str, object],
    emission: Emission,
) -> Any:
    """Have the receivers of an emission called by the function that was replaced."""
    emission.pending = signal
    token = position.set(emission)
    started = clock()
    emission.started = emission.started or started
    try:
        responses = original(signal, sender, **named)
    except BaseException as error:
        emission.raised = capture.type_name(type(error))
        raise
    finally:
        emission.duration += clock() - started
        emission.pending = None
        position.reset(token)
    return _unwrapped(responses) if emission.calls else responses


def _asend(original: Callable[..., Any]) -> Callable[..., Any]:
    method = original.__name__

    async def asend(self: Signal, sender: object, **named: object) -> Any:
        emission = _begin(self, sender, named, method)
        if emission is None:
            return _returned(await original(self, sender, **named))
        emission.pending = self
        try:
            # A subclass may have made it a function that begins a task.
            token = position.set(emission)
            try:
                awaitable = original(self, sender, **named)
            finally:
                position.reset(token)
            responses = await Driven(coroutine_of(awaitable), emission)
        finally:
            emission.pending = None
        return _unwrapped(responses) if emission.calls else responses

    return asend


def _returned(responses: Any) -> Any:
    """Return what Django returns, if a subclass called it for an emission."""
    return _unwrapped(responses) if isinstance(position.get(), Emission) else responses


def _unwrapped(responses: Any) -> Any:
    """Return what Django returns: the receivers themselves, each with its response."""
    if type(responses) is not list:  # A subclass may return what it likes.
        return responses
    return [
        (pair[0].receiver, *pair[1:])
        if type(pair) is tuple and pair and isinstance(pair[0], Receiver)
        else pair
        for pair in responses
    ]


def _live_receivers(original: Callable[..., Any]) -> Callable[..., Any]:
    global _in_place_of_django

    def live_receivers(self: Signal, sender: object) -> Any:
        above = position.get()
        emission = None
        if isinstance(above, Emission) and above.pending is self:
            emission = above
            above.pending = None  # What asks from now on is no longer send().
        live = original(self, sender)
        muted = mutes.get()
        if emission is None and not muted:
            return live
        synchronous, asynchronous = live
        if muted:
            synchronous = _audible(self, sender, synchronous, muted, emission)
            asynchronous = _audible(self, sender, asynchronous, muted, emission)
        if emission is None:
            return synchronous, asynchronous
        # What is folded into an entry has calls already.
        receivers = [*synchronous, *asynchronous]
        if emission.times == 1:
            calls = _calls(emission, receivers)
        else:
            calls = _folded_calls(emission, receivers)
        return (
            [*map(Sync, synchronous, calls)],
            [*map(Async, asynchronous, calls[len(synchronous) :])],
        )

    if original is _DJANGO.get("_live_receivers"):
        _in_place_of_django = live_receivers
    return live_receivers


def _audible(
    signal: Signal,
    sender: object,
    receivers: list[Any],
    muted: tuple[Mute, ...],
    emission: Emission | None,
) -> list[Any]:
    """Return the receivers that are not muted, and note those that are."""
    audible = []
    for receiver in receivers:
        if not any(mute(signal, sender, receiver) for mute in muted):
            audible.append(receiver)
        elif emission is not None:
            calls = [*emission.calls]
            _folded_call(emission, receiver, calls, muted=True).muted = True
            _take(emission, calls)
        elif (parent := scope.current()) is not None:
            # Django asks whether anybody listens, and may then not send at all.
            for recording in scope.looking(parent):
                recording.muted.add(capture.function(receiver)[0])
    return audible


def _calls(emission: Emission, receivers: Sequence[Any]) -> list[ReceiverCall]:
    """Return new calls, one for each receiver."""
    root, holders = emission.parent.root, emission.holders
    calls = [ReceiverCall(receiver_parts(each), root, holders) for each in receivers]
    _take(emission, [*emission.calls, *calls])
    return calls


def _folded_calls(emission: Emission, receivers: Sequence[Any]) -> list[ReceiverCall]:
    """Return the calls that one more of each receiver belongs to."""
    calls = [*emission.calls]
    found = [_folded_call(emission, each, calls) for each in receivers]
    _take(emission, calls)
    return found


def _folded_call(
    emission: Emission,
    receiver: object,
    calls: list[ReceiverCall],
    muted: bool = False,
) -> ReceiverCall:
    parts = receiver_parts(receiver)
    for call in calls:
        if call.muted == muted and call.parts == parts:
            call.times += 1
            return call
    calls.append(ReceiverCall(parts, emission.parent.root, emission.holders))
    return calls[-1]


def _take(emission: Emission, calls: list[ReceiverCall]) -> None:
    more = len(calls) - max(len(emission.calls), CALLS_IN_ENTRY)
    if more > 0:
        for holder in emission.holders:
            holder.grow(CALL_SIZE * more)
    emission.calls = calls


def _in_any_shape(replace: Replacing) -> Replacing:
    """Have a method replaced whatever arguments the one of a subclass takes."""

    def replacing(original: Callable[..., Any]) -> Callable[..., Any]:
        code = original.__code__
        names = code.co_varnames[: code.co_argcount]
        if names == ("self", "sender") and not code.co_flags & CO_VARARGS:
            return replace(original)

        def send(self: Signal, *args: Any, **named: Any) -> Any:
            @wraps(original)
            def exactly(self: Signal, sender: object, **others: object) -> Any:
                return original(self, *args, **named)

            others = dict(named)
            by_name = others.pop("sender", None)
            return replace(exactly)(self, args[0] if args else by_name, **others)

        return send

    return replacing


#: What takes the place of each method of ``Signal``.
REPLACING: Final[dict[str, Replacing]] = {
    "send": _in_any_shape(_send),
    "send_robust": _in_any_shape(_send_through),
    "asend": _in_any_shape(_asend),
    "asend_robust": _in_any_shape(_asend),
    "_live_receivers": _live_receivers,
}
