import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import ProtectedError

from invite_code.errors import Exhausted
from invite_code.issuing import issue
from invite_code.models import Hold, InviteBatch, InviteCode, Redemption
from invite_code.redemption import redeem
from tests.factories import (
    HoldFactory,
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


def save(code):
    code.save()


def create_in_bulk(code):
    InviteCode.objects.bulk_create([code])


def update_in_bulk(code):
    email, code.email = code.email, ""
    code.save()
    code.email = email
    InviteCode.objects.bulk_update([code], ["email"])


def update(code):
    email, code.email = code.email, ""
    code.save()
    InviteCode.objects.filter(pk=code.pk).update(email=email)


@pytest.mark.parametrize("write", [save, create_in_bulk, update_in_bulk, update])
def test_an_address_is_stored_in_lower_case_however_it_is_written(write):
    code = InviteCodeFactory.build(batch=InviteBatchFactory(), email="JÖE@Example.COM")
    write(code)
    stored = InviteCode.objects.get(code=code.code)
    assert stored.email == "jöe@example.com"


def test_the_address_of_issued_codes_is_stored_in_lower_case():
    batch = issue(2, email="Joe@Example.COM")
    emails = InviteCode.objects.filter(batch=batch).values_list("email", flat=True)
    assert list(emails) == ["joe@example.com"] * 2


@pytest.mark.parametrize(
    "lookup",
    [
        {"email": "JOE@example.com"},
        {"email__in": ["Joe@Example.com"]},
        {"email__startswith": "joe@"},
    ],
    ids=str,
)
def test_an_address_is_found_in_any_case(lookup):
    code = InviteCodeFactory(email="Joe@example.com")
    assert list(InviteCode.objects.filter(**lookup)) == [code]


@pytest.mark.parametrize("email", ["joe", "joe@", "joe@example.com, ann@example.com"])
def test_what_is_no_address_is_not_valid(email):
    code = InviteCodeFactory.build(batch=InviteBatchFactory(), email=email)
    with pytest.raises(ValidationError, match="email"):
        code.full_clean()


def test_a_key_holds_a_code_once():
    hold = HoldFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        HoldFactory(code=hold.code, key=hold.key)
    HoldFactory(code=hold.code)
    HoldFactory(key=hold.key)
    assert Hold.objects.count() == 3


def test_a_hold_goes_with_its_code():
    hold = HoldFactory()
    hold.code.delete()
    assert not Hold.objects.exists()


def test_anybody_without_an_account_may_redeem_a_code():
    code = InviteCodeFactory()
    RedemptionFactory.create_batch(2, code=code, user=None)
    assert code.redemptions.count() == 2


def test_a_redemption_still_says_whose_it_was_when_the_user_is_deleted():
    user = UserFactory(username="joe")
    pk = str(user.pk)
    code = InviteCodeFactory()
    redemption = redeem(code.code, user)
    user.delete()
    redemption.refresh_from_db()
    assert redemption.user is None
    assert (redemption.user_pk, redemption.username) == (pk, "joe")
    code.refresh_from_db()
    assert code.uses == 1
    with pytest.raises(Exhausted):
        redeem(code.code, UserFactory())


def delete_it(code):
    code.delete()


def delete_all(code):
    InviteCode.objects.filter(pk=code.pk).delete()


def delete_batch(code):
    code.batch.delete()


@pytest.mark.parametrize("delete", [delete_it, delete_all, delete_batch])
def test_a_redeemed_code_cannot_be_deleted_into_being_unused(delete):
    code = InviteCodeFactory()
    redeem(code.code, None)
    with pytest.raises(ProtectedError):
        delete(code)
    with pytest.raises(Exhausted):
        redeem(code.code, None)
    with pytest.raises(IntegrityError), transaction.atomic():
        InviteCodeFactory(code=code.code)  # Nor made anew.


@pytest.mark.parametrize("text", [str, repr, "{}".format])
def test_no_text_about_a_hold_holds_the_code_or_the_key(text):
    hold = HoldFactory(key="secret of a session")
    assert hold.code.code not in text(hold)
    assert "secret" not in text(hold)
    assert str(hold.pk) in text(hold)
