from threading import Event, Thread

import pytest
from django.db import connection, transaction
from django.dispatch import Signal

from signals_demo.recorder.live.draining import DrainedRecording
from signals_demo.recorder.recording import hooked, whole_process
from signals_demo.recorder.trace import Root, walk

paid = Signal()
NOTHING = 2**62


@pytest.fixture
def recording():
    recording = DrainedRecording(20, 100_000, lambda label: False)
    with hooked(), whole_process(recording):
        yield recording


def senders(recording, patience=NOTHING):
    return [entry.sender for entry, _ in recording.drain(patience)]


def test_what_has_ended_is_taken_out_once_and_in_order(recording):
    for number in range(5):
        paid.send(str(number))
    assert senders(recording) == ["0", "1", "2", "3", "4"]
    assert senders(recording) == []
    paid.send("5")
    assert senders(recording) == ["5"]


def test_what_goes_on_stays_until_patience_ends(recording, connect):
    inside, done = Event(), Event()

    def slow(**kwargs):
        inside.set()
        paid.send("nested")
        done.wait(30)
        paid.send("nested too")

    connect(slow, paid, sender="slow")
    thread = Thread(target=paid.send, args=["slow"])
    thread.start()
    inside.wait(30)
    paid.send("quick")
    assert senders(recording) == ["quick"]
    ((entry, _),) = recording.drain(0)
    done.set()
    thread.join()
    assert entry.sender == "slow"
    assert [each.sender for each in entry.calls[0].entries] == ["nested", "nested too"]
    assert senders(recording) == []


def test_there_is_room_again_for_what_was_taken_out(recording, connect):
    connect(lambda **kwargs: paid.send("nested"), paid, sender="outer", weak=False)
    for _ in range(10):
        for _ in range(10):
            paid.send("outer")
        paid.send("too much")
        assert len(senders(recording)) == 10
        assert sum(recording.take_dropped().values()) == 1


def test_what_stays_takes_room(recording, connect):
    inside, done = Event(), Event()

    def slow(**kwargs):
        for _ in range(9):
            paid.send("nested")
        inside.set()
        done.wait(30)

    connect(slow, paid, sender="slow")
    thread = Thread(target=paid.send, args=["slow"])
    thread.start()
    inside.wait(30)
    recording.drain(NOTHING)
    for _ in range(12):
        paid.send("quick")
    assert len(senders(recording)) == 10
    assert recording.take_dropped() == {f"{__name__}.paid": 2}
    done.set()
    thread.join()


def test_what_goes_on_takes_room_after_it_was_taken_out_and_until_it_ends(
    recording, connect
):
    taken = []

    def slow(**kwargs):
        for _ in range(10):
            for _ in range(9):
                paid.send("nested")
            taken.extend(recording.drain(0))
        paid.send("nested")

    connect(slow, paid, sender="slow")
    paid.send("slow")
    ((entry, _),) = taken
    assert len(entry.calls[0].entries) == recording.max_entries - 1
    assert recording.take_dropped() == {f"{__name__}.paid": 72}
    assert senders(recording) == []
    for _ in range(30):
        paid.send("quick")
    assert len(senders(recording)) == recording.max_entries


def test_bytes_are_bounded_too():
    recording = DrainedRecording(1_000, 5_000, lambda label: False)
    with hooked(), whole_process(recording):
        for _ in range(3):
            for _ in range(10):
                paid.send(None)
            assert 0 < len(recording.drain(NOTHING)) < 10
            assert recording.take_dropped()


def test_other_threads_go_on_meanwhile(recording):
    recording.max_entries, recording.max_bytes = 10**6, 10**9
    threads = [
        Thread(target=lambda: [paid.send(None) for _ in range(2_000)]) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    orders = []
    while any(thread.is_alive() for thread in threads):
        orders += [entry.order for entry, _ in recording.drain(NOTHING)]
    orders += [entry.order for entry, _ in recording.drain(NOTHING)]
    assert len(orders) == len(set(orders)) == 6_000
    assert not recording.inbox.groups


@pytest.mark.django_db
def test_statements_and_hooks_are_taken_out_too(recording):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    transaction.on_commit(lambda: None)
    root = Root()
    root.entries = [entry for entry, _ in recording.drain(NOTHING)]
    kinds = [type(entry).__name__ for entry, _ in walk(root)]
    assert kinds == ["Query", "CommitHook"]
