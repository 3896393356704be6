"""The signals and receivers of the process: the one reader of what ``Signal`` keeps."""

import gc
import linecache
import re
import sys
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from django.apps import apps
from django.dispatch import Signal

from signals_demo.recorder import capture

_names: Final[dict[int, tuple[weakref.ref[Signal], str]]] = {}

#: Where Django's signals are defined, and not merely imported; no need to read them.
_HOMES: Final = (
    "django.db.models.signals",
    "django.core.signals",
    "django.test.signals",
    "django.db.backends.signals",
    "django.contrib.auth.signals",
    "django.tasks.signals",
    "django.utils.autoreload",
)


def signal_name(signal: Signal) -> str:
    """Return the dotted name of the module attribute that holds a signal.

    Of one that none holds, what stands for it is its class and a number.
    """
    known = _names.get(id(signal))
    if known is not None and known[0]() is signal:
        return known[1]
    key, name = id(signal), _find_name(signal)
    _names[key] = (weakref.ref(signal, lambda _: _names.pop(key, None)), name)
    return name


def _find_name(signal: Signal) -> str:
    for module, name in _holders(signal, filter(None, map(sys.modules.get, _HOMES))):
        return f"{module.__name__}.{name}"
    found = list(_holders(signal, list(sys.modules.values())))
    if not found:
        return f"{capture.type_name(type(signal))}#{id(signal):x}"
    module, name = next((each for each in found if _is_home(*each)), found[0])
    return f"{module.__name__}.{name}"


def _holders(
    signal: Signal, modules: Iterable[ModuleType]
) -> Iterator[tuple[ModuleType, str]]:
    for module in modules:
        for name, value in list(_attributes(module).items()):
            if value is signal:
                yield module, name


def _is_home(module: ModuleType, name: str) -> bool:
    """Return whether a module defines the name, and does not merely import it."""
    lines = linecache.getlines(getattr(module, "__file__", None) or "")
    return any(re.match(rf"\s*{re.escape(name)}\s*[:=]", line) for line in lines)


def _attributes(module: Any) -> dict[str, Any]:
    try:
        attributes = vars(module)
    except TypeError:  # What stands in sys.modules need not be a module.
        return {}
    return attributes if type(attributes) is dict else {}


def signals() -> list[Signal]:
    """Return all signals of the process."""
    return [each for each in gc.get_objects() if issubclass(type(each), Signal)]


@dataclass(frozen=True)
class Connection:
    """One receiver that is connected to a signal.

    Attributes:
        signal: the dotted name of the signal.
        receiver: the receiver itself, or None if it is dead.
        sender: described: a label of a model, a name, or None for any sender.
        sender_id: what Django compares senders by; None for any.
        is_async: whether Django awaits it.
        is_weak: whether the signal alone would not keep it alive.
        uid: its ``dispatch_uid``, or None.
        key: what Django tells receivers apart by.
    """

    signal: str
    receiver: Any
    sender: str | None
    sender_id: object
    is_async: bool
    is_weak: bool
    uid: object
    key: object

    @property
    def name(self) -> str:
        """The dotted name of the receiver, or an empty string if it is dead."""
        return capture.function(self.receiver)[0] if self.is_alive else ""

    @property
    def is_alive(self) -> bool:
        """Whether there is a receiver that Django could call."""
        return self.receiver is not None


def connections() -> Iterator[Connection]:
    """Yield all connections of all signals."""
    senders = _known_senders()
    for signal in signals():
        name = signal_name(signal)
        for (key, sender_key), reference, *sender_reference, is_async in list(
            signal.receivers
        ):
            is_weak = isinstance(reference, weakref.ReferenceType)
            receiver = reference() if is_weak else reference
            anyone = sender_key == _ANYONE
            yield Connection(
                name,
                receiver,
                None
                if anyone
                else _held(sender_reference) or senders.get(sender_key, UNKNOWN),
                None if anyone else sender_key,
                bool(is_async),
                is_weak,
                None if _is_made(key, receiver) else key,
                key,
            )


def _held(references: Sequence[Any]) -> str | None:
    """Describe the sender, to which Django keeps a reference from 6.0 on."""
    return capture.sender(references[0]()) if any(references) else None


#: What a sender is called that is no model, on Django 5.2.
UNKNOWN: Final = "an unknown sender"


#: What Django puts where a receiver takes any sender.
_ANYONE: Final = id(None)


def made_key(target: Any) -> object:
    """Return what Django tells receivers, and senders, apart by."""
    if hasattr(target, "__func__"):
        return id(target.__self__), id(target.__func__)
    return id(target)


def _is_made(key: object, receiver: object) -> bool:
    """Return whether Django made the key, and it is no ``dispatch_uid``."""
    if receiver is not None:
        return key == made_key(receiver)
    parts = key if isinstance(key, tuple) and len(key) == 2 else (key,)
    return all(isinstance(part, int) for part in parts)


def _known_senders() -> dict[object, str]:
    """Return what senders are called, by what Django compares them by."""
    if not apps.ready:
        return {}
    models = apps.get_models(include_auto_created=True, include_swapped=True)
    senders: list[object] = [*models, *apps.get_app_configs()]
    senders.append(type(None))
    if auth := sys.modules.get("django.contrib.auth"):
        senders.append(auth.__name__)  # The very object that Django sends.
    return {id(sender): capture.sender(sender) or "" for sender in senders}
