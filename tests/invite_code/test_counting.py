from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from invite_code.counting import Numbers, history, numbers, numbers_of_all, total
from invite_code.handing_out import hand_out, unused
from invite_code.issuing import issue
from invite_code.models import InviteBatch
from invite_code.redemption import hold, redeem
from tests.factories import (
    HandOutFactory,
    HoldFactory,
    InviteBatchFactory,
    InviteCodeFactory,
    RedemptionFactory,
)

pytestmark = pytest.mark.django_db

NOW = datetime(2030, 1, 31, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def clock(monkeypatch):
    """The clock, standing still at NOW."""
    monkeypatch.setattr(timezone, "now", lambda: NOW)


def test_each_number_counts_what_it_says(clock):
    batch = InviteBatchFactory()
    line = HandOutFactory(batch=batch)
    InviteCodeFactory.create_batch(2, batch=batch)
    InviteCodeFactory(batch=batch, valid_from=NOW + DAY, expires_at=NOW + HOUR)
    InviteCodeFactory(batch=batch, hand_out=line)
    InviteCodeFactory(batch=batch, hand_out=line, max_uses=3, uses=2)
    InviteCodeFactory(batch=batch, max_uses=3, uses=3)
    InviteCodeFactory(batch=batch, max_uses=None, uses=5)
    InviteCodeFactory(batch=batch, revoked_at=NOW)
    InviteCodeFactory(batch=batch, expires_at=NOW)
    many = InviteCodeFactory(batch=batch, max_uses=3)
    HoldFactory.create_batch(2, code=many, expires_at=NOW + HOUR)
    HoldFactory(code__batch=batch, expires_at=NOW)
    HoldFactory(code__batch=batch, code__hand_out=line, expires_at=NOW + HOUR)
    InviteCodeFactory(held=True, uses=1, revoked_at=NOW)
    assert numbers(batch) == Numbers(
        issued=12,
        handed_out=3,
        held=2,
        redeemed=3,
        uses=10,
        used_up=1,
        revoked=1,
        expired=1,
        unused=4,
    )
    assert unused(batch, "default").count() == 4


def test_nothing_of_a_revoked_batch_is_left():
    batch = issue(3)
    assert (numbers(batch).revoked, numbers(batch).unused) == (0, 3)
    batch.revoked_at = NOW
    assert (numbers(batch).revoked, numbers(batch).unused) == (3, 0)


def test_a_batch_without_codes_has_no_numbers():
    batch = InviteBatchFactory()
    assert numbers(batch) == Numbers()
    assert numbers_of_all()[batch] == Numbers()


def test_what_hand_out_gives_is_what_was_unused():
    batch = issue(5)
    hold(batch.codes.first().code, "somebody", HOUR)
    left = numbers(batch).unused
    hand_out(batch, left)
    after = numbers(batch)
    assert (left, after.handed_out, after.unused, after.held) == (4, 4, 0, 1)


def test_all_batches_are_counted_in_as_few_queries_as_one(django_assert_num_queries):
    InviteBatchFactory(revoked_at=NOW)
    InviteCodeFactory(held=True)
    batch = issue(3)
    with django_assert_num_queries(2):
        one = numbers(batch)
    with django_assert_num_queries(3):
        counted = numbers_of_all()
    assert list(counted) == list(InviteBatch.objects.order_by("pk"))
    assert counted[batch] == one
    assert all(counted[other] == numbers(other) for other in counted)


def test_numbers_are_added_up():
    all_numbers = [Numbers(issued=3, uses=7), Numbers(issued=4, held=1)]
    assert total(all_numbers) == Numbers(issued=7, uses=7, held=1)
    assert total([]) == Numbers()


def test_a_history_tells_what_there_was_at_each_moment(clock):
    batch = InviteBatchFactory(created_at=NOW - 4 * DAY)
    codes = InviteCodeFactory.create_batch(5, batch=batch)
    for days, count in [(3.5, 2), (1, 1)]:
        HandOutFactory(batch=batch, count=count, created_at=NOW - days * DAY)
    for days in (3, 2, 2):
        RedemptionFactory(code=codes[0], redeemed_at=NOW - days * DAY)
    HoldFactory(code=codes[1], created_at=NOW - DAY / 2, expires_at=NOW + HOUR)
    HoldFactory(code=codes[2], created_at=NOW - DAY / 2, expires_at=NOW)
    for factory in (HoldFactory, RedemptionFactory, HandOutFactory):
        factory()
    points = history(batch, 5)
    assert [point.moment for point in points] == [
        NOW - days * DAY for days in (4, 3, 2, 1, 0)
    ]
    assert [point.issued for point in points] == [5, 5, 5, 5, 5]
    assert [point.handed_out for point in points] == [0, 2, 2, 3, 3]
    assert [point.redeemed for point in points] == [0, 1, 3, 3, 3]
    assert [point.held for point in points] == [0, 0, 0, 0, 1]


def test_what_a_quicker_clock_has_written_counts_as_now(clock):
    batch = InviteBatchFactory(created_at=NOW - DAY)
    RedemptionFactory(code__batch=batch, redeemed_at=NOW + HOUR)
    assert [point.redeemed for point in history(batch, 3)] == [0, 0, 1]


def test_a_history_ends_with_the_numbers_of_now():
    batch = issue(6)
    hand_out(batch, 3)
    codes = [code.code for code in batch.codes.all()]
    redeem(codes[0], None)
    hold(codes[1], "somebody", HOUR)
    now = numbers(batch)
    last = history(batch)[-1]
    assert (last.issued, last.handed_out, last.held, last.redeemed) == (
        now.issued,
        now.handed_out,
        now.held,
        now.uses,
    )
    assert len(history(batch)) == 30


def test_a_history_of_no_time_will_do(clock):
    batch = InviteBatchFactory(created_at=NOW)
    InviteCodeFactory(batch=batch)
    first, last = history(batch, 2)
    assert first.moment == last.moment == NOW
    assert last.issued == 1


def test_a_history_takes_a_query_a_table(django_assert_num_queries):
    batch = issue(3)
    with django_assert_num_queries(4):
        history(batch)
    with pytest.raises(ValueError, match="2 points or more"):
        history(batch, 1)


def test_without_time_zones_a_history_will_do(settings):
    settings.USE_TZ = False
    batch = InviteBatchFactory(created_at=timezone.now() - DAY)
    RedemptionFactory(code__batch=batch)
    assert history(batch, 3)[-1].redeemed == 1


@pytest.mark.django_db(databases=["default", "other"])
def test_the_router_or_the_caller_says_which_database(settings):
    class FromOther:
        def db_for_read(self, model, **hints):
            return "other"

    here, there = issue(3, using="default"), issue(4, using="other")
    settings.DATABASE_ROUTERS = [FromOther()]
    assert numbers(there).issued == history(there)[-1].issued == 4
    assert numbers(here, "default").issued == 3
    assert history(here, using="default")[-1].issued == 3
    assert numbers_of_all()[there].issued == 4
    assert numbers_of_all("default")[here].issued == 3


@pytest.mark.django_db(databases=["default", "other"])
def test_a_batch_is_counted_where_it_came_from(twins):
    here, there = twins
    assert numbers(here).issued == history(here)[-1].issued == 3
    assert numbers(there).issued == history(there)[-1].issued == 4


@pytest.mark.skipif(connection.vendor != "sqlite", reason="Others know what is few.")
def test_sqlite_begins_with_the_few_rows_and_not_with_the_codes(statements):
    batch = issue(3)
    with statements() as sent:
        numbers(batch)
        history(batch)
    joins = [sql for sql in sent if "JOIN" in sql]
    assert len(joins) == 3
    for sql in joins:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            first = cursor.fetchone()[-1]
        assert first.startswith(
            ("SCAN invite_code_hold", "SCAN invite_code_redemption")
        )
