"""The signals and receivers of the process: the one reader of what ``Signal`` keeps."""

import gc
import linecache
import re
import sys
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from inspect import iscoroutinefunction
from types import MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from django.apps import apps
from django.db.models.signals import ModelSignal
from django.dispatch import Signal

from signals_demo.recorder import capture
from signals_demo.recorder.masking import MAX_LENGTH, clean
from signals_demo.recorder.naming import contents
from signals_demo.recorder.patching import with_subclasses
from signals_demo.recorder.trace import Described

if TYPE_CHECKING:
    from signals_demo.recorder.connecting import Connected

    #: Who connected what, by the names of signals and fingerprints.
    Calls: TypeAlias = dict[tuple[str, int], Connected]

#: The names of signals that were asked for, by their identities.
known_names: Final[dict[int, tuple[weakref.ref[Signal], str]]] = {}

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

#: Where Django documents its signals; the anchor is the name, unless it is told here.
_REFERENCE: Final = "https://docs.djangoproject.com/en/stable/ref/"
_ANCHORS: Final = {
    "django.core.signals.setting_changed": "django.test.signals.setting_changed",
}


def signal_name(signal: Signal) -> str:
    """Return the dotted name of the module attribute that holds a signal.

    Of one that none holds, what stands for it is its class and a number.
    """
    known = known_names.get(id(signal))
    if known is not None and known[0]() is signal:
        return known[1]
    key, name = id(signal), _find_name(signal)
    known_names[key] = weakref.ref(signal, lambda _: known_names.pop(key, None)), name
    return name


def _find_name(signal: Signal) -> str:
    for module, name in _holders(signal, filter(None, map(sys.modules.get, _HOMES))):
        return f"{module.__name__}.{name}"
    places = _everywhere().get(id(signal), ())
    found = [
        (holder, name)
        for key, name in places
        if (holder := sys.modules.get(key)) is not None
    ]
    if not found:
        return f"{capture.type_name(type(signal))}#{id(signal):x}"
    module, name = next((each for each in found if _is_home(*each)), found[0])
    return f"{module.__name__}.{name}"


#: Where in ``sys.modules``, and by which names, all signals are held; by identity.
_places: dict[int, list[tuple[str, str]]] = {}
#: How many attributes each module had when they were looked for.
_sizes: list[tuple[str, int]] = []


def _everywhere() -> dict[int, list[tuple[str, str]]]:
    """Return where all signals are held, looking again only after a change."""
    global _places, _sizes
    modules = list(sys.modules.items())
    sizes = [(key, len(contents(module))) for key, module in modules]
    if sizes != _sizes or not all(map(_are_there, _places, _places.values())):
        _places, _sizes = _search(modules), sizes
    return _places


def _are_there(number: int, places: list[tuple[str, str]]) -> bool:
    return all(
        id(contents(sys.modules.get(key)).get(name)) == number for key, name in places
    )


def _search(modules: list[tuple[str, ModuleType]]) -> dict[int, list[tuple[str, str]]]:
    found: dict[int, list[tuple[str, str]]] = {}
    for key, module in modules:
        for name, value in list(contents(module).items()):
            if issubclass(type(value), Signal):
                found.setdefault(id(value), []).append((key, name))
    return found


def _holders(
    signal: Signal, modules: Iterable[ModuleType]
) -> Iterator[tuple[ModuleType, str]]:
    for module in modules:
        for name, value in list(contents(module).items()):
            if value is signal:
                yield module, name


def _is_home(module: ModuleType, name: str) -> bool:
    """Return whether a module defines the name, and does not merely import it."""
    lines = linecache.getlines(getattr(module, "__file__", None) or "")
    return any(re.match(rf"\s*{re.escape(name)}\s*[:=]", line) for line in lines)


def is_builtin(name: str) -> bool:
    """Return whether Django has a signal of that dotted name."""
    return name.rpartition(".")[0] in _HOMES


def documentation(name: str) -> str | None:
    """Return the address of the documentation of a signal of Django, or None.

    Args:
        name: its dotted name.
    """
    home = name.rpartition(".")[0]
    if home not in _HOMES:
        return None
    if home == "django.utils.autoreload":  # What sends them is all there is.
        return f"{_REFERENCE}django-admin/#runserver"
    page = "contrib/auth" if home == "django.contrib.auth.signals" else "signals"
    return f"{_REFERENCE}{page}/#{_ANCHORS.get(name, name)}"


def signals() -> list[Signal]:
    """Return all signals of the process.

    Of those that ``gc.freeze()`` has hidden, as servers call it before they fork, only
    those that a module holds, or that something was connected to.
    """
    # There may be millions of objects, and a page of each signal asks. Each instance
    # refers to its class, and so to look for it is thrice as fast as to look at all.
    classes = with_subclasses(Signal)
    kinds = {id(each) for each in classes}
    referrers = gc.get_referrers(*classes)
    found = [each for each in referrers if id(type(each)) in kinds]
    # Not only if gc.get_freeze_count(): it walks all that is frozen and takes longer.
    return [*{id(each): each for each in (*found, *_held_or_connected())}.values()]


def _held_or_connected() -> list[Signal]:
    """Return the signals that can be found without the garbage collector."""
    # It imports this module.
    from signals_demo.recorder.connecting import remembered

    held: list[Any] = [each.of() for each in list(remembered)]
    for (key, name), *_ in list(_everywhere().values()):
        held.append(contents(sys.modules.get(key)).get(name))
    # Some have gone, or something else has taken their place.
    return [each for each in held if issubclass(type(each), Signal)]


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
    def fingerprint(self) -> int:
        """What ``connecting`` knows it by."""
        return fingerprint(
            self.key, _ANYONE if self.sender_id is None else self.sender_id
        )

    @property
    def is_alive(self) -> bool:
        """Whether there is a receiver that Django could call."""
        return self.receiver is not None


def connections(known: Iterable[Signal] | None = None) -> Iterator[Connection]:
    """Yield all connections of all signals.

    Args:
        known: the signals, where not all are meant, or they are known already: to look
            for all takes long.
    """
    senders = known_senders()
    calls: Calls = {}
    for signal in signals() if known is None else known:
        name = signal_name(signal)
        for (key, sender_key), reference, *sender_reference, is_async in _entries(
            signal
        ):
            is_weak = isinstance(reference, weakref.ReferenceType)
            receiver = reference() if is_weak else reference
            anyone = sender_key == _ANYONE
            sender = None
            if not anyone:
                sender = _held(sender_reference) or senders.get(sender_key)
                if not sender:  # There may be thousands of calls: once is enough.
                    calls = calls or origins()
                    sender = _told(calls.get((name, fingerprint(key, sender_key))))
            yield Connection(
                name,
                receiver,
                sender,
                None if anyone else sender_key,
                bool(is_async),
                is_weak,
                None if _is_made(key, receiver) else key,
                key,
            )


def _entries(signal: Signal) -> list[Any]:
    """Return what a signal keeps of its receivers, but for what is not as Django's is.

    A subclass may keep others, or none at all.
    """
    return [
        each
        for each in list(getattr(signal, "receivers", ()))
        if type(each) is tuple
        and len(each) in (3, 4)
        and type(each[0]) is tuple
        and len(each[0]) == 2
    ]


def _held(references: Sequence[Any]) -> str | None:
    """Describe the sender, to which Django keeps a reference from 6.0 on."""
    if references and isinstance(references[0], weakref.ReferenceType):
        return capture.sender(references[0]())
    return None


def _told(call: "Connected | None") -> str:
    """Describe the sender as whoever connected it did."""
    return (call.sender if call else None) or UNKNOWN


#: What a sender is called that is no model, and that nobody was seen to name.
UNKNOWN: Final = "an unknown sender"


#: What Django puts where a receiver takes any sender.
_ANYONE: Final = id(None)


def made_key(target: Any) -> object:
    """Return what Django tells receivers, and senders, apart by."""
    if hasattr(target, "__func__"):
        return id(target.__self__), id(target.__func__)
    return id(target)


def fingerprint(key: object, sender_key: object) -> int:
    """Return a number for what Django tells connections of a signal apart by."""
    try:
        return hash((key, sender_key))
    except TypeError:  # Django only compares it, so it need not be hashable.
        return id(key)


def _is_made(key: object, receiver: object) -> bool:
    """Return whether Django made the key, and it is no ``dispatch_uid``."""
    if receiver is not None:
        return key == made_key(receiver)
    parts = key if isinstance(key, tuple) and len(key) == 2 else (key,)
    return all(isinstance(part, int) for part in parts)


def known_senders() -> dict[object, str]:
    """Return what senders of Django are called, by what it compares them by."""
    if not apps.ready:
        return {}
    models = apps.get_models(include_auto_created=True, include_swapped=True)
    senders: list[object] = [*models, *apps.get_app_configs()]
    senders.append(type(None))
    if auth := sys.modules.get("django.contrib.auth"):
        senders.append(auth.__name__)  # The very object that Django sends.
    return {id(sender): capture.sender(sender) or "" for sender in senders}


def waiting() -> Iterator[Connection]:
    """Yield what will be connected as soon as the model that it names is there."""
    for (app_label, model_name), operations in list(apps._pending_operations.items()):
        for operation in operations:
            signal, receiver, options = _innermost(operation)
            if signal is not None:
                uid = options.get("dispatch_uid")
                label = f"{app_label}.{model_name}"
                yield Connection(
                    signal_name(signal),
                    receiver,
                    label,
                    label,
                    iscoroutinefunction(receiver),
                    bool(options.get("weak", True)),
                    uid,
                    uid or made_key(receiver),
                )


def _innermost(operation: Any) -> tuple[Signal | None, Any, dict[str, Any]]:
    """Return signal, receiver and options if the operation will connect them."""
    arguments: tuple[Any, ...] = ()
    options: dict[str, Any] = {}
    while hasattr(operation, "func"):
        arguments = (*getattr(operation, "args", ()), *arguments)
        options |= getattr(operation, "keywords", {})
        operation = operation.func
    # Others wait for models too: relations, and disconnect().
    if type(operation) is not MethodType or operation.__name__ != "connect":
        return None, None, {}
    signal = operation.__self__
    return (signal if isinstance(signal, ModelSignal) else None), arguments[0], options


def as_data(
    known: Iterable[Signal] | None = None, *, forgotten: bool = False
) -> list[dict[str, Any]]:
    """Return all signals with their receivers, as JSON can hold it.

    Signals are sorted by name. Receivers are in the order of their connection, which is
    that of their calls; then come those that wait for their sender.

    Args:
        known: the signals, where not all are meant: to look for all takes long.
        forgotten: whether to add those that died, and that Django has forgotten since.

    Returns:
        For each signal ``signal``, ``builtin``, ``documentation`` and ``receivers``; of
        each receiver ``name``, ``place``, ``sender`` (None for any), ``uid``, ``weak``,
        ``async``, ``alive``, ``waiting`` (its sender has not been loaded yet) and
        ``connected_at`` (None if it was connected before the app was loaded).
    """
    calls = origins()
    chosen = signals() if known is None else [*known]
    found: dict[str, list[dict[str, Any]]] = {signal_name(each): [] for each in chosen}
    listed = set()
    for each in connections(chosen):
        listed.add((each.signal, each.fingerprint))
        found.setdefault(each.signal, []).append(receiver_data(each, calls))
    for each in waiting():
        if known is None or each.signal in found:
            data = receiver_data(each, {}) | {"waiting": True}
            found.setdefault(each.signal, []).append(data)
    for key, call in calls.items() if forgotten else ():
        if call.is_dead and key not in listed and call.signal in found:
            found[call.signal].append(_data_of_dead(call))
    return [
        {
            "signal": clean(name),
            "builtin": is_builtin(name),
            "documentation": documentation(name),
            "receivers": receivers,
        }
        for name, receivers in sorted(found.items())
    ]


def receiver_data(each: Connection, calls: "Calls") -> dict[str, Any]:
    """Return one receiver as JSON can hold it: see ``as_data()``.

    Args:
        each: its connection.
        calls: what ``origins()`` returned.
    """
    call = calls.get((each.signal, each.fingerprint))
    if each.is_alive:
        name, place = capture.function(each.receiver)
    else:
        name, place = (call.receiver, call.place) if call else ("", "")
    return {
        "name": clean(name),
        "place": _end(place),
        "sender": each.sender,
        "uid": None if each.uid is None else _text(capture.describe(each.uid)),
        "weak": each.is_weak,
        "async": each.is_async,
        "alive": each.is_alive,
        "waiting": False,
        "connected_at": _end(call.caller) if call and call.caller else None,
    }


def _data_of_dead(call: "Connected") -> dict[str, Any]:
    return {
        "name": clean(call.receiver),
        "place": _end(call.place),
        "sender": call.sender,
        "uid": None,
        "weak": True,
        "async": False,
        "alive": False,
        "waiting": False,
        "connected_at": _end(call.caller) if call.caller else None,
    }


def origins() -> "Calls":
    """Return who connected what, by the names of signals and fingerprints."""
    # It imports this module.
    from signals_demo.recorder.connecting import remembered

    calls: Calls = {}
    for each in reversed(remembered):
        key = each.signal, each.key
        # Only the first of several counts; what came later at the place of a dead one
        # may have its number.
        if not each.disconnected_at and (not each.is_dead or key not in calls):
            calls[key] = each
    return calls


def _text(described: Described) -> str:
    if isinstance(described, list):
        return f"({', '.join(map(_text, described))})"
    return str(described)


def _end(place: str) -> str:
    """Return a file and line, of which the end matters more than the beginning."""
    if len(place) > MAX_LENGTH:
        place = f"…{place[1 - MAX_LENGTH :]}"
    return clean(place)
