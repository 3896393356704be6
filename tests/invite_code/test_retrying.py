from concurrent.futures import wait
from functools import partial
from threading import Barrier
from types import SimpleNamespace

import pytest
from django.db import IntegrityError, OperationalError, connection, connections
from django.db.models import F
from django.db.transaction import atomic, on_commit

from invite_code import retrying
from invite_code.models import InviteBatch, InviteCode
from invite_code.retrying import is_contention, retry
from tests.factories import InviteBatchFactory

#: Settings of a connection with which what has read cannot always write.
DEFERRED = {"sqlite": {"transaction_mode": "DEFERRED"}}

#: Settings with which a lock of another transaction is an error: soon, or for
#: PostgreSQL, where this is REPEATABLE READ, when the other one commits.
IMPATIENT = {
    "sqlite": {"timeout": 0.05},
    "mysql": {"init_command": "SET innodb_lock_wait_timeout = 1"},
    "postgresql": {"isolation_level": 3},
}


def connected_with(options):
    options = options.get(connection.vendor, {})
    return pytest.mark.parametrize(
        "seeded_database", [options], ids=[""], indirect=True
    )


class DriverError(Exception):
    """An error of some driver, which tells in its own way what it is about."""

    def __init__(self, *args, **attributes):
        super().__init__(*args)
        vars(self).update(attributes)


def wrapped(cause):
    """Return an error as Django raises it for one of a driver."""
    error = OperationalError(*cause.args)
    error.__cause__ = cause
    return error


LOST = wrapped(DriverError(1213, "Deadlock found"))


@pytest.fixture
def pauses(monkeypatch):
    """The pauses made, each as long as it may be, and the time that passes."""
    made = []
    clock = SimpleNamespace(sleep=made.append, monotonic=lambda: sum(made))
    monkeypatch.setattr(retrying, "time", clock)
    longest = SimpleNamespace(uniform=lambda shortest, longest: longest)
    monkeypatch.setattr(retrying, "random", longest)
    return made


def save_and_raise(*errors):
    """Return work that makes a batch, and raises these errors one after the other."""
    left = list(errors)

    def work():
        batch = InviteBatchFactory()
        if left:
            raise left.pop(0)
        return batch

    return work


@pytest.mark.parametrize(
    "cause",
    [
        DriverError("serialization failure", sqlstate="40001"),
        DriverError("deadlock detected", sqlstate="40P01"),
        DriverError("not enough elements in RWConflictPool", sqlstate="53200"),
        DriverError("serialization failure", pgcode="40001"),
        DriverError("database is locked", sqlite_errorcode=5),
        DriverError("database table is locked", sqlite_errorcode=6),
        DriverError("database is locked", sqlite_errorcode=5 | 2 << 8),
        DriverError(1020, "Record has changed since last read"),
        DriverError(1205, "Lock wait timeout exceeded"),
        DriverError(1213, "Deadlock found"),
        DriverError(1467, "Failed to read auto-increment value"),
    ],
    ids=repr,
)
def test_contention_is_told_by_the_error_of_the_driver(cause):
    assert is_contention(wrapped(cause))


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("locked"),
        wrapped(DriverError()),
        wrapped(DriverError("connection lost", sqlstate=None)),
        wrapped(DriverError("connection lost", pgcode=None)),
        wrapped(DriverError("lock timeout", sqlstate="55P03")),
        wrapped(DriverError("no such table", sqlite_errorcode=1)),
        wrapped(DriverError("disk is full", sqlite_errorcode=13)),
        wrapped(DriverError(2006, "Server has gone away")),
        wrapped(DriverError("1213")),
    ],
    ids=lambda error: repr(error.__cause__),
)
def test_other_errors_are_not_contention(error):
    assert not is_contention(error)


@pytest.mark.django_db(transaction=True)
def test_work_is_done_once_in_a_transaction(pauses):
    def work():
        assert connection.in_atomic_block
        return InviteBatchFactory()

    before = InviteBatch.objects.count()
    batch = retry(work, using="default")
    assert not connection.in_atomic_block
    assert InviteBatch.objects.filter(pk=batch.pk).exists()
    assert InviteBatch.objects.count() == before + 1
    assert pauses == []


@pytest.mark.django_db(transaction=True)
def test_nothing_remains_of_a_try_that_lost(pauses):
    before = InviteBatch.objects.count()
    batch = retry(save_and_raise(LOST, LOST, LOST), using="default")
    assert InviteBatch.objects.filter(pk=batch.pk).exists()
    assert InviteBatch.objects.count() == before + 1
    assert len(pauses) == 3


@pytest.mark.django_db(transaction=True)
def test_the_number_of_tries_is_bounded(pauses, monkeypatch):
    monkeypatch.setattr(retrying, "ATTEMPTS", 9)
    work = save_and_raise(*[LOST] * 9)
    with pytest.raises(OperationalError, match="Deadlock"):
        retry(work, using="default")
    assert pauses[:3] == [retrying.FIRST_PAUSE * factor for factor in (1, 2, 4)]
    assert pauses[-1] == retrying.LONGEST_PAUSE
    assert len(pauses) == 8
    assert retry(work, using="default")


@pytest.mark.django_db(transaction=True)
def test_the_time_for_tries_is_bounded(pauses, monkeypatch):
    monkeypatch.setattr(retrying, "ATTEMPTS", 1000)
    with pytest.raises(OperationalError, match="Deadlock"):
        retry(save_and_raise(*[LOST] * 1000), using="default")
    assert 0 <= sum(pauses) - retrying.PATIENCE <= retrying.LONGEST_PAUSE


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "error", [IntegrityError("taken"), OperationalError("full"), ValueError("odd")]
)
def test_another_error_is_raised_at_once(error, pauses):
    with pytest.raises(type(error), match=str(error)):
        retry(save_and_raise(error), using="default")
    assert pauses == []


@pytest.mark.django_db
def test_within_a_transaction_of_the_caller_there_is_one_try(pauses):
    before = InviteBatch.objects.count()
    with atomic():
        kept = InviteBatchFactory()
        with pytest.raises(OperationalError):
            retry(save_and_raise(LOST), using="default")
    assert pauses == []
    assert InviteBatch.objects.filter(pk=kept.pk).exists()
    assert InviteBatch.objects.count() == before + 1


def change(alias, first, second, meetings):
    """Get hold of a code, wait for who gets hold of the other one, and want that."""
    codes = InviteCode.objects.using(alias)
    if connection.vendor == "sqlite":  # All codes have one lock there.
        codes.get(pk=first)
    else:
        codes.filter(pk=first).update(max_uses=F("max_uses") + 1)
    if meetings:
        meetings.pop()()
    codes.filter(pk=second).update(max_uses=F("max_uses") + 1)


@pytest.fixture
def clash(seeded_database):
    """Work for two threads that both cannot do at once, but one after the other."""
    meet = Barrier(2, timeout=30).wait
    codes = InviteCode.objects.using(seeded_database)
    pks = list(codes.values_list("pk", flat=True)[:2])
    return [
        partial(change, seeded_database, *order, [meet]) for order in (pks, pks[::-1])
    ]


@connected_with(DEFERRED)
def test_a_deadlock_is_contention(seeded_database, threads, clash):
    futures = [threads(atomic(seeded_database)(work)) for work in clash]
    [error] = filter(None, [future.exception(timeout=60) for future in futures])
    assert is_contention(error), repr(error.__cause__)


@connected_with(DEFERRED)
def test_after_a_deadlock_work_is_done(seeded_database, threads, clash):
    futures = [threads(partial(retry, work, using=seeded_database)) for work in clash]
    assert [future.result(timeout=60) for future in futures] == [None, None]
    limits = InviteCode.objects.using(seeded_database).values_list(
        "max_uses", flat=True
    )
    tries = 2 if connection.vendor == "sqlite" else 4
    assert sum(limits) - len(limits) == tries


@pytest.fixture
def run_beside(seeded_database, threads):
    """A function that runs work while another transaction has written to a code."""

    def run_beside(run):
        codes = InviteCode.objects.using(seeded_database)
        code = codes.first()

        def work():
            found = codes.get(pk=code.pk)
            return codes.filter(pk=found.pk).update(max_uses=2)

        with atomic(seeded_database):
            codes.filter(pk=code.pk).update(max_uses=3)
            future = threads(partial(run, work))
            wait([future], timeout=0.3 if connection.vendor == "postgresql" else 1.5)
        return future

    return run_beside


@connected_with(IMPATIENT)
def test_a_lock_that_another_has_is_contention(seeded_database, run_beside):
    error = run_beside(lambda work: atomic(seeded_database)(work)()).exception(60)
    assert is_contention(error), repr(error.__cause__)


@connected_with(IMPATIENT)
def test_a_lock_that_another_had_is_waited_for(seeded_database, run_beside):
    assert run_beside(partial(retry, using=seeded_database)).result(60) == 1
    assert connections[seeded_database].get_autocommit()


def test_what_is_committed_is_not_done_again(seeded_database, pauses):
    batches = InviteBatch.objects.using(seeded_database)

    def raise_lost():
        raise LOST

    def work():
        batches.create(label="once")
        on_commit(raise_lost, using=seeded_database)

    with pytest.raises(OperationalError):
        retry(work, using=seeded_database)
    assert batches.filter(label="once").count() == 1
    assert pauses == []
