import json
import sys
import types
from ast import literal_eval
from datetime import UTC, date, datetime, time, tzinfo
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import Group, Permission, User
from django.core.signals import request_started
from django.db import connections, models
from django.db.models.base import ModelBase
from django.db.models.signals import post_save, pre_delete
from django.dispatch import Signal
from django.template import Template
from django.test import RequestFactory
from django.test.utils import isolate_apps
from django.utils.functional import SimpleLazyObject

from signals_demo.recorder import capture
from signals_demo.recorder.capture import (
    describe,
    sender,
    type_name,
)
from signals_demo.recorder.masking import MASK, MAX_LENGTH
from tests.factories import UserFactory

SAVED = "django.db.models.signals.post_save"


class Evil:
    """Whatever is asked of it during a test, it sends, and wants to end the program."""

    touched = None

    def touch(self, *args, **kwargs):
        if Evil.touched is None:  # pytest looks around.
            raise AttributeError
        Evil.touched += 1
        post_save.send(Evil)
        raise SystemExit

    __repr__ = __str__ = __format__ = __iter__ = __len__ = __bool__ = touch
    __getattr__ = __getattribute__ = __eq__ = __hash__ = __call__ = touch
    __dict__ = __class__ = label = vendor = property(touch)  # type: ignore[assignment]


class EvilMeta(type):
    touch = Evil.__dict__["touch"]
    __getattribute__ = __getattr__ = __call__ = __instancecheck__ = touch
    __eq__ = __hash__ = __repr__ = __str__ = __subclasscheck__ = touch
    __module__ = __dict__ = __mro__ = _meta = property(touch)


class EvilText(str):
    __repr__ = __str__ = __format__ = __len__ = __getitem__ = Evil.__dict__["touch"]
    isprintable = __hash__ = __eq__ = __getattribute__ = Evil.__dict__["touch"]


class OwnInt(int):
    __repr__ = __str__ = __format__ = Evil.__dict__["touch"]


class OwnDict(dict):
    __iter__ = items = keys = __len__ = Evil.__dict__["touch"]


class EvilZone(tzinfo):
    utcoffset = dst = tzname = Evil.__dict__["touch"]


class OwnModelBase(ModelBase):
    """As that of polymorphic models."""


OfEvil = EvilMeta("OfEvil", (), {})
OfList = EvilMeta("OfList", (list,), {"__module__": "shop"})


class Shown:
    def method(self):
        """To be connected."""

    def __call__(self):
        """To be connected, too."""


def endless():
    yield from iter(int, 1)


def recursive_partial():
    made = partial(print)
    made.__setstate__((types.MethodType(made, 1), (), {}, None))
    return made


def named(value, **attributes):
    for name, each in attributes.items():
        setattr(value, name, each)
    return value


HERE = __name__


@pytest.fixture(autouse=True)
def nothing_foreign_is_asked():
    Evil.touched = 0
    yield
    touched, Evil.touched = Evil.touched, None
    assert touched == 0


def test_the_hostile_ones_are_hostile():
    with pytest.raises(SystemExit):
        repr(Evil())
    with pytest.raises(SystemExit):
        repr(OfEvil)
    Evil.touched = 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Evil(), f"<{HERE}.Evil>"),
        (Evil, f"{HERE}.Evil"),
        (OfEvil, "tests.signals_demo.recorder.test_capture.OfEvil"),
        (type.__call__(OfEvil), f"<{HERE}.OfEvil>"),
        (EvilText("a"), f"<{HERE}.EvilText>"),
        (OwnInt(1), f"<{HERE}.OwnInt>"),
        (OwnDict(a=1), f"<{HERE}.OwnDict>"),
        (endless(), "<generator>"),
        (10**5000, "<huge int>"),
        (-(2**64), "<huge int>"),
        (float("nan"), "nan"),
        (b"secret", "<6 bytes>"),
        (memoryview(b"secret"), "<memoryview>"),
        ("\ud800", "�"),
        ("\x1b[31m\r\n\x00", "�[31m���"),
        ("\u202eevil\u2066\u200f\u061c", "�evil���"),
        (recursive_partial(), "partial(…)"),
        (named(lambda: 0, __qualname__=EvilText("x")), f"{HERE}.?"),
        (named(lambda: 0, __module__=Evil(), __qualname__="x"), "?.x"),
        (type.__call__(OfList).append, "shop.OfList.append"),
        (types.MethodType(Evil(), 1), f"{HERE}.Evil instance"),
        (
            datetime(2026, 1, 2, tzinfo=EvilZone()),
            f"2026-01-02 00:00:00 <{HERE}.EvilZone>",
        ),
        (time(3, tzinfo=EvilZone()), f"03:00:00 <{HERE}.EvilZone>"),
    ],
    ids=range(23),
)
def test_what_is_hostile_becomes_a_placeholder(value, expected):
    assert describe(value) == expected


@pytest.mark.parametrize(
    "hostile",
    [Evil(), OfEvil, EvilText("x"), recursive_partial(), OfList],
    ids=range(5),
)
@pytest.mark.parametrize(
    "signal", [f"{module}.any" for module in capture.ALLOWED] + ["shop.own"]
)
def test_each_argument_of_each_signal_may_be_hostile(signal, hostile):
    names = set().union(*capture.ALLOWED.values())

    described, size = capture.arguments(signal, dict.fromkeys(sorted(names), hostile))

    assert json.dumps(described)
    assert size > 0
    assert sender(hostile)


def test_a_class_may_have_a_text_of_its_own_as_its_name():
    kind = type("Own", (), {"__qualname__": "Own", "__module__": Evil()})
    kind.__qualname__ = EvilText("x")

    assert type_name(kind) == "?"


def test_what_holds_itself_is_followed_to_a_depth():
    endless_list: list[object] = []
    endless_list.append(endless_list)
    deep = {"a": {"b": {"c": {"d": 1}}}}

    assert describe(endless_list) == [[["…"]]]
    assert describe(deep) == {"a": {"b": {"c": "…"}}}


def test_the_number_of_elements_is_bounded():
    described = describe(list(range(1000)))

    assert described == [*range(20), "… 1000 in all"]
    assert describe({str(n): n for n in range(1000)})["…"] == "1000 in all"
    assert describe({Evil, OfEvil} if False else {1}) == [1]


def test_text_is_bounded_even_in_names_and_numbers():
    names = {
        f"{n}".zfill(300): {f"{m}".zfill(300): m for m in range(20)} for n in range(20)
    }
    numbers = [[list(range(20))] * 20] * 20

    for value in (names, numbers, ["x" * 1000] * 20, [["x" * 1000] * 20] * 20):
        assert len(json.dumps(describe(value))) < 15_000
    assert len(str(describe("x" * 10**6))) == MAX_LENGTH


def nested(*values):
    return {f"a{i}": [[*values] * 10] * 20 for i in range(20)}


@pytest.mark.parametrize(
    ("signal", "arguments"),
    [
        ("shop.sold", nested([], [])),
        ("shop.sold", nested({}, [])),
        ("shop.sold", nested(1000, 2000.5)),
        ("shop.sold", nested("ab", "cd")),
        ("shop.sold", nested({"ab": {"cd": 1}})),
        ("shop.sold", nested("🐍" * 150)),
        (SAVED, {"update_fields": {f"{n}" * 300 for n in range(100, 120)}}),
        (SAVED, {"pk_set": {f"{n} " * 60 for n in range(100, 120)}}),
    ],
    ids=range(8),
)
def test_what_is_kept_takes_no_more_than_is_said(signal, arguments):
    # Nobody else holds a part of what is described.
    described, size = capture.arguments(signal, literal_eval(repr(arguments)))
    # An entry has some room for what holds the arguments.
    assert sum(sizes(described).values()) < size + 600


def sizes(value):
    """Return the sizes in memory of a value and its parts, by identity."""
    found = {id(value): sys.getsizeof(value)}
    parts = [*value, *value.values()] if type(value) is dict else value
    for part in () if type(parts) in (str, int, float) else parts:
        found |= sizes(part)
    return found


def test_names_that_begin_alike_are_kept_apart():
    described = describe({"x" * 300 + "1": 1, "x" * 300 + "2": 2})

    assert list(described.values()) == [1, 2]


def test_what_another_thread_changes_is_given_up():
    class Changing:
        def __iter__(self):
            raise RuntimeError("changed size during iteration")

    assert capture._snapshot(Changing()) == []


def test_plain_values_are_kept():
    plain = [None, True, 1.5, 7, "text", Decimal("1.50"), date(2026, 1, 2), UUID(int=1)]

    assert describe(plain) == [
        *plain[:5],
        "1.50",
        "2026-01-02",
        "00000000-0000-0000-0000-000000000001",
    ]
    assert describe((Path("a.txt"), {"k": {1}})) == ["a.txt", {"k": [1]}]


def test_times_have_their_zone():
    paris = datetime(2026, 1, 2, tzinfo=ZoneInfo("Europe/Paris"))

    assert describe([paris, time(3, tzinfo=UTC), datetime(2026, 1, 2)]) == [
        "2026-01-02 00:00:00+01:00",
        "03:00:00+00:00",
        "2026-01-02 00:00:00",
    ]


def test_paths_are_masked_as_texts_are():
    path = Path("/reset/eyJhbGciOi.kanari.kanari")

    assert describe([path, Path("a" * 300)]) == [
        f"/reset/{MASK}",
        "a" * (MAX_LENGTH - 1) + "…",
    ]


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("name", ["Cookie", b"cookie", "password", "X-Api-Key"])
def test_what_a_pair_calls_a_secret_is_masked(name, kind):
    shown = name if type(name) is str else "<6 bytes>"

    assert describe([kind([name, "sid=kanari"]), kind([name, None])]) == [
        [shown, MASK],
        [shown, None],
    ]


def test_other_pairs_are_kept():
    pairs = [["title", "Emma"], [1, 2], ["code", "of", "three"], [b"title", "Emma"]]

    assert describe(pairs) == [*pairs[:3], ["<5 bytes>", "Emma"]]
    assert MASK not in describe({"pin", "otp"})


def test_functions_and_classes_have_their_names_as_arguments_too():
    described = describe(
        [Shown, User, Shown().method, print, apps.get_app_config("auth")]
    )

    assert described == [
        f"{HERE}.Shown",
        "auth.User",
        f"{HERE}.Shown.method",
        "builtins.print",
        "AppConfig auth",
    ]


@isolate_apps("signals_demo")
def test_models_are_described_by_label_and_key():
    class Meta(ModelBase):
        __getattribute__ = EvilMeta.__dict__["touch"]

    class Named(models.Model):
        name = models.CharField(primary_key=True)

        class Meta:
            app_label = "shop"

        __repr__ = __str__ = __hash__ = __eq__ = Evil.__dict__["touch"]

    class Child(Named):
        class Meta:
            app_label = "shop"

    class Keyed(models.Model):
        code = models.CharField(primary_key=True)

        class Meta:
            app_label = "shop"

    class Pair(models.Model):
        pk = models.CompositePrimaryKey("left", "right")
        left = models.IntegerField()
        right = models.CharField()

        class Meta:
            app_label = "shop"

    made = [
        *(Named(name="ada"), Child(name="ada", named_ptr_id="ada"), Keyed(code="A1")),
        *(
            Pair(left=1, right="b"),
            Named(),
            Named(name=UUID(int=1)),
            Named(name=OwnInt()),
        ),
        *(User(pk=3), User(pk=10**5000), User(pk=True), Named(name="Bearer abc")),
    ]
    Keyed.__class__ = Meta
    described = describe(made)

    assert described == [
        *("shop.Named('ada')", "shop.Child('ada')", f"shop.Keyed('{MASK}')"),
        *("shop.Pair(1, 'b')", "shop.Named('')"),
        "shop.Named(00000000-0000-0000-0000-000000000001)",
        *(f"shop.Named(<{HERE}.OwnInt>)", "auth.User(3)", "auth.User(<int>)"),
        *("auth.User(<bool>)", f"shop.Named('{MASK}')"),
    ]
    assert sender(Keyed) == "shop.Keyed"


@isolate_apps("signals_demo")
@pytest.mark.parametrize("value", ["SUMMER24", 2024, 10**30, UUID(int=1)])
@pytest.mark.parametrize(("name", "hidden"), [("pin", True), ("number", False)])
def test_keys_with_the_name_of_a_secret_are_masked(name, hidden, value):
    class Meta:
        app_label = "shop"

    held = {"__module__": HERE, "Meta": Meta, name: models.Field(primary_key=True)}
    kind = OwnModelBase("Coupon", (models.Model,), held)

    signal = "django.db.models.signals.m2m_changed"
    described, _ = capture.arguments(
        signal, {"instance": kind(**{name: value}), "model": kind, "pk_set": {value, 1}}
    )

    assert (described["instance"] == f"shop.Coupon('{MASK}')") is hidden
    assert (described["pk_set"] == [MASK, MASK]) is hidden
    assert describe(kind(**{name: None})) == "shop.Coupon(None)"


@pytest.mark.parametrize("model", [None, OfEvil, models.Model, AbstractBaseUser])
def test_keys_of_what_has_no_key_are_kept(model):
    described, _ = capture.arguments(SAVED, {"model": model, "pk_set": {1}})

    assert described["pk_set"] == [1]


@pytest.mark.django_db
def test_models_are_described_without_a_query(django_assert_num_queries):
    pk = UserFactory().pk
    deferred = User.objects.only("pk").get()
    lazy = SimpleLazyObject(lambda: pytest.fail("It was evaluated."))
    known = SimpleLazyObject(lambda: deferred)
    str(known)
    rows, one = User.objects.all(), iter(User.objects.iterator())

    with django_assert_num_queries(0):
        described, _ = capture.arguments(
            SAVED, {"instance": deferred, "origin": rows, "args": (rows,), "using": one}
        )
        lazily, _ = capture.arguments("django.contrib.auth.signals.x", {"user": lazy})
        wrapped = capture.argument("django.contrib.auth.signals.x", "user", known)
        plain = describe([rows, lazy, one])

    assert described == {
        "instance": f"auth.User({pk})",
        "origin": "<django.db.models.query.QuerySet of auth.User>",
        "args": "<1 values>",
        "using": "<generator>",
    }
    assert lazily == {"user": "<object>"}
    assert wrapped == f"auth.User({pk})"
    assert plain == [
        "<django.db.models.query.QuerySet>",
        "<django.utils.functional.SimpleLazyObject>",
        "<generator>",
    ]
    assert rows._result_cache is None
    assert next(one).pk == pk


@pytest.mark.django_db
def test_the_origin_of_a_deletion_is_not_evaluated(django_assert_num_queries):
    seen = []

    def describe_origin(origin, **kwargs):
        seen.append(capture.argument(SAVED, "origin", origin))

    UserFactory()
    Permission.objects.all().delete()
    pre_delete.connect(describe_origin, sender=User)
    try:
        User.objects.all().delete()
        UserFactory().delete()
    finally:
        pre_delete.disconnect(describe_origin, sender=User)

    assert seen[0] == "<django.db.models.query.QuerySet of auth.User>"
    assert seen[1].startswith("auth.User(")


def describes(signal, **arguments):
    return capture.arguments(signal, arguments)[0]


def test_only_what_is_allowed_of_a_signal_is_kept():
    described = describes(
        SAVED,
        created=True,
        raw=None,
        using="default\x1b",
        update_fields=frozenset({"b", "a", 1}),
        pk_set={3, 1, 2},
        model=Group,
        kwargs={"password": "x", "name": "y"},
        verbosity=2,
        own="a secret",
    )

    assert described == {
        "created": True,
        "raw": None,
        "using": "default�",
        "update_fields": ["a", "b"],
        "pk_set": [1, 2, 3],
        "model": "auth.Group",
        "kwargs": ["name", "password"],
        "verbosity": 2,
        "own": "<str>",
    }


@pytest.mark.parametrize("using", ["x" * 10_000, "x" * MAX_LENGTH, "x"])
def test_texts_of_signals_are_bounded(using):
    described, _ = capture.arguments(SAVED, {"using": using})
    assert described["using"] in (using, f"{using[: MAX_LENGTH - 1]}…")
    assert len(described["using"]) <= MAX_LENGTH


def test_many_names_and_keys_are_bounded():
    described = describes(
        SAVED,
        update_fields={f"field{n:02}" for n in range(21)},
        kwargs=dict.fromkeys(map(str, range(100_000))),
        pk_set=set(range(1000)),
    )

    assert described["update_fields"][-2:] == ["field19", "… 21 in all"]
    assert described["kwargs"][-1] == "… 100000 in all"
    assert described["pk_set"][-1] == "… 1000 in all"
    assert len(described["kwargs"]) == len(described["pk_set"]) == 21


def test_requests_are_described_by_method_and_path():
    request = RequestFactory().get("/books/3/?token=abc", headers={"cookie": "a=b"})

    assert describes("django.core.signals.x", request=request) == {
        "request": "<WSGIRequest GET /books/3/>"
    }
    assert describes("django.core.signals.x", environ=request.environ) == {
        "environ": "GET /books/3/"
    }
    assert describes("django.core.signals.x", scope={"path": "/a"}) == {"scope": "/a"}
    assert describes("django.core.signals.x", scope={}) == {"scope": "<dict>"}
    assert describes("django.core.signals.x", scope={"path": 1}) == {"scope": "?"}


@pytest.mark.parametrize(
    "path",
    [
        "/reset/MQ/cx7a2b-0123456789abcdef0123456789abcdef/",
        "/invite/k3J9x2/",
        "/i/ABC-1D2/",
    ],
)
def test_tokens_in_paths_are_masked(path):
    assert (
        MASK
        in describes("django.core.signals.x", environ={"PATH_INFO": path})["environ"]
    )


def test_other_arguments_of_django_are_described():
    connection = connections["default"]
    held = SimpleNamespace(path="/a", vendor=Evil())

    assert describes("django.db.backends.signals.x", connection=connection) == {
        "connection": f"<{connection.vendor} default>"
    }
    assert describes("django.db.backends.signals.x", connection=held) == {
        "connection": "<? ?>"
    }
    assert describes(
        "django.test.signals.x", template=Template("a", name="b.html")
    ) == {"template": "<Template b.html>"}
    assert describes("django.utils.autoreload.x", file_path=Path("/a.py")) == {
        "file_path": "/a.py"
    }
    assert describes(
        "django.core.signals.x", setting="DEBUG", value=True, enter=True
    ) == {
        "setting": "DEBUG",
        "value": True,
        "enter": True,
    }
    assert describes("django.contrib.auth.signals.x", credentials={"otp": 1}) == {
        "credentials": ["otp"]
    }


def test_a_task_is_described_by_its_function_and_status():
    tasks = pytest.importorskip("django.tasks", reason="Tasks came with Django 6.0.")
    task = tasks.task(test_plain_values_are_kept)
    times = ("enqueued_at", "started_at", "finished_at", "last_attempted_at")
    result = tasks.TaskResult(
        task=task,
        id="1",
        status=tasks.TaskResultStatus.READY,
        args=["secret"],
        kwargs={},
        backend="default",
        errors=[],
        worker_ids=[],
        **dict.fromkeys(times),
    )

    described = describes("django.tasks.signals.x", task_result=result)

    assert described["task_result"] == f"<{HERE}.test_plain_values_are_kept READY>"


def test_what_gives_nothing_away_is_kept_under_any_name():
    values = {"code": None, "token": True, "session": User(pk=3)}

    assert describe(values) == {"code": None, "token": True, "session": "auth.User(3)"}
    assert describe({3: "x"}) == {"3": MASK}


def test_signals_of_others_are_described_argument_by_argument():
    described, size = capture.arguments("shop.sold", {"book": User(pk=1), "pin": 1234})

    assert described == {"book": "auth.User(1)", "pin": MASK}
    assert 0 < size < 100


def test_the_allow_list_knows_each_argument_that_django_documents():
    assert isinstance(request_started, Signal)
    assert {"instance", "created", "raw"} <= set(
        capture.ALLOWED["django.db.models.signals"]
    )
