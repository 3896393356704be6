"""Mistakes in receivers: how they are written, made, and connected."""

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from inspect import Parameter, signature
from itertools import combinations
from types import CodeType, FunctionType, MethodType
from typing import Any, Final

from django.core.checks import CheckMessage, Error, Info, Warning

from signals_demo.recorder.checks.robustness import sent_robustly
from signals_demo.recorder.checks.wording import about, at, listed, short
from signals_demo.recorder.inventory import Connection, made_key
from signals_demo.recorder.naming import attributes, contents

#: How many wrappers around a function are looked into.
MAX_DEPTH: Final = 10
#: How many callables are looked at inside of one, for what it decorates.
MAX_HELD: Final = 100

#: Sent for each object, and by code that is not asynchronous.
_HOT: Final = frozenset(
    f"django.db.models.signals.{name}"
    for name in (
        *("pre_init", "post_init", "pre_save", "post_save"),
        *("pre_delete", "post_delete", "m2m_changed"),
    )
)


def without_keywords(connected: Sequence[Connection]) -> Iterator[CheckMessage]:
    """Find receivers that do not take ``**kwargs``: E001.

    Django refuses them as well, but while ``DEBUG`` is on alone.
    """
    for each in connected:
        name = short(each.signal)
        if not _takes_keywords(each.receiver):
            what = "It does not accept keyword arguments (**kwargs)"
            then = (
                f"{name} fails as soon as it comes with an argument that is not named"
            )
        elif not _takes_keywords(each.receiver, follow_wrapped=True):
            what = "What it wraps does not accept keyword arguments (**kwargs)"
            then = f"connect() of {name} refuses it for that while DEBUG is on"
        else:
            continue
        yield Error(
            f"{what}: {then}{at(each)}.",
            hint="Add **kwargs to its parameters.",
            obj=about(each),
            id="signals_demo.E001",
        )


def _takes_keywords(receiver: Any, *, follow_wrapped: bool = False) -> bool:
    """Return whether the receiver does, or what it wraps, as Django looks at it."""
    # Not through Django's cache, which would keep a local receiver alive.
    try:
        shape = signature(receiver, follow_wrapped=follow_wrapped)
    # It is written in C, or Python 3.14 evaluates annotations only now.
    except (TypeError, ValueError, NameError):
        return True
    return any(each.kind is Parameter.VAR_KEYWORD for each in shape.parameters.values())


def called_twice(connected: Sequence[Connection]) -> Iterator[CheckMessage]:
    """Find receivers that one signal calls more than once: W003."""
    for group in _of_one_definition(connected):
        senders = {
            one.sender or other.sender
            for one, other in combinations(group, 2)
            if _meet(one, other) and _is_same(one.receiver, other.receiver)
        }
        if senders:
            first = group[0]
            of = listed(sender or "any sender" for sender in senders)
            yield Warning(
                f"{short(first.signal)} of {of} calls it more than once{at(first)}.",
                hint="Connect it once: import its module by one name, connect it either"
                " for all senders or for some, and give it a dispatch_uid, the same"
                " each time.",
                obj=about(first),
                id="signals_demo.W003",
            )


def _of_one_definition(
    connected: Sequence[Connection],
) -> Iterator[list[Connection]]:
    groups: dict[object, list[Connection]] = {}
    for each in connected:
        groups.setdefault((each.signal, _definition(each.receiver)), []).append(each)
    return (group for group in groups.values() if len(group) > 1)


def _definition(receiver: Any) -> object:
    """Return what is the same for all receivers that one ``def`` makes."""
    while type(receiver) is partial:
        receiver = receiver.func
    if type(receiver) is not FunctionType:
        return made_key(receiver)
    return receiver.__code__.co_filename, receiver.__code__.co_firstlineno


def _meet(one: Connection, other: Connection) -> bool:
    """Return whether there is a sender that calls both."""
    return None in (one.sender_id, other.sender_id) or one.sender_id == other.sender_id


def _is_same(one: Any, other: Any, depth: int = 0) -> bool:
    """Return whether two objects do the same: one ``def`` that was run twice, say."""
    if one is other:
        return True
    kind = type(one)
    if kind is not type(other) or depth == MAX_DEPTH:
        return False
    if kind in (int, str, bool, MethodType, CodeType):
        return bool(one == other)
    if kind is tuple:
        return len(one) == len(other) and all(
            _is_same(a, b, depth + 1) for a, b in zip(one, other, strict=True)
        )
    parts = _parts(one), _parts(other)
    return None not in parts and _is_same(*parts, depth + 1)


def _parts(value: Any) -> tuple[object, ...] | None:
    """Return what makes a function what it is; None of what is no function."""
    if type(value) is partial:
        return value.func, value.args, tuple(sorted(value.keywords.items()))
    if type(value) is not FunctionType:
        return None
    defaults = (value.__defaults__, tuple((value.__kwdefaults__ or {}).items()))
    return value.__code__, defaults, _cells(value)


def _cells(function: FunctionType) -> tuple[object, ...]:
    """Return what a function has taken along from around it."""
    found = []
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # It is empty still.
            found.append(cell)
    return tuple(found)


def decorated_in_vain(connected: Sequence[Connection]) -> Iterator[CheckMessage]:
    """Find receivers with a decorator above ``@receiver``, which it passes by: W005."""
    for name, group in _by_function(connected):
        each = group[0]
        module = sys.modules.get(each.receiver.__module__)
        outer = contents(module).get(name)
        if outer is not each.receiver and _wraps(outer, each.receiver):
            signals = listed(short(one.signal) for one in group)
            yield Warning(
                f"A decorator stands above @receiver: {signals} calls the function"
                f" without it{at(each)}.",
                hint="Put @receiver(...) above all other decorators.",
                obj=about(each),
                id="signals_demo.W005",
            )


def _by_function(
    connected: Sequence[Connection],
) -> Iterator[tuple[str, list[Connection]]]:
    groups: dict[int, list[Connection]] = {}
    for each in connected:
        if type(each.receiver) is FunctionType:
            groups.setdefault(id(each.receiver), []).append(each)
    return ((group[0].receiver.__qualname__, group) for group in groups.values())


def _wraps(outer: Any, inner: Any) -> bool:
    """Return whether one callable holds another one, as what it decorates."""
    seen: set[int] = set()
    rest = [outer]
    while rest and len(seen) < MAX_HELD:
        each = rest.pop()
        if each is inner:
            return True
        if callable(each) and not isinstance(each, type) and id(each) not in seen:
            seen.add(id(each))
            rest += _held(each)
    return False


def _held(wrapper: Any) -> list[Any]:
    held = [*attributes(wrapper).values()]
    if type(wrapper) is FunctionType:
        held += _cells(wrapper)
    elif type(wrapper) is partial:
        held.append(wrapper.func)
    return held


def without_name(connected: Sequence[Connection]) -> Iterator[CheckMessage]:
    """Find receivers that ``send_robust()`` cannot name when they fail: W010."""
    robust: dict[str, bool] = {}
    for each in connected:
        if hasattr(each.receiver, "__qualname__"):
            continue
        if each.signal not in robust:
            robust[each.signal] = sent_robustly(each.signal)
        if robust[each.signal]:
            yield Warning(
                f"{short(each.signal)} is sent by send_robust(), and this has no"
                " __qualname__: should it fail, Django fails as well when it logs that,"
                f" and the other receivers are not called{at(each)}.",
                hint="Connect a function or a method in its place.",
                obj=about(each),
                id="signals_demo.W010",
            )


def asynchronous(connected: Sequence[Connection]) -> Iterator[CheckMessage]:
    """Find asynchronous receivers of what is sent synchronously, and often: I002."""
    for each in connected:
        if each.is_async and each.signal in _HOT:
            yield Info(
                f"{short(each.signal)} is sent by synchronous code, so each one starts"
                " an event loop for it, some 0.5 ms, and fails where one runs already"
                f"{at(each)}.",
                hint="Make it a synchronous function, or hand its work to a task.",
                obj=about(each),
                id="signals_demo.I002",
            )
