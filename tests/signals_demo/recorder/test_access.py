import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.http import Http404, HttpResponse
from django.test import RequestFactory

from signals_demo.recorder.access import PERMISSION, guarded, may_look

HEADERS = {
    "X-Forwarded-For": "127.0.0.1",
    "X-Real-Ip": "127.0.0.1",
    "Forwarded": "for=127.0.0.1",
    "Remote-Addr": "127.0.0.1",
    "X-Remote-Addr": "127.0.0.1",
}


class Granting:
    """A backend that grants some user the permission."""

    def has_perm(self, user, permission, obj=None):
        return user.username == "granted" and permission == PERMISSION


def user(**facts):
    return User(**facts)


def asked(address="203.0.113.5", who=None, **headers):
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR=address)
    request.user = who or AnonymousUser()
    return request


@pytest.mark.parametrize("headers", [{}, HEADERS])
@pytest.mark.parametrize(
    ("debug", "address", "allowed"),
    [
        (True, "127.0.0.1", True),
        (True, "203.0.113.5", False),
        (True, "", False),
        (False, "127.0.0.1", False),
        (False, "203.0.113.5", False),
    ],
)
def test_developers_may_look_from_where_they_sit(
    settings, debug, address, allowed, headers
):
    settings.DEBUG = debug
    settings.INTERNAL_IPS = ["127.0.0.1"]
    assert may_look(asked(address, **headers)) is allowed


@pytest.mark.parametrize("hosts", [[], ["*"]])
@pytest.mark.parametrize(
    ("debug", "address", "host", "allowed"),
    [
        (True, "127.0.0.1", "127.0.0.1:8000", True),
        (True, "127.0.0.1", "localhost", True),
        (True, "127.0.0.1", "shop.localhost:8000", True),
        (True, "::1", "[::1]:8000", True),
        (True, "127.0.0.1", "evil.example", False),
        (True, "203.0.113.5", "localhost", False),
        (True, "", "localhost", False),
        (False, "127.0.0.1", "localhost", False),
    ],
)
def test_without_internal_addresses_it_is_who_sits_at_the_machine(
    settings, hosts, debug, address, host, allowed
):
    settings.DEBUG = debug
    settings.INTERNAL_IPS = []
    settings.ALLOWED_HOSTS = hosts
    for headers in ({}, HEADERS):
        assert may_look(asked(address, Host=host, **headers)) is allowed


def test_internal_addresses_need_not_be_a_list(settings):
    class Office:
        def __contains__(self, address):
            return address.startswith("10.")

    settings.DEBUG = True
    settings.INTERNAL_IPS = Office()
    assert may_look(asked("10.1.2.3"))
    assert not may_look(asked("11.1.2.3"))


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(
    ("setting", "who", "allowed"),
    [
        (True, user(is_staff=True, is_superuser=True), True),
        (True, user(is_staff=True, username="granted"), True),
        (True, user(is_staff=True), False),
        (True, user(is_superuser=True), False),
        (True, user(username="granted"), False),
        (True, user(is_staff=True, is_superuser=True, is_active=False), False),
        (True, user(is_staff=True, username="granted", is_active=False), False),
        (True, AnonymousUser(), False),
        (False, user(is_staff=True, is_superuser=True), False),
        (False, user(is_staff=True, username="granted"), False),
    ],
)
def test_staff_may_look_if_the_site_says_so_and_grants_it(
    settings, debug, setting, who, allowed
):
    settings.DEBUG = debug
    settings.SIGNALS_RECORDER_STAFF = setting
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Granting"]
    assert may_look(asked(who=who)) is allowed


def test_a_site_may_have_no_users(settings):
    settings.SIGNALS_RECORDER_STAFF = True
    assert not may_look(RequestFactory().get("/", REMOTE_ADDR="203.0.113.5"))


class Bare:
    """A user as the least of models makes it."""

    is_active = True


class Staff(Bare):
    """One that has no permissions."""

    is_staff = True


@pytest.mark.parametrize("who", [Bare(), Staff()])
def test_users_need_not_be_like_those_of_django(settings, who):
    settings.SIGNALS_RECORDER_STAFF = True
    assert not may_look(asked(who=who))


OURS, FOREIGN = "localhost:8000", "evil.example"


@pytest.mark.parametrize("trusting", [True, False])
@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"Host": OURS}, True),
        ({"Host": FOREIGN}, False),
        ({"Host": OURS, "X-Forwarded-Host": OURS}, True),
        ({"Host": FOREIGN, "X-Forwarded-Host": OURS}, False),
    ],
)
def test_a_foreign_name_that_leads_here_is_not_believed(
    settings, trusting, headers, allowed
):
    settings.DEBUG = True
    settings.INTERNAL_IPS = ["127.0.0.1"]
    settings.ALLOWED_HOSTS = []
    settings.USE_X_FORWARDED_HOST = trusting
    assert may_look(asked("127.0.0.1", **headers)) is allowed


@pytest.mark.parametrize("trusting", [True, False])
def test_nor_is_one_that_a_trusted_proxy_was_asked_for(settings, trusting):
    settings.DEBUG = True
    settings.INTERNAL_IPS = ["127.0.0.1"]
    settings.ALLOWED_HOSTS = []
    settings.USE_X_FORWARDED_HOST = trusting
    request = asked("127.0.0.1", **{"Host": OURS, "X-Forwarded-Host": FOREIGN})
    assert may_look(request) is not trusting


@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_strangers_get_404_before_anything_else(settings, method):
    view = guarded(lambda request: HttpResponse())
    request = getattr(RequestFactory(enforce_csrf_checks=True), method)("/")
    request.META["REMOTE_ADDR"] = "127.0.0.1"
    with pytest.raises(Http404):
        view(request)
    settings.DEBUG = True
    assert view(request).status_code in (200, 403)


def test_changes_need_a_token(settings, rf):
    settings.DEBUG = True
    view = guarded(lambda request: HttpResponse())
    request = rf.post("/")
    request._dont_enforce_csrf_checks = False
    assert view(request).status_code == 403
    request = rf.post("/")  # As clients of tests are by default.
    request._dont_enforce_csrf_checks = True
    assert view(request).status_code == 200
