from http import HTTPStatus

import pytest

from invite_code.codes import CodeFormat
from invite_code.explaining import explain
from invite_code.handing_out import hand_out
from invite_code.models import HandOut, Redemption
from invite_code.redemption import redeem
from tests.factories import (
    HandOutFactory,
    HoldFactory,
    InviteCodeFactory,
    RedemptionFactory,
    UserFactory,
)
from tests.invite_code.admin.pages import HOUR, NOW, act, listed, url

pytestmark = pytest.mark.django_db


def test_redemptions_are_for_reading_only(admin_client):
    redemption = RedemptionFactory()
    page = url("redemption_change", redemption.pk)
    assert 'name="_save"' not in admin_client.get(page).text
    for forbidden in (page, url("redemption_delete", redemption.pk)):
        answer = admin_client.post(forbidden, {"post": "yes", "user": ""})
        assert answer.status_code == HTTPStatus.FORBIDDEN
    data = {"action": "delete_selected", "_selected_action": redemption.pk}
    admin_client.post(url("redemption_changelist"), data | {"post": "yes"})
    assert Redemption.objects.get() == redemption


def test_a_deleted_user_is_still_named(admin_client):
    user = UserFactory(username="gone")
    redemption = redeem(InviteCodeFactory().code, user)
    pk = user.pk
    user.delete()
    for page in (url("redemption_changelist"), url("redemption_change", redemption.pk)):
        text = admin_client.get(page).text
        assert "gone" in text
        assert str(pk) in text


def test_redemptions_are_found_by_a_part_of_a_name_and_by_a_whole_code(admin_client):
    found, other = (
        redeem(InviteCodeFactory().code, UserFactory(username=name))
        for name in ("jose.reader", "somebody")
    )
    for text in (
        *("jose", "READER", found.code.code),
        *(f" {found.code.code.lower()} ", CodeFormat().display(found.code.code)),
    ):
        assert listed(admin_client, "redemption", q=text) == {found}
    assert listed(admin_client, "redemption", q=found.code.code[:8]) == set()
    assert listed(admin_client, "redemption") == {found, other}


def test_a_hold_is_given_back_by_deleting_it(admin_client):
    code = InviteCodeFactory(held=True)
    assert explain(code.code).refusal
    hold = code.holds.get()
    page = url("hold_change", hold.pk)
    assert 'name="_save"' not in admin_client.get(page).text
    assert admin_client.post(page, {}).status_code == HTTPStatus.FORBIDDEN
    admin_client.post(url("hold_delete", hold.pk), {"post": "yes"})
    assert explain(code.code).refusal is None


def test_it_is_shown_whether_a_hold_is_live_and_not_who_may_use_it(admin_client):
    live, over = HoldFactory(), HoldFactory(expires_at=NOW - HOUR)
    for hold, icon in [(live, "icon-yes"), (over, "icon-no")]:
        for page in (
            admin_client.get(url("hold_change", hold.pk)).text,
            admin_client.get(url("hold_changelist"), {"id": hold.pk}).text,
        ):
            assert icon in page
            assert hold.key not in page


def test_a_hand_out_is_for_reading_only(admin_client):
    line = hand_out(InviteCodeFactory().batch, 1, to="the fair")
    page = url("handout_change", line.pk)
    assert 'name="_save"' not in admin_client.get(page).text
    for forbidden in (page, url("handout_delete", line.pk)):
        answer = admin_client.post(forbidden, {"post": "yes", "recipient": "other"})
        assert answer.status_code == HTTPStatus.FORBIDDEN
    act(admin_client, "handout", "delete_selected", line, post="yes")
    assert HandOut.objects.get().recipient == "the fair"


def test_hand_outs_are_found_by_a_part_of_the_recipient(admin_client):
    found, other = (HandOutFactory(recipient=name) for name in ("The Fair", "Ada"))
    assert listed(admin_client, "handout", q="fair") == {found}
    assert listed(admin_client, "handout", batch__id__exact=other.batch_id) == {other}


def test_the_key_of_a_hold_cannot_be_guessed_bit_by_bit(admin_client):
    hold = HoldFactory()
    query = {"id": hold.pk, "key__startswith": hold.key[0]}
    response = admin_client.get(url("hold_changelist"), query)
    assert response.status_code == HTTPStatus.BAD_REQUEST
