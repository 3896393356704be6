from contextlib import suppress

import pytest
from django.db import transaction
from django.dispatch import Signal

from signals_demo.recorder import record
from signals_demo.recorder.live.watching import (
    AFTERGLOW,
    MAX_SECONDS,
    MAX_WAIT,
    MAX_WATCHED,
    Watch,
    watched,
)
from signals_demo.recorder.trace import Emission

paid = Signal()


class Rollback(Exception):
    pass


@pytest.fixture
def watch():
    return Watch()


def orders(watch, now):
    return [entry.order for entry, _ in watch.changed(now)]


def settle(watch, now):
    """Return what is to be sent again once no more comes."""
    watch.changed(now)
    return orders(watch, now + 0.1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("commits", [True, False])
def test_an_entry_is_sent_again_when_its_transaction_ends(watch, commits):
    with record() as recording, suppress(Rollback), transaction.atomic():
        paid.send(None)
        (entry,) = recording.emissions()
        watch.add(entry, None, 0)
        assert settle(watch, 100) == []
        if not commits:
            raise Rollback
    assert settle(watch, 101) == [entry.order]
    assert settle(watch, 101.2) == []
    assert settle(watch, 102 + AFTERGLOW) == []
    assert not watch._watched


@pytest.mark.django_db
def test_an_entry_is_sent_again_when_a_savepoint_around_another_is_undone(watch):
    with record() as recording:
        with transaction.atomic():
            paid.send(None)
            with transaction.atomic():
                transaction.set_rollback(True)
            (entry,) = recording.emissions()
            watch.add(entry, None, 0)
            assert settle(watch, 1) == []
            transaction.set_rollback(True)
        assert settle(watch, 2) == [entry.order]


@pytest.mark.django_db(transaction=True)
def test_a_hook_is_waited_for(watch):
    def hook():
        # The commit has been seen, and that something may follow.
        assert orders(watch, 0.1) == []

    with record() as recording, transaction.atomic():
        transaction.on_commit(hook)
        transaction.on_commit(lambda: None)
        for entry in recording.entries:
            watch.add(entry, None, 0)
    hooks = [each for each in recording.entries if not hasattr(each, "sql")]
    assert orders(watch, 0.2) == []
    assert set(orders(watch, 0.3)) >= {each.order for each in hooks}
    assert [each.outcome for each in hooks] == ["ran", "ran"]


def test_what_a_receiver_began_elsewhere_is_noticed(watch, connect):
    connect(lambda **kwargs: None, paid, weak=False)
    with record() as recording:
        paid.send(None)
        paid.send(None)
    entry, other = recording.emissions()
    watch.add(entry, None, 0)
    entry.calls[0].entries = [other]
    assert settle(watch, 0.1) == [entry.order]


def test_what_is_folded_is_noticed(watch):
    with record() as recording:
        paid.send(None)
    (entry,) = recording.emissions()
    watch.add(entry, None, 0)
    entry.times += 1
    assert settle(watch, 0.1) == [entry.order]


def test_changes_without_end_are_told_from_time_to_time(watch):
    with record() as recording:
        paid.send(None)
    (entry,) = recording.emissions()
    watch.add(entry, None, 0)
    told = []
    for tick in range(1, 31):
        entry.times += 1
        told += orders(watch, tick / 10)
    assert 1 <= len(told) <= 30 / 10 / MAX_WAIT


def test_what_goes_on_is_watched_but_not_for_ever(watch):
    entry = Emission(1, "a", None, "send", {}, 1, None)
    watch.add(entry, None, 0)
    assert settle(watch, MAX_SECONDS - 1) == []
    entry.duration = 1
    assert settle(watch, MAX_SECONDS - 0.5) == [1]
    watch.changed(MAX_SECONDS + 1)
    assert not watch._watched


def test_only_so_many_are_watched_and_what_is_open_stays(watch):
    def emission(order, duration):
        made = Emission(order, "a", None, "send", {}, 1, None)
        made.duration = duration
        return made

    for order in range(MAX_WATCHED + 100):
        watch.add(emission(order, duration=0 if order < 50 else 1), None, order / 1e6)
    watch.changed(0.01)
    kept = {each.entry.order for each in watch._watched}
    assert len(kept) == MAX_WATCHED
    assert set(range(50)) <= kept
    assert MAX_WATCHED + 99 in kept
    assert 51 not in kept


def test_a_transaction_is_looked_at_once():
    with record() as recording:
        paid.send(None)
    (entry,) = recording.emissions()
    assert watched(entry, None, 0, 0).transactions == []
