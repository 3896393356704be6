import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, connection
from django.db.models.signals import post_save
from django.db.transaction import atomic
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from invite_code import errors, redemption
from invite_code.codes import CodeFormat
from invite_code.issuing import issue
from invite_code.models import Hold, InviteBatch, InviteCode, Redemption
from invite_code.redemption import ahold, aredeem, arelease, hold, redeem, release
from tests.factories import HoldFactory, InviteCodeFactory, UserFactory

pytestmark = pytest.mark.django_db

User = get_user_model()

PAST, NOW, FUTURE = (datetime(year, 1, 1, tzinfo=UTC) for year in (2020, 2025, 2100))
TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)

#: Codes that let in nobody but Ann at most, and the error that says why.
REFUSED = [
    (errors.Revoked, {"revoked_at": PAST}),
    (errors.Revoked, {"revoked_at": FUTURE}),
    (errors.Revoked, {"batch__revoked_at": PAST}),
    (errors.Revoked, {"batch__revoked_at": PAST, "max_uses": None}),
    (errors.NotYetValid, {"valid_from": FUTURE}),
    (errors.Expired, {"expires_at": PAST}),
    (errors.WrongEmail, {"email": "ann@example.com"}),
    (errors.Exhausted, {"uses": 1}),
    (errors.Exhausted, {"max_uses": 3, "uses": 3}),
    (errors.Exhausted, {"held": True}),
    (errors.Exhausted, {"max_uses": 3, "uses": 2, "held": True}),
]

#: Codes that let Joe in.
USABLE = [
    {},
    {"max_uses": 3, "uses": 2},
    {"max_uses": None, "uses": 10**6},
    {"max_uses": None, "held": True},
    {"max_uses": 2, "held": True},
    {"valid_from": PAST, "expires_at": FUTURE},
    {"email": "joe@example.com"},
]


def hold_for_joe(code, user):
    return hold(code, "joe's session", HOUR, email=user.email)


#: The two ways to take a use.
both = pytest.mark.parametrize("take", [redeem, hold_for_joe])


@pytest.fixture
def joe():
    return UserFactory(username="joe", email="joe@example.com")


@pytest.fixture
def clock(monkeypatch):
    """The clock, standing still at NOW."""
    monkeypatch.setattr(timezone, "now", lambda: NOW)


@pytest.fixture
def no_returning(monkeypatch):
    """A database without RETURNING, as MySQL is."""
    if connection.vendor == "postgresql":
        pytest.skip("Its driver tells no last id; it always has RETURNING.")
    features = connection.features
    monkeypatch.setattr(features, "can_return_columns_from_insert", False)
    redemption.in_dialect.cache_clear()
    yield
    redemption.in_dialect.cache_clear()


def state():
    """Return all that redeeming and holding change."""
    codes = InviteCode.objects.exclude(batch__key="seed")
    stored = (codes, Redemption.objects.all(), Hold.objects.all())
    return [list(rows.order_by("pk").values()) for rows in stored]


def uses(code):
    return InviteCode.objects.values_list("uses", flat=True).get(pk=code.pk)


@contextmanager
def just_before(word, act):
    """Let a rival act before the first statement that begins so."""
    acts = [act]

    def wrapper(execute, sql, params, many, context):
        if acts and sql.strip().startswith(word):
            acts.pop()()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield
    assert not acts


def hold_without_insert(code):
    """Return a function that holds a code by a statement of another kind."""
    other = HoldFactory(expires_at=FUTURE)
    return partial(Hold.objects.filter(pk=other.pk).update, code=code)


@both
@pytest.mark.parametrize("values", USABLE, ids=str)
def test_a_usable_code_lets_in(joe, values, take):
    code = InviteCodeFactory(**values)
    take(code.code, joe)
    assert uses(code) == code.uses + (take is redeem)


@both
@pytest.mark.parametrize("spelling", ["{}", " {} ", "{:.4}-{:.0}", "lower"])
def test_a_code_may_be_spelled_in_any_way(joe, take, spelling):
    code = InviteCodeFactory()
    shown = CodeFormat().display(code.code)
    spelled = shown.lower().replace("-", " ") if spelling == "lower" else shown
    assert take(spelled, joe).code == code


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_code_lets_in_as_many_as_it_may(limit):
    code = InviteCodeFactory(max_uses=limit)
    for _ in range(limit):
        redeem(code.code, UserFactory())
    with pytest.raises(errors.Exhausted):
        redeem(code.code, UserFactory())
    assert uses(code) == limit == Redemption.objects.count()


def test_other_codes_stay_as_they_are(joe):
    code, *others = InviteCodeFactory.create_batch(3)
    redeem(code.code, joe)
    assert not any(map(uses, others))


@both
@pytest.mark.parametrize(("error", "values"), REFUSED, ids=str)
def test_a_refusal_has_a_reason_and_changes_nothing(joe, error, values, take):
    code = InviteCodeFactory(**values)
    before = state()
    with pytest.raises(errors.Refused, match=r"\w") as caught:
        take(code.code, joe)
    assert caught.type is error
    assert code.code not in str(caught.value)
    assert state() == before


@both
def test_a_code_that_is_not_stored_is_refused(joe, take):
    with pytest.raises(errors.Unknown):
        take(CodeFormat().generate(1)[0], joe)


@both
@pytest.mark.parametrize("text", ["", "no code", "\0", "0" * 10**6], ids=len)
def test_nothing_is_asked_about_what_is_no_code(joe, text, take, statements):
    with statements() as sent, pytest.raises(errors.Malformed):
        take(text, joe)
    assert sent == []


@pytest.mark.parametrize("code", ["no code", "0ABC0ABC0ABC0ABQ"])
def test_nothing_is_asked_about_a_user_who_is_not_saved(code, statements):
    with statements() as sent, pytest.raises(ValueError, match="Save the user"):
        redeem(code, UserFactory.build())
    assert sent == []


def test_somebody_without_an_account_is_let_in_each_time_anew():
    code = InviteCodeFactory(max_uses=2)
    first, second = redeem(code.code, None), redeem(code.code, None)
    assert first != second
    assert (first.user_id, first.user_pk, first.username) == (None, "", "")
    with pytest.raises(errors.Exhausted):
        redeem(code.code, None)


def test_of_a_long_key_the_history_keeps_the_beginning(joe):
    class Key(int):
        def __str__(self):
            return "x" * 65

    joe.pk = Key(joe.pk)
    assert redeem(InviteCodeFactory().code, joe).user_pk == "x" * 64


def test_the_user_of_a_request_is_a_user(joe):
    made = redeem(InviteCodeFactory().code, SimpleLazyObject(lambda: joe))
    assert Redemption.objects.get(user=joe) == made


def test_a_name_that_is_too_long_is_cut(joe):
    joe.username = "j" * 300
    made = redeem(InviteCodeFactory().code, joe)
    assert Redemption.objects.get().username == made.username == "j" * 254


@both
@pytest.mark.parametrize(
    ("stored", "own"),
    [
        ("joe@example.com", "joe@example.com"),
        ("Joe@Example.com", "joe@example.com"),
        ("joe@example.com", "JOE@example.COM"),
        ("JÖE@example.com", "jöe@example.com"),
    ],
)
def test_an_address_is_the_same_in_any_case(joe, stored, own, take):
    joe.email = own
    take(InviteCodeFactory(email=stored).code, joe)


@both
@pytest.mark.parametrize(
    "own", ["ann@example.com", "joe@example.co", "jöe@example.com"]
)
def test_an_address_is_not_another_one_that_sorts_alike(joe, own, take):
    # For the collation of MariaDB the last one is the address of the code.
    joe.email = own
    with pytest.raises(errors.WrongEmail):
        take(InviteCodeFactory(email="joe@example.com").code, joe)


@pytest.mark.parametrize("own", ["", None])
def test_without_an_address_one_is_let_in_by_a_code_for_any(joe, own):
    joe.email = own
    redeem(InviteCodeFactory().code, joe)
    code = InviteCodeFactory(email="joe@example.com").code
    for user in (joe, None):
        with pytest.raises(errors.WrongEmail):
            redeem(code, user)


def test_a_hold_may_leave_the_address_open(joe):
    code = InviteCodeFactory(email="joe@example.com")
    kept = hold(code.code, "key", HOUR)
    with pytest.raises(errors.WrongEmail):
        redeem(code.code, UserFactory(), hold=kept)
    redeem(code.code, joe, hold=kept)


@both
@pytest.mark.usefixtures("clock")
def test_a_code_is_valid_from_a_moment_to_just_before_another(joe, take):
    with pytest.raises(errors.Expired):
        take(InviteCodeFactory(expires_at=NOW).code, joe)
    with pytest.raises(errors.NotYetValid):
        take(InviteCodeFactory(valid_from=NOW + TICK).code, joe)
    take(InviteCodeFactory(valid_from=NOW, expires_at=NOW + TICK).code, joe)


@both
@pytest.mark.usefixtures("clock")
def test_a_hold_keeps_a_use_to_just_before_a_moment(joe, take):
    with pytest.raises(errors.Exhausted):
        take(HoldFactory(expires_at=NOW + TICK).code.code, joe)
    take(HoldFactory(expires_at=NOW).code.code, joe)


def test_who_redeems_again_gets_the_same_redemption(joe):
    code = InviteCodeFactory(max_uses=3)
    first = redeem(code.code, joe)
    with atomic():
        assert redeem(code.code, joe) == first
        redeem(code.code, UserFactory())
    assert uses(code) == 2 == Redemption.objects.count()


@pytest.mark.parametrize(
    "values",
    [
        {"max_uses": 1},
        {"revoked_at": PAST},
        {"expires_at": PAST},
        {"valid_from": FUTURE},
        {"email": "ann@example.com"},
    ],
    ids=str,
)
def test_who_redeems_again_does_so_although_nobody_else_can(joe, values):
    code = InviteCodeFactory(max_uses=3)
    first = redeem(code.code, joe)
    InviteCode.objects.filter(pk=code.pk).update(**values)
    assert redeem(code.code, joe) == first
    with pytest.raises(errors.Refused):
        redeem(code.code, UserFactory())


def test_another_code_is_another_redemption(joe):
    first, second = InviteCodeFactory.create_batch(2)
    assert redeem(first.code, joe) != redeem(second.code, joe)
    assert uses(first) == uses(second) == 1


def test_one_user_in_many_threads_redeems_once(seeded_database, threads):
    code = InviteCode.objects.using(seeded_database).first()
    InviteCode.objects.using(seeded_database).update(max_uses=9)
    user = UserFactory.build()
    user.save(using=seeded_database)
    once = partial(redeem, code.code, user, using=seeded_database)
    futures = [threads(once) for _ in range(8)]
    assert len({future.result(timeout=60).pk for future in futures}) == 1
    code.refresh_from_db()
    assert code.uses == 1


def fail_in_a_receiver(user):
    def refuse(**kwargs):
        raise RuntimeError

    post_save.connect(refuse, sender=User)
    try:
        user.save()
    finally:
        post_save.disconnect(refuse, sender=User)


def fail_at_a_constraint(user):
    User.objects.create(username=user.username)


def sign_up_and_fail(code, fail, **options):
    with atomic():
        user = UserFactory()
        made = redeem(code, user, **options)
        assert Redemption.objects.get() == made
        fail(user)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fail", [fail_in_a_receiver, fail_at_a_constraint])
@pytest.mark.parametrize("held", [False, True])
def test_a_sign_up_that_fails_leaves_the_code_live(fail, held, redeemed):
    code = InviteCodeFactory()
    kept = hold(code.code, "key", HOUR) if held else None
    before = state()
    with pytest.raises((RuntimeError, IntegrityError)):
        sign_up_and_fail(code.code, fail, hold=kept)
    assert state() == before
    assert not User.objects.exists()
    assert redeemed == []
    redeem(code.code, UserFactory(), hold=kept)
    assert len(redeemed) == 1


@pytest.mark.django_db(transaction=True)
def test_an_error_that_is_no_refusal_is_not_made_one(joe, refused):
    code = InviteCodeFactory()
    User.objects.filter(pk=joe.pk).delete()  # By somebody else: Joe does not know.
    with pytest.raises(IntegrityError):
        redeem(code.code, joe)
    assert uses(code) == 0
    assert refused == []


def test_each_hold_keeps_a_use():
    code = InviteCodeFactory(max_uses=3)
    redeem(code.code, None)
    first, second = (hold(code.code, key, HOUR) for key in ("one", "two"))
    for take in (partial(hold, key="three", ttl=HOUR), partial(redeem, user=None)):
        with pytest.raises(errors.Exhausted):
            take(code.code)
    for kept in (first, second):
        redeem(code.code, None, hold=kept)
    assert uses(code) == 3
    assert not Hold.objects.exists()


def test_a_new_hold_of_a_key_takes_the_place_of_the_earlier_one():
    code = InviteCodeFactory()
    hold(code.code, "key", HOUR)
    second = hold(code.code, "key", 2 * HOUR)
    assert list(Hold.objects.all()) == [second]


def test_a_new_hold_that_is_refused_leaves_the_earlier_one():
    code = InviteCodeFactory()
    first = hold(code.code, "key", HOUR)
    InviteCode.objects.update(revoked_at=PAST)
    with pytest.raises(errors.Revoked):
        hold(code.code, "key", HOUR)
    assert list(Hold.objects.all()) == [first]


def test_the_end_of_a_hold_takes_nothing_but_time(monkeypatch):
    code = InviteCodeFactory()
    late = hold(code.code, "key", HOUR)
    now = timezone.now() + HOUR
    monkeypatch.setattr(timezone, "now", lambda: now)
    rival = hold(code.code, "other", HOUR)
    with pytest.raises(errors.Exhausted):
        redeem(code.code, None, hold=late)
    redeem(code.code, None, hold=rival)


def test_a_hold_that_is_over_may_still_be_redeemed_if_a_use_is_left():
    code = InviteCodeFactory()
    redeem(code.code, None, hold=HoldFactory(code=code, expires_at=PAST))
    assert uses(code) == 1


@pytest.mark.parametrize("values", [{"revoked_at": PAST}, {"expires_at": PAST}])
def test_a_hold_keeps_a_use_and_nothing_more(values):
    code = InviteCodeFactory()
    kept = hold(code.code, "key", HOUR)
    InviteCode.objects.update(**values)
    with pytest.raises((errors.Revoked, errors.Expired)):
        redeem(code.code, None, hold=kept)
    assert Hold.objects.filter(pk=kept.pk).exists()


def test_holds_that_are_over_do_not_pile_up(joe):
    code = InviteCodeFactory(max_uses=None)
    HoldFactory.create_batch(3, code=code, expires_at=PAST)
    elsewhere = HoldFactory(expires_at=PAST)
    kept = hold(code.code, "key", HOUR)
    assert set(Hold.objects.all()) == {elsewhere, kept}
    HoldFactory(code=code, expires_at=PAST)
    redeem(code.code, joe, hold=kept)
    assert list(Hold.objects.all()) == [elsewhere]


def test_a_hold_of_another_code_is_worth_nothing_and_ends(joe):
    kept = hold(InviteCodeFactory().code, "key", HOUR)
    with pytest.raises(errors.Exhausted):
        redeem(InviteCodeFactory(held=True).code, joe, hold=kept)
    assert Hold.objects.filter(pk=kept.pk).exists()
    redeem(InviteCodeFactory().code, joe, hold=kept)
    assert not Hold.objects.filter(pk=kept.pk).exists()


def test_a_hold_is_released_as_often_as_one_likes(joe):
    code = InviteCodeFactory()
    kept = hold(code.code, "key", HOUR)
    other = HoldFactory()
    release(kept)
    release(kept)
    assert list(Hold.objects.all()) == [other]
    redeem(code.code, joe)
    release(kept)
    assert uses(code) == 1


@pytest.mark.parametrize(
    ("key", "ttl"),
    [("", HOUR), ("k" * 65, HOUR), ("key", timedelta(0)), ("key", -HOUR)],
)
def test_a_hold_takes_a_key_and_some_time(key, ttl):
    code = InviteCodeFactory()
    with pytest.raises(ValueError, match="some time"):
        hold(code.code, key, ttl)
    assert not Hold.objects.exists()
    hold(code.code, "k" * 64, TICK)


@pytest.mark.parametrize(
    ("act", "count"),
    [
        (lambda code, user: redeem(code, user), 2),
        (lambda code, user: redeem(code, None), 2),
        (lambda code, user: redeem(code, user, hold=Hold(key="key")), 3),
        (lambda code, user: hold(code, "key", HOUR), 3),
    ],
)
def test_letting_in_takes_few_statements(joe, act, count, statements):
    code = InviteCodeFactory()
    with statements() as sent:
        act(code.code, joe)
    assert len(sent) == count
    assert sent[0].startswith("UPDATE")


def test_releasing_takes_one_statement(statements):
    kept = hold(InviteCodeFactory().code, "key", HOUR)
    with statements() as sent:
        release(kept)
    assert [sql.split()[0] for sql in sent] == ["DELETE"]


@pytest.mark.parametrize(
    ("error", "values"), [*REFUSED, (errors.Unknown, None)], ids=str
)
@pytest.mark.parametrize(
    ("act", "count", "count_if_held"),
    [
        (lambda code, user: redeem(code, user), 3, 4),
        (lambda code, user: redeem(code, None), 2, 3),
        (lambda code, user: redeem(code, user, hold=Hold(key="key")), 3, 4),
        (lambda code, user: hold(code, "key", HOUR, email=user.email), 2, 4),
    ],
)
def test_every_refusal_takes_as_many_statements(
    joe, error, values, act, count, count_if_held, statements
):
    code = CodeFormat().generate(1)[0]
    if values is not None:
        InviteCodeFactory(code=code, **values)
    with statements() as sent, pytest.raises(error):
        act(code, joe)
    # Holds are looked at when the code is locked.
    held = (values or {}).get("held", False)
    assert len(sent) == (count_if_held if held else count)


@both
def test_a_rival_between_two_statements_leads_to_a_refusal(joe, take, refused):
    code = InviteCodeFactory()
    rival = hold_without_insert(code)
    before = state()
    meanwhile = just_before("INSERT", rival)
    with meanwhile, pytest.raises(errors.Exhausted, match="quicker"):
        take(code.code, joe)
    assert state() == before
    assert [sent["reason"] for sent in refused] == ["exhausted"]


@both
def test_a_verdict_stands_although_its_reason_is_gone(joe, take):
    code = InviteCodeFactory(uses=1)
    change = partial(InviteCode.objects.filter(pk=code.pk).update, uses=0)
    meanwhile = just_before("SELECT", change)
    with meanwhile, pytest.raises(errors.Exhausted, match="quicker"):
        take(code.code, joe)
    assert uses(code) == 0


def hold_it(code, alias):
    hold(code, "rival", HOUR, using=alias)


def revoke_its_batch(code, alias):
    redeem(code, None, using=alias)  # It locks the code.
    InviteBatch.objects.using(alias).update(revoked_at=PAST)


@pytest.fixture
def code_for_two(seeded_database):
    stored = InviteCode.objects.using(seeded_database)
    stored.update(max_uses=2)
    return stored.first().code


@pytest.fixture
def redeem_meanwhile(seeded_database, threads):
    """A function that redeems while a transaction that changes the code is open."""

    def redeem_meanwhile(code, change, **options):
        with atomic(seeded_database):
            change()
            options["using"] = seeded_database
            waiting = threads(partial(redeem, code, None, **options))
            time.sleep(0.3)
            assert not waiting.done()
        return waiting.result(timeout=60)

    return redeem_meanwhile


@pytest.mark.parametrize(
    ("change", "left", "error"),
    [(hold_it, 1, errors.Exhausted), (revoke_its_batch, 2, errors.Revoked)],
)
def test_who_waited_for_a_code_sees_other_tables_as_they_are_now(
    seeded_database, code_for_two, redeem_meanwhile, change, left, error
):
    InviteCode.objects.using(seeded_database).update(max_uses=left)
    with pytest.raises(error):
        redeem_meanwhile(code_for_two, partial(change, code_for_two, seeded_database))


def test_who_waited_while_another_redeemed_a_hold_is_not_refused(
    seeded_database, code_for_two, redeem_meanwhile
):
    here = {"using": seeded_database}
    first, second = (hold(code_for_two, key, HOUR, **here) for key in ("one", "two"))
    rival = partial(redeem, code_for_two, None, hold=first, **here)
    redeem_meanwhile(code_for_two, rival, hold=second)
    assert Redemption.objects.using(seeded_database).count() == 2


def test_who_waited_until_a_hold_was_over_is_let_in(
    seeded_database, code_for_two, redeem_meanwhile
):
    codes = InviteCode.objects.using(seeded_database)
    codes.update(max_uses=1)
    hold(code_for_two, "key", timedelta(milliseconds=100), using=seeded_database)
    lock = partial(codes.update, uses=0)
    made = redeem_meanwhile(code_for_two, lock)
    assert made.redeemed_at >= Hold.objects.using(seeded_database).get().expires_at


@both
@pytest.mark.usefixtures("no_returning")
def test_without_returning_there_is_the_last_id(joe, take, statements):
    code = InviteCodeFactory()
    with statements() as sent:
        made = take(code.code, joe)
    assert not any("RETURNING" in sql for sql in sent)
    assert made.code == code
    assert list(type(made).objects.all()) == [made]


@both
@pytest.mark.usefixtures("no_returning")
def test_without_returning_a_rival_is_seen_too(joe, take):
    code = InviteCodeFactory()
    rival = hold_without_insert(code)
    with just_before("INSERT", rival), pytest.raises(errors.Exhausted):
        take(code.code, joe)
    assert uses(code) == 0


@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="An option of its driver."
)
@pytest.mark.parametrize(
    "seeded_database", [{"server_side_binding": True}], indirect=True
)
def test_the_server_may_bind_the_parameters(seeded_database):
    code = InviteCode.objects.using(seeded_database).first().code
    kept = hold(code, "key", HOUR, using=seeded_database)
    redeem(code, None, hold=kept, using=seeded_database)
    with pytest.raises(errors.Exhausted):
        redeem(code, None, using=seeded_database)


class Elsewhere:
    def db_for_write(self, model, **hints):
        return "other" if model._meta.app_label == "invite_code" else None


@pytest.fixture
def on_other():
    batch = issue(1, using="other")
    return InviteCode.objects.using("other").get(batch=batch)


@pytest.mark.django_db(databases=["default", "other"])
@pytest.mark.parametrize("routed", [False, True])
def test_a_code_may_be_in_another_database(
    on_other, routed, settings, redeemed, refused
):
    settings.DATABASE_ROUTERS = [Elsewhere()] if routed else []
    using = {} if routed else {"using": "other"}
    release(hold(on_other.code, "key", HOUR, **using))
    kept = hold(on_other.code, "key", HOUR, **using)
    made = redeem(on_other.code, None, hold=kept, **using)
    assert {made._state.db, kept._state.db} == {"other"}
    assert list(Redemption.objects.using("other")) == [made]
    assert not Hold.objects.using("other").exists()
    with pytest.raises(errors.Exhausted):
        redeem(on_other.code, None, **using)
    assert [sent["using"] for sent in refused] == ["other"]
    settings.DATABASE_ROUTERS = []
    with pytest.raises(errors.Unknown):
        redeem(on_other.code, None)


def test_the_async_twins_do_the_same(joe):
    code = InviteCodeFactory()
    first = async_to_sync(ahold)(code.code, "key", HOUR)
    async_to_sync(arelease)(first)
    second = async_to_sync(ahold)(code.code, "key", HOUR, email=joe.email)
    made = async_to_sync(aredeem)(code.code, joe, hold=second)
    assert list(Redemption.objects.filter(user=joe)) == [made]
    assert not Hold.objects.exists()
    with pytest.raises(errors.Exhausted):
        async_to_sync(aredeem)(code.code, None, using="default")
    InviteCode.objects.update(email="ann@example.com")
    with pytest.raises(errors.WrongEmail):
        async_to_sync(ahold)(code.code, "key", HOUR, email=joe.email, using="default")


def test_who_has_redeemed_before_keeps_no_hold(joe):
    code = InviteCodeFactory(max_uses=3)
    earlier = redeem(code.code, joe)
    kept = hold(code.code, "key", HOUR)
    assert redeem(code.code, joe, hold=kept) == earlier
    assert not Hold.objects.exists()


def test_names_of_users_may_be_numbers(joe, monkeypatch):
    monkeypatch.setattr(User, "get_username", lambda user: 4917012345)
    assert redeem(InviteCodeFactory().code, joe).username == "4917012345"


@pytest.mark.parametrize("user", [AnonymousUser(), User(username="unsaved")])
def test_users_are_to_be_saved_first(user):
    with pytest.raises(ValueError, match="Save the user first"):
        redeem(InviteCodeFactory().code, user)
