"""Receivers that nothing holds."""

import gc
import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning
from django.utils import inspect

from signals_demo.recorder import capture
from signals_demo.recorder.checks.wording import short
from signals_demo.recorder.inventory import (
    connections,
    origins,
    signal_name,
    signals,
)
from signals_demo.recorder.masking import clean
from signals_demo.recorder.naming import contents


@dataclass(frozen=True)
class _Seen:
    """A receiver that was connected, and is not held by this."""

    signal: str
    name: str
    place: str
    caller: str | None
    reference: Callable[[], object]


def dying() -> Iterator[CheckMessage]:
    """Find weakly connected receivers that nothing of the project holds: W001.

    While ``DEBUG`` is on, ``connect()`` reads the signature of a receiver through a
    cache of Django, and that alone keeps a local function alive. So if there is any
    receiver that no module holds by its name, the caches of ``django.utils.inspect``
    are cleared and garbage is collected, to see which ones die. They are gone then, in
    this process, as they are in production from the start. Of all others only the
    signature is read once more, should they be connected again.
    """
    died = [(each, "it has died") for each in _dead()]
    if doubtful := list(_doubtful()):
        _forget_signatures()
        gc.collect()
    why = "it has died"
    if settings.DEBUG:
        why = "only a cache that Django fills while DEBUG is on keeps it alive"
    died += [(each, why) for each in doubtful if each.reference() is None]
    # Where the signal has gone too, nobody misses a receiver.
    names = {signal_name(signal) for signal in signals()} if died else set()
    return (_message(each, why) for each, why in died if each.signal in names)


def _message(seen: _Seen, why: str) -> CheckMessage:
    at = ""
    if seen.caller not in (None, seen.place):
        at = f" It was connected at {seen.caller}."
    return Warning(
        f"It is connected to {short(seen.signal)} weakly, nothing else holds it, and"
        f" {why} ({seen.place}).{at}",
        hint="Make it a function of a module, or connect it with weak=False.",
        obj=clean(seen.name),
        id="signals_demo.W001",
    )


def _dead() -> Iterator[_Seen]:
    """Yield what died and was not disconnected before."""
    for each in origins().values():
        if each.reference and each.is_dead and not _is_djangos(each.receiver):
            yield _Seen(
                each.signal, each.receiver, each.place, each.caller, each.reference
            )


def _doubtful() -> Iterator[_Seen]:
    """Yield the living receivers that no module holds by their name."""
    calls = origins()
    for each in connections():
        name, place = capture.function(each.receiver)
        if not each.is_weak or not each.is_alive or _is_djangos(name):
            continue
        if not _is_in_its_module(each.receiver):
            call = calls.get((each.signal, each.fingerprint))
            caller = call.caller if call else None
            yield _Seen(each.signal, name, place, caller, _reference(each.receiver))


def _is_djangos(name: str) -> bool:
    """Return whether it is one of Django's own, which knows what it does."""
    return name.startswith("django.")


def _is_in_its_module(receiver: Any) -> bool:
    if type(receiver) is not FunctionType:
        return False
    module = sys.modules.get(receiver.__module__)
    return contents(module).get(receiver.__qualname__) is receiver


def _reference(receiver: Any) -> Callable[[], object]:
    if type(receiver) is MethodType:
        return weakref.WeakMethod(receiver)
    return weakref.ref(receiver)


def _forget_signatures() -> None:
    for each in vars(inspect).values():
        if hasattr(each, "cache_clear"):
            each.cache_clear()
