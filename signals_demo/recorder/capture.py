"""Describe any object without touching it: the one place that looks at foreign ones.

Nothing here calls a method of a foreign object, so nothing can query, raise, loop, or
send a signal. What is not known to be harmless is described by its type alone. What
looks like a secret, by its name or by itself, is masked before it is kept: see
``masking``.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from math import isfinite
from pathlib import Path, PosixPath, PurePosixPath
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, Final
from uuid import UUID

from django.apps import AppConfig
from django.db.models import CompositePrimaryKey, Model
from django.db.models.base import ModelBase
from django.db.models.options import Options
from django.utils.functional import SimpleLazyObject

from signals_demo.recorder.masking import MASK as MASK
from signals_demo.recorder.masking import MAX_LENGTH, clean, is_secret, url_path
from signals_demo.recorder.masking import masked as masked
from signals_demo.recorder.masking import statement as statement
from signals_demo.recorder.trace import Described

#: How many elements of a collection, or arguments of a signal, are kept.
MAX_ITEMS: Final = 20
#: How deep collections are followed.
MAX_DEPTH: Final = 3
#: Numbers of more bits are not kept: JSON readers may take 64.
_MAX_INT: Final = 2**64
#: How many methods and partials may stand around a function; some hold themselves.
_MAX_WRAPPED: Final = 10
#: How many characters the arguments of one emission may take together.
MAX_SIZE: Final = 4_000
#: What a value takes beside its text, in characters.
_BESIDE: Final = 8

# Read past a metaclass or a class that has attributes of its own by these names.
_dict_of: Final = type.__dict__["__dict__"].__get__
_module_of: Final = type.__dict__["__module__"].__get__
_qualname_of: Final = type.__dict__["__qualname__"].__get__
_mro_of: Final = type.__dict__["__mro__"].__get__
_values_of: Final = Model.__mro__[-2].__dict__["__dict__"].__get__


def type_name(kind: type) -> str:
    """Return the dotted name of a class, whatever its metaclass makes of it."""
    module, name = _module_of(kind), _known(_qualname_of(kind))
    if type(module) is str and module != "builtins":
        return clean(f"{module}.{name}")
    return clean(name)


def model(instance: Model) -> str:
    """Return ``app.Model(pk)``, without a query."""
    kind = type(instance)
    known = type(kind) is ModelBase
    options: Any = kind._meta if known else _class_attribute(kind, "_meta")
    # Not instance.pk: it may be a property, or defer to the database.
    values = _values_of(instance)
    field = options.pk
    pk = values.get(field.attname) if field is not None else None
    if type(pk) is int and -_MAX_INT < pk < _MAX_INT:
        return f"{options.label}({pk})"
    return f"{options.label}({_key(pk, field, values)})"


def _key(value: object, field: Any, values: Mapping[str, object]) -> str:
    """Describe a primary key that is no plain number."""
    kind = type(value)
    if kind is str:
        return repr(MASK if is_secret(field.attname) else masked(str(value)))
    if value is None and isinstance(field, CompositePrimaryKey):
        parts: Iterable[Any] = field.fields
        return ", ".join(_key(values.get(each.attname), each, values) for each in parts)
    if value is None or kind is UUID or (kind is int and _fits(value)):
        return str(value)
    return f"<{type_name(kind)}>"


def _fits(value: Any) -> bool:
    """Return whether a number is small: the text of a huge one may take minutes."""
    return bool(-_MAX_INT < value < _MAX_INT)


def sender(value: Any) -> str | None:
    """Return a name for the sender of a signal: a model's label, or a dotted name."""
    kind = type(value)
    if kind is ModelBase:
        return str(value._meta.label)
    if value is None:
        return None
    if issubclass(kind, type):
        options = _dict_of(value).get("_meta")
        return options.label if type(options) is Options else type_name(value)
    if kind is str:
        return masked(str(value))
    if issubclass(kind, AppConfig):
        return f"AppConfig {_attribute(value, 'label')}"
    return f"<{type_name(kind)}>"


def _attributes(value: object) -> Mapping[str, Any]:
    """Return what the object itself holds, without running any of its code."""
    for base in _mro_of(type(value)):
        descriptor = _dict_of(base).get("__dict__")
        if type(descriptor) is GetSetDescriptorType:
            try:
                return descriptor.__get__(value) or {}
            except (AttributeError, TypeError):  # It is that of another class.
                return {}
    return {}


def _slot(value: object, name: str) -> object:
    """Return what the object holds by that name, in its ``__dict__`` or in a slot."""
    slot = _class_attribute(type(value), name)
    if type(slot) is not MemberDescriptorType:
        return _attributes(value).get(name)
    try:
        return slot.__get__(value)
    except (AttributeError, TypeError):  # It is empty, or that of another class.
        return None


def _attribute(value: object, name: str) -> str:
    """Return a text that the object itself holds, or its class."""
    held = _slot(value, name)
    if held is None:
        held = _class_attribute(type(value), name)
    return masked(held) if type(held) is str else "?"


def function(value: object) -> tuple[str, str]:
    """Return the dotted name of a callable, and its file and line."""
    name, place = function_parts(value)
    if not isinstance(name, str):
        name = ".".join(name)
    if isinstance(place, str):
        return name, place
    return name, f"{place.co_filename}:{place.co_firstlineno}"


def function_parts(value: Any) -> tuple[str | tuple[str, str], str | CodeType]:
    """Return what ``function()`` does, not yet put together if that can wait."""
    kind = type(value)
    if kind is MethodType:
        value = value.__func__
        kind = type(value)
    if kind is FunctionType:
        module, name = value.__module__, value.__qualname__
        if type(module) is type(name) is str and len(module) + len(name) < MAX_LENGTH:
            return (module, name), value.__code__
        return clean(f"{_known(module)}.{_known(name)}"), value.__code__
    if kind is partial or kind is MethodType:
        called = _unwrapped(value)
        name = "…" if called is None else function(called)[0]
        place = "" if called is None else function_parts(called)[1]
        return clean(f"partial({name})"), place
    if kind is BuiltinFunctionType:
        return _builtin(value), ""
    if issubclass(kind, type):
        return type_name(value), ""
    call = _class_attribute(kind, "__call__")
    place = call.__code__ if type(call) is FunctionType else ""
    return f"{type_name(kind)} instance", place


def _unwrapped(value: Any) -> object:
    """Return the function inside of partials and methods; None if there is no end."""
    for _ in range(_MAX_WRAPPED):
        if type(value) is partial:
            value = value.func
        elif type(value) is MethodType:
            value = value.__func__
        else:
            return value
    return None


def _builtin(value: Any) -> str:
    # Not its __qualname__, which asks the class of what it is bound to.
    owner = value.__self__
    if owner is None or type(owner) is ModuleType:
        return clean(f"{_known(value.__module__)}.{value.__name__}")
    kind = owner if issubclass(type(owner), type) else type(owner)
    return clean(f"{type_name(kind)}.{value.__name__}")


def _known(module: object) -> str:
    return module if type(module) is str else "?"


def _class_attribute(kind: type, name: str) -> object:
    for base in _mro_of(kind):
        if name in _dict_of(base):
            return _dict_of(base)[name]
    return None


class _Budget:
    """How many characters are left for the arguments of one emission.

    Everything takes some more than its text.
    """

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_SIZE

    def text(self, text: str) -> str:
        """Return the text, or that there was no room for it."""
        self.left -= len(text) + _BESIDE
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
        budget.left -= _BESIDE
        if kind is float:  # JSON has no word for the others.
            return value if isfinite(value) else str(value)
        return value if kind is not int or _fits(value) else "<huge int>"
    if kind is str:
        return budget.text(masked(value))
    if _is_among(kind, _CONTAINERS):
        if depth >= MAX_DEPTH or budget.left < 0:
            return "…"
        if kind is dict:
            return _describe_mapping(value, budget, depth)
        return _describe_sequence(value, budget, depth)
    return budget.text(_describe_one(value, kind))


def _describe_one(value: Any, kind: type) -> str:
    """Describe what is neither a plain value nor a container."""
    if _is_among(kind, _PRINTED):
        return str(value)
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


def _describe_sequence(value: Any, budget: _Budget, depth: int) -> list[Described]:
    described: list[Described] = []
    for index, item in enumerate(_snapshot(value)):
        if index == MAX_ITEMS or budget.left < 0:
            described.append(f"… {len(value)} in all")
            break
        described.append(_describe(item, budget, depth + 1))
    return described


def _describe_mapping(
    value: dict[Any, Any], budget: _Budget, depth: int
) -> dict[str, Described]:
    described: dict[str, Described] = {}
    for index, (key, item) in enumerate(_snapshot(value.items())):
        if index == MAX_ITEMS or budget.left < 0:
            described["…"] = f"{len(value)} in all"
            break
        name = str(_describe(key, budget, MAX_DEPTH))
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
_PRINTED: Final = frozenset(
    {date, datetime, time, timedelta, Decimal, UUID, Path, PosixPath, PurePosixPath}
)


# The arguments of Django's own signals, each with what may be kept of it. Of one that
# is missing here, only the type is.


def _type_only(value: object) -> Described:
    return None if value is None else f"<{type_name(type(value))}>"


def _flag(value: object) -> Described:
    return _describe(value, _Budget(), 0) if type(value) is bool else _type_only(value)


def _number(value: object) -> Described:
    return _describe(value, _Budget(), 0) if type(value) is int else _type_only(value)


def _text(value: object) -> Described:
    return clean(str(value)) if type(value) is str else _type_only(value)


def _instance(value: Any) -> Described:
    if type(value) is SimpleLazyObject:  # As request.user is; it may be known by now.
        value = _attributes(value).get("_wrapped")
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
    model = _attributes(value).get("model")
    return f"<{type_name(type(value))} of {sender(model)}>"


def _names(value: object) -> Described:
    """Describe a dictionary by its keys."""
    return _fields(value) if type(value) is dict else _type_only(value)


def _how_many(value: object) -> Described:
    return f"<{len(value)} values>" if type(value) is tuple else _type_only(value)


def _request(value: object) -> Described:
    """Describe a request by its method and path."""
    name = type_name(type(value)).rpartition(".")[2]
    path = _path_of(_attributes(value).get("path"))
    method = _attributes(value).get("method")
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
    vendor = _known(_class_attribute(type(value), "vendor"))
    return f"<{vendor} {_attribute(value, 'alias')}>"


def _keys(value: object) -> Described:
    if type(value) is not set and type(value) is not frozenset:
        return _type_only(value)
    described = _describe(value, _Budget(), MAX_DEPTH - 1)
    return sorted(described, key=str) if type(described) is list else described


def _task_result(value: object) -> Described:
    """Describe the result of a task by its function and its status."""
    task, status = _slot(value, "task"), _slot(value, "status")
    return f"<{function(_slot(task, 'func'))[0]} {_attribute(status, '_value_')}>"


def _template(value: object) -> Described:
    return f"<Template {_attribute(value, 'name')}>"


def _path(value: object) -> Described:
    return clean(str(value)) if _is_among(type(value), _PRINTED) else _type_only(value)


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


def arguments(
    signal: str, named: Mapping[str, object]
) -> tuple[dict[str, Described], int]:
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
        described = _describe_mapping(dict(named), budget := _Budget(), 0)
        return described, MAX_SIZE - budget.left
    described = {}
    for name, value in named.items():
        if value is None or value is True or value is False:
            described[name] = value
        else:
            described[name] = allowed.get(name, _type_only)(value)
    return described, 100 * len(named)


def argument(signal: str, name: str, value: object) -> Described:
    """Describe one argument as ``arguments()`` would."""
    return arguments(signal, {name: value})[0][name]
