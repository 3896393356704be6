import asyncio
import unittest
from contextlib import ExitStack, contextmanager
from threading import Thread
from typing import ClassVar
from unittest import IsolatedAsyncioTestCase

import pytest
from django import test
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models.signals import (
    post_save,
    pre_init,
    pre_save,
)
from django.dispatch import Signal

from signals_demo.models import Profile
from signals_demo.recorder import testing
from signals_demo.recorder.testing import SignalsMixin, recorded_signals
from tests.factories import UserFactory

User = get_user_model()

ping = Signal()
pong = Signal()
late = Signal()
PING, PONG = f"{__name__}.ping", f"{__name__}.pong"


def send_pong(sender, **kwargs):
    pong.send(sender)


def fail(sender, **kwargs):
    raise OSError("no answer")


@contextmanager
def connected(**receivers):
    """Connect receivers, given by the names of their signals, for a while."""
    with ExitStack() as stack:
        for name, receiver in receivers.items():
            globals()[name].connect(receiver)
            stack.callback(globals()[name].disconnect, receiver)
        yield


@pytest.fixture
def told():
    """What a question is answered with, if that is an AssertionError."""

    def ask(question, *args, **kwargs):
        with pytest.raises(AssertionError) as caught:
            question(*args, **kwargs)
        (note,) = caught.value.__notes__
        assert note.startswith("\nRecorded signals:\n\n")
        return str(caught.value).splitlines()

    return ask


# Which signal is meant.


@pytest.mark.parametrize("signal", [ping, "ping", PING])
def test_a_signal_is_given_as_itself_or_by_a_name(signals, signal):
    ping.send(None)
    assert len(signals.sent(signal)) == 1


def test_a_signal_is_found_where_it_is_only_imported(signals):
    pre_save.send(Signal, instance=None)
    signals.sent("django.db.models.base.pre_save")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("post_safe", " Is it post_save or "),
        ("django.db.models.signals.post_safe", r" Is it django\.db\.models\.signals\."),
        ("django.db.models.Model", ""),
        ("qqqqqq", "$"),
    ],
)
def test_a_name_that_no_signal_has_is_an_error(signals, name, near):
    with pytest.raises(ValueError, match=f"There is no signal '{name}'\\.{near}"):
        signals.not_sent(name)


def test_what_is_no_signal_is_an_error(signals):
    with pytest.raises(ValueError, match=r"User'> is no signal\."):
        signals.not_sent(User, post_save)


# sent() and not_sent()


def test_sent_returns_all_that_was_asked_for(signals):
    for sender in ("here", "there", "here"):
        ping.send(sender, number=1)
    pong.send("here")
    assert [each.sender for each in signals.sent(ping)] == ["here", "there", "here"]
    assert len(signals.sent(ping, sender="here")) == 2
    assert len(signals.sent(ping, "there", number=1)) == 1


def test_a_receiver_is_called_as_without_recording(signals):
    heard = []
    with connected(ping=lambda sender, **kwargs: heard.append(sender)):
        ping.send("here")
    assert heard == ["here"]


@pytest.mark.django_db
def test_models_are_compared_by_label_and_key(signals):
    user, other = UserFactory(), UserFactory()
    signals.sent(post_save, sender=User, instance=user, created=True)
    signals.sent(post_save, sender="auth.User", instance=other, using="default")
    signals.sent(post_save, sender="auth.user", update_fields=None)
    signals.not_sent(post_save, sender=User, instance=user, created=False)
    user.save(update_fields=["first_name", "last_name"])
    signals.sent(post_save, created=False, update_fields={"last_name", "first_name"})


@pytest.mark.django_db
def test_models_are_described_as_they_were(signals, told):
    user = UserFactory()
    assert told(signals.sent, pre_save, instance=user) == [
        f"pre_save with instance=auth.User({user.pk}) was not sent.",
        "It came:",
        "  from auth.User with instance=auth.User(None)",
        "  from signals_demo.Profile with instance=signals_demo.Profile(None)",
    ]


def test_an_argument_that_did_not_come_does_not_fit(signals, told):
    ping.send(None, other=1)
    signals.not_sent(ping, number=None)
    assert told(signals.sent, ping, number=None)[1:] == ["It came:", "  from no sender"]


def test_an_argument_that_django_does_not_send_is_an_error(signals):
    with pytest.raises(ValueError, match=r"'craeted'\. Is it created"):
        signals.not_sent(post_save, craeted=True)


@pytest.mark.parametrize("arguments", [{"code": "a"}, {"url": "http://x/?a=1"}])
def test_what_is_masked_cannot_be_asked_for(signals, arguments):
    ping.send(None, code="b", url="http://x/?a=2")
    with pytest.raises(ValueError, match="of ping is masked in recordings"):
        signals.sent(ping, **arguments)


def test_a_label_that_no_model_has_is_an_error(signals):
    with pytest.raises(ValueError, match=r"There is no sender 'auth\.Usr': App 'auth'"):
        signals.not_sent(post_save, sender="auth.Usr")


def test_sent_says_that_nothing_came(signals, told):
    pong.send(None)
    assert told(signals.sent, ping, sender=User, number=1) == [
        "ping from auth.User with number=1 was not sent.",
        "No ping was sent at all.",
    ]


def test_sent_says_what_came_instead(signals, told):
    for number in range(1, 9):
        ping.send("there", number=number // 2, other=1)
    for _ in range(9):
        ping.send("there", number=8, other=1)
    came = [
        "It came:",
        "  from there with number=8 (x 9)",
        "  from there with number=1 (x 2)",
        "  from there with number=2 (x 2)",
        "  from there with number=3 (x 2)",
        "  from there with number=0",
        "  and 1 other",
    ]
    assert told(signals.sent, ping, sender="here", number=1)[1:] == came
    assert told(signals.sent, ping, number=7)[1:] == came
    ping.send("here", number=1)
    assert told(signals.sent, ping, sender="here", number=7) == [
        "ping from here with number=7 was not sent.",
        "It came:",
        "  from here with number=1",
    ]


def test_not_sent_says_where_it_came_from(signals, told, monkeypatch, settings):
    monkeypatch.chdir(settings.BASE_DIR / "tests")
    for _ in range(2):
        ping.send("here")
    ping.send("there")
    told_at = "  from signals_demo/recorder/test_testing.py:"
    asked, came, twice, once = told(signals.not_sent, ping)
    assert (asked, came) == ("ping was sent 3 times.", "It came:")
    assert twice.startswith(told_at)
    assert twice.endswith(" (x 2)")
    assert once.startswith(told_at)
    signals.not_sent(ping, sender="nobody")


def test_what_no_code_of_the_project_sent_is_said_so(signals, told):
    ping.send(None)
    signals.recording.entries[0].call_site = None
    assert told(signals.not_sent, ping)[-1] == "  from no code of the project"


# The others


def test_times_counts_what_is_folded_too(signals, told):
    signals.times(ping, 0)
    ping.send("here")
    signals.times(ping, 1)
    signals.times(ping, 0, sender="there")
    for _ in range(3):
        User()
    signals.times(pre_init, 3, sender=User)
    asked, came, place = told(signals.times, pre_init, 2, User)
    assert asked == "pre_init from auth.User was sent 3 times, not 2."
    assert came == "It came:"
    assert place.endswith(" (x 3)")
    assert told(signals.times, ping, 1, sender="there") == [
        "ping from there was sent 0 times, not 1.",
        "It came:",
        "  from here",
    ]


def test_times_may_be_asked_of_an_argument_called_count(signals):
    ping.send(None, count=3)
    signals.times(ping, 1, count=3)


def test_in_order_lets_others_between(signals, told):
    for signal in (ping, pong, pong, ping):
        signal.send(None)
    signals.in_order(ping, ping)
    signals.in_order(ping, PONG, "pong", "ping")
    assert told(signals.in_order, pong, ping, pong) == [
        "pong was not sent after pong, ping.",
        "It came before.",
    ]
    assert told(signals.in_order, post_save) == [
        "post_save was not sent.",
        "It came at no time.",
    ]


def test_in_order_follows_the_clock_and_not_the_tree(signals):
    async def slow(sender, **kwargs):
        await pong_was_sent.wait()
        late.send("slow")

    async def main():
        await asyncio.gather(ping.asend(None), pong.asend(None))

    async def note(sender, **kwargs):
        pong_was_sent.set()

    pong_was_sent = asyncio.Event()
    with connected(ping=slow, pong=note):
        asyncio.run(main())
    signals.in_order(ping, pong, late)


@pytest.mark.parametrize(
    "cause", [ping, "ping", PING, send_pong, "send_pong", f"{__name__}.send_pong"]
)
def test_caused_by_takes_signals_and_receivers(signals, cause):
    with connected(ping=send_pong):
        ping.send(None)
        pong.send(None)
    signals.caused_by(pong, cause)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("named", [True, False])
def test_caused_by_takes_commit_hooks(signals, named):
    def hook():
        ping.send(None)

    with transaction.atomic():
        transaction.on_commit(hook)
    signals.caused_by(ping, "hook" if named else hook)


def test_caused_by_says_what_it_came_of(signals, told):
    with connected(ping=send_pong):
        ping.send(None)
        pong.send(None)
    assert told(signals.caused_by, pong, fail) == [
        "pong was not sent inside of fail.",
        "It came:",
        "  inside of ping > send_pong",
        "  by itself",
    ]
    assert told(signals.caused_by, post_save, ping)[1] == (
        "No post_save was sent at all."
    )


@pytest.mark.django_db
def test_silent_writes_are_told_once_each(signals, told):
    user = UserFactory()
    signals.no_silent_writes()
    for _ in range(2):
        User.objects.filter(pk=user.pk).update(username="ada")
    (line,) = told(signals.no_silent_writes)
    assert "auth.User" in line
    assert "signals_demo.signals.sync_profile" in line
    assert line.endswith(" (x 2)")


def test_swallowed_errors_are_told(signals, told):
    ping.send_robust(None)
    signals.no_swallowed_errors()
    with connected(ping=fail):
        ping.send_robust(None)
    (line,) = told(signals.no_swallowed_errors)
    assert f"{__name__}.fail raised OSError" in line


def test_findings_are_told(signals, told):
    signals.no_findings()
    with connected(ping=fail):
        ping.send_robust(None)
    message = f"{__name__}.fail raised OSError, which send_robust() of ping kept to "
    line = f"swallowed-error: {message}itself."
    assert told(signals.no_findings) == [line]
    assert told(signals.no_findings, "swallowed-error", "recursion") == [line]
    signals.no_findings("recursion")


def test_notes_are_told_if_asked_for(signals, told):
    async def slow(sender, **kwargs):
        pass

    with connected(ping=slow):
        ping.send(None)
    signals.no_findings()
    (line,) = told(signals.no_findings, "async-cost")
    assert line.startswith("async-cost: send() of ping waited for ")


def test_a_kind_that_no_finding_has_is_an_error(signals):
    with pytest.raises(ValueError, match=r"'recursive'\. Is it recursion\?"):
        signals.no_findings("recursive")


def test_muted_receivers_are_not_called(signals):
    with connected(ping=fail), signals.mute(fail):
        ping.send(None)
    signals.sent(ping)
    assert "muted" in signals.tree


@pytest.mark.parametrize(
    "question",
    [
        lambda signals: signals.not_sent(pong),
        lambda signals: signals.times(ping, 1),
        lambda signals: signals.no_silent_writes(),
        lambda signals: signals.no_swallowed_errors(),
        lambda signals: signals.no_findings(),
    ],
)
def test_a_full_recording_cannot_tell_that_nothing_came(told, question):
    with recorded_signals(max_entries=1) as signals:
        ping.send(None)
        question(signals)
        pong.send(None)
    assert told(question, signals) == [
        "The recording is full, so it cannot tell: raise max_entries."
    ]
    assert "1 more entry found no room (pong x 1)." in signals.tree


def test_a_long_tree_shows_its_ends(signals):
    for number in range(300):
        ping.send(number)
    lines = signals.tree.splitlines()
    assert len(lines) == 201
    assert lines[100] == "… 101 lines …"
    assert lines[-1].startswith("300 signals")


def test_the_tree_fits_behind_what_pytest_puts_in_front(signals):
    ping.send("x" * 100)
    assert {len(line) for line in signals.tree.splitlines()[:-1]} == {75}


# With unittest


def ask_in_vain():
    with recorded_signals() as signals:
        ping.send("here")
        signals.not_sent(ping)


def fail_otherwise():
    with recorded_signals():
        ping.send("here")
        raise KeyError


@pytest.mark.parametrize("block", [ask_in_vain, fail_otherwise])
def test_an_exception_that_leaves_the_block_shows_the_tree_once(block):
    with pytest.raises((AssertionError, KeyError)) as caught:
        block()
    (note,) = caught.value.__notes__
    assert note.startswith("\nRecorded signals:\n\nping here")


def test_nothing_is_recorded_outside_of_the_block():
    ping.send(None)
    with recorded_signals(signals=["ping"]) as signals:
        pong.send(None)
    ping.send(None)
    signals.not_sent(ping)
    assert not signals.recording.entries


class PlainTests(SignalsMixin, unittest.TestCase):
    def setUp(self):
        ping.send("setUp")

    def tearDown(self):
        ping.send("tearDown")
        self.signals.times(ping, 1)

    def test_only_the_method_is_recorded(self):
        ping.send("here")
        self.signals.sent(ping, sender="here")


class AsyncTests(SignalsMixin, IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        await ping.asend("asyncSetUp")

    async def test_tasks_are_recorded(self):
        await asyncio.gather(ping.asend("one"), ping.asend("two"))
        self.signals.times(ping, 2)

    def test_sync_methods_are_recorded(self):
        ping.send("here")
        self.signals.times(ping, 1, sender="here")


class DjangoTests(SignalsMixin, test.TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.user = UserFactory()

    def test_what_the_class_has_made_is_not_recorded(self):
        self.user.save()
        self.signals.times(post_save, 1, sender=User)

    async def test_async_methods_are_recorded(self):
        await User.objects.acreate(username="ada")
        self.signals.caused_by(post_save, "sync_profile")
        self.signals.sent(post_save, sender=Profile)


class DatabaselessTests(SignalsMixin, test.SimpleTestCase):
    async def test_async_methods_are_recorded(self):
        await ping.asend("here")
        self.signals.sent(ping)


@pytest.mark.parametrize("method", ["fail_sync", "fail_async", "fail_otherwise"])
def test_the_failure_of_a_test_case_shows_the_tree_and_nothing_of_ours(method):
    class Failing(SignalsMixin, IsolatedAsyncioTestCase):
        def fail_sync(self):
            ping.send("here")
            self.signals.not_sent(ping)

        async def fail_async(self):
            await ping.asend("here")
            self.signals.not_sent(ping)

        def fail_otherwise(self):
            ping.send("here")
            raise self.failureException

    result = unittest.TestResult()
    case = Failing(method)
    case.run(result)
    ((_, text),) = result.failures
    assert text.count("Recorded signals:\n\nping here") == 1
    assert testing.__file__ not in text


def test_decorators_of_test_methods_are_heeded():
    class Decorated(SignalsMixin, unittest.TestCase):
        @unittest.skip("as it should be")
        def skipped(self):
            raise NotImplementedError

        @unittest.expectedFailure
        def failing(self):
            ping.send("here")
            self.signals.not_sent(ping)

    result = unittest.TestResult()
    for name in ("skipped", "failing"):
        Decorated(name).run(result)
    assert (len(result.skipped), len(result.expectedFailures)) == (1, 1)
    assert result.wasSuccessful()


def test_a_test_case_may_record_everywhere_and_run_twice():
    class Everywhere(SignalsMixin, unittest.TestCase):
        signals_options: ClassVar = {"everywhere": True}

        def runTest(self):
            thread = Thread(target=ping.send, args=[None])
            thread.start()
            thread.join()
            self.signals.times(ping, 1)

    case, result = Everywhere(), unittest.TestResult()
    case.run(result)
    case.run(result)
    assert result.wasSuccessful()
