import sys
import types
from functools import partial, wraps
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import models

from signals_demo.recorder import naming
from signals_demo.recorder.naming import attribute, function, function_parts, sender

HERE = __name__


class Shown:
    def method(self):
        """To be connected."""

    def __call__(self):
        """To be connected, too."""


def endless():
    yield from iter(int, 1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (endless, f"{HERE}.endless"),
        (lambda: 0, f"{HERE}.<lambda>"),
        (Shown().method, f"{HERE}.Shown.method"),
        (Shown.method, f"{HERE}.Shown.method"),
        (Shown(), f"{HERE}.Shown instance"),
        (Shown, f"{HERE}.Shown"),
        (partial(Shown().method, 1), f"partial({HERE}.Shown.method)"),
        (types.MethodType(partial(print), 1), "partial(builtins.print)"),
        (print, "builtins.print"),
        ([].append, "list.append"),
        (dict.fromkeys, "dict.fromkeys"),
        (object(), "object instance"),
    ],
    ids=range(12),
)
def test_callables_have_their_names(value, expected):
    name, place = function(value)

    assert name == expected
    assert not place or place.startswith((f"{__file__}:", str(Path(sys.prefix))))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (User, "auth.User"),
        (models.Model, "django.db.models.base.Model"),
        (User.groups.through, "auth.User_groups"),
        (int, "int"),
        ("shop", "shop"),
        (Shown(), f"<{HERE}.Shown>"),
        (apps.get_app_config("auth"), "AppConfig auth"),
        (
            apps.get_app_config("signals_demo_recorder"),
            "AppConfig signals_demo_recorder",
        ),
    ],
)
def test_senders_have_their_names(value, expected):
    assert sender(value) == expected


def test_what_only_looks_like_an_attribute_is_not_read():
    borrowed = type("Borrowed", (), {"__dict__": type.__dict__["__dict__"]})
    slot = type("Slot", (), {"__slots__": ("label",)})
    stolen = type("Stolen", (), {"label": slot.__dict__["label"], "__slots__": ()})

    filled = slot()
    filled.label = "a"

    assert attribute(borrowed(), "label") == "?"
    assert attribute(slot(), "label") == "?"
    assert attribute(stolen(), "label") == "?"
    assert attribute(filled, "label") == "a"


def logged(function):
    @wraps(function)
    def wrapper(**kwargs):
        return function(**kwargs)

    return wrapper


def test_functions_with_the_same_code_have_names_of_their_own():
    def one(**kwargs):
        pass

    def other(**kwargs):
        pass

    first, second = logged(one), logged(other)
    assert first.__code__ is second.__code__
    for wrapper, wrapped in (first, one), (second, other), (first, one):
        name, place = function(wrapper)
        assert name == f"{__name__}.{wrapped.__qualname__}"
        assert place.startswith(f"{__file__}:")
    first.__module__ = "elsewhere"
    assert function(first)[0] == f"elsewhere.{one.__qualname__}"


def test_the_parts_of_few_functions_are_kept(monkeypatch):
    monkeypatch.setattr(naming, "_known_parts", known := {})
    monkeypatch.setattr(naming, "MAX_KNOWN_PARTS", 1)
    first, second = (lambda: None), (lambda: None)
    assert function_parts(first) is function_parts(first)
    assert function_parts(second) == function_parts(second)
    assert [*known] == [id(first.__code__)]
