import asyncio
import contextvars
import gc
import threading
import weakref
from contextlib import ExitStack
from unittest import mock

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models.signals import ModelSignal, post_delete, pre_delete
from django.dispatch import Signal

from signals_demo.models import Pizza, Question
from signals_demo.recorder import (
    database,
    dispatch,
    naming,
    record,
    recording,
    scope,
)
from signals_demo.recorder.patching import with_subclasses
from signals_demo.recorder.verdict import NEVER_CONNECTED

OUTER = Signal()


class Overriding(Signal):
    def send(self, sender, **named):
        return super().send(sender, **named)


def functions():
    """All that could be replaced, as the classes hold it."""
    return {
        (kind, name): vars(kind)[name]
        for base, replacing in (
            (Signal, dispatch.REPLACING),
            (BaseDatabaseWrapper, database.REPLACING),
            (CursorWrapper, database.REPLACING_CURSOR),
        )
        for kind in with_subclasses(base)
        for name in replacing
        if name in vars(kind)
    }


@pytest.fixture(autouse=True)
def everything_is_put_back():
    before, context = functions(), dict(contextvars.copy_context())
    assert before[Signal, "send"].__module__ == "django.dispatch.dispatcher"
    yield
    assert functions() == before
    assert dict(contextvars.copy_context()) == context
    assert scope.everywhere == ()
    OUTER.receivers.clear()


def test_while_a_recording_goes_on_all_methods_are_replaced():
    before = functions()
    assert (Overriding, "send") in before
    assert "send" not in vars(ModelSignal)
    with record():
        during = functions()
        assert during.keys() == before.keys()
        assert not any(during[key] is before[key] for key in before)


def test_an_exception_puts_everything_back_and_is_passed_on():
    with pytest.raises(KeyError), record() as seen:
        raise KeyError
    assert seen.duration


def test_the_last_of_nested_recordings_puts_everything_back():
    before = functions()
    with record():
        with record(everywhere=True), record():
            pass
        assert functions() != before


def test_the_last_of_recordings_in_threads_puts_everything_back():
    began, finish, entries = threading.Barrier(5), threading.Event(), []

    def work():
        with record() as seen:
            began.wait()
            OUTER.send(None)
            finish.wait()
        entries.append(len(seen.entries))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    began.wait()
    finish.set()
    for each in threads:
        each.join()
    assert entries == [1, 1, 1, 1]


def test_the_code_of_a_receiver_is_let_go():
    def receiver(**kwargs):
        pass

    receiver.__code__ = receiver.__code__.replace(co_firstlineno=1)
    code = weakref.ref(receiver.__code__)
    OUTER.connect(receiver)
    with record() as outer:
        with record():
            OUTER.send(None)
        assert outer.entries[0].calls[0].parts[1] is code()
        del receiver, outer
        gc.collect()
        assert code() is not None  # What goes on may see it again.
    gc.collect()
    assert code() is None


def test_models_are_let_go():
    with record():
        OUTER.send(Question)
        assert Question in naming.known_models
    assert not naming.known_models


def test_a_mocked_signal_stays_mocked():
    with mock.patch.object(Signal, "send") as send, record():
        OUTER.send(None)
    send.assert_called_once_with(None)


@pytest.mark.parametrize("options", [{"max_entries": 0}, {"max_bytes": 0}])
def test_a_recording_without_room_is_refused(options):
    with pytest.raises(ValueError, match="must be 1 or more"), record(**options):
        pytest.fail("It must not begin.")


def test_more_entries_than_wanted_are_counted_by_name():
    with record(max_entries=2) as seen:
        for _ in range(5):
            OUTER.send(None)
    assert len(seen.entries) == 2
    assert seen.dropped == {f"{__name__}.OUTER": 3}


def test_more_bytes_than_wanted_are_not_kept():
    with record(max_bytes=10_000) as seen:
        for _ in range(100):
            OUTER.send(None, text="x" * 100)
    assert 5 <= len(seen.entries) <= 10
    assert sum(seen.dropped.values()) == 100 - len(seen.entries)


def test_after_the_first_that_is_dropped_none_is_kept():
    with record(max_bytes=2_400) as seen:
        for text in ("", "x" * 150 * 10, ""):
            OUTER.send(None, text=[text[:150]] * 10)
    assert (len(seen.entries), sum(seen.dropped.values())) == (1, 2)


def send_models():
    for signal in (pre_delete, post_delete):
        for sender in (Question, Pizza):
            signal.send(sender, instance=sender(), using="default", origin=None)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"signals": ["post_delete"]}, 2),
        ({"signals": ["django.db.models.signals.post_delete", "pre_delete"]}, 4),
        ({"senders": ["signals_demo.Question"]}, 2),
        ({"apps": ["signals_demo"]}, 4),
        ({"apps": ["auth"]}, 0),
        ({"signals": ["pre_delete"], "senders": ["signals_demo.Pizza"]}, 1),
    ],
)
@pytest.mark.parametrize("everywhere", [False, True])
def test_filters_keep_what_is_wanted(options, expected, everywhere):
    with record(everywhere=everywhere, **options) as seen:
        send_models()
    saved = [each for each in seen.emissions() if each.name.endswith("_delete")]
    assert len(saved) == expected
    assert not seen.dropped


def test_what_happens_inside_of_what_is_wanted_is_kept_too():
    inner = Signal()

    def receiver(**named):
        inner.send(None)

    OUTER.connect(receiver)
    with record(signals=["OUTER"]) as seen:
        inner.send(None)
        OUTER.send(None)
    (emission,) = seen.entries
    assert len(emission.calls[0].entries) == 1


def test_a_recording_ends_once():
    with record() as seen:
        assert seen.duration == 0
        seen.end()
        duration = seen.duration
        OUTER.send(None)
    assert duration == seen.duration > 0
    assert not seen.entries


def test_a_recording_ends_though_the_clock_stands_still(monkeypatch):
    monkeypatch.setattr(recording, "clock", lambda: 5)
    with record() as seen:
        pass
    assert seen.duration == 1


def test_a_recording_can_end_in_another_context():
    with ExitStack() as stack:
        contextvars.copy_context().run(stack.enter_context, record())
        OUTER.send(None)

    def begin():
        stack.enter_context(record())
        return contextvars.copy_context()

    with ExitStack() as stack:
        inside = contextvars.copy_context().run(begin)
        inside.run(stack.close)
        assert inside.get(scope.position) is None


def test_recordings_in_one_context_may_end_in_any_order():
    first, second = ExitStack(), ExitStack()

    def overlap():
        one = first.enter_context(record())
        two = second.enter_context(record())
        first.close()
        OUTER.send(None)
        second.close()
        return one, two, scope.position.get()

    one, two, left = contextvars.copy_context().run(overlap)
    assert (len(one.entries), len(two.entries), left) == (0, 1, None)


def test_concurrent_receivers_that_record_leave_nothing():
    def receiver(pauses):
        async def receive(**named):
            with record():
                for _ in range(pauses):
                    await asyncio.sleep(0)

        return receive

    signal = Signal()
    receivers = [receiver(1), receiver(3)]
    for each in receivers:
        signal.connect(each)

    async def main():
        await signal.asend(None)
        return scope.position.get()

    assert asyncio.run(main()) is None


def test_a_recording_is_asked_why_a_receiver_did_not_run():
    with record() as seen:
        pass
    assert seen.why_not(send_models).reason == NEVER_CONNECTED
