from datetime import timedelta
from functools import partial
from threading import Event

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, OperationalError, connection, connections
from django.db.transaction import atomic, set_rollback
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from invite_code import handing_out
from invite_code.errors import TooFewCodes
from invite_code.handing_out import given, hand_out, unused
from invite_code.issuing import issue
from invite_code.models import HandOut, Hold, InviteBatch, InviteCode
from invite_code.redemption import redeem
from tests.factories import (
    HandOutFactory,
    HoldFactory,
    InviteBatchFactory,
    InviteCodeFactory,
)

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)

#: Settings with which who meets a lock of another transaction fails soon.
IMPATIENT = {
    "sqlite": {"timeout": 0.05},
    "postgresql": {"options": "-c lock_timeout=1000"},
    "mysql": {"init_command": "SET innodb_lock_wait_timeout = 1"},
}

#: Isolation levels at which users run each database. At SERIALIZABLE somebody always
#: has to begin anew, which is for the race to try.
LEVELS = {
    "sqlite": [{}, {"transaction_mode": "DEFERRED"}],
    "postgresql": [{}, {"isolation_level": 3}],
    "mysql": [{}, {"isolation_level": "repeatable read"}],
}

at_each_level = pytest.mark.parametrize(
    "seeded_database", LEVELS[connection.vendor], ids=str, indirect=True
)


def pks(line, using="default"):
    return list(given(line, using).values_list("pk", flat=True))


def test_the_next_codes_are_given_and_the_ledger_says_so():
    batch, before = issue(5), timezone.now()
    codes = list(batch.codes.order_by("pk").values_list("pk", flat=True))
    first, second = hand_out(batch, 2, to="The Daily Planet"), hand_out(batch, 3)
    assert (pks(first), pks(second)) == (codes[:2], codes[2:])
    stored = HandOut.objects.get(pk=first.pk)
    assert (stored.batch, stored.recipient, stored.count) == (
        batch,
        "The Daily Planet",
        2,
    )
    assert before <= stored.created_at <= timezone.now()
    assert second.recipient == ""


def test_codes_that_somebody_has_are_passed_over():
    batch = InviteBatchFactory()
    past, future = timezone.now() - HOUR, timezone.now() + HOUR
    InviteCodeFactory(batch=batch, uses=1, max_uses=2)
    InviteCodeFactory(batch=batch, revoked_at=past)
    InviteCodeFactory(batch=batch, expires_at=past)
    InviteCodeFactory(batch=batch, hand_out=HandOutFactory(batch=batch))
    InviteCodeFactory(batch=batch, held=True)
    InviteCodeFactory()
    fit = [
        InviteCodeFactory(batch=batch),
        InviteCodeFactory(batch=batch, expires_at=future),
        InviteCodeFactory(batch=batch, valid_from=future),
        InviteCodeFactory(batch=batch, max_uses=None),
        HoldFactory(code__batch=batch, expires_at=past).code,
    ]
    assert list(unused(batch, "default")) == fit
    assert pks(hand_out(batch, 5)) == [code.pk for code in fit]
    with pytest.raises(TooFewCodes, match="1 codes were asked for, 0 unused"):
        hand_out(batch, 1)


def test_a_code_redeemed_after_it_was_given_stays_given():
    batch = issue(1)
    line = hand_out(batch, 1)
    redeem(batch.codes.get().code, None)
    assert pks(line) == [batch.codes.get().pk]


def test_a_key_gives_codes_once():
    batch = issue(5)
    first, second = (hand_out(batch, 2, to="Press", key="fair") for _ in range(2))
    assert first == second == HandOut.objects.get()
    assert (first.is_new, second.is_new) == (True, False)
    assert (second.key, second.recipient, len(pks(second))) == ("fair", "Press", 2)
    assert hand_out(batch, 1, key="other").is_new
    keys = {hand_out(batch, 1, key=key).key for key in (None, "")}
    assert keys == {None}
    assert hand_out(batch, 2, key="fair") == first


def test_a_key_that_others_have_taken_just_now_gives_no_codes(monkeypatch):
    batch = issue(3)
    real, others = handing_out.retry, []

    def beaten(work, using):
        if not others:
            others.append(hand_out_before(batch, 3, key="fair"))
            raise TooFewCodes("0 unused ones are left.")
        return real(work, using=using)

    def hand_out_before(*args, **kwargs):
        with monkeypatch.context() as patch:
            patch.setattr(handing_out, "retry", real)
            return hand_out(*args, **kwargs)

    monkeypatch.setattr(handing_out, "retry", beaten)
    assert hand_out(batch, 3, key="fair") == others[0] == HandOut.objects.get()


@pytest.mark.parametrize("key", [None, "fair"])
def test_an_error_of_the_database_that_is_not_about_the_key_is_raised(monkeypatch, key):
    def fail(*args, **kwargs):
        raise IntegrityError("Something else.")

    batch = issue(1)
    monkeypatch.setattr(handing_out, "retry", fail)
    with pytest.raises(IntegrityError, match="else"):
        hand_out(batch, 1, key=key)


@pytest.mark.parametrize("n", [1, 499, 500, 501, 1001])
def test_as_many_are_given_as_asked_for(n):
    batch = issue(1001)
    assert len(pks(hand_out(batch, n))) == n
    assert unused(batch, "default").count() == 1001 - n


def test_where_too_few_are_left_nobody_gets_any():
    batch = issue(3)
    with pytest.raises(TooFewCodes, match="4 codes were asked for, 3 unused ones"):
        hand_out(batch, 4)
    assert not HandOut.objects.exists()
    assert unused(batch, "default").count() == 3


def test_a_revoked_batch_gives_nothing():
    batch = issue(3)
    InviteBatch.objects.filter(pk=batch.pk).update(revoked_at=timezone.now())
    with pytest.raises(TooFewCodes, match="The batch is revoked"):
        hand_out(batch, 1)
    assert not HandOut.objects.exists()
    batch.refresh_from_db()
    assert not unused(batch, "default").exists()
    InviteBatch.objects.filter(pk=batch.pk).update(revoked_at=None)
    assert hand_out(batch, 1)  # As the database says, and not as one remembers.


@pytest.mark.parametrize(
    ("n", "to", "error", "message"),
    [
        (0, "", ValueError, "At least one code"),
        (-1, "", ValueError, "At least one code"),
        (1, "x" * 201, ValidationError, "at most 200 characters"),
        (1, "\0", ValidationError, "Null characters"),
    ],
)
def test_bad_input_is_refused_before_any_query(
    django_assert_num_queries, n, to, error, message
):
    batch = InviteBatchFactory()
    with django_assert_num_queries(0), pytest.raises(error, match=message):
        hand_out(batch, n, to=to)


@pytest.mark.parametrize("key", ["x" * 51, "\0"])
def test_a_key_that_cannot_be_stored_is_refused(django_assert_num_queries, key):
    batch = InviteBatchFactory()
    with django_assert_num_queries(0), pytest.raises(ValidationError):
        hand_out(batch, 1, key=key)


def test_within_a_transaction_it_is_undone_with_it():
    batch = issue(3)
    with atomic():
        hand_out(batch, 3)
        set_rollback(True)
    assert not HandOut.objects.exists()
    assert unused(batch, "default").count() == 3


@pytest.mark.django_db(databases=["default", "other"])
def test_the_router_or_the_caller_says_which_database(settings):
    class ToOther:
        def db_for_write(self, model, **hints):
            return "other"

    here, there = issue(3, using="default"), issue(3, using="other")
    assert len(pks(hand_out(here, 2))) == 2
    settings.DATABASE_ROUTERS = [ToOther()]
    assert len(pks(hand_out(there, 2), "other")) == 2
    assert len(pks(hand_out(here, 1, using="default"))) == 1
    assert unused(there, "other").count() == 1


@pytest.mark.django_db(databases=["default", "other"])
def test_a_batch_is_looked_for_where_it_came_from(twins):
    here, there = twins
    hand_out(there, 3)
    assert unused(here, "default").count() == 3
    assert unused(there, "other").count() == 1
    assert not HandOut.objects.using("default").exists()


def test_the_number_of_queries_does_not_grow_with_the_codes(
    django_assert_num_queries,
):
    batch = issue(2000)
    hand_out(batch, 1000)
    with django_assert_num_queries(3 + 1 + 2):  # A savepoint takes two.
        hand_out(batch, 500)


def test_a_try_that_loses_leaves_no_line_and_touches_none(seeded_database, monkeypatch):
    batch, others = issue(3, using=seeded_database), []
    real, losses = handing_out.unused, [OperationalError("locked")] * 2
    values = {"batch_id": batch.pk, "count": 1, "recipient": "Others"}
    lines = HandOut.objects.using(seeded_database)

    def losing(*args):
        if losses:
            raise losses.pop()
        return real(*args)

    def meanwhile(seconds):  # SQLite gives it the number of the line that is undone.
        others.append(lines.create(**values))

    monkeypatch.setattr("invite_code.retrying.is_contention", lambda error: True)
    monkeypatch.setattr("invite_code.retrying.time.sleep", meanwhile)
    monkeypatch.setattr(handing_out, "unused", losing)
    line = hand_out(batch, 3, to="Press", using=seeded_database)
    assert len(pks(line, seeded_database)) == 3
    told = lines.order_by("pk").values_list("recipient", flat=True)
    assert list(told) == ["Others", "Others", "Press"]


@pytest.fixture
def plan(db):
    """A function that returns how the database finds the next codes of a batch."""

    def plan(batch):
        with CaptureQueriesContext(connection) as queries:
            hand_out(batch, 50)
        table = connection.ops.quote_name(InviteCode._meta.db_table)
        [sql] = [
            query["sql"]
            for query in queries
            if query["sql"].startswith("SELECT") and f"FROM {table}" in query["sql"]
        ]
        explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
        with connection.cursor() as cursor:
            cursor.execute(f"{explain} {sql}")
            names = [column[0] for column in cursor.description]
            # MySQL also tells which indexes it has not used.
            steps = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        return [{**step, "possible_keys": None} for step in steps]

    return plan


@pytest.mark.django_db(transaction=True)  # On MySQL, to analyze is to commit.
@pytest.mark.parametrize("analyzed", [False, True])
def test_the_next_codes_are_found_by_their_index_and_not_sorted(plan, analyzed):
    issue(5000)
    batch = issue(5000)
    issue(5000)
    held = batch.codes.order_by("pk")[:100]
    later = timezone.now() + HOUR
    Hold.objects.bulk_create(Hold(code=c, key="k", expires_at=later) for c in held)
    hand_out(batch, 2000)
    if analyzed:
        tables = ", ".join(m._meta.db_table for m in (InviteCode, Hold))
        words = {"sqlite": "ANALYZE", "postgresql": f"ANALYZE {tables}"}
        with connection.cursor() as cursor:
            cursor.execute(words.get(connection.vendor, f"ANALYZE TABLE {tables}"))
            if connection.vendor == "mysql":
                cursor.fetchall()
    found = str(plan(batch))
    assert "invite_code_next" in found
    assert "sort" not in found.lower()
    assert "TEMP B-TREE" not in found


@at_each_level
def test_who_asks_meanwhile_waits_for_nobody_and_gets_others(seeded_database, threads):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite lets in one writer at a time.")
    batch = issue(100, using=seeded_database)
    ask = partial(hand_out, batch, 50, using=seeded_database)
    with atomic(using=seeded_database):
        first = ask()
        second = threads(ask).result(timeout=20)
    mine, others = pks(first, seeded_database), pks(second, seeded_database)
    assert len(mine) == len(others) == 50
    assert not set(mine) & set(others)


@at_each_level
def test_what_others_give_back_is_not_lost(seeded_database, threads):
    batch, taken = issue(50, using=seeded_database), Event()
    ask = partial(hand_out, batch, 50, using=seeded_database)

    def ask_later():
        taken.wait(20)
        return ask()

    future = threads(ask_later)
    with atomic(using=seeded_database):
        ask()
        taken.set()
        with pytest.raises(TimeoutError):
            future.result(timeout=0.5)
        set_rollback(True, using=seeded_database)
    assert len(pks(future.result(timeout=20), seeded_database)) == 50


@at_each_level
def test_who_asks_for_what_others_keep_gets_none(seeded_database, threads):
    batch = issue(50, using=seeded_database)
    ask = partial(hand_out, batch, 50, using=seeded_database)
    with atomic(using=seeded_database):
        ask()
        future = threads(ask)
        with pytest.raises(TimeoutError):
            future.result(timeout=0.5)
    with pytest.raises(TooFewCodes):
        future.result(timeout=20)
    assert HandOut.objects.using(seeded_database).count() == 1


@pytest.mark.skipif(connection.vendor == "sqlite", reason="It has one writer.")
@pytest.mark.parametrize(
    "seeded_database", [IMPATIENT[connection.vendor]], ids=[""], indirect=True
)
def test_other_codes_are_redeemed_while_some_are_handed_out(seeded_database, threads):
    batch = issue(60, using=seeded_database)
    codes = list(batch.codes.using(seeded_database).order_by("pk"))
    held = HoldFactory.build(code=codes[0], key="k")
    held.save(using=seeded_database)
    with atomic(using=seeded_database):
        line = hand_out(batch, 50, using=seeded_database)
        for code in codes[52:]:
            threads(partial(redeem, code.code, None, using=seeded_database)).result(20)
    assert pks(line, seeded_database) == [code.pk for code in codes[1:51]]


def test_where_nothing_can_be_passed_over_one_waits(seeded_database, monkeypatch):
    features = connections[seeded_database].features
    monkeypatch.setattr(features, "has_select_for_update_skip_locked", False)
    batch = issue(2, using=seeded_database)
    with CaptureQueriesContext(connections[seeded_database]) as queries:
        hand_out(batch, 1, using=seeded_database)
    locking = [query["sql"] for query in queries if "FOR UPDATE" in query["sql"]]
    assert len(locking) == int(features.has_select_for_update)
    assert not any("SKIP LOCKED" in sql for sql in locking)
