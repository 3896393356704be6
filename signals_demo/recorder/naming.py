"""Names for what is foreign, and a look at what it holds: none of its code runs."""

import weakref
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import (
    BuiltinFunctionType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, Final, TypeAlias
from uuid import UUID

from django.apps import AppConfig, apps
from django.db.models import CompositePrimaryKey, Model
from django.db.models.base import ModelBase
from django.db.models.options import Options

from signals_demo.recorder.masking import MASK, MAX_LENGTH, clean, is_secret, masked
from signals_demo.recorder.trace import FunctionParts

#: Numbers of more bits are not kept: JSON readers may take 64.
MAX_INT: Final = 2**64
MIN_INT: Final = -MAX_INT
#: How many methods and partials may stand around a function; some hold themselves.
_MAX_WRAPPED: Final = 10

# Read past a metaclass or a class that has attributes of its own by these names.
_dict_of: Final = type.__dict__["__dict__"].__get__
_module_of: Final = type.__dict__["__module__"].__get__
_qualname_of: Final = type.__dict__["__qualname__"].__get__
_mro_of: Final = type.__dict__["__mro__"].__get__
_contents_of: Final = vars(ModuleType)["__dict__"].__get__
_values_of: Final = Model.__mro__[-2].__dict__["__dict__"].__get__


#: What functions are called, by their identities, each with a weak reference to it. Or
#: each call would have parts of its own for the garbage collector to look through.
_known_parts: Final[dict[int, tuple[Callable[[], Any], FunctionParts]]] = {}
#: A label, and where the objects hold their key; None if that is composite, or has the
#: name of a secret.
KnownModel: TypeAlias = tuple[str, str | None]
#: The models of the apps.
known_models: Final[dict[type, KnownModel]] = {}
#: Of how many functions, and of how many models, this is kept until the last recording
#: ends.
MAX_KNOWN: Final = 5_000


def forget() -> None:
    """Let go of functions and models, because the last recording has ended."""
    _known_parts.clear()
    known_models.clear()


class Historical(str):
    """The label of a model as a migration has it, which is another class."""

    __slots__ = ()


def type_name(kind: type) -> str:
    """Return the dotted name of a class, whatever its metaclass makes of it."""
    module, name = _module_of(kind), text_of(_qualname_of(kind))
    if type(module) is str and module != "builtins":
        return clean(f"{module}.{name}")
    return clean(name)


def model(instance: Model) -> str:
    """Return ``app.Model(pk)``, without a query."""
    kind = type(instance)
    # Other metaclasses may have a hash of their own.
    known = known_models.get(kind) if type(kind) is ModelBase else None
    if known is not None:
        text = known_model(instance, known)
        if text is not None:
            return text
    values = _values_of(instance)
    options: Any = class_attribute(kind, "_meta")
    field = options.pk
    value = dict.get(values, field.attname) if field is not None else None
    pk = _key(value, field, values)
    return f"{options.label}({pk})"


def known_model(instance: object, known: KnownModel) -> str | None:
    """Return what ``model()`` does, if the key is a plain number or None; else None."""
    label, name = known
    # Not instance.pk: it may be a property, or defer to the database. And not the
    # method of what is there: it may be any dict.
    pk = dict.get(_values_of(instance), name)
    # A number that is neither huge nor negative, or none.
    if name and (pk is None or (type(pk) is int and not pk >> 62)):
        return f"{label}({pk})"
    return None


def _key(value: object, field: Any, values: dict[str, object]) -> str:
    """Describe a primary key that is no plain number, or has the name of a secret."""
    kind = type(value)
    if value is None and isinstance(field, CompositePrimaryKey):
        parts: Iterable[Any] = field.fields
        return ", ".join(
            _key(dict.get(values, each.attname), each, values) for each in parts
        )
    if value is not None and is_secret(field.attname):
        return repr(MASK)
    if kind is str:
        return repr(masked(str(value)))
    if value is None or kind is UUID or (kind is int and fits(value)):
        return str(value)
    return f"<{type_name(kind)}>"


def fits(value: Any) -> bool:
    """Return whether a number is small: the text of a huge one may take minutes."""
    return bool(MIN_INT < value < MAX_INT)


def sender(value: Any) -> str | None:
    """Return a name for the sender of a signal: a model's label, or a dotted name."""
    kind = type(value)
    if kind is ModelBase:
        known = known_models.get(value)
        if known is not None:
            return known[0]
        options = getattr(value, "_meta", None)
        # A class that is still being made has none, or those of an abstract parent.
        if options is not None and options.model is value:
            return _label(value, options)
    if value is None:
        return None
    if issubclass(kind, type):
        options = _dict_of(value).get("_meta")
        return options.label if type(options) is Options else type_name(value)
    if kind is str:
        return masked(str(value))
    if issubclass(kind, AppConfig):
        return f"AppConfig {attribute(value, 'label')}"
    return f"<{type_name(kind)}>"


def _label(value: type, options: Any) -> str:
    """Return the label of a model, and keep it if it is one of the apps."""
    label: str = options.label
    module = _module_of(value)
    if type(module) is str and module == "__fake__":
        return Historical(label)
    kept = options.apps is apps and len(known_models) < MAX_KNOWN
    if kept and options.pk is not None:
        name = options.pk.attname
        plain = not (is_secret(name) or isinstance(options.pk, CompositePrimaryKey))
        known_models[value] = label, name if plain else None
    return label


def attributes(value: object) -> Mapping[str, Any]:
    """Return what the object itself holds, without running any of its code."""
    for base in _mro_of(type(value)):
        descriptor = _dict_of(base).get("__dict__")
        if type(descriptor) is GetSetDescriptorType:
            try:
                return descriptor.__get__(value) or {}
            except (AttributeError, TypeError):  # It is that of another class.
                return {}
    return {}


def contents(module: object) -> Mapping[str, Any]:
    """Return what a module holds, or what stands in ``sys.modules`` in its place."""
    try:
        found: dict[str, Any] = _contents_of(module)
    except TypeError:  # It need not be a module.
        return attributes(module)
    return found


def slot(value: object, name: str) -> object:
    """Return what the object holds by that name, in its ``__dict__`` or in a slot."""
    slot = class_attribute(type(value), name)
    if type(slot) is not MemberDescriptorType:
        return attributes(value).get(name)
    try:
        return slot.__get__(value)
    except (AttributeError, TypeError):  # It is empty, or that of another class.
        return None


def attribute(value: object, name: str) -> str:
    """Return a text that the object itself holds, or its class."""
    held = slot(value, name)
    if held is None:
        held = class_attribute(type(value), name)
    return masked(held) if type(held) is str else "?"


def function(value: object) -> tuple[str, str]:
    """Return the dotted name of a callable, and its file and line."""
    name, place, module = function_parts(value)
    if module:
        name = f"{module}.{name}"
    if isinstance(place, str):
        return name, place
    return name, f"{place.co_filename}:{place.co_firstlineno}"


def receiver_parts(receiver: Any) -> FunctionParts:
    """Return ``function_parts()``, which are kept for functions and methods.

    A name that is changed while something records is not seen; other code is.
    """
    value = receiver.__func__ if type(receiver) is MethodType else receiver
    known = _known_parts.get(id(value))
    if known is not None:
        kept, parts = known
        if kept() is value and parts[1] is value.__code__:
            return parts
    parts = function_parts(receiver)
    room = known is not None or len(_known_parts) < MAX_KNOWN
    if type(value) is FunctionType and room:
        _known_parts[id(value)] = weakref.ref(value), parts
    return parts


def function_parts(value: Any) -> FunctionParts:
    """Return what ``function()`` does, not yet put together where that can wait."""
    kind = type(value)
    if kind is MethodType:
        value = value.__func__
        kind = type(value)
    if kind is FunctionType:
        module, name, code = value.__module__, value.__qualname__, value.__code__
        if type(module) is type(name) is str and len(module) + len(name) < MAX_LENGTH:
            return name, code, module
        return clean(f"{text_of(module)}.{text_of(name)}"), code, ""
    if kind is partial or kind is MethodType:
        called = _unwrapped(value)
        name = "…" if called is None else function(called)[0]
        place = "" if called is None else function_parts(called)[1]
        return clean(f"partial({name})"), place, ""
    if kind is BuiltinFunctionType:
        return _builtin(value), "", ""
    if issubclass(kind, type):
        return type_name(value), "", ""
    call = class_attribute(kind, "__call__")
    place = call.__code__ if type(call) is FunctionType else ""
    return f"{type_name(kind)} instance", place, ""


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
        return clean(f"{text_of(value.__module__)}.{value.__name__}")
    kind = owner if issubclass(type(owner), type) else type(owner)
    return clean(f"{type_name(kind)}.{value.__name__}")


def text_of(value: object) -> str:
    """Return the text itself; of anything else, a question mark."""
    return value if type(value) is str else "?"


def class_attribute(kind: type, name: str) -> object:
    """Return what the class holds by that name, or one that it is derived from."""
    for base in _mro_of(kind):
        if name in _dict_of(base):
            return _dict_of(base)[name]
    return None
