import ast
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import django
import pytest
from django.dispatch import Signal

from signals_demo import catalog
from signals_demo.builtin import Argument, BuiltinSignal, SendSite
from signals_demo.compat import DJANGO_VERSION

DJANGO = Path(django.__file__).parent
SEND_METHODS = {"send", "asend", "send_robust", "asend_robust"}


class Call(NamedTuple):
    """A call found in the source of Django."""

    caller: str
    owner: str
    name: str
    keywords: frozenset[str | None]  # None is a **kwargs handed on


def scan(tree: ast.AST, module: str, scope: str = "") -> Iterator[str | Call]:
    """Yield the path of each signal made below the tree, and each call there."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.ClassDef():
                inner = f".{node.name}"
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                inner = f"{scope}.{node.name}"
            case _:
                inner = scope
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(func=ast.Name(id="Signal" | "ModelSignal")),
            ):
                yield f"{module}{scope}.{name}"
            case ast.Call(func=func):
                *_, owner, name = ["", *ast.unparse(func).split(".")]
                keywords = frozenset(keyword.arg for keyword in node.keywords)
                yield Call(module + scope, owner, name, keywords)
        yield from scan(node, module, inner)


@cache
def found() -> tuple[str | Call, ...]:
    return tuple(
        finding
        for file in DJANGO.rglob("*.py")
        if "signal" in (text := file.read_text(encoding="utf-8")).lower()
        for finding in scan(ast.parse(text), module_name(file))
    )


def module_name(file: Path) -> str:
    parts = file.relative_to(DJANGO.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


@cache
def signals_made() -> frozenset[str]:
    return frozenset(path for path in found() if isinstance(path, str))


@cache
def calls(name: str) -> tuple[Call, ...]:
    calls = (call for call in found() if isinstance(call, Call))
    return tuple(call for call in calls if call.name == name)


@cache
def sends(signal: str) -> tuple[Call, ...]:
    sends = (call for method in SEND_METHODS for call in calls(method))
    return tuple(send for send in sends if send.owner == signal)


def argument_sets(send: Call) -> list[frozenset[str | None]]:
    """Return the arguments of a send, once for each way that leads to it."""
    if None not in send.keywords:
        return [send.keywords - {"sender"}]
    # emit_pre_migrate_signal() and its twin hand on what they do not name.
    handed_on = send.keywords - {"sender", None}
    own = {"verbosity", "interactive", "db"}
    return [
        handed_on | call.keywords - own
        for call in calls(send.caller.rpartition(".")[2])
    ]


def disagreements(signals: tuple[BuiltinSignal, ...]) -> list[str]:
    """Compare a catalog with the source of the installed Django."""
    paths = {signal.path for signal in signals}
    wrong = [f"signal {path}" for path in signals_made() ^ paths]
    for signal in signals:
        sites = {(send.caller, send.name) for send in sends(signal.name)}
        told = {(site.function, site.method) for site in signal.sent_by_in()}
        wrong += [f"{signal.name} is sent by {site}" for site in sites ^ told]

        sets = [names for send in sends(signal.name) for names in argument_sets(send)]
        always = frozenset.intersection(*sets)
        sent = {(name, name in always) for name in frozenset.union(*sets)}
        listed = {(arg.name, not arg.sometimes) for arg in signal.arguments_in()}
        wrong += [f"{signal.name} sends {argument}" for argument in sent ^ listed]
    return wrong


def falsified(part: Argument | SendSite) -> Iterator[Argument | SendSite]:
    match part:
        case Argument():
            yield replace(part, name="renamed")
            yield replace(part, sometimes="" if part.sometimes else "wrongly")
        case SendSite():
            yield replace(part, function="renamed")
            yield replace(part, method="renamed")


def entries_changed(signal: BuiltinSignal) -> Iterator[BuiltinSignal]:
    """Yield every copy of the entry that lacks a part or has a false one."""
    for field in ("arguments", "sent_by"):
        parts = getattr(signal, f"{field}_in")()
        for part in parts:
            others = tuple(other for other in parts if other is not part)
            yield replace(signal, **{field: others})
            for false in falsified(part):
                yield replace(signal, **{field: (*others, false)})


def test_the_catalog_says_what_the_source_of_django_says():
    assert disagreements(catalog.signals()) == []


@pytest.mark.parametrize("signal", catalog.signals(), ids=lambda signal: signal.name)
def test_nothing_in_an_entry_can_be_changed_unnoticed(signal):
    others = tuple(other for other in catalog.signals() if other is not signal)

    assert disagreements(others)
    for changed in entries_changed(signal):
        assert disagreements((*others, changed)), changed


@pytest.mark.parametrize(
    ("version", "signals", "documented"),
    [((5, 2), 21, 19), ((6, 0), 24, 22), ((6, 1), 24, 22)],
)
def test_every_supported_version_has_its_signals(version, signals, documented):
    entries = catalog.signals(version)

    assert len(entries) == signals
    assert sum(entry.documented for entry in entries) == documented


def test_the_installed_version_is_the_default():
    assert catalog.signals() == catalog.signals(DJANGO_VERSION)


def test_groups_stand_together_in_the_order_of_the_reference():
    groups = [group for group, _ in groupby(catalog.SIGNALS, lambda entry: entry.group)]

    assert groups == [
        "Model signals",
        "Management signals",
        "Request/response signals",
        "Test signals",
        "Database wrappers",
        "Login and logout signals",
        "Tasks signals",
        "Autoreload signals",
    ]


def test_post_syncdb_is_history():
    post_syncdb = catalog.get("post_syncdb")

    assert post_syncdb in catalog.signals((1, 8))
    assert post_syncdb not in catalog.signals((1, 9))
    assert "post_migrate" in post_syncdb.pitfalls[0]
    with pytest.raises(ImportError):
        post_syncdb.load()


def test_every_entry_can_be_looked_up():
    assert [catalog.get(entry.name) for entry in catalog.SIGNALS] == [*catalog.SIGNALS]
    with pytest.raises(KeyError, match="post_saved"):
        catalog.get("post_saved")


@pytest.mark.parametrize("signal", catalog.signals(), ids=lambda signal: signal.name)
def test_every_entry_tells_what_a_reader_asks(signal):
    assert isinstance(signal.load(), Signal)
    assert signal.sender
    assert signal.when.endswith(".")
    assert signal.pitfalls
    assert all(argument.what for argument in signal.arguments)
    assert signal.docs.startswith("https://docs.djangoproject.com/en/stable/ref/")
