"""Who connected what, where, and what became of it.

``Signal`` forgets a receiver that died or was disconnected. So ``connect()`` and
``disconnect()`` are watched from the moment on at which the app is loaded; what they
do, and what sending costs, stays as it is.
"""

import sys
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property, wraps
from inspect import iscoroutinefunction
from time import perf_counter_ns
from types import MethodType
from typing import Any, Final

from django.apps import apps
from django.db.models.base import Model, ModelBase
from django.db.models.signals import ModelSignal
from django.dispatch import Signal

from signals_demo.recorder import capture, scope
from signals_demo.recorder.callers import project_frame
from signals_demo.recorder.inventory import (
    Connection,
    fingerprint,
    made_key,
    signal_name,
)
from signals_demo.recorder.patching import Patches
from signals_demo.recorder.related import model_of

#: How many are remembered: a program that connects without end keeps the newest, and
#: what it does not disconnect.
MAX_REMEMBERED: Final = 10_000


@dataclass
class Connected:
    """One call of ``connect()``.

    Attributes:
        of: returns the signal, or None if it has gone.
        receiver: the dotted name of the receiver.
        place: its file and line.
        sender: described, or None for any.
        is_weak: whether the signal was not to keep it alive.
        key: what Django tells connections of a signal apart by, held by its hash: to
            remember must not keep a ``dispatch_uid`` alive.
        caller: file and line of the code that connected it.
        models_ready: whether all models had been made by then.
        sender_unready: whether the sender was a model that was still being made.
        order: its place among all that was recorded in the process.
        disconnected_at: file and line of the code that disconnected it, or None.
        disconnected: when it did, in nanoseconds of ``perf_counter_ns()``, or 0.
    """

    of: Callable[[], Signal | None]
    receiver: str
    place: str
    sender: str | None
    is_weak: bool
    key: int
    caller: str | None
    models_ready: bool
    sender_unready: bool
    order: int
    disconnected_at: str | None = None
    disconnected: int = 0
    reference: Callable[[], object] | None = None

    @cached_property
    def signal(self) -> str:
        """The dotted name of the signal; it is looked for when it is asked for."""
        signal = self.of()
        return "a signal that has gone" if signal is None else signal_name(signal)

    @property
    def is_dead(self) -> bool:
        """Whether the receiver has gone, because nothing else held it."""
        return self.reference is not None and self.reference() is None

    def as_connection(self) -> Connection:
        """Return it as it was in the list of its signal."""
        receiver = self.reference() if self.reference else None
        sender_id = id(model_of(self.sender)) if self.sender else None
        return Connection(
            self.signal,
            receiver,
            self.sender,
            sender_id,
            iscoroutinefunction(receiver),
            self.is_weak,
            None,
            self.key,
        )


#: All that was connected since the app was loaded, the oldest first.
remembered: Final[list[Connected]] = []

_patches: Final = Patches()


def watch() -> None:
    """Begin to remember; again is as good as once."""
    if not _patches.installed:
        _patches.install([Signal], {"connect": _connect, "disconnect": _disconnect})
        _patches.install([ModelSignal], {"_lazy_method": _lazy_method})


def _connect(original: Callable[..., Any]) -> Callable[..., Any]:
    def connect(
        self: Signal,
        receiver: Any,
        sender: object = None,
        weak: bool = True,
        dispatch_uid: object = None,
    ) -> Any:
        result = original(
            self, receiver, sender=sender, weak=weak, dispatch_uid=dispatch_uid
        )
        name, place = capture.function(receiver)
        remembered.append(
            Connected(
                weakref.ref(self),
                name,
                place,
                capture.sender(sender),
                weak,
                _key(receiver, sender, dispatch_uid),
                _asked_at.get() or _here(),
                apps.models_ready,
                _is_unready(sender),
                next(scope.numbers),
                reference=_reference(receiver) if weak else None,
            )
        )
        if len(remembered) > MAX_REMEMBERED:
            _forget_one()
        return result

    return connect


def _forget_one() -> None:
    """Forget what was disconnected first of all, as tests do all the time."""
    ended = (index for index, each in enumerate(remembered) if each.disconnected_at)
    index = next(ended, 0)
    del remembered[index : index + 1]  # Another thread may have done so.


def _disconnect(original: Callable[..., Any]) -> Callable[..., Any]:
    def disconnect(
        self: Signal,
        receiver: Any = None,
        sender: object = None,
        dispatch_uid: object = None,
    ) -> Any:
        result = original(
            self, receiver=receiver, sender=sender, dispatch_uid=dispatch_uid
        )
        if result:
            key = _key(receiver, sender, dispatch_uid)
            for each in reversed(remembered):
                if each.key == key and each.of() is self:
                    each.disconnected = perf_counter_ns()
                    each.disconnected_at = _asked_at.get() or _here() or "?"
                    break
        return result

    return disconnect


#: Who asked for it, while a signal of models does what may have waited for the sender.
_asked_at: Final[ContextVar[str | None]] = ContextVar(
    "signals_demo.recorder.asked_at", default=None
)


def _lazy_method(original: Callable[..., Any]) -> Callable[..., Any]:
    def lazy_method(
        self: ModelSignal, method: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        asked_at = _here()

        # Django's check of lazy senders looks at what waits: a method of that name.
        @wraps(method)
        def resolved(_: ModelSignal, *args: Any, **kwargs: Any) -> Any:
            token = _asked_at.set(asked_at)
            try:
                return method(*args, **kwargs)
            finally:
                _asked_at.reset(token)

        return original(self, MethodType(resolved, self), *args, **kwargs)

    return lazy_method


def _is_unready(sender: Any) -> bool:
    """Return whether a model has not been registered; an abstract one never is."""
    if not issubclass(type(sender), ModelBase):
        return False
    options: Any = vars(sender).get("_meta")
    if options is None:  # It is Model itself, or is connected by __init_subclass__().
        return sender is not Model
    models = options.apps.all_models.get(options.app_label, {})
    return models.get(options.model_name) is not sender


def _key(receiver: Any, sender: object, uid: Any) -> int:
    return fingerprint(uid or made_key(receiver), made_key(sender))


def _here() -> str | None:
    frame = project_frame(sys._getframe(2))
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else None


def _reference(receiver: Any) -> Callable[[], object]:
    if hasattr(receiver, "__self__") and hasattr(receiver, "__func__"):
        return weakref.WeakMethod(receiver)
    return weakref.ref(receiver)
