from datetime import UTC, datetime
from functools import partial

import pytest
from django.db import OperationalError

from invite_code import retrying, revoking
from invite_code.errors import Revoked
from invite_code.issuing import issue
from invite_code.models import InviteBatch, InviteCode
from invite_code.redemption import redeem
from invite_code.revoking import restore, restore_batch, revoke, revoke_batch
from tests.factories import InviteBatchFactory, InviteCodeFactory

pytestmark = pytest.mark.django_db

PAST = datetime(2020, 1, 1, tzinfo=UTC)


class ToOther:
    def db_for_write(self, model, **hints):
        return "other"


@pytest.fixture
def moment(monkeypatch):
    """The moment at which everything is revoked."""
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(revoking.timezone, "now", lambda: moment)
    return moment


def moments(codes):
    return list(codes.order_by("pk").values_list("revoked_at", flat=True))


def test_codes_are_revoked_in_one_statement_and_those_revoked_keep_their_moment(
    moment, statements
):
    batch = InviteBatchFactory()
    InviteCodeFactory(batch=batch, revoked_at=PAST)
    fresh = InviteCodeFactory.create_batch(2, batch=batch)
    InviteCodeFactory()
    with statements() as sent:
        assert revoke(batch.codes.all()) == 2
    assert len(sent) == 1
    assert moments(batch.codes) == [PAST, moment, moment]
    assert InviteCode.objects.filter(revoked_at=moment).count() == 2
    assert revoke(batch.codes.filter(pk=fresh[0].pk)) == 0


def test_codes_are_restored_in_one_statement(statements):
    batch = InviteBatchFactory()
    InviteCodeFactory.create_batch(2, batch=batch, revoked_at=PAST)
    InviteCodeFactory(batch=batch)
    elsewhere = InviteCodeFactory(revoked_at=PAST)
    with statements() as sent:
        assert restore(batch.codes.all()) == 2
    assert len(sent) == 1
    assert moments(batch.codes) == [None] * 3
    elsewhere.refresh_from_db()
    assert elsewhere.revoked_at == PAST
    assert restore(batch.codes.all()) == 0


def test_a_code_that_was_restored_lets_in_again():
    code = InviteCodeFactory()
    codes = InviteCode.objects.filter(pk=code.pk)
    revoke(codes)
    with pytest.raises(Revoked):
        redeem(code.code, None)
    restore(codes)
    assert redeem(code.code, None).code_id == code.pk


def test_a_batch_is_revoked_as_a_whole_and_nothing_is_written_to_its_codes(moment):
    batch = issue(3)
    assert revoke_batch(batch) is True
    assert batch.revoked_at == moment
    assert moments(batch.codes) == [None] * 3
    with pytest.raises(Revoked):
        redeem(batch.codes.first().code, None)


def test_a_batch_that_is_revoked_keeps_its_moment():
    batch = InviteBatchFactory(revoked_at=PAST)
    assert revoke_batch(batch) is False
    batch.refresh_from_db()
    assert batch.revoked_at == PAST


def test_a_batch_is_restored_and_codes_revoked_one_by_one_are_not():
    batch = InviteBatchFactory(revoked_at=PAST)
    revoked = InviteCodeFactory(batch=batch, revoked_at=PAST)
    code = InviteCodeFactory(batch=batch)
    assert restore_batch(batch) is True
    assert batch.revoked_at is None
    assert restore_batch(batch) is False
    assert redeem(code.code, None)
    with pytest.raises(Revoked):
        redeem(revoked.code, None)


@pytest.mark.parametrize(
    ("change", "before"), [(revoke_batch, None), (restore_batch, PAST)]
)
def test_saving_a_batch_after_that_does_not_undo_it(change, before):
    batch, other = InviteBatchFactory(revoked_at=before), InviteBatchFactory()
    stale = InviteBatch.objects.get(pk=batch.pk)
    change(batch)
    assert change(stale) is False
    stale.save()
    stored = InviteBatch.objects.get(pk=batch.pk)
    assert stored.revoked_at == batch.revoked_at != before
    other.refresh_from_db()
    assert other.revoked_at is None


@pytest.mark.django_db(databases=["default", "other"])
def test_the_router_or_the_caller_says_which_database(settings):
    InviteBatchFactory()  # So that the primary keys differ.
    here, there = issue(1, using="default"), issue(1, using="other")
    chosen = InviteCode.objects.using("default").filter(batch=here.pk)
    routed = InviteCode.objects.filter(batch=there.pk)
    settings.DATABASE_ROUTERS = [ToOther()]
    assert (revoke(chosen), restore(chosen)) == (1, 1)
    assert (revoke(routed), restore(routed)) == (1, 1)
    assert revoke(routed, using="default") == 0
    assert (revoke_batch(there), restore_batch(there)) == (True, True)
    assert revoke_batch(here, using="default")
    assert restore_batch(here, using="default")


@pytest.mark.django_db(databases=["default", "other"])
def test_codes_and_batches_are_changed_where_they_came_from(twins):
    here, there = twins
    assert revoke(there.codes.filter(uses=0)) == 4
    assert moments(here.codes) == [None] * 3
    assert restore(there.codes.all()) == 4
    assert revoke_batch(there) is True
    here.refresh_from_db()
    assert here.revoked_at is None
    InviteBatch.objects.filter(pk=here.pk).update(revoked_at=PAST)
    assert restore_batch(there) is True
    here.refresh_from_db()
    assert here.revoked_at == PAST


@pytest.mark.parametrize("change", [revoke, restore])
def test_what_loses_against_others_is_begun_anew(seeded_database, monkeypatch, change):
    codes = InviteCode.objects.using(seeded_database)
    codes.update(revoked_at=None if change is revoke else PAST)
    losses = [OperationalError("locked")] * 2
    monkeypatch.setattr(retrying, "is_contention", lambda error: True)
    update = type(codes).update

    def losing(self, **values):
        if losses:
            raise losses.pop()
        return update(self, **values)

    monkeypatch.setattr(type(codes), "update", losing)
    assert change(codes) == codes.count()


def test_a_filter_over_other_tables_will_do():
    code = InviteCodeFactory(held=True)
    InviteCodeFactory()
    codes = InviteCode.objects.filter(holds__key__gt="", batch__label=code.batch.label)
    assert revoke(codes.order_by("-pk")) == 1
    code.refresh_from_db()
    assert code.revoked_at


def test_two_who_revoke_at_once_count_each_code_once(seeded_database, threads):
    codes = InviteCode.objects.using(seeded_database)
    futures = [threads(partial(revoke, codes.all())) for _ in range(2)]
    assert sum(future.result(timeout=30) for future in futures) == codes.count()
