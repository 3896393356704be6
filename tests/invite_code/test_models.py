import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import ProtectedError

from invite_code.models import InviteBatch, InviteCode, Redemption
from tests.factories import (
    InviteBatchFactory,
    InviteCodeFactory,
    RedemptionFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "values",
    [
        {"uses": 3},
        {"max_uses": 1},
        {"max_uses": 0, "uses": 0},
        {"uses": None},
        {"code": ""},
        {"code": None},
        {"batch_id": None},
    ],
    ids=str,
)
def test_the_database_refuses_a_code_that_cannot_be(values):
    code = InviteCodeFactory(max_uses=2, uses=2)
    with pytest.raises(IntegrityError), transaction.atomic():
        InviteCode.objects.filter(pk=code.pk).update(**values)
    code.refresh_from_db()
    assert (code.max_uses, code.uses) == (2, 2)


@pytest.mark.parametrize("field", ["uses", "max_uses"])
def test_the_database_refuses_a_negative_number(field):
    code = InviteCodeFactory(max_uses=2)
    with pytest.raises(DatabaseError), transaction.atomic():
        InviteCode.objects.filter(pk=code.pk).update(**{field: -1})


@pytest.mark.parametrize(
    "values",
    [
        {"max_uses": 1, "uses": 0},
        {"max_uses": 1, "uses": 1},
        {"max_uses": None, "uses": 0},
        {"max_uses": None, "uses": 2**31 - 1},
        {"max_uses": 2**31 - 1, "uses": 2**31 - 1},
        {"code": "0" * 64},
    ],
    ids=str,
)
def test_the_database_takes_a_code_at_the_border_of_what_can_be(values):
    code = InviteCodeFactory()
    assert InviteCode.objects.filter(pk=code.pk).update(**values) == 1
    code.refresh_from_db()
    assert values.items() <= vars(code).items()
    code.full_clean(exclude=["code"])


def test_a_code_exists_once():
    code = InviteCodeFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        InviteCodeFactory(code=code.code)
    assert InviteCode.objects.filter(code=code.code).count() == 1


def test_two_batches_may_be_without_key_but_not_share_one():
    first, second = InviteBatchFactory.create_batch(2)
    assert first.key is second.key is None
    InviteBatchFactory(key="press")
    with pytest.raises(IntegrityError), transaction.atomic():
        InviteBatchFactory(key="press")


def test_a_user_redeems_a_code_once():
    redemption = RedemptionFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        RedemptionFactory(code=redemption.code, user=redemption.user)
    RedemptionFactory(code=redemption.code)
    RedemptionFactory(user=redemption.user)
    assert Redemption.objects.count() == 3


def test_a_redemption_outlives_its_user():
    first = RedemptionFactory()
    second = RedemptionFactory(code=first.code)
    for redemption in (first, second):
        redemption.user.delete()
        redemption.refresh_from_db()
        assert redemption.user is None


def test_a_redeemed_code_is_not_deleted():
    redemption = RedemptionFactory()
    with pytest.raises(ProtectedError):
        redemption.code.delete()
    redemption.delete()
    redemption.code.delete()
    assert not InviteCode.objects.filter(pk=redemption.code_id).exists()


def test_a_batch_with_codes_is_not_deleted():
    code = InviteCodeFactory()
    with pytest.raises(ProtectedError):
        code.batch.delete()
    code.delete()
    code.batch.delete()
    assert not InviteBatch.objects.filter(pk=code.batch_id).exists()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_uses": 0, "uses": 0}, "at least one person"),
        ({"max_uses": 1, "uses": 2}, "already used more often"),
    ],
)
def test_validation_says_what_a_constraint_would_refuse(values, message):
    code = InviteCodeFactory.build(batch=InviteBatchFactory(), **values)
    with pytest.raises(ValidationError, match=message):
        code.full_clean()


@pytest.mark.parametrize("text", [str, repr, "{}".format])
def test_no_text_about_a_code_or_a_redemption_holds_the_code(text):
    redemption = RedemptionFactory(user=UserFactory(username="somebody"))
    code = redemption.code.code
    assert code not in text(redemption.code)
    assert code not in text(redemption)
    assert str(redemption.code.pk) in text(redemption.code)
    assert str(redemption.pk) in text(redemption)


def test_a_batch_is_called_by_its_label_or_its_number():
    assert str(InviteBatchFactory(label="Press")) == "Press"
    batch = InviteBatchFactory(label="")
    assert str(batch) == f"Batch {batch.pk}"
