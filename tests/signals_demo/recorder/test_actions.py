import asyncio
import sys
from threading import Event, Thread

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.dispatch import Signal
from django.test import override_settings
from django.utils.translation import activate, get_language, override
from django.utils.translation import gettext_lazy as _

from signals_demo.recorder import actions as module
from signals_demo.recorder.actions import Action, Busy, actions, find, run
from signals_demo.recorder.live.feed import feed

paid = Signal()


def action(function, slug="pay"):
    return Action(slug, _("Save"), _("Log in"), function)


ACTIONS = [action(lambda: paid.send("shop")), action(lambda: None, slug="other")]
HERE = override_settings(SIGNALS_RECORDER_ACTIONS=f"{__name__}.ACTIONS")


@pytest.fixture(autouse=True)
def no_feed():
    yield
    feed.forget()


def test_there_are_none_unless_a_setting_names_them():
    with override_settings(SIGNALS_RECORDER_ACTIONS=""):
        assert list(actions()) == []
        assert find("pay") is None


@HERE
def test_they_are_found_by_their_slug():
    assert actions() is ACTIONS
    assert find("other") is ACTIONS[1]
    assert find("unknown") is None


def test_a_name_of_nothing_is_an_error():
    with (
        override_settings(SIGNALS_RECORDER_ACTIONS="nowhere.ACTIONS"),
        pytest.raises(ImportError),
    ):
        actions()


@pytest.mark.parametrize(
    ("slug", "better"),
    [("sell.book", "sellbook"), ("Sell a book", "sell-a-book"), ("书", "sell-book")],
)
def test_what_is_no_slug_is_refused_with_one_that_is(slug, better):
    with pytest.raises(ImproperlyConfigured, match=f"{slug}.* such as '{better}'"):
        action(lambda: None, slug=slug)


TWICE = [*ACTIONS, action(lambda: None)]


def test_two_of_one_slug_are_refused():
    with (
        override_settings(SIGNALS_RECORDER_ACTIONS=f"{__name__}.TWICE"),
        pytest.raises(ImproperlyConfigured, match=r"TWICE has 2 .* 'pay'"),
    ):
        actions()


def test_what_it_sends_is_recorded():
    data = run(action(lambda: paid.send("shop", amount=1))).as_data()
    assert (data["slug"], data["title"], data["raised"]) == ("pay", "Save", None)
    (entry,) = data["recording"]["entries"]
    assert (entry["sender"], entry["number"]) == ("shop", 1)
    assert data["tree"].startswith("paid shop amount=1")
    assert data["findings"] == []
    assert len(data["numbers"]) == 1


def test_its_numbers_are_those_of_the_feed():
    feed.look(hold=False)
    data = run(action(lambda: (paid.send("a"), paid.send("b")))).as_data()
    feed.collect()
    sent = feed.ring.entries()
    assert data["numbers"] == [each.entry.order for each in sent]
    assert {each.group.label for each in sent} == {"Save"}


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ValueError("secret"), "ValueError"),
        (CommandError("no"), "django.core.management.base.CommandError"),
        (SystemExit(1), "SystemExit"),
        (RecursionError(), "RecursionError"),
        (asyncio.CancelledError(), "asyncio.exceptions.CancelledError"),
    ],
)
def test_what_it_raises_is_told_by_its_class(error, name):
    def fail():
        paid.send("before")
        raise error

    data = run(action(fail)).as_data()
    assert data["raised"] == name
    assert [each["sender"] for each in data["recording"]["entries"]] == ["before"]
    assert "secret" not in str(data)


def test_control_c_ends_it():
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(action(interrupt))
    assert run(action(lambda: None)).raised is None


def test_one_that_sends_without_end_can_be_shown(connect):
    connect(call_itself, paid)
    data = run(action(lambda: paid.send("first"))).as_data()
    assert data["raised"] == "RecursionError"
    assert data["tree"].count("\n") > 20


def call_itself(**kwargs):
    paid.send("again")


def test_it_does_not_run_twice_at_the_same_moment():
    began, end = Event(), Event()
    slow = action(lambda: (began.set(), end.wait(30)))
    thread = Thread(target=run, args=[slow])
    thread.start()
    began.wait(30)
    try:
        with pytest.raises(Busy):
            run(slow)
        assert run(action(lambda: None, slug="other")).raised is None
    finally:
        end.set()
        thread.join()
    assert run(slow).raised is None
    assert not module._running


def test_the_language_stays_what_it_was():
    with override("zh-hans"):
        run(action(lambda: activate("en")))
        assert get_language() == "zh-hans"


@pytest.mark.django_db
def test_findings_are_told(connect, caplog):
    caplog.set_level("CRITICAL", logger="django.dispatch")
    connect(refuse, paid)
    data = run(action(lambda: paid.send_robust("a"))).as_data()
    assert [each["kind"] for each in data["findings"]] == ["swallowed-error"]


def refuse(**kwargs):
    raise LookupError


@pytest.mark.django_db(transaction=True)
def test_it_may_be_asynchronous():
    async def save():
        await Group.objects.acreate(name="a")

    data = run(action(lambda: asyncio.run(save()))).as_data()
    assert "post_save" in data["tree"]
    assert sys.getrecursionlimit() < 10_000
