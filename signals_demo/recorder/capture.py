"""Describe any object without touching it: the one place that looks at foreign ones.

Nothing here calls a method of a foreign object, so nothing can query, raise, loop, or
send a signal. What is not known to be harmless is described by its type alone. What
looks like a secret, by its name or by itself, is masked before it is kept: see
``masking``.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import partial
from math import isfinite
from pathlib import Path, PosixPath, PurePosixPath
from sys import getsizeof
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.apps import AppConfig
from django.db.models import Model
from django.db.models.base import ModelBase
from django.db.models.options import Options
from django.utils.functional import SimpleLazyObject

from signals_demo.recorder.masking import MASK as MASK
from signals_demo.recorder.masking import MAX_LENGTH, clean, is_secret, url_path
from signals_demo.recorder.masking import masked as masked
from signals_demo.recorder.masking import statement as statement
from signals_demo.recorder.naming import (
    attribute,
    attributes,
    class_attribute,
    fits,
    slot,
    text_of,
)
from signals_demo.recorder.naming import function as function
from signals_demo.recorder.naming import function_parts as function_parts
from signals_demo.recorder.naming import model as model
from signals_demo.recorder.naming import sender as sender
from signals_demo.recorder.naming import type_name as type_name
from signals_demo.recorder.trace import Described

#: How many elements of a collection, or arguments of a signal, are kept.
MAX_ITEMS: Final = 20
#: How deep collections are followed.
MAX_DEPTH: Final = 3
#: How many bytes the arguments of one emission may take together, by estimate.
MAX_SIZE: Final = 4_000
#: What a name takes beside its text, in bytes: most are names in the program as well.
_BESIDE: Final = 8
#: What an argument of Django's own signals takes, in bytes, but for a list.
ARGUMENT_SIZE: Final = 100
#: What a number takes, and what the text of a name does if it is made for this.
_NUMBER: Final = 28
_TEXT: Final = 48


class _Budget:
    """How many bytes are left for the arguments of one emission."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_SIZE

    def text(self, text: str) -> str:
        """Return the text, or that there was no room for it."""
        self.left -= text.__sizeof__()
        return text if self.left >= 0 else "…"


def describe(value: object) -> Described:
    """Return a description of the object that can be kept, printed and sent.

    Args:
        value: anything, however hostile.
    """
    return _describe(value, _Budget(), 0)


def _describe(value: Any, budget: _Budget, depth: int) -> Described:
    kind = type(value)
    if value is None or kind is bool or kind is float or kind is int:
        budget.left -= _NUMBER
        if kind is float:  # JSON has no word for the others.
            return value if isfinite(value) else str(value)
        return value if kind is not int or fits(value) else "<huge int>"
    if kind is str:
        return budget.text(masked(value))
    if _is_among(kind, _CONTAINERS):
        if depth >= MAX_DEPTH or budget.left < 0:
            return "…"
        if kind is dict:
            mapping = _describe_mapping(value, budget, depth)
            budget.left -= getsizeof(mapping) + _TEXT * len(mapping)
            return mapping
        sequence = _describe_sequence(value, budget, depth)
        budget.left -= getsizeof(sequence)
        return sequence
    return budget.text(_describe_one(value, kind))


def _describe_one(value: Any, kind: type) -> str:
    """Describe what is neither a plain value nor a container."""
    if _is_among(kind, _PRINTED):
        return _printed(value, kind)
    if kind is bytes or kind is bytearray:
        return f"<{len(value)} bytes>"
    if issubclass(kind, Model):
        return model(value)
    if _is_among(kind, _FUNCTIONS):
        return function(value)[0]
    if issubclass(kind, type):
        return sender(value) or ""
    if issubclass(kind, AppConfig):
        return sender(value) or ""
    return f"<{type_name(kind)}>"


def _printed(value: Any, kind: type) -> str:
    """Return the text of a value."""
    if _is_among(kind, _PATHS):
        return masked(str(value))
    # A time asks its zone, which may be anybody's.
    if kind is datetime or kind is time:
        zone = type(value.tzinfo)
        if not _is_among(zone, _ZONES):
            return f"{value.replace(tzinfo=None)} <{type_name(zone)}>"
    return str(value)


def _describe_sequence(value: Any, budget: _Budget, depth: int) -> list[Described]:
    described: list[Described] = []
    items = _snapshot(value)
    if type(value) in (list, tuple) and _is_secret_pair(items):
        return [_describe(items[0], budget, depth + 1), MASK]
    for index, item in enumerate(items):
        if index == MAX_ITEMS or budget.left < 0:
            described.append(f"… {len(value)} in all")
            break
        described.append(_describe(item, budget, depth + 1))
    return described


def _is_secret_pair(items: Sequence[Any]) -> bool:
    """Return whether the first of two names the second a secret, as in a header."""
    if len(items) != 2 or _is_plain(items[1]):
        return False
    name = items[0]
    if type(name) is bytes:  # As those of ASGI are.
        name = name.decode("latin-1")
    return type(name) is str and is_secret(name)


def _describe_mapping(
    value: dict[Any, Any], budget: _Budget, depth: int
) -> dict[str, Described]:
    described: dict[str, Described] = {}
    for index, (key, item) in enumerate(_snapshot(value.items())):
        if index == MAX_ITEMS or budget.left < 0:
            described["…"] = f"{len(value)} in all"
            break
        name = (
            masked(key) if type(key) is str else str(_describe(key, budget, MAX_DEPTH))
        )
        budget.left -= len(name) + _BESIDE
        if name in described:
            name = f"{name} #{index}"
        hidden = (type(key) is not str or is_secret(key)) and not _is_plain(item)
        described[name] = MASK if hidden else _describe(item, budget, depth + 1)
    return described


def _is_plain(value: object) -> bool:
    """Return whether the value gives nothing away, whatever it is called."""
    return value is None or type(value) is bool or issubclass(type(value), Model)


def _snapshot(items: Any) -> list[Any]:
    """Return some elements of what another thread may be changing."""
    try:
        return [item for _, item in zip(range(MAX_ITEMS + 1), items, strict=False)]
    except RuntimeError:
        return []


def _is_among(kind: type, kinds: frozenset[type]) -> bool:
    # A metaclass may have a hash of its own.
    return type(kind) is type and kind in kinds


_FUNCTIONS: Final = frozenset({FunctionType, MethodType, partial, BuiltinFunctionType})
_CONTAINERS: Final = frozenset({dict, list, tuple, set, frozenset})
_PATHS: Final = frozenset({Path, PosixPath, PurePosixPath})
_PRINTED: Final = _PATHS | {date, datetime, time, timedelta, Decimal, UUID}
_ZONES: Final = frozenset({type(None), timezone, ZoneInfo})


# The arguments of Django's own signals, each with what may be kept of it. Of one that
# is missing here, only the type is.


def _type_only(value: object) -> Described:
    return None if value is None else f"<{type_name(type(value))}>"


def _flag(value: object) -> Described:
    return _describe(value, _Budget(), 0) if type(value) is bool else _type_only(value)


def _number(value: object) -> Described:
    return _describe(value, _Budget(), 0) if type(value) is int else _type_only(value)


def _text(value: Any) -> Described:
    return clean(value) if type(value) is str else _type_only(value)


def _instance(value: Any) -> Described:
    if type(value) is SimpleLazyObject:  # As request.user is; it may be known by now.
        value = attributes(value).get("_wrapped")
    return model(value) if issubclass(type(value), Model) else _type_only(value)


def _fields(value: Any) -> Described:
    if not _is_among(type(value), _CONTAINERS):
        return _type_only(value)
    names = sorted(clean(name) for name in _snapshot(value) if type(name) is str)
    if len(value) <= MAX_ITEMS:
        return [*names]
    return [*names[:MAX_ITEMS], f"… {len(value)} in all"]


def _origin(value: object) -> Described:
    """Describe the object or queryset whose deletion began it all."""
    if issubclass(type(value), Model):
        return _instance(value)
    model = attributes(value).get("model")
    return f"<{type_name(type(value))} of {sender(model)}>"


def _names(value: object) -> Described:
    """Describe a dictionary by its keys."""
    return _fields(value) if type(value) is dict else _type_only(value)


def _how_many(value: object) -> Described:
    return f"<{len(value)} values>" if type(value) is tuple else _type_only(value)


def _request(value: object) -> Described:
    """Describe a request by its method and path."""
    name = type_name(type(value)).rpartition(".")[2]
    path = _path_of(attributes(value).get("path"))
    method = attributes(value).get("method")
    return f"<{name} {masked(method)} {path}>" if type(method) is str else f"<{name}>"


def _path_of(value: object) -> str:
    return url_path(value) if type(value) is str else "?"


def _environ(value: object) -> Described:
    """Describe a WSGI environ or an ASGI scope by its method and path."""
    if type(value) is not dict:
        return _type_only(value)
    for method, path in (("REQUEST_METHOD", "PATH_INFO"), ("method", "path")):
        if path in value:
            verb = value.get(method)
            verb = f"{masked(verb)} " if type(verb) is str else ""
            return f"{verb}{_path_of(value[path])}"
    return _type_only(value)


def _connection(value: object) -> Described:
    vendor = text_of(class_attribute(type(value), "vendor"))
    return f"<{vendor} {attribute(value, 'alias')}>"


def _keys(value: object) -> Described:
    if type(value) is not set and type(value) is not frozenset:
        return _type_only(value)
    described = _describe(value, _Budget(), MAX_DEPTH - 1)
    return sorted(described, key=str) if type(described) is list else described


def _has_secret_key(model: Any) -> bool:
    """Return whether the primary key of a model has the name of a secret."""
    known = issubclass(type(model), type)
    options = class_attribute(model, "_meta") if known else None
    if type(options) is not Options or options.pk is None:
        return False
    return is_secret(options.pk.attname)


def _task_result(value: object) -> Described:
    """Describe the result of a task by its function and its status."""
    task, status = slot(value, "task"), slot(value, "status")
    return f"<{function(slot(task, 'func'))[0]} {attribute(status, '_value_')}>"


def _template(value: object) -> Described:
    return f"<Template {attribute(value, 'name')}>"


def _path(value: object) -> Described:
    return clean(str(value)) if _is_among(type(value), _PATHS) else _type_only(value)


_MODELS: Final[dict[str, Callable[[Any], Described]]] = {
    "instance": _instance,
    "created": _flag,
    "raw": _flag,
    "using": _text,
    "update_fields": _fields,
    "origin": _origin,
    "action": _text,
    "reverse": _flag,
    "model": sender,
    "pk_set": _keys,
    "args": _how_many,
    "kwargs": _names,
}
_MIGRATE: Final[dict[str, Callable[[Any], Described]]] = {
    "app_config": sender,
    "verbosity": _number,
    "interactive": _flag,
    "using": _text,
}
_TASKS: Final[dict[str, Callable[[Any], Described]]] = {"task_result": _task_result}
_USERS: Final[dict[str, Callable[[Any], Described]]] = {
    "user": _instance,
    "request": _request,
    "credentials": _names,
}

#: What may be kept of the arguments, by the module of the signal.
ALLOWED: Final[Mapping[str, Mapping[str, Callable[[Any], Described]]]] = {
    "django.db.models.signals": _MODELS | _MIGRATE,
    "django.core.signals": {
        "environ": _environ,
        "scope": _environ,
        "request": _request,
        "setting": _text,
        "enter": _flag,
        "value": _type_only,
    },
    "django.test.signals": {"template": _template},
    "django.db.backends.signals": {"connection": _connection},
    "django.contrib.auth.signals": _USERS,
    "django.tasks.signals": _TASKS,
    "django.utils.autoreload": {"file_path": _path},
}


_allowed: Final[dict[str, Mapping[str, Callable[[Any], Described]] | None]] = {}


def arguments(signal: str, named: dict[str, Any]) -> tuple[dict[str, Described], int]:
    """Describe what a signal is sent with.

    Args:
        signal: its dotted name.
        named: its arguments but for the sender.

    Returns:
        The description, and how many bytes it takes by estimate.
    """
    try:
        allowed = _allowed[signal]
    except KeyError:
        allowed = _allowed[signal] = ALLOWED.get(signal.rpartition(".")[0])
    if allowed is None:
        budget = _Budget()
        return _describe_mapping(named, budget, 0), MAX_SIZE - budget.left
    # A copy is made quickly, and most of what is in it is harmless and stays. What is
    # not has to be replaced below, in each case.
    described: dict[str, Any] = named.copy()
    size = ARGUMENT_SIZE * len(named)
    for name, value in named.items():
        if value is None or value is True or value is False:
            continue
        describe = allowed.get(name, _type_only)
        # Two that are sent most often, with fewer calls.
        if describe is _text and type(value) is str:
            plain = len(value) < MAX_LENGTH and value.isprintable()
            if not plain:
                described[name] = clean(value)
            continue
        if describe is _instance and type(type(value)) is ModelBase:
            described[name] = model(value)
            continue
        described[name] = kept = describe(value)
        if type(kept) is list:
            if name == "pk_set" and _has_secret_key(named.get("model")):
                described[name] = kept = [MASK] * len(kept)
            size += getsizeof(kept) + sum(map(getsizeof, kept))
    return described, size


def argument(signal: str, name: str, value: object) -> Described:
    """Describe one argument as ``arguments()`` would."""
    return arguments(signal, {name: value})[0][name]
