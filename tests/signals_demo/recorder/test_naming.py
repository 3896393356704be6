import sys
import types
import weakref
from functools import partial, wraps
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import models
from django.db.migrations.state import ProjectState
from django.test.utils import isolate_apps

from signals_demo.recorder import naming
from signals_demo.recorder.naming import (
    attribute,
    function,
    function_parts,
    receiver_parts,
    sender,
)

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
        assert receiver_parts(wrapper) == function_parts(wrapper)
        assert place.startswith(f"{__file__}:")
    first.__module__ = "elsewhere"
    assert function(first)[0] == f"elsewhere.{one.__qualname__}"


def test_the_parts_of_few_functions_are_kept(monkeypatch):
    monkeypatch.setattr(naming, "_known_parts", known := {})
    monkeypatch.setattr(naming, "MAX_KNOWN", 1)
    shown = Shown()
    assert receiver_parts(shown.method) is receiver_parts(shown.method)
    assert receiver_parts(shown) == receiver_parts(shown)
    assert receiver_parts(endless) == function_parts(endless)
    assert [*known] == [id(Shown.method)]


def test_methods_of_methods_have_the_same_parts():
    nested = types.MethodType(types.MethodType(endless, 1), 2)
    assert receiver_parts(nested) == function_parts(nested)


def test_a_function_that_was_replaced_in_place_has_new_parts():
    def changed():
        """To be another one."""

    before = receiver_parts(changed)
    changed.__code__ = changed.__code__.replace(co_firstlineno=1)
    assert receiver_parts(changed) == function_parts(changed) != before


def test_parts_are_not_those_of_what_was_at_the_same_place(monkeypatch):
    first, second = logged(endless), logged(Shown.method)
    kept = {id(second): (weakref.ref(first), function_parts(first))}
    monkeypatch.setattr(naming, "_known_parts", kept)
    monkeypatch.setattr(naming, "MAX_KNOWN", 1)
    assert receiver_parts(second) == function_parts(second) != function_parts(first)
    assert receiver_parts(second) is receiver_parts(second)


def test_that_parts_are_kept_keeps_no_function():
    def gone():
        """To be forgotten."""

    reference = weakref.ref(gone)
    receiver_parts(gone)
    del gone
    assert reference() is None


class Evil(dict):
    """What an object may hold its attributes in."""

    def __missing__(self, name):
        raise SystemExit

    __getitem__ = get = __missing__


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(naming, "known_models", found := {})
    return found


@pytest.mark.parametrize(
    "pk", [3, 0, -3, 2**62, 2**70, 10**5000, True, None, "a"], ids=range(9)
)
def test_a_model_that_is_known_has_the_same_name(known, pk):
    user = User(pk=pk)
    before = naming.model(user), sender(User)

    assert known == {User: ("auth.User", "id")}
    assert (naming.model(user), sender(User)) == before
    del vars(user)["id"]
    assert naming.model(user) == "auth.User(None)"
    user.__dict__ = Evil(vars(user))
    assert naming.model(user) == "auth.User(None)"


@isolate_apps("signals_demo")
def test_models_of_all_kinds_have_the_same_name_once_known(known, monkeypatch):
    class Meta:
        app_label = "shop"

    class Proxied:
        app_label = "shop"
        proxy = True

    held = {"__module__": HERE, "Meta": Meta}
    book = type("Book", (models.Model,), {**held})
    proxy = type("OldBook", (book,), {**held, "Meta": Proxied})
    child = type("Novel", (book,), {**held})
    key = models.OneToOneField(book, models.CASCADE, primary_key=True)
    cover = type("Cover", (models.Model,), {**held, "book": key})
    made = [book(pk=1), proxy(pk=2), child(pk=3), cover(book_id=4)]
    before = [naming.model(each) for each in made]
    monkeypatch.setattr(naming, "apps", book._meta.apps)
    senders = [sender(type(each)) for each in made]

    assert [*known] == [book, proxy, child, cover]
    assert senders == [f"shop.{each.__name__}" for each in known]
    assert before == [f"{name}({n})" for n, name in enumerate(senders, 1)]
    assert [naming.model(each) for each in made] == before


def test_a_key_of_parts_has_them_once_known(known, monkeypatch):
    with isolate_apps("signals_demo") as isolated:
        monkeypatch.setattr(naming, "apps", isolated)

        class Pair(models.Model):
            pk = models.CompositePrimaryKey("left", "right")
            left = models.IntegerField()
            right = models.IntegerField()

            class Meta:
                app_label = "shop"

    before = naming.model(Pair(left=1))
    assert sender(Pair) == "shop.Pair"
    assert Pair in known
    assert naming.model(Pair(left=1)) == before == "shop.Pair(1, None)"


@pytest.mark.parametrize(("name", "shown"), [("pin", naming.MASK), ("number", "7")])
def test_a_key_with_the_name_of_a_secret_is_masked_once_known(
    known, monkeypatch, name, shown
):
    with isolate_apps("signals_demo") as isolated:
        monkeypatch.setattr(naming, "apps", isolated)

        class Coupon(models.Model):
            pin = models.IntegerField(primary_key=name == "pin")
            number = models.IntegerField(primary_key=name == "number")

            class Meta:
                app_label = "shop"

    assert sender(Coupon) == "shop.Coupon"
    assert Coupon in known
    coupon = Coupon(pin=7, number=7)
    coupon.__dict__[None] = 8
    assert naming.model(coupon).replace("'", "") == f"shop.Coupon({shown})"


def test_models_that_may_go_are_not_kept(known):
    historical = ProjectState.from_apps(apps).apps.get_model("auth", "User")
    with isolate_apps("signals_demo"):

        class Isolated(models.Model):
            class Meta:
                app_label = "shop"

    assert sender(historical) == "auth.User"
    assert sender(Isolated) == "shop.Isolated"
    assert known == {}


def test_few_models_are_kept(known, monkeypatch):
    monkeypatch.setattr(naming, "MAX_KNOWN", 1)
    assert [sender(User), sender(User.groups.through)] == [
        "auth.User",
        "auth.User_groups",
    ]
    assert [*known] == [User]
