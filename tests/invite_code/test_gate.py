from datetime import timedelta

import pytest
from asgiref.sync import iscoroutinefunction
from django.contrib.auth import login
from django.contrib.sessions.backends.cache import SessionStore as CachedSession
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.backends.signed_cookies import (
    SessionStore as SignedCookie,
)
from django.core.cache import cache, caches
from django.db import connection, transaction
from django.http import HttpResponse
from django.utils import timezone

from invite_code import gate, redemption
from invite_code.errors import (
    Exhausted,
    Expired,
    Malformed,
    NotAdmitted,
    Refused,
    Revoked,
    Throttled,
    Unknown,
    WrongEmail,
)
from invite_code.models import Hold, InviteCode, Redemption
from tests.factories import InviteCodeFactory, UserFactory

pytestmark = pytest.mark.django_db


class UntouchableCache:
    """It fails whatever is asked of it."""

    def __getattr__(self, name):
        raise AssertionError(f"The cache was asked for {name}.")


@pytest.fixture(autouse=True)
def no_earlier_guesses():
    cache.clear()


@pytest.fixture
def code():
    return InviteCodeFactory()


@pytest.fixture(params=[SessionStore, CachedSession, SignedCookie])
def request_(rf, request):
    """A request with an empty session of each kind."""
    made = rf.get("/signup/?plan=1")
    made.session = request.param()
    return made


@pytest.fixture
def visit(rf):
    """A function that makes a request, with the session of an earlier one or none."""

    def make(path="/signup/", session=None):
        made = rf.get(path)
        made.session = session or SessionStore()
        return made

    return make


def uses(code):
    return InviteCode.objects.get(pk=code.pk).uses


def later(request):
    """Return the next request of the same client, as far as its session goes."""
    request.session.save()
    kind, key = type(request.session), request.session.session_key
    request.session = kind(key)
    return request


def test_a_code_opens_the_gate_for_the_session(request_, code):
    assert not gate.is_open(request_)
    kept = gate.admit(request_, code.code)
    assert kept.code_id == code.pk
    assert gate.is_open(later(request_))
    assert gate.hold_of(request_) == kept


def test_the_gate_is_open_to_nobody_else(visit, code):
    gate.admit(visit(), code.code)
    assert not gate.is_open(visit())


def test_the_code_may_be_spelled_as_people_do(visit, code):
    text = " ".join(code.code).lower()
    assert gate.admit(visit(), text).code_id == code.pk


def test_the_use_is_kept_as_long_as_the_settings_say(visit, code, settings):
    settings.INVITE_CODE_HOLD_SECONDS = 60
    kept = gate.admit(visit(), code.code)
    assert kept.expires_at - kept.created_at == timedelta(seconds=60)


def test_the_gate_closes_when_the_time_is_over(visit, code):
    request = visit()
    gate.admit(request, code.code)
    Hold.objects.update(expires_at=timezone.now())
    assert not gate.is_open(request)
    with pytest.raises(NotAdmitted):
        gate.consume(request, UserFactory())


def test_whose_time_is_over_may_show_the_code_again(visit, code):
    request = visit()
    gate.admit(request, code.code)
    Hold.objects.update(expires_at=timezone.now())
    gate.admit(request, code.code)
    assert gate.is_open(request)


def test_a_code_may_be_shown_twice(visit, code):
    request = visit()
    first, second = (gate.admit(request, code.code).pk for _ in "12")
    assert first != second
    assert Hold.objects.get().pk == gate.hold_of(request).pk == second


def test_a_code_may_be_shown_twice_at_once(visit, code):
    request = visit()
    gate.admit(request, code.code)
    request.session.save()
    key = request.session.session_key
    first, second = (visit(session=SessionStore(key)) for _ in "12")
    for twin in (first, second):
        assert gate.is_open(twin)  # Both have read the session.
    gate.admit(first, code.code)
    gate.admit(second, code.code)
    second.session.save()
    first.session.save()  # Who began first is done last.
    assert gate.is_open(visit(session=SessionStore(key)))


def test_another_code_releases_the_one_before(visit, code):
    request, other = visit(), InviteCodeFactory()
    gate.admit(request, code.code)
    gate.admit(request, other.code)
    assert Hold.objects.get().code == other
    gate.admit(visit(), code.code)  # Somebody else may have it now.


def test_a_refused_code_leaves_the_one_before(visit, code):
    request = visit()
    gate.admit(request, code.code)
    with pytest.raises(Unknown):
        gate.admit(request, InviteCodeFactory.build().code)
    assert gate.hold_of(request).code == code


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"revoked_at": timezone.now()}, Revoked),
        ({"expires_at": timezone.now()}, Expired),
        ({"uses": 1}, Exhausted),
    ],
)
def test_a_code_that_lets_nobody_in_opens_nothing(change, reason, visit):
    request = visit()
    with pytest.raises(reason):
        gate.admit(request, InviteCodeFactory(**change).code)
    assert not gate.is_open(request)


def test_a_typo_costs_no_query_and_no_call_of_the_cache(
    visit, monkeypatch, django_assert_num_queries
):
    request = visit(session=SessionStore("a key"))
    monkeypatch.setattr(caches._connections, "default", UntouchableCache())
    with django_assert_num_queries(0), pytest.raises(Malformed):
        gate.admit(request, "no code")


def test_guesses_are_limited(visit, code, settings):
    settings.INVITE_CODE_CLIENT_LIMIT = "1/hour"
    with pytest.raises(Unknown):
        gate.admit(visit(), InviteCodeFactory.build().code)
    with pytest.raises(Throttled):
        gate.admit(visit(), code.code)


def test_only_who_is_admitted_gets_a_session(visit, code):
    request = visit()
    gate.is_open(request)
    gate.required(HttpResponse)(request)
    for text in ("no code", InviteCodeFactory.build().code):
        with pytest.raises(Refused):
            gate.admit(request, text)
    assert not request.session.modified
    assert request.session.is_empty()
    gate.admit(request, code.code)
    assert request.session.modified


def test_to_ask_changes_nothing(visit, code, statements):
    request = visit()
    gate.admit(request, code.code)
    request.session.save()
    request = visit(session=SessionStore(request.session.session_key))
    with statements() as sent:
        assert gate.is_open(request)
    assert not request.session.modified
    assert [sql.split()[0] for sql in sent] == ["SELECT", "SELECT"]  # session, hold


def test_a_session_of_before_is_asked_no_database(visit, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert not gate.is_open(visit())


def test_the_gate_stays_open_when_the_session_is_rotated(request_, code):
    gate.admit(request_, code.code)
    request_.session.save()
    request_.session.cycle_key()
    assert gate.is_open(later(request_))


def test_the_code_survives_the_login_of_the_new_user(
    visit, code, django_capture_on_commit_callbacks
):
    request, user = visit(), UserFactory()
    gate.admit(request, code.code)
    login(request, user, "django.contrib.auth.backends.ModelBackend")
    with django_capture_on_commit_callbacks(execute=True):
        assert gate.consume(request, user).user == user


def test_consuming_redeems_the_code_and_ends_the_hold(
    request_, code, django_capture_on_commit_callbacks
):
    gate.admit(request_, code.code)
    user = UserFactory()
    with django_capture_on_commit_callbacks(execute=True):
        redeemed = gate.consume(later(request_), user)
    assert (redeemed.code, redeemed.user) == (code, user)
    assert not Hold.objects.exists()
    assert not gate.is_open(request_)
    assert gate.SESSION_KEY not in request_.session
    code.refresh_from_db()
    assert code.uses == 1


def test_a_hold_is_consumed_once(visit, code):
    InviteCode.objects.update(max_uses=5)
    request = visit()
    gate.admit(request, code.code)
    gate.consume(request, UserFactory())
    with pytest.raises(NotAdmitted):
        gate.consume(request, UserFactory())
    assert Redemption.objects.count() == 1


def test_requests_that_have_seen_the_same_hold_share_one_use(visit, code, monkeypatch):
    InviteCode.objects.update(max_uses=5)
    request, user = visit(), UserFactory()
    seen = gate.admit(request, code.code)
    monkeypatch.setattr(gate, "hold_of", lambda request: seen)
    redeemed = gate.consume(request, user)
    with pytest.raises(NotAdmitted):
        gate.consume(request, UserFactory())
    assert gate.consume(request, user) == redeemed
    assert uses(code) == Redemption.objects.count() == 1


def test_the_user_who_has_consumed_gets_the_same_again(visit, code):
    request, user = visit(), UserFactory()
    gate.admit(request, code.code)
    assert gate.consume(request, user) == gate.consume(request, user)
    assert uses(code) == 1


def test_nobody_consumes_without_having_shown_a_code(visit, code):
    with pytest.raises(NotAdmitted):
        gate.consume(visit(), UserFactory())
    assert uses(code) == 0


def test_the_hold_of_another_session_is_of_no_use(visit, code):
    mine, other = visit(), visit()
    gate.admit(mine, code.code)
    of_session = mine.session[gate.SESSION_KEY]
    other.session[gate.SESSION_KEY] = of_session | {"key": "guessed"}
    with pytest.raises(NotAdmitted):
        gate.consume(other, UserFactory())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"revoked_at": timezone.now()}, Revoked),
        ({"expires_at": timezone.now()}, Expired),
        ({"email": "other@example.com"}, WrongEmail),
    ],
)
def test_the_code_is_judged_again_at_last(change, reason, visit, code):
    request = visit()
    gate.admit(request, code.code)
    InviteCode.objects.update(**change)
    with pytest.raises(reason):
        gate.consume(request, UserFactory(email="ada@example.com"))
    assert not Redemption.objects.exists()


def test_what_is_rolled_back_leaves_the_hold_and_the_session(visit, code):
    request = visit()
    gate.admit(request, code.code)
    with transaction.atomic():
        gate.consume(request, UserFactory())
        transaction.set_rollback(True)
    assert gate.is_open(request)
    assert uses(code) == 0
    gate.consume(request, UserFactory())


@pytest.mark.django_db(transaction=True)
def test_the_session_forgets_at_the_commit(visit, code):
    request = visit()
    gate.admit(request, code.code)
    with transaction.atomic():
        gate.consume(request, UserFactory())
        assert gate.SESSION_KEY in request.session
    assert gate.SESSION_KEY not in request.session


@pytest.mark.django_db(databases=["default", "other"])
def test_the_gate_asks_the_database_that_is_written_to(visit, code, settings):
    request = visit()
    gate.admit(request, code.code)
    settings.DATABASE_ROUTERS = [f"{__name__}.Replica"]
    assert gate.is_open(request)
    assert gate.consume(request, UserFactory())._state.db == connection.alias


class Replica:
    """Read from a copy that is behind."""

    def db_for_read(self, model, **hints):
        return "other"

    def db_for_write(self, model, **hints):
        return "default"

    def allow_relation(self, *args, **hints):
        return True


def welcome(request, *args, **kwargs):
    """Say hello."""
    return HttpResponse(f"welcome {args} {kwargs}")


def test_who_has_shown_a_code_sees_the_view(visit, code):
    request = visit()
    gate.admit(request, code.code)
    response = gate.required(welcome)(request, 1, plan="a")
    assert response.content == b"welcome (1,) {'plan': 'a'}"


def test_who_has_not_is_led_to_the_code_page_and_back(visit):
    response = gate.required(welcome)(visit("/signup/?plan=1&next=/x/"))
    assert response.status_code == 302
    assert response.url == "/invite/?next=%2Fsignup%2F%3Fplan%3D1%26next%3D%2Fx%2F"


def test_the_way_back_stays_on_the_site(rf, client, code):
    request = rf.get("/")
    request.path, request.session = "//evil.example/signup/", SessionStore()
    asked = gate.required(welcome)(request).url
    admitted = client.post(asked, {"invite_code": code.code})
    assert admitted.url == "/"


@pytest.mark.parametrize("decorate", [gate.required, gate.unchecked])
def test_decorators_keep_what_the_view_is_and_mark_it_alone(decorate):
    decorated = decorate(welcome)
    assert decorated.__name__ == "welcome"
    assert decorated.__doc__ == "Say hello."
    assert decorated.invite_code_gated
    assert not hasattr(welcome, "invite_code_gated")


def test_an_unchecked_view_works_as_before(visit):
    response = gate.unchecked(welcome)(visit(), 1, plan="a")
    assert response.content == b"welcome (1,) {'plan': 'a'}"


def test_the_new_hold_stands_where_the_old_one_cannot_be_released(
    visit, code, monkeypatch
):
    request, other = visit(), InviteCodeFactory()
    gate.admit(request, code.code)

    def fail(hold):
        raise ZeroDivisionError

    monkeypatch.setattr(redemption, "release", fail)
    with pytest.raises(ZeroDivisionError):
        gate.admit(request, other.code)
    assert gate.hold_of(request).code == other


async def asynchronous(request):
    return HttpResponse("seen")


def test_an_async_view_can_be_unchecked_but_not_required():
    view = gate.unchecked(asynchronous)
    assert iscoroutinefunction(view)
    assert view.invite_code_gated
    with pytest.raises(TypeError, match="not async"):
        gate.required(asynchronous)
