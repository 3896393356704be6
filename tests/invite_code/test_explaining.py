from datetime import UTC, datetime, timedelta
from itertools import chain, product

import pytest
from django.utils import timezone

from invite_code import errors
from invite_code.codes import CodeFormat
from invite_code.explaining import Explanation, explain, facts, with_live_holds
from invite_code.issuing import issue
from invite_code.models import Hold, InviteBatch, InviteCode
from invite_code.redemption import redeem
from tests.factories import (
    HoldFactory,
    InviteBatchFactory,
    InviteCodeFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db

PAST, NOW, FUTURE = (datetime(year, 1, 1, tzinfo=UTC) for year in (2020, 2025, 2100))
TICK = timedelta(microseconds=1)


@pytest.fixture
def clock(monkeypatch):
    """The clock, standing still at NOW."""
    monkeypatch.setattr(timezone, "now", lambda: NOW)


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"revoked_at": PAST}, errors.Revoked, "The code"),
        ({"batch__revoked_at": PAST}, errors.Revoked, "Its batch"),
        ({"valid_from": NOW + TICK}, errors.NotYetValid, "not valid yet"),
        ({"expires_at": NOW}, errors.Expired, "has expired"),
        ({"email": "joe@example.com"}, errors.WrongEmail, "another"),
        ({"uses": 1}, errors.Exhausted, "made"),
        ({"held": True}, errors.Exhausted, "kept by holds"),
        ({"max_uses": 3, "uses": 2, "held": True}, errors.Exhausted, "kept by holds"),
    ],
    ids=str,
)
def test_a_refusal_is_explained(values, error, words, clock):
    code = InviteCodeFactory(**values)
    explanation = explain(code.code, email="ann@example.com")
    assert type(explanation.refusal) is error
    assert words in str(explanation.refusal)
    assert code.code not in str(explanation.refusal)
    assert explanation.stored == code


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"valid_from": NOW, "expires_at": NOW + TICK},
        {"email": "ANN@example.com"},
        {"max_uses": 2, "uses": 1},
        {"max_uses": 2, "held": True},
        {"max_uses": None, "uses": 7, "held": True},
    ],
    ids=str,
)
def test_where_nothing_is_refused_there_is_no_reason(values, clock):
    explanation = explain(InviteCodeFactory(**values).code, email="Ann@Example.com")
    assert explanation.refusal is None


def test_the_first_of_many_reasons_is_told(clock):
    code = InviteCodeFactory(
        batch__revoked_at=PAST,
        revoked_at=PAST,
        valid_from=FUTURE,
        expires_at=PAST,
        email="joe@example.com",
        uses=1,
    )
    told = []
    for change in (
        {"revoked_at": None},
        {"batch": InviteBatchFactory()},
        {"valid_from": None},
        {"expires_at": None},
        {"email": ""},
        {"uses": 0},
    ):
        told.append(explain(code.code, email="ann@example.com").refusal.reason)
        InviteCode.objects.filter(pk=code.pk).update(**change)
    reasons = ["revoked", "not_yet_valid", "expired", "wrong_email", "exhausted"]
    assert told == ["revoked", *reasons]
    assert explain(code.code).refusal is None


def test_what_is_no_code_is_told_without_a_query(django_assert_num_queries):
    with django_assert_num_queries(0):
        explanation = explain("no code")
    assert type(explanation.refusal) is errors.Malformed
    assert (explanation.code, explanation.stored, explanation.uses_left) == (
        "",
        None,
        0,
    )


def test_a_code_that_is_not_stored_is_unknown(django_assert_num_queries):
    code = CodeFormat().generate(1)[0]
    with django_assert_num_queries(1):
        explanation = explain(CodeFormat().display(code).lower())
    assert type(explanation.refusal) is errors.Unknown
    assert (explanation.code, explanation.stored, explanation.uses_left) == (
        code,
        None,
        0,
    )


def test_one_query_tells_all(django_assert_num_queries):
    code = InviteCodeFactory(batch__label="Press", max_uses=5, uses=1, held=True)
    with django_assert_num_queries(1):
        explanation = explain(code.code)
        assert explanation.stored.batch.label == "Press"
    assert explanation.live_holds == 1
    assert explanation.uses_left == 3


def test_the_address_may_be_unknown():
    code = InviteCodeFactory(email="joe@example.com")
    assert explain(code.code).refusal is None
    assert type(explain(code.code, email="").refusal) is errors.WrongEmail


def test_any_number_of_uses_is_left_of_a_code_without_limit():
    code = InviteCodeFactory(max_uses=None, uses=9, held=True)
    assert explain(code.code).uses_left is None


def test_never_fewer_than_no_uses_are_left():
    code = InviteCodeFactory(max_uses=2)
    HoldFactory.create_batch(2, code=code)
    InviteCode.objects.filter(pk=code.pk).update(max_uses=1)
    assert explain(code.code).uses_left == 0


def test_a_hold_counts_while_it_lives_and_for_others(clock):
    code = InviteCodeFactory(max_uses=9)
    HoldFactory(code=code, key="own", expires_at=FUTURE)
    HoldFactory(code=code, expires_at=NOW + TICK)
    HoldFactory(code=code, expires_at=NOW)
    HoldFactory(expires_at=FUTURE)
    assert explain(code.code).live_holds == 2
    assert explain(code.code, key="own").live_holds == 1
    assert explain(code.code, key="nobody's").live_holds == 2


def test_holds_of_many_codes_are_counted_in_one_query(django_assert_num_queries):
    codes = [InviteCodeFactory(batch=InviteBatchFactory()) for _ in range(3)]
    for number, code in enumerate(codes):
        HoldFactory.create_batch(number, code=code)
    some = InviteCode.objects.filter(pk__in=[code.pk for code in codes]).order_by("pk")
    with django_assert_num_queries(1):
        counts = [code.live_holds for code in with_live_holds(some, timezone.now())]
    assert counts == [0, 1, 2]


@pytest.mark.django_db(databases=["default", "other"])
def test_the_database_is_that_which_is_named():
    batch = issue(1, using="other")
    code = InviteCode.objects.using("other").get(batch=batch)
    assert explain(code.code, using="other").stored == code
    assert type(explain(code.code).refusal) is errors.Unknown


def make_one_of_each():
    """Make a code in each state that a code may be in, and return what they spell."""
    live, revoked = (InviteBatchFactory(revoked_at=moment) for moment in (None, PAST))
    choices = {
        ("batch", "revoked_at"): [(live, None), (live, PAST), (revoked, None)],
        ("valid_from",): [(None,), (PAST,), (FUTURE,)],
        ("expires_at",): [(None,), (PAST,), (FUTURE,)],
        ("email",): [("",), ("joe@example.com",)],
        ("max_uses", "uses"): [(None, 7), (1, 0), (1, 1), (3, 2)],
    }
    InviteCode.objects.bulk_create(
        InviteCode(
            code=CodeFormat().generate(1)[0],
            **dict(zip(chain(*choices), chain(*state), strict=True)),
        )
        for state in product(*choices.values())
    )
    made = list(InviteCode.objects.filter(batch__in=[live, revoked]).order_by("pk"))
    Hold.objects.bulk_create(
        Hold(code=code, key="key", expires_at=FUTURE) for code in made[::3]
    )
    return [code.code for code in made]


def verdict(code, user):
    try:
        redeem(code, user)
    except errors.Refused as error:
        return error.reason


def test_the_reason_is_that_of_the_database_in_every_state():
    user = UserFactory(email="ann@example.com")
    codes = make_one_of_each()
    told, given = {}, {}
    for code in codes:
        refusal = explain(code, email=user.email).refusal
        told[code] = refusal and refusal.reason
        given[code] = verdict(code, user)
    assert given == told
    assert len(set(told.values())) == 6


def test_the_facts_about_no_code_are_few():
    assert facts(explain("no code!")) == [
        ("Verdict", "Refused. This has a symbol that no code has.")
    ]
    known = facts(explain("0000-0000-0000-0000"))
    assert known == [
        ("Code", "0000-0000-0000-0000"),
        ("Verdict", "Refused. There is no such code."),
    ]


def test_the_facts_about_a_code_that_may_be_anything(settings):
    code = InviteCodeFactory(max_uses=None, batch__label="Press")
    assert facts(explain(code.code)) == [
        ("Code", CodeFormat().display(code.code)),
        ("Verdict", "It would be redeemed."),
        ("Batch", f"Press (primary key {code.batch_id})"),
        ("Batch revoked", "no"),
        ("Code revoked", "no"),
        ("Valid from", "at once"),
        ("Expires", "never"),
        ("Uses", "0 of any number"),
        ("Live holds", "0"),
        ("Uses left", "any number"),
        ("E-mail address", "any"),
    ]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_the_facts_about_a_code_are_told_in_the_time_of_the_reader(zone):
    code = InviteCodeFactory(
        max_uses=3,
        uses=1,
        held=True,
        email="joe@example.com",
        valid_from=NOW + TICK,
        expires_at=FUTURE,
        revoked_at=PAST,
        batch__revoked_at=PAST,
    )
    with timezone.override(zone):
        told = dict(facts(explain(code.code)))
    hour = "00:00:00+00:00" if zone == "UTC" else "09:00:00+09:00"
    assert told["Verdict"] == "Refused. The code is revoked."
    assert told["Batch revoked"] == told["Code revoked"] == f"2020-01-01 {hour}"
    assert told["Valid from"] == f"2025-01-01 {hour}"
    assert told["Expires"] == f"2100-01-01 {hour}"
    assert (told["Uses"], told["Live holds"], told["Uses left"]) == ("1 of 3", "1", "1")
    assert told["E-mail address"] == "joe@example.com"


def test_moments_without_a_zone_are_told_as_they_are():
    moment = datetime(2025, 1, 1, 12)
    stored = InviteCodeFactory.build(expires_at=moment, batch=InviteBatch(pk=1))
    told = dict(facts(Explanation(stored.code, stored, 0, None)))
    assert told["Expires"] == "2025-01-01 12:00:00"
