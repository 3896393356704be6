from enum import IntEnum

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.test.utils import isolate_apps

from signals_demo.recorder import record
from signals_demo.recorder.capture import arguments, sender
from signals_demo.recorder.masking import MAX_LENGTH
from signals_demo.recorder.saves import sent


class Key(IntEnum):
    ONE = 1


class Text(str):
    """A text that may do what it likes."""

    __slots__ = ()

    def isprintable(self):
        raise SystemExit


class Evil(dict):
    """What an object may hold its attributes in."""

    def __missing__(self, name):
        raise SystemExit

    __getitem__ = get = __missing__


def evil():
    user = User(pk=3)
    user.__dict__ = Evil(vars(user))
    return user


with isolate_apps("django.contrib.auth"):

    class Proxy(User):
        class Meta:
            app_label = "auth"
            proxy = True


PLAIN = {
    "instance": User(pk=3),
    "created": True,
    "update_fields": None,
    "raw": False,
    "using": "default",
}


@pytest.mark.parametrize(
    ("origin", "others"),
    [
        (User, {}),
        (User, {"instance": User(pk=-3)}),
        (User, {"instance": User(pk="a")}),
        (User, {"instance": User()}),
        (User, {"instance": User(pk=True)}),
        (User, {"instance": User(pk=Key.ONE)}),
        (User, {"instance": User(pk=2**62)}),
        (User, {"instance": User(pk=10**5000)}),
        (User, {"instance": evil()}),
        (Session, {"instance": Session(pk=3)}),
        (Session, {"instance": Session()}),
        (User, {"instance": Proxy(pk=3)}),
        (User, {"instance": Group(pk=3)}),
        (User, {"instance": 3}),
        (User, {"instance": None}),
        (Proxy, {"instance": Proxy(pk=3)}),
        (User(pk=3), {}),
        (None, {}),
        ("shop", {}),
        (User, {"created": 1}),
        (User, {"created": None}),
        (User, {"raw": "yes"}),
        (User, {"raw": None}),
        (User, {"update_fields": {"b", "a"}}),
        (User, {"update_fields": "token=x"}),
        (User, {"using": "a\x1b"}),
        (User, {"using": "x" * MAX_LENGTH}),
        (User, {"using": b"default"}),
        (User, {"using": Text("default")}),
        (User, {"own": "a secret"}),
    ],
)
@pytest.mark.parametrize("missing", [None, *PLAIN])
@pytest.mark.parametrize("signal", ["pre_save", "post_save", "pre_delete"])
def test_what_is_sent_is_described_as_its_parts_are(signal, missing, origin, others):
    named = {**PLAIN, **others}
    named.pop(missing, None)
    signal = f"django.db.models.signals.{signal}"
    given = dict(named)

    with record():
        for _ in range(2):  # The model is known then.
            described = sent(signal, origin, named)
            expected, size = arguments(signal, named)
            assert described == (sender(origin), expected, size)
            assert [*described[1]] == [*named]
    assert named == given
