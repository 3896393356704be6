import json
import re
import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    SESSION_KEY,
    get_user,
    get_user_model,
)
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.handlers.base import BaseHandler
from django.core.signals import got_request_exception
from django.db import OperationalError, connection, connections
from django.db.models.signals import post_save, pre_save
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.views.debug import ExceptionReporter

from example_project.views import home
from invite_code import redemption
from invite_code.forms import BUSY, MISTYPED, REFUSED, THROTTLED, SignupForm
from invite_code.models import Hold, InviteCode, Redemption
from invite_code.views import EnterView, SignupView
from tests.factories import InviteCodeFactory, UserFactory

pytestmark = pytest.mark.django_db

User = get_user_model()

ENTER, SIGNUP = "/invite/", "/invite/signup/"

PASSWORD = "correct horse battery"

#: What the database has to say against a code; a function makes each.
REASONS = {
    "unknown": partial(InviteCodeFactory.build, batch=None),
    "expired": lambda: InviteCodeFactory(expires_at=timezone.now()),
    "not yet valid": lambda: InviteCodeFactory(
        valid_from=timezone.now() + timedelta(hours=1)
    ),
    "revoked": lambda: InviteCodeFactory(revoked_at=timezone.now()),
    "revoked batch": lambda: InviteCodeFactory(batch__revoked_at=timezone.now()),
    "used": lambda: InviteCodeFactory(uses=1),
    "used up": lambda: InviteCodeFactory(uses=3, max_uses=3),
    "held": lambda: InviteCodeFactory(held=True),
}

FOR_ANOTHER = {"wrong email": lambda: InviteCodeFactory(email="bob@example.org")}

#: Addresses that lead to another site in some browser.
BAD_ADDRESSES = [
    *(
        "http://example.com",
        "http:///example.com",
        "https://example.com",
        "ftp://ex.com",
    ),
    *(r"\\example.com", r"\\\example.com", r"/\\/example.com", r"\\\example.com"),
    *(r"\\//example.com", r"/\/example.com", r"\/example.com", r"/\example.com"),
    *("//example.com", "///example.com", "////example.com", "http:///\\example.com"),
    *("http:\\\\example.com", "http:/\\//example.com", "http:\\/example.com"),
    *('javascript:alert("XSS")', "javascript:alert(1)//", "\njavascript:alert(1)"),
    *("\x08//example.com", "\x00//example.com", "\t//example.com", "\r\n//example.com"),
    *(r"http://otherserver\@example.com", r"http:\\testserver\@example.com"),
    *(r"http://testserver\me:pass@example.com", r"http://testserver\@example.com"),
    *(r"http:\\testserver\confirm\me@example.com", "http:999999999", "ftp:9999999999"),
    *("\n", "http://[2001:cdba:0000:0000:0000:0000:3257:9652/", "http://2001:cdba]/"),
    *("data:text/html,x", "mailto:x@example.com", "http://testserver.example.com/"),
    *("http://user@example.com/", "/" * 2049, "x" * 100_000),
]

#: Addresses of this site.
GOOD_ADDRESSES = [
    *("/view/?param=http://example.com", "/view/?param=https://example.com"),
    *("/view?param=ftp://example.com", "view/?param=//example.com", "/"),
    *("http://testserver/url", "//testserver/", "/url%20with%20spaces/", "welcome"),
    *("/a\r\nSet-Cookie: x=1", "/nul\0", "/emoji/\U0001f600", "path/http:2222222222"),
    "/long/" + "x" * 2000,
]


@pytest.fixture(autouse=True)
def cache_of_its_own(settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": uuid4().hex,
        }
    }
    settings.LOGIN_REDIRECT_URL = "/welcome/"


@pytest.fixture
def code():
    return InviteCodeFactory()


@pytest.fixture
def hashed(monkeypatch):
    """What passwords were hashed since the test began."""
    calls = []
    encode = MD5PasswordHasher.encode

    def counting(self, password, salt):
        calls.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counting)
    return calls


@pytest.fixture(params=[ENTER, SIGNUP])
def page(request):
    return request.param


def data(code, **changes):
    return {
        "username": "alice",
        "email": "alice@example.org",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "invite_code": getattr(code, "code", code),
        **changes,
    }


def uses(code):
    return InviteCode.objects.get(pk=code.pk).uses


def is_live(code):
    """Return whether a code that was never used lets in somebody else, now."""
    code = InviteCode.objects.get(pk=code.pk)
    return code.uses == 0 and not code.holds.exists() and not code.redemptions.exists()


def no_typed_code(response, typed):
    """Return what a response says, but for what each has of its own."""
    text = response.content.decode().replace(typed, "CODE")
    return re.sub('(name="csrfmiddlewaretoken" value=)"[^"]+"', r"\1", text)


@contextmanager
def on(signal, receiver, sender=User):
    signal.connect(receiver, sender=sender)
    try:
        yield
    finally:
        signal.disconnect(receiver, sender=sender)


def locked(*args, **kwargs):
    """Raise the error of a database that has too much to do."""
    raise OperationalError("Lock wait timeout exceeded") from Exception(1205)


@pytest.mark.parametrize("method", ["get", "head"])
def test_looking_changes_nothing(client, code, page, method, statements):
    with statements() as sent:
        response = getattr(client, method)(page, {"code": code.code})
    assert response.status_code == 200
    assert sent == []
    assert not client.cookies.get("sessionid")
    assert is_live(code)


def test_a_link_fills_in_the_code(client, code, page):
    html = client.get(page, {"code": code.code.lower()}).content.decode()
    assert f'value="{code.code.lower()}"' in html
    html = client.get(page).content.decode()
    assert not re.search(r'name="invite_code"[^>]*value', html)


def test_what_a_link_fills_in_is_escaped(client, page):
    html = client.get(page, {"code": '"><script>alert(1)</script>'}).content.decode()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_do_nothing(client, code, page, method):
    response = getattr(client, method)(f"{page}?code={code.code}")
    assert response.status_code in {200, 405}
    assert is_live(code)


def test_a_code_signs_up_and_logs_in(client, code, hashed):
    spelled = f" {code.code[:7].lower()} - {code.code[7:]} "
    response = client.post(SIGNUP, data(spelled))
    assert (response.status_code, response["Location"]) == (302, "/welcome/")
    user = User.objects.get()
    assert get_user(client) == user
    assert (code.redemptions.get().user, uses(code)) == (user, 1)
    assert not Hold.objects.exists()
    assert hashed == [PASSWORD]


def test_a_code_opens_the_gate(client, code, hashed):
    response = client.post(ENTER, {"invite_code": code.code.lower(), "next": "/shop/"})
    assert (response.status_code, response["Location"]) == (302, "/shop/")
    assert Hold.objects.get().code == code
    assert uses(code) == 0
    assert hashed == []


def test_a_typo_is_told_as_a_typo(client, page, settings, statements):
    settings.CACHES = {"default": {"BACKEND": "no.such.Cache"}}
    with statements() as sent:
        response = client.post(page, data("OOOO"))
    assert response.status_code == 200
    assert str(MISTYPED) in response.content.decode()
    assert not any("invite_code" in sql for sql in sent)


@pytest.mark.parametrize("page", [ENTER, SIGNUP])
def test_all_refusals_are_the_same_to_who_guesses(client, page, hashed):
    reasons = REASONS | (FOR_ANOTHER if page == SIGNUP else {})
    answers, queries = {}, {}
    client.get(page)  # Whose cookie the others then have.
    for reason, make in reasons.items():
        code = make().code
        with CaptureQueriesContext(connection) as captured:
            response = client.post(page, data(code))
        queries[reason] = [query["sql"].split()[0] for query in captured]
        answers[reason] = (
            response.status_code,
            no_typed_code(response, code),
            {name: response[name] for name in response.headers if name != "Expires"},
        )
        assert str(REFUSED) in response.content.decode()
    for reason in reasons:
        assert answers[reason] == answers["unknown"], reason
        if reason != "held":  # Which is asked of a code that is usable otherwise.
            assert queries[reason] == queries["unknown"], reason
    assert hashed == []
    assert not User.objects.exists()


def test_a_good_code_with_another_mistake_is_not_looked_up(client, code, statements):
    with statements() as sent:
        response = client.post(SIGNUP, data(code, password2="another"))
    assert response.status_code == 200
    assert not any("invite_code" in sql for sql in sent)
    assert str(REFUSED) not in response.content.decode()
    assert is_live(code)


def test_passwords_are_not_sent_back(client):
    response = client.post(SIGNUP, data("typo"))
    assert PASSWORD not in response.content.decode()


def test_too_many_guesses_are_told_when_to_go_on(client, code, page, settings, hashed):
    settings.INVITE_CODE_CLIENT_LIMIT = "3/day"
    for _ in range(3):
        unknown = InviteCodeFactory.build(batch=None).code
        assert client.post(page, data(unknown)).status_code == 200
    response = client.post(page, data(code))
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 86400
    assert str(THROTTLED) in response.content.decode()
    assert is_live(code)
    assert hashed == []
    assert client.post(page, data("typo")).status_code == 200
    elsewhere = client.post(page, data(code), REMOTE_ADDR="192.0.2.1")
    assert elsewhere.status_code == 302


def test_a_broken_cache_lets_nobody_in(client, code, page, settings):
    broken = {"BACKEND": "tests.invite_code.test_throttling.BrokenCache"}
    settings.CACHES = {"default": broken}
    assert client.get(page).status_code == 200
    response = client.post(page, data(code))
    assert (response.status_code, response["Retry-After"]) == (429, "60")
    assert is_live(code)


@pytest.mark.parametrize("step", ["hold", "redeem"])
def test_a_database_with_too_much_to_do_is_told_as_such(
    client, code, monkeypatch, step
):
    monkeypatch.setattr(redemption, step, locked)
    response = client.post(SIGNUP, data(code))
    assert (response.status_code, response["Retry-After"]) == (503, "1")
    assert str(BUSY) in response.content.decode()
    assert not User.objects.exists()
    assert is_live(code)


def test_the_gate_tells_too_much_to_do_too(client, code, monkeypatch):
    monkeypatch.setattr(redemption, "hold", locked)
    assert client.post(ENTER, data(code)).status_code == 503


def test_two_who_want_one_user_name_get_an_error_in_the_form(client, code, monkeypatch):
    sign_up = SignupForm.sign_up

    def lose(self):  # Against somebody who came after the form was validated.
        monkeypatch.undo()
        UserFactory(username="alice")
        return sign_up(self)

    monkeypatch.setattr(SignupForm, "sign_up", lose)
    response = client.post(SIGNUP, data(code))
    assert response.status_code == 200
    assert response.context["form"].has_error("username", "unique")
    assert User.objects.count() == 1
    assert get_user(client).is_anonymous
    assert is_live(code)
    assert client.post(SIGNUP, data(code, username="alice2")).status_code == 302


@pytest.mark.parametrize("signal", [pre_save, post_save])
def test_a_receiver_that_raises_leaves_the_code_live(code, redeemed, signal):
    def receiver(**kwargs):
        raise ZeroDivisionError

    client = Client(raise_request_exception=False)
    with on(signal, receiver):
        assert client.post(SIGNUP, data(code)).status_code == 500
    assert not User.objects.exists()
    assert not Redemption.objects.exists()
    assert is_live(code)
    assert redeemed == []
    assert client.post(SIGNUP, data(code)).status_code == 302


def test_a_report_of_a_crash_shows_neither_password_nor_code(code, request):
    reports = []

    def report(request, **kwargs):
        html = ExceptionReporter(request, *sys.exc_info()).get_traceback_html()
        reports.append(html)

    def receiver(**kwargs):
        raise ZeroDivisionError

    client = Client(raise_request_exception=False)
    with on(got_request_exception, report, sender=None), on(post_save, receiver):
        client.post(SIGNUP, data(code))
    [html] = reports
    assert "ZeroDivisionError" in html
    assert PASSWORD not in html
    assert code.code not in html


@pytest.mark.parametrize("page", [ENTER, SIGNUP])
@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_nobody_is_sent_to_another_site(client, code, page, address):
    assert client.get(page, {"next": address}).context["next"] == ""
    response = client.post(f"{page}", data(code, next=address))
    assert (response.status_code, response["Location"]) == (302, "/welcome/")


@pytest.mark.parametrize("page", [ENTER, SIGNUP])
@pytest.mark.parametrize("address", GOOD_ADDRESSES)
def test_everybody_is_sent_on_within_the_site(client, code, page, address):
    assert client.get(page, {"next": address}).context["next"] == address
    response = client.post(page, data(code, next=address))
    assert response.status_code == 302
    assert response["Location"] != "/welcome/"
    assert not {"\r", "\n", "\0"} & set(response["Location"])
    assert "Set-Cookie" not in response.headers


def test_what_was_posted_counts_more_than_the_link(client, code):
    response = client.post(f"{ENTER}?next=/link/", data(code, next="/form/"))
    assert response["Location"] == "/form/"


def test_an_insecure_address_is_not_taken_on_a_secure_site(client, code):
    changes = {"next": "http://testserver/x"}
    response = client.post(ENTER, data(code, **changes), secure=True)
    assert response["Location"] == "/welcome/"


@pytest.mark.parametrize("next_page", ["/there/", "home"])
def test_a_view_says_where_to_go_on(rf, code, next_page):
    request = rf.get("/")
    view = EnterView(next_page=next_page)
    view.setup(request)
    assert view.get_success_url() == {"home": "/"}.get(next_page, next_page)


@pytest.mark.parametrize("method", ["get", "post"])
def test_answers_are_kept_from_caches_and_other_sites(
    client, code, page, method, settings
):
    settings.SECURE_REFERRER_POLICY = "unsafe-url"  # That of the other pages.
    response = getattr(client, method)(page, data(code))
    assert response["Referrer-Policy"] == "same-origin"
    for directive in ("no-store", "private", "max-age=0"):
        assert directive in response["Cache-Control"]


def test_a_page_of_another_site_cannot_post(code, page):
    client = Client(enforce_csrf_checks=True)
    assert client.post(page, data(code)).status_code == 403
    assert is_live(code)
    token = client.get(page).cookies["csrftoken"].value
    changes = {"csrfmiddlewaretoken": token}
    assert client.post(page, data(code, **changes)).status_code == 302


def test_without_the_middleware_too(code, page, settings):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "csrf" not in name]
    client = Client(enforce_csrf_checks=True)
    assert client.post(page, data(code)).status_code == 403


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    ("address", "target"),
    [("/shop/", "/shop/"), ("//example.com", "/welcome/"), ("no-name", "no-name")],
)
def test_who_is_logged_in_is_sent_on(client, code, method, address, target):
    client.force_login(UserFactory(username="bob"))
    response = getattr(client, method)(SIGNUP, data(code, next=address))
    assert (response.status_code, response["Location"]) == (302, target)
    assert response["Referrer-Policy"] == "same-origin"
    assert User.objects.count() == 1
    assert is_live(code)


def test_the_pages_are_open_where_others_take_a_login(client, page, settings):
    required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, required]
    assert client.get(page).status_code == 200
    assert client.get("/").status_code == 302


def test_a_user_who_is_not_active_is_not_logged_in(client, code):
    def deactivate(instance, **kwargs):
        instance.is_active = False

    with on(pre_save, deactivate):
        assert client.post(SIGNUP, data(code)).status_code == 302
    assert uses(code) == 1
    assert SESSION_KEY not in client.session


def test_a_view_may_leave_it_to_the_user_to_log_in(client, code, rf):
    request = rf.post("/", data(code))
    request.user = get_user(client)
    request.session = client.session
    request._dont_enforce_csrf_checks = True
    assert SignupView.as_view(log_in=False)(request).status_code == 302
    assert uses(code) == 1
    assert request.user.is_anonymous


def test_the_first_of_several_backends_logs_in(client, code, settings):
    settings.AUTHENTICATION_BACKENDS = [
        "django.contrib.auth.backends.AllowAllUsersModelBackend",
        "django.contrib.auth.backends.ModelBackend",
    ]
    client.post(SIGNUP, data(code))
    [first, _] = settings.AUTHENTICATION_BACKENDS
    assert client.session[BACKEND_SESSION_KEY] == first
    assert get_user(client).is_authenticated


def test_the_session_gets_another_key(client, code):
    client.post(ENTER, data(code))
    before = client.session.session_key
    token = client.get(SIGNUP).cookies["csrftoken"].value
    client.post(SIGNUP, data(code))
    assert client.session.session_key != before
    assert client.cookies["csrftoken"].value != token


def test_a_form_sent_twice_signs_up_once(client, code):
    client.get(SIGNUP)
    twin = Client()
    twin.cookies.update(client.cookies)
    assert client.post(SIGNUP, data(code)).status_code == 302
    again = client.post(SIGNUP, data(code))
    assert (again.status_code, again["Location"]) == (302, "/welcome/")
    at_once = twin.post(SIGNUP, data(code))
    assert at_once.status_code == 200
    assert at_once.context["form"].has_error("username", "unique")
    another_name = twin.post(SIGNUP, data(code, username="bob"))
    assert another_name.context["form"].has_error("invite_code", "refused")
    assert (User.objects.count(), uses(code)) == (1, 1)


def test_a_code_entered_twice_is_kept_once(client, code):
    for _ in range(2):
        assert client.post(ENTER, data(code)).status_code == 302
    assert Hold.objects.get().code == code


@pytest.mark.parametrize(
    "field", ["is_staff", "is_superuser", "max_uses", "uses", "user", "id", "hold"]
)
def test_no_other_field_is_taken(client, code, field):
    assert client.post(SIGNUP, data(code, **{field: "7"})).status_code == 302
    user = User.objects.get()
    assert (user.is_staff, user.is_superuser) == (False, False)
    assert user.pk != 7
    stored = InviteCode.objects.get(pk=code.pk)
    assert (stored.max_uses, stored.uses) == (1, 1)


@pytest.mark.parametrize("view", [EnterView.as_view(), SignupView.as_view()])
def test_the_pages_stay_out_of_the_transaction_of_a_request(monkeypatch, view):
    for alias in connections:
        monkeypatch.setitem(connections[alias].settings_dict, "ATOMIC_REQUESTS", True)
    make_view_atomic = BaseHandler().make_view_atomic
    assert make_view_atomic(view) is view
    assert make_view_atomic(home) is not home


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("atomic_requests", [False, True])
def test_signing_up_is_one_transaction_of_its_own(
    client, code, monkeypatch, atomic_requests
):
    settings_dict = connection.settings_dict
    monkeypatch.setitem(settings_dict, "ATOMIC_REQUESTS", atomic_requests)
    depths = []

    def receiver(**kwargs):
        depths.append(len(connection.savepoint_ids) + connection.in_atomic_block)

    with on(post_save, receiver):
        assert client.post(SIGNUP, data(code)).status_code == 302
    # Then login() saves when that was, in a transaction of no other.
    assert depths == [1, 0]


def test_an_async_client_works(code):
    async def sign_up():
        client = AsyncClient()
        await client.get(SIGNUP)
        return await client.post(SIGNUP, data(code))

    response = async_to_sync(sign_up)()
    assert response.status_code == 302
    assert uses(code) == 1


def test_any_user_model_signs_up():
    program = [sys.executable, "-m", "tests.custom_user.signing_up"]
    done = subprocess.run(
        program, cwd=django_settings.BASE_DIR, check=True, capture_output=True
    )
    assert json.loads(done.stdout) == {
        "fields": ["email", "full_name", "password1", "password2", "invite_code"],
        "statuses": [200, 302, 302, 200, 200],  # for another, 2 good, taken, used
        "by pk": ["Alice@example.org", "bob@example.org"],
        "user names": ["Alice@example.org", "bob@example.org"],
        "uses": [1, 1, 0],
    }
