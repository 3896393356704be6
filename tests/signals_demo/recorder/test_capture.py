import json
import sys
import types
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.apps import apps
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
    function,
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
    ],
    ids=range(21),
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


def test_what_only_looks_like_an_attribute_is_not_read():
    borrowed = type("Borrowed", (), {"__dict__": type.__dict__["__dict__"]})
    slot = type("Slot", (), {"__slots__": ("label",)})
    stolen = type("Stolen", (), {"label": slot.__dict__["label"], "__slots__": ()})

    assert capture._attribute(borrowed(), "label") == "?"
    assert capture._attribute(slot(), "label") == "?"
    assert capture._attribute(stolen(), "label") == "?"
    assert capture._attribute(named(slot(), label="a"), "label") == "a"


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


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (test_plain_values_are_kept, f"{HERE}.test_plain_values_are_kept"),
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


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (User, "auth.User"),
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
