import asyncio
import contextvars
import threading
from functools import partial

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.db.models.signals import (
    m2m_changed,
    post_save,
    pre_delete,
    pre_save,
)
from django.dispatch import Signal

from signals_demo.models import Profile, Question, Topping
from signals_demo.recorder import mute, record
from signals_demo.recorder.dispatch import mutes
from tests.factories import QuestionFactory, ToppingFactory, UserFactory

order_paid = Signal()
restocked = Signal()
HERE = __name__


def listen(sender, **kwargs):
    return "listen"


def other(sender, **kwargs):
    return "other"


async def later(sender, **kwargs):
    return "later"


class Listener:
    def hear(self, sender, **kwargs):
        return "method"

    def __call__(self, sender, **kwargs):
        return "called"


listener, another = Listener(), Listener()
added = partial(listen, reason="stock")


@pytest.fixture(autouse=True)
def nothing_stays_muted():
    yield
    assert mutes.get() == ()
    assert Signal.send.__module__ == "django.dispatch.dispatcher"
    assert not hasattr(Signal.send, "__wrapped__")


def heard(signal=order_paid):
    return [response for _, response in signal.send(None)]


@pytest.mark.parametrize(
    ("target", "left"),
    [
        (listen, ["other", "method", "method", "called", "listen"]),
        (listener.hear, ["listen", "other", "method", "called", "listen"]),
        (Listener.hear, ["listen", "other", "called", "listen"]),
        (listener, ["listen", "other", "method", "method", "listen"]),
        (added, ["listen", "other", "method", "method", "called"]),
        (order_paid, []),
        (f"{HERE}.listen", ["other", "method", "method", "called", "listen"]),
        (f"{HERE}.Listener.hear", ["listen", "other", "called", "listen"]),
        (f"{HERE}.order_paid", []),
    ],
)
def test_targets_are_not_called(connect, target, left):
    every = [listen, other, listener.hear, another.hear, listener, added]
    for each in every:
        connect(each, order_paid)
    with mute(target):
        assert heard() == left
    assert len(heard()) == len(every)


def test_other_signals_are_heard(connect):
    connect(listen, order_paid, restocked)
    with mute(order_paid):
        assert (heard(order_paid), heard(restocked)) == ([], ["listen"])


@pytest.mark.django_db
@pytest.mark.parametrize("target", [Question, "signals_demo.Question"])
def test_a_sender_is_muted(connect, target):
    connect(listen, post_save)
    with record() as recording, mute(target):
        QuestionFactory()
        ToppingFactory()
    saved = [each for each in recording.emissions() if each.name == "post_save"]
    mine = [[c for c in each.calls if "test_muting" in c.receiver] for each in saved]
    assert [call.outcome for calls in mine for call in calls] == ["muted", "returned"]


@pytest.mark.django_db
def test_an_app_is_its_receivers(connect):
    connect(listen, pre_save, sender=get_user_model())
    with record() as recording, mute("signals_demo"):
        UserFactory()
    calls = [call for each in recording.emissions() for call in each.calls]
    outcomes = {call.receiver: call.outcome for call in calls}
    assert outcomes[f"{HERE}.listen"] == "returned"
    muted = {name for name, outcome in outcomes.items() if outcome == "muted"}
    assert muted
    assert all(name.startswith("signals_demo.") for name in muted)
    assert not Profile.objects.exists()


def test_an_app_inside_of_another_is_another(connect):
    listen_inside = partial(listen)
    listen_inside.func.__module__, before = "signals_demo.recorder.x", HERE
    connect(listen_inside, order_paid)
    try:
        with mute("signals_demo"):
            assert heard() == ["listen"]
        with mute("signals_demo_recorder"):
            assert heard() == []
    finally:
        listen.__module__ = before


def test_several_are_muted_at_once_and_one_inside_of_another(connect):
    connect(listen, order_paid)
    connect(other, order_paid)
    with mute(listen):
        with mute(listen, other):
            assert heard() == []
        assert heard() == ["other"]
        with mute(other):
            assert heard() == []
    assert heard() == ["listen", "other"]


def test_async_receivers_are_muted(connect):
    connect(later, order_paid)

    async def ask():
        with mute(later):
            muted = await order_paid.asend(None)
        return muted, await order_paid.asend_robust(None)

    assert asyncio.run(ask()) == ([], [(later, "later")])


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_it_ends_whatever_happens(connect, error):
    connect(listen, order_paid)
    with pytest.raises(error), mute(listen):
        raise error
    assert heard() == ["listen"]


def test_it_may_end_in_another_context(connect):
    connect(listen, order_paid)
    muting = mute(listen)
    muting.__enter__()
    contextvars.copy_context().run(muting.__exit__, None, None, None)
    assert heard() == ["listen"]
    mutes.set(())  # Nobody could have set it there.


def test_other_threads_go_on(connect):
    connect(listen, order_paid)
    answers = []
    with mute(listen):
        context = contextvars.Context()
        thread = threading.Thread(
            target=lambda: answers.append(context.run(heard, order_paid))
        )
        thread.start()
        thread.join()
        assert heard() == []
    assert answers == [["listen"]]


def test_concurrent_tasks_go_on(connect):
    connect(listen, order_paid)

    async def muted(begun, done):
        with mute(listen):
            begun.set()
            await done.wait()
            return heard()

    async def ask():
        begun, done = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(muted(begun, done))
        await begun.wait()
        mine = heard()
        done.set()
        return mine, await task

    assert asyncio.run(ask()) == (["listen"], [])


@pytest.mark.django_db
def test_django_behaves_as_with_nobody_listening(shop, connect):
    book, genre = shop.Book.objects.create(), shop.Genre.objects.create()
    reader = shop.Reader.objects.create()

    def seen():
        shop.Loan.objects.create(book=book, reader=reader)
        with record() as recording:
            book.genres.add(genre)
            shop.Loan.objects.all().delete()
        book.genres.clear()
        names = {each.name for each in recording.emissions()}
        return names & {"m2m_changed", "pre_delete"}, [
            query.sql for query in recording.queries() if "SAVEPOINT" not in query.sql
        ]

    unheard = seen()
    connect(listen, pre_delete, m2m_changed)
    with mute(pre_delete, m2m_changed):
        assert seen() == unheard
    assert unheard[0] == set()
    assert seen()[0] == {"m2m_changed", "pre_delete"}


def test_the_cache_of_the_signal_is_not_poisoned(connect):
    connect(listen, post_save, sender=Topping)
    with mute(listen):
        assert not post_save.has_listeners(Question)
        post_save.send(Topping)
    assert (listen, "listen") in post_save.send(Topping)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("nonsense", "no receiver, signal, model or app 'nonsense'"),
        ("", "no receiver, signal, model or app ''"),
        ("signals_demo.NoSuch", "'signals_demo.NoSuch'"),
        ("signals_demo.signals.no_such", "'signals_demo.signals.no_such'"),
        ("no_package.signals.f", "'no_package.signals.f'"),
        (f"{HERE}.HERE", "is no receiver, signal, model or app label"),
        (None, "None is no receiver"),
        (apps.get_app_config("auth"), "AuthConfig: auth> is no receiver"),
    ],
)
def test_an_unknown_target_is_an_error(target, words):
    with (
        pytest.raises(ValueError, match="o receiver, signal, model") as e,
        mute(target),
    ):
        pass
    assert words in str(e.value)


def test_no_target_is_an_error():
    with pytest.raises(ValueError, match="at least one receiver"), mute():
        pass
