import asyncio
import threading

import pytest
from django.dispatch import Signal

from signals_demo.recorder import record, scope
from signals_demo.recorder.trace import CommitHook

OUTER = Signal()
INNER = Signal()


@pytest.fixture(autouse=True)
def forget_receivers():
    yield
    OUTER.receivers.clear()


def names(recording):
    return [emission.name for emission in recording.entries]


def inside(recording):
    return [each.name for each in recording.entries[0].calls[0].entries]


def test_nobody_looks_until_a_recording_begins():
    assert scope.current() is None
    with record() as recording:
        assert scope.current() is recording
    assert scope.current() is None
    with record(everywhere=True):
        assert scope.current() is scope.AMBIENT
    assert scope.current() is None


def test_code_of_a_signal_is_in_what_is_around_the_emission():
    found = []

    class Looking(Signal):
        def send(self, sender, **named):
            found.append(scope.current())
            return super().send(sender, **named)

    with record() as recording:
        Looking().send(None)
    assert found == [recording]


def test_a_nested_recording_shares_what_its_outer_one_sees():
    with record() as outer:
        OUTER.send(None)
        with record() as inner:
            INNER.send(None)
    assert (names(outer), names(inner)) == (["OUTER", "INNER"], ["INNER"])
    assert outer.entries[1] is inner.entries[0]


@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize("around", [False, True])
def test_a_recording_inside_of_a_receiver_sees_what_the_receiver_sends(
    around, everywhere
):
    inner = []

    def receiver(**named):
        with record(everywhere=everywhere) as recording:
            INNER.send(None)
        inner.append(recording)
        INNER.send(None)

    OUTER.connect(receiver)
    with record(everywhere=around) as outer:
        OUTER.send(None)
    assert names(inner[0]) == ["INNER"]
    assert names(outer) == ["OUTER"]
    assert inside(outer) == ["INNER", "INNER"]


def test_a_recording_of_everything_and_one_of_a_context_see_the_same_tree():
    def receiver(**named):
        INNER.send(None)

    OUTER.connect(receiver)
    with record(everywhere=True) as process, record() as context:
        OUTER.send(None)
    assert names(process) == names(context) == ["OUTER"]
    assert inside(process) == inside(context) == ["INNER"]


def test_what_one_recording_refuses_is_not_put_into_it_by_another():
    with (
        record(everywhere=True) as process,
        record(max_entries=1) as short,
        record(signals=["INNER"]) as filtered,
    ):
        for _ in range(2):
            OUTER.send(None)
            INNER.send(None)
    assert names(process) == ["OUTER", "INNER"] * 2
    assert (names(short), sum(short.dropped.values())) == (["OUTER"], 3)
    assert names(filtered) == ["INNER", "INNER"]


def test_what_is_wanted_inside_of_what_is_not_wanted_comes_to_the_top():
    def receiver(**named):
        INNER.send(None)

    OUTER.connect(receiver)
    with record() as everything, record(signals=["INNER"]) as filtered:
        OUTER.send(None)
    assert names(filtered) == ["INNER"]
    assert inside(everything) == ["INNER"]


def test_a_recording_that_ended_gets_nothing_from_one_that_goes_on():
    async def main():
        async def go_on():
            await asyncio.sleep(0.01)
            OUTER.send(None)

        with record() as outer:
            with record() as inner:
                task = asyncio.create_task(go_on())
                await asyncio.sleep(0)
            await task
        return outer, inner

    outer, inner = asyncio.run(main())
    assert (names(outer), names(inner)) == (["OUTER"], [])


def test_receivers_in_many_threads_keep_all_that_they_send():
    ready = threading.Barrier(4)

    def send():
        ready.wait()
        for _ in range(50):
            INNER.send(None)

    def receiver(**named):
        context = scope.position.get()

        def work():
            scope.position.set(context)
            send()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    OUTER.connect(receiver)
    with record() as recording:
        OUTER.send(None)
    assert len(inside(recording)) == 200


def test_the_list_of_entries_is_made_once():
    class Interrupted(CommitHook):
        @property
        def __dict__(self):  # Another thread, or what the collector runs, comes first.
            held = super().__dict__
            held.setdefault("entries", ["from another thread"])
            return held

    hook = Interrupted(1, "hook", None, scope.AMBIENT)
    with record() as recording:
        pass
    hook.holders = (recording,)
    entry = CommitHook(2, "entry", None, recording)
    scope.keep(hook, entry, (recording,))
    assert hook.entries == ["from another thread", entry]


def test_what_several_recordings_share_is_kept_once():
    def receiver(**named):
        with record() as inner:
            INNER.send(None)
        inners.append(inner)

    inners = []
    OUTER.connect(receiver, weak=False)
    with record(everywhere=True) as one, record(everywhere=True) as other:
        OUTER.send(None)
    assert inside(one) == inside(other) == names(inners[0]) == ["INNER"]
    assert one.entries[0].calls[0] is other.entries[0].calls[0]
