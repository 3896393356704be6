import gc
import linecache

import pytest
from django.contrib.auth.models import Group, User
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.utils import inspect
from django.utils.translation import override

from signals_demo.recorder import record
from signals_demo.recorder.live.details import MAX_SOURCE, details, details_of

paid = Signal()
NAME = f"{__name__}.paid"
POST_SAVE = "django.db.models.signals.post_save"


def keep_books(**kwargs):
    """Be known by this line."""


def of(found, name):
    return [each for each in found["receivers"] if each["name"].endswith(name)]


def test_an_unknown_signal_has_none():
    for name in ("", "no.such.signal", "os.system", "\0", "a" * 10_000):
        assert details(name, None) is None


def test_a_signal_is_told_with_its_receivers(connect):
    connect(keep_books, paid, sender=None, dispatch_uid="books")
    found = details(NAME, "shop")
    assert found.keys() == {
        "signal",
        "sender",
        "documentation",
        "receivers",
    }
    assert (found["signal"], found["sender"]) == (NAME, "shop")
    assert found["documentation"] is None
    (receiver,) = found["receivers"]
    assert receiver["name"] == f"{__name__}.keep_books"
    assert receiver["uid"] == "books"
    assert receiver["alive"]
    assert receiver["weak"]
    assert not receiver["async"]
    assert receiver["verdict"] == ""
    assert receiver["source"].startswith("def keep_books(**kwargs):\n")
    assert "Be known by this line." in receiver["source"]
    assert receiver["source_line"] == keep_books.__code__.co_firstlineno
    assert "/conftest.py:" in receiver["connected_at"]


def test_signals_of_django_have_documentation():
    assert details(POST_SAVE, None)["documentation"].startswith("https://docs.django")


def test_who_waits_for_another_sender_is_told_so(connect):
    connect(keep_books, post_save, sender=User)
    (mine,) = of(details(POST_SAVE, "auth.User"), "keep_books")
    assert mine["verdict"] == ""
    (other,) = of(details(POST_SAVE, "auth.Group"), "keep_books")
    assert other["verdict"] == "It waits for auth.User."
    with override(None):
        assert of(details(POST_SAVE, None), "keep_books")[0]["verdict"]


def test_how_senders_belong_together_is_told(shop, connect):
    connect(keep_books, post_save, sender=shop.Book)
    (found,) = of(details(POST_SAVE, "shop.PaperBook"), "keep_books")
    assert "shop.PaperBook is a proxy" in found["verdict"]


def test_who_is_gone_is_told_so():
    def local(**kwargs):
        pass

    paid.connect(local)
    try:
        (entry,) = paid.receivers
        del local
        inspect._get_func_parameters.cache_clear()  # DEBUG fills it.
        gc.collect()
        paid.receivers[:] = [entry]
        (receiver,) = details(NAME, None)["receivers"]
        assert not receiver["alive"]
        assert receiver["verdict"].startswith("It is gone")
        assert receiver["source"] is None
        assert receiver["source_line"] == 0
    finally:
        paid.receivers.clear()


class Callable:
    def __call__(self, **kwargs):
        """Be called as an object."""


made = {}
exec("def made_up(**kwargs): pass", made)


@pytest.mark.parametrize(
    ("receiver", "source"),
    [
        (Callable(), "Be called as an object."),
        (made["made_up"], None),
        (print, None),
    ],
)
def test_source_is_shown_if_there_is_any(connect, monkeypatch, receiver, source):
    lines = ["def main(): pass\n"]  # As of "python -c", from Python 3.13 on.
    monkeypatch.setitem(linecache.cache, "<string>", (17, None, lines, "<string>"))
    connect(receiver, paid, weak=False)
    (found,) = details(NAME, None)["receivers"]
    assert source in found["source"] if source else found["source"] is None


def test_source_is_bounded(connect, monkeypatch):
    monkeypatch.setattr("inspect.getsourcelines", lambda code: (["x" * 10**6], 3))
    connect(keep_books, paid)
    (found,) = details(NAME, None)["receivers"]
    assert len(found["source"]) == MAX_SOURCE


@pytest.mark.parametrize("error", [OSError, SyntaxError, IndexError, TypeError])
def test_a_file_that_has_changed_is_no_error(connect, monkeypatch, error):
    def fail(code):
        raise error

    monkeypatch.setattr("inspect.getsourcelines", fail)
    connect(keep_books, paid)
    assert details(NAME, None)["receivers"][0]["source"] is None


@pytest.mark.django_db
def test_all_that_a_recording_holds_is_told(connect):
    connect(lambda **kwargs: paid.send(None), post_save, sender=Group, weak=False)
    with record() as recording:
        Group.objects.create(name="a")
    found = details_of(recording)
    assert f"{POST_SAVE} auth.Group" in found
    assert found[f"{NAME} "]["signal"] == NAME
