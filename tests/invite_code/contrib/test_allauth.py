import json
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Barrier
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.account.signals import user_signed_up
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth import get_user_model
from django.contrib.messages import get_messages
from django.core.cache import cache
from django.db import (
    IntegrityError,
    OperationalError,
    connection,
    connections,
    router,
)
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.db.models.functions import Lower
from django.db.models.signals import post_save, pre_save
from django.urls import reverse
from django.utils import timezone

from invite_code import gate
from invite_code.checks import check_doors
from invite_code.contrib import allauth
from invite_code.forms import REFUSED
from invite_code.models import Hold, InviteCode, Redemption
from tests.factories import InviteCodeFactory, UserFactory
from tests.invite_code.contrib.fake_provider import APP

User = get_user_model()
CONTRIB = "invite_code.contrib.allauth"
HERE = "tests.invite_code.contrib.test_allauth"
URLS = "tests.invite_code.contrib.urls"
PASSWORD = "correct horse battery"
LOCMEM = "django.core.mail.backends.locmem.EmailBackend"


@pytest.fixture(autouse=True)
def site(settings):
    settings.ROOT_URLCONF = URLS
    settings.ACCOUNT_ADAPTER = f"{CONTRIB}.AccountAdapter"
    settings.SOCIALACCOUNT_ADAPTER = f"{CONTRIB}.SocialAccountAdapter"
    settings.SOCIALACCOUNT_PROVIDERS = {"fake": {"APPS": [APP]}}
    settings.ACCOUNT_RATE_LIMITS = False
    settings.MAILERS = {"default": {"BACKEND": LOCMEM}}
    settings.INVITE_CODE_SEED_COUNT = 0
    cache.clear()


@pytest.fixture
def code(db):
    return InviteCodeFactory()


def show(client, code):
    """Enter a code on the page that asks for one."""
    return client.post(reverse("invite_code:enter"), {"invite_code": code.code})


def person(name):
    return json.dumps({"uid": name, "email": f"{name}@example.com"})


def fields(name, **more):
    return {"username": name, "email": f"{name}@example.com"} | more


def fill_in(client, name, path="/accounts/signup/"):
    return client.post(path, fields(name, password1=PASSWORD, password2=PASSWORD))


def by_password(client, name, code):
    if code:
        show(client, code)
    return fill_in(client, name)


def come_back(client, name, start):
    """Come back from the provider, to which a response sends people."""
    (state,) = parse_qs(urlsplit(start.url).query)["state"]
    return client.get("/fake/login/callback/", {"code": person(name), "state": state})


def by_provider(client, name, code):
    if code:
        show(client, code)
    return come_back(client, name, client.post("/fake/login/"))


@contextmanager
def without_auto_signup():
    with pytest.MonkeyPatch.context() as patch:
        adapter = allauth.SocialAccountAdapter
        patch.setattr(adapter, "is_auto_signup_allowed", lambda *args: False)
        yield


def by_provider_form(client, name, code):
    with without_auto_signup():
        by_provider(client, name, code)
    return client.post("/3rdparty/signup/", fields(name))


def by_redirect_of_api(client, name, code):
    if code:
        show(client, code)
    start = client.post(
        "/_allauth/browser/v1/auth/provider/redirect",
        {"provider": "fake", "process": "login", "callback_url": "/app/"},
    )
    return come_back(client, name, start)


def call(client, kind, path, code=None, session=None, **data):
    headers = {}
    if code:
        headers["X-Invite-Code"] = code if isinstance(code, str) else code.code
    if session:
        headers["X-Session-Token"] = session
    return client.post(
        f"/_allauth/{kind}/v1/auth/{path}",
        json.dumps(data),
        content_type="application/json",
        headers=headers,
    )


def by_api(kind, client, name, code):
    return call(client, kind, "signup", code, **fields(name, password=PASSWORD))


def by_browser_after_page(client, name, code):
    if code:
        show(client, code)
    return by_api("browser", client, name, None)


def by_token(kind, client, name, code):
    token = {"client_id": APP["client_id"], "id_token": person(name)}
    data = {"provider": "fake", "process": "login", "token": token}
    return call(client, kind, "provider/token", code, **data)


def by_token_and_form(kind, client, name, code):
    with without_auto_signup():
        started = by_token(kind, client, name, code)
    session = started.json().get("meta", {}).get("session_token")
    return call(client, kind, "provider/signup", session=session, **fields(name))


PAGES = {
    "password": by_password,
    "provider": by_provider,
    "provider form": by_provider_form,
}
API = {
    f"{kind} {name}": partial(door, kind)
    for kind in ("browser", "app")
    for name, door in {
        "password": by_api,
        "token": by_token,
        "token and form": by_token_and_form,
    }.items()
}
DOORS = {
    **PAGES,
    **API,
    "browser after page": by_browser_after_page,
    "browser redirect": by_redirect_of_api,
}


def door(*chosen):
    doors = {name: DOORS[name] for name in chosen} if chosen else DOORS
    return pytest.mark.parametrize("sign_up", doors.values(), ids=doors)


def is_in(response):
    """Return whether who got a response is logged in."""
    if "/_allauth/app/" in response.wsgi_request.path:
        return response.json()["meta"]["is_authenticated"]
    return "_auth_user_id" in response.client.session


def let_in():
    """Return how many users there are, having asserted that each has redeemed."""
    users = User.objects.count()
    redemptions = Redemption.objects.all()
    assert len({redemption.user_id for redemption in redemptions}) == users
    assert len(redemptions) == users
    assert sum(InviteCode.objects.values_list("uses", flat=True)) == users
    return users


@contextmanager
def receiving(signal, receiver, sender=None):
    signal.connect(receiver, sender=sender)
    try:
        yield
    finally:
        signal.disconnect(receiver, sender=sender)


def revoke_all(**kwargs):
    InviteCode.objects.update(revoked_at=timezone.now())


class BrokenError(Exception):
    pass


def break_down(**kwargs):
    raise BrokenError


def clash(**kwargs):
    raise IntegrityError


@door()
def test_nobody_signs_up_without_a_code(sign_up, client, code):
    response = sign_up(client, "ada", None)
    assert response.status_code < 500
    assert let_in() == 0
    assert "_auth_user_id" not in client.session


@door()
def test_a_code_lets_in_one_person_once(sign_up, client, code):
    response = sign_up(client, "ada", code)
    assert response.status_code in {200, 302}
    assert is_in(response)
    assert let_in() == 1
    assert not Hold.objects.exists()

    sign_up(type(client)(), "bob", code)
    assert let_in() == 1


@door()
def test_who_shows_a_code_that_is_used_up_is_refused(sign_up, client, code):
    InviteCode.objects.update(max_uses=3, uses=3)
    response = sign_up(client, "ada", code)
    assert response.status_code < 500
    assert not User.objects.exists()


@door()
def test_a_session_that_was_let_in_needs_another_code(sign_up, client, code):
    InviteCode.objects.update(max_uses=2)
    sign_up(client, "ada", code)
    client.logout()
    sign_up(client, "bob", None)
    assert let_in() == 1


@door()
def test_a_code_that_is_revoked_meanwhile_lets_nobody_in(sign_up, client, code):
    with receiving(pre_save, revoke_all, sender=User):
        response = sign_up(client, "ada", code)
    if sign_up in API.values():
        assert (response.status_code, response.json()["status"]) == (403, 403)
    elif sign_up is not by_browser_after_page:
        assert response.status_code == 302
    assert let_in() == 0
    assert not SocialAccount.objects.exists()
    assert not EmailAddress.objects.exists()


@door()
def test_a_failure_after_redeeming_leaves_the_code_live(
    sign_up, client, code, monkeypatch
):
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    with receiving(user_signed_up, break_down), pytest.raises(BrokenError):
        sign_up(client, "ada", code)
    assert let_in() == 0
    Hold.objects.all().delete()  # As time does: the app may have lost its session.

    assert is_in(sign_up(client, "ada", code))
    assert let_in() == 1


@door("provider", "provider form", "app token", "browser token and form")
def test_an_account_that_cannot_be_saved_leaves_the_code_live(sign_up, client, code):
    with (
        receiving(post_save, break_down, sender=SocialAccount),
        pytest.raises(BrokenError),
    ):
        sign_up(client, "ada", code)
    assert let_in() == 0
    assert Hold.objects.count() == 1


def test_the_session_keeps_the_code_when_a_sign_up_fails(client, code):
    show(client, code)
    with receiving(post_save, break_down, sender=User), pytest.raises(BrokenError):
        fill_in(client, "ada")
    assert is_in(fill_in(client, "ada"))


def test_the_form_leads_to_the_code_page_and_back(client, code):
    response = client.get("/accounts/signup/?next=/x/")
    assert response.url == "/invite/?next=%2Faccounts%2Fsignup%2F%3Fnext%3D%2Fx%2F"
    admitted = client.post(response.url, {"invite_code": code.code})
    assert admitted.url == "/accounts/signup/?next=/x/"
    assert client.get(admitted.url).status_code == 200
    assert fill_in(client, "ada", admitted.url).url == "/x/"


def test_who_comes_from_a_provider_is_led_to_the_code_page_and_back(client, code):
    start = client.post("/fake/login/?next=/x/")
    asked = come_back(client, "ada", start)
    assert asked.url.startswith("/invite/?next=%2Ffake%2Flogin%2F")
    admitted = client.post(asked.url, {"invite_code": code.code})
    assert come_back(client, "ada", client.post(admitted.url)).url == "/x/"
    assert let_in() == 1


def test_who_comes_from_a_provider_with_nowhere_to_go_is_asked_too(client, code):
    asked = by_provider(client, "ada", None)
    assert asked.url == "/invite/?next=%2Ffake%2Flogin%2F%3Fprocess%3Dlogin"


def test_who_is_to_fill_in_a_form_after_the_provider_is_led_back_to_it(client, code):
    with without_auto_signup():
        by_provider(client, "ada", code)
    Hold.objects.all().delete()  # It took too long.
    asked = client.get("/3rdparty/signup/")
    assert asked.url == "/invite/?next=%2F3rdparty%2Fsignup%2F"


@pytest.mark.parametrize(
    "path",
    ["//evil.example/accounts/signup/", "/accounts/signup/?next=https://evil.example/"],
)
def test_nobody_is_led_to_another_site(path, client, code):
    path = path if path.startswith("/a") else f"/accounts/signup/?next={path}"
    asked = client.get(path)
    admitted = client.post(asked.url, {"invite_code": code.code})
    assert admitted.url == path
    assert fill_in(client, "ada", admitted.url).url == "/"


def test_an_account_that_exists_needs_no_code_to_log_in(client, code):
    by_provider(client, "ada", code)
    client.logout()
    assert is_in(by_provider(client, "ada", None))
    assert let_in() == 1


def test_a_code_survives_the_confirmation_of_the_address(
    client, code, settings, mailoutbox
):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    assert not is_in(by_password(client, "ada", code))
    assert let_in() == 1
    (path,) = re.findall(r"http://testserver(/\S+)", mailoutbox[0].body)
    client.post(path)
    assert EmailAddress.objects.get().verified
    assert let_in() == 1


def test_an_address_that_is_known_makes_nobody(client, code, settings, mailoutbox):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    EmailAddress.objects.create(
        user=UserFactory(), email="ada@example.com", verified=True
    )
    by_password(client, "ada", code)
    assert len(mailoutbox) == 1
    assert not Redemption.objects.exists()


@door("password", "provider form", "browser after page")
def test_a_code_for_an_address_lets_in_no_other(sign_up, client, code):
    InviteCode.objects.update(email="ada@example.com")
    sign_up(client, "bob", code)
    assert let_in() == 0
    sign_up(client, "ada", code)
    assert let_in() == 1


def test_who_is_refused_at_last_is_told(client, code):
    show(client, code)
    revoke_all()
    response = fill_in(client, "ada")
    assert [str(message) for message in get_messages(response.wsgi_request)] == [
        str(REFUSED)
    ]
    assert response.url == "/accounts/signup/"
    assert client.get(response.url).url.startswith("/invite/")


def test_who_took_too_long_is_asked_again(client, code):
    show(client, code)
    with receiving(pre_save, lambda **kwargs: Hold.objects.all().delete(), User):
        fill_in(client, "ada")
    assert let_in() == 0


twins = []


class RacingMixin:
    """Let another request overtake, where both have been found to be valid."""

    def save_user(self, *args, **kwargs):
        if twins:
            twins.pop()()
        return super().save_user(*args, **kwargs)


class RacingAccountAdapter(RacingMixin, allauth.AccountAdapter):
    pass


class RacingSocialAccountAdapter(RacingMixin, allauth.SocialAccountAdapter):
    pass


@pytest.fixture
def racing(settings):
    settings.ACCOUNT_ADAPTER = f"{HERE}.RacingAccountAdapter"
    settings.SOCIALACCOUNT_ADAPTER = f"{HERE}.RacingSocialAccountAdapter"
    yield twins
    twins.clear()


def twin_of(client):
    twin = type(client)()
    twin.cookies = client.cookies.copy()
    return twin


@pytest.mark.usefixtures("racing")
@pytest.mark.parametrize("name", ["ada", "bob"])
def test_a_form_that_is_sent_twice_makes_one_user(name, client, code):
    show(client, code)
    twins.append(partial(fill_in, twin_of(client), name))
    response = fill_in(client, "ada")
    assert response.url == "/accounts/signup/"
    assert not list(get_messages(response.wsgi_request))
    assert let_in() == 1


@pytest.mark.usefixtures("racing")
@pytest.mark.parametrize("name", ["ada", "bob"])
def test_a_call_that_is_sent_twice_makes_one_user(name, client, code):
    show(client, code)
    twins.append(partial(by_api, "browser", twin_of(client), name, None))
    response = by_api("browser", client, "ada", None)
    assert response.status_code == 403
    assert let_in() == 1


@pytest.mark.usefixtures("racing")
@pytest.mark.parametrize("name", ["ada", "bob"])
def test_two_who_come_back_from_a_provider_at_once_are_one_user(name, client, code):
    show(client, code)
    twins.append(partial(by_provider, twin_of(client), name, None))
    response = by_provider(client, "ada", None)
    assert response.status_code == 400  # Django's own: the twin has left the session.
    assert let_in() == 1


def take(name):
    """Let somebody have a user name, once both have been found to be valid."""
    twins.append(partial(UserFactory, username=name))


@pytest.mark.usefixtures("racing")
def test_who_is_late_for_a_user_name_finds_the_error_in_the_form(client, code):
    show(client, code)
    take("ada")
    response = fill_in(client, "ada")
    assert response.url == "/accounts/signup/"
    (message,) = get_messages(response.wsgi_request)
    assert str(message) == str(allauth.TAKEN)
    assert "username" in fill_in(client, "ada").context["form"].errors
    assert is_in(fill_in(client, "bob"))
    assert Redemption.objects.get().username == "bob"


@pytest.mark.usefixtures("racing")
def test_a_client_of_the_api_who_is_late_for_a_user_name_may_try_again(client, code):
    show(client, code)
    take("ada")
    response = by_api("browser", client, "ada", None)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    again = by_api("browser", client, "ada", None)
    assert {error["param"] for error in again.json()["errors"]} == {"username"}
    assert is_in(by_api("browser", client, "bob", None))
    assert Redemption.objects.get().username == "bob"


@pytest.mark.usefixtures("racing")
@pytest.mark.parametrize("kind", ["browser", "app"])
@pytest.mark.parametrize("broken", ["admit", "consume"])
def test_who_is_to_try_again_may_bring_the_code_again(
    kind, broken, client, code, monkeypatch
):
    take("ada")
    assert by_api(kind, client, "ada", code).status_code == 503

    def lose(*args):
        raise OperationalError

    monkeypatch.setattr(allauth, "is_contention", lambda error: True)
    with monkeypatch.context() as patch:
        patch.setattr(gate, broken, lose)
        assert by_api(kind, client, "bob", code).status_code == 503
    assert not Hold.objects.exists()
    assert is_in(by_api(kind, client, "bob", code))


@pytest.mark.usefixtures("racing")
def test_who_is_late_for_an_account_of_a_provider_keeps_the_code(client, code):
    def connect():
        SocialAccount.objects.create(user=UserFactory(), provider="fake", uid="ada")

    show(client, code)
    twins.append(connect)
    response = by_provider(client, "ada", None)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert response.content.decode() == str(allauth.TAKEN)
    assert not Redemption.objects.exists()
    assert is_in(by_provider(client, "bob", None))


@pytest.mark.parametrize(
    ("rival", "constraint", "taken"),
    [
        ("", UniqueConstraint(Lower("last_name"), name="one"), True),
        ("Smith", UniqueConstraint(Lower("last_name"), name="one"), False),
        ("", CheckConstraint(condition=~Q(last_name=""), name="known"), False),
    ],
)
def test_a_constraint_says_too_whether_somebody_was_quicker(
    rival, constraint, taken, client, code, monkeypatch
):
    monkeypatch.setattr(User._meta, "constraints", [constraint])
    client.raise_request_exception = False
    UserFactory(last_name=rival)
    show(client, code)
    with receiving(pre_save, clash, sender=User):
        response = fill_in(client, "ada")
    assert response.status_code == (302 if taken else 500)


def test_a_constraint_is_asked_of_the_database_of_the_row(monkeypatch):
    asked = []
    constraint = UniqueConstraint("last_name", name="one")
    monkeypatch.setattr(User._meta, "constraints", [constraint])
    monkeypatch.setattr(User, "validate_unique", lambda user: None)
    monkeypatch.setattr(
        UniqueConstraint, "validate", lambda *args, using, **named: asked.append(using)
    )
    monkeypatch.setattr(router, "db_for_write", lambda model, **hints: "elsewhere")
    assert not allauth._is_taken(User())
    assert asked == ["elsewhere"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("max_uses", [1, 9])
@pytest.mark.parametrize("send", [fill_in, partial(by_api, "browser")])
def test_one_session_at_many_doors_makes_one_user(send, max_uses, client):
    if not connection.features.test_db_allows_multiple_connections:
        pytest.skip("The database is in the memory of one connection.")
    code, clients = InviteCodeFactory(max_uses=max_uses), 6
    show(client, code)
    barrier = Barrier(clients)

    def run(number):
        twin = twin_of(client)
        twin.get("/")
        barrier.wait()
        try:
            arguments = (None,) if send is not fill_in else ()
            return send(twin, f"ada{number}", *arguments).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(clients) as pool:
        statuses = list(pool.map(run, range(clients)))
    assert set(statuses) <= {200, 302, 403}
    assert let_in() == 1


def test_a_mistake_of_the_site_is_not_taken_for_a_refusal(client, code):
    show(client, code)
    with receiving(pre_save, clash, sender=User), pytest.raises(IntegrityError):
        fill_in(client, "ada")


@pytest.mark.parametrize("contention", [True, False])
def test_only_a_busy_database_is_worth_another_try(
    contention, client, code, monkeypatch
):
    def lose(**kwargs):
        raise OperationalError

    monkeypatch.setattr(allauth, "is_contention", lambda error: contention)
    client.raise_request_exception = False
    show(client, code)
    with receiving(pre_save, lose, sender=User):
        response = fill_in(client, "ada")
    assert response.status_code == (503 if contention else 500)
    assert response.headers.get("Retry-After") == ("1" if contention else None)
    assert let_in() == 0


REFUSALS = {
    "unknown": lambda code: code.delete(),
    "revoked": lambda code: revoke_all(),
    "expired": lambda code: InviteCode.objects.update(expires_at=timezone.now()),
    "used": lambda code: InviteCode.objects.update(uses=1),
}


@pytest.mark.django_db
@door(*API)
def test_all_refusals_are_the_same_to_a_client_of_the_api(sign_up, client):
    if sign_up.func is by_token_and_form:
        sign_up = partial(by_token, *sign_up.args)
    answers = [sign_up(client, "ada", "no code").content]
    for refuse in REFUSALS.values():
        InviteCode.objects.all().delete()
        code = InviteCodeFactory()
        refuse(code)
        answers.append(sign_up(client, "ada", code).content)
    assert set(answers) == {b'{"status": 403}'}


@door("browser password", "app password", "browser token", "app token")
def test_too_many_guesses_are_not_judged(sign_up, client, code, settings):
    settings.INVITE_CODE_CLIENT_LIMIT = "1/hour"
    assert sign_up(client, "ada", "0000000000000000").status_code == 403
    response = sign_up(client, "ada", code)
    assert response.status_code == 429
    assert response.json() == {"status": 429}
    assert 0 < int(response.headers["Retry-After"]) <= 3600
    assert let_in() == 0


def test_a_code_in_the_header_wins_over_the_one_shown_before(client, code):
    later = InviteCodeFactory()
    show(client, code)
    by_api("browser", client, "ada", later)
    assert Redemption.objects.get().code == later
    assert not Hold.objects.exists()


def test_a_refused_code_in_the_header_leaves_the_one_shown_before(client, code):
    show(client, code)
    revoked = InviteCodeFactory(revoked_at=timezone.now())
    assert by_api("browser", client, "ada", revoked).status_code == 403
    assert Hold.objects.get().code == code


@pytest.mark.parametrize("kind", ["browser", "app"])
def test_the_header_is_judged_once(kind, client, code, settings, refused):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    InviteCode.objects.update(max_uses=2)
    response = by_api(kind, client, "ada", code)
    assert response.status_code == 401
    assert let_in() == 1
    assert not Hold.objects.exists()
    assert not refused


def test_the_header_counts_at_the_doors_of_the_api_only(client, code, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    UserFactory(username="ada")
    headers = {"X-Invite-Code": code.code}
    config = client.get("/_allauth/browser/v1/config", headers=headers)
    assert not config.json()["data"]["account"]["is_open_for_signup"]
    data = {"username": "ada", "password": "correct horse"}
    response = call(client, "browser", "login", code, **data)
    assert response.status_code == 401  # The answer says which ways are open.
    assert client.post("/signup/", fields("bob"), headers=headers).status_code == 302
    assert not Hold.objects.exists()


def test_to_ask_whether_sign_up_is_open_changes_nothing(client, code, statements):
    show(client, code)
    with statements() as sent:
        config = client.get("/_allauth/browser/v1/config")
    assert config.json()["data"]["account"]["is_open_for_signup"]
    assert all(sql.startswith("SELECT") for sql in sent)


@pytest.mark.parametrize("interrupted", [True, False])
def test_a_frontend_is_told_that_sign_up_is_closed(interrupted, client, code):
    with receiving(pre_save, revoke_all, sender=User):
        response = by_redirect_of_api(client, "ada", code if interrupted else None)
    assert response.url == "/app/?error=signup_closed&error_process=login"


class TestWithoutPages:
    @pytest.fixture(autouse=True)
    def urls(self, settings):
        settings.ROOT_URLCONF = f"{URLS}_without_pages"

    @pytest.mark.django_db
    @pytest.mark.parametrize("path", ["/accounts/signup/", "/fake/login/"])
    def test_allauth_says_that_sign_up_is_closed(self, path, client):
        response = client.get(path)
        if path == "/fake/login/":
            response = by_provider(client, "ada", None)
        assert "account/signup_closed.html" in {
            template.name for template in response.templates
        }

    @door("browser password", "app token")
    def test_the_api_works(self, sign_up, client, code):
        assert is_in(sign_up(client, "ada", code))
        assert let_in() == 1

    def test_who_is_refused_at_last_sees_a_page(self, client, code, settings):
        settings.ROOT_URLCONF = URLS
        show(client, code)
        settings.ROOT_URLCONF = f"{URLS}_without_pages"
        with receiving(pre_save, revoke_all, sender=User):
            response = by_provider(client, "ada", None)
        assert "account/signup_closed.html" in {
            template.name for template in response.templates
        }


def test_a_view_of_the_site_is_refused_and_let_in_too(client, code):
    assert client.post("/custom/", {"username": "ada"}).status_code == 403
    assert let_in() == 0
    show(client, code)
    assert client.post("/custom/", {"username": "ada"}).status_code == 200
    assert let_in() == 1


class OwnAdapter(DefaultAccountAdapter):
    opened = True

    def is_open_for_signup(self, request):
        return self.opened

    def save_user(self, request, user, form, commit=True):
        user = super().save_user(request, user, form, commit=False)
        user.first_name = "Own"
        user.save()


class CombinedAdapter(allauth.InviteCodeAccountAdapterMixin, OwnAdapter):
    pass


def test_an_adapter_of_the_site_works_behind_the_mixin(client, code, settings):
    settings.ACCOUNT_ADAPTER = f"{HERE}.CombinedAdapter"
    assert check_doors(None) == []
    assert is_in(by_password(client, "ada", code))
    assert User.objects.get().first_name == "Own"
    assert let_in() == 1


def test_a_site_that_is_closed_stays_closed(client, code, settings, monkeypatch):
    settings.ACCOUNT_ADAPTER = f"{HERE}.CombinedAdapter"
    monkeypatch.setattr(OwnAdapter, "opened", False)
    for sign_up in PAGES.values():
        sign_up(client, "ada", code)
    assert let_in() == 0


def test_who_saves_the_user_by_hand_consumes_by_hand(rf, db):
    adapter, form = allauth.AccountAdapter(), type("Form", (), {})()
    form.cleaned_data = fields("ada")
    user = adapter.save_user(rf.get("/"), User(), form, commit=False)
    assert user.pk is None


@pytest.mark.parametrize(
    ("account", "social", "routes"),
    [
        (
            "DefaultAccountAdapter",
            None,
            ["/accounts/signup/", " /signup/", " /passkey/", "/auth/signup"],
        ),
        (
            None,
            "DefaultSocialAccountAdapter",
            [
                "/3rdparty/signup/",
                "/fake/login/callback/",
                "/auth/provider/signup",
                "/auth/provider/token",
            ],
        ),
    ],
)
def test_without_the_adapter_the_check_names_the_open_doors(
    account, social, routes, settings
):
    if account:
        settings.ACCOUNT_ADAPTER = f"allauth.account.adapter.{account}"
    if social:
        settings.SOCIALACCOUNT_ADAPTER = f"allauth.socialaccount.adapter.{social}"
    messages = [message.msg for message in check_doors(None)]
    assert messages
    for message in messages:
        assert any(f"{route} without" in message for route in routes)
    for route in routes:
        assert any(f"{route} without" in message for message in messages)


def test_with_the_adapters_the_check_is_content():
    assert check_doors(None) == []


class CarelessAdapter(allauth.AccountAdapter):
    def is_open_for_signup(self, request):
        return True


@pytest.mark.parametrize("name", ["CarelessAdapter", "RacingAccountAdapter", "Missing"])
def test_an_adapter_that_may_bypass_the_gate_is_an_open_door(name, settings):
    settings.ACCOUNT_ADAPTER = f"{HERE}.{name}"
    assert not allauth.passwords_are_gated()
    assert allauth.providers_are_gated()
