import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import authenticate
from django.test import AsyncClient, RequestFactory

from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse"


@pytest.fixture
def audited(caplog):
    """The lines of the log so far."""
    caplog.set_level("INFO", "signals_demo.audit")
    return lambda: [
        f"{record.levelname} {record.getMessage()}"
        for record in caplog.records
        if record.name == "signals_demo.audit"
    ]


def test_a_login_and_a_logout_are_logged(client, audited):
    user = UserFactory()
    assert client.login(username=user.username, password=PASSWORD)
    client.logout()
    assert audited() == [
        f"INFO login: user={user.pk} address=None",
        f"INFO logout: user={user.pk} address=None",
    ]


def test_a_logout_of_nobody_is_logged(client, audited):
    client.logout()
    assert audited() == ["INFO logout: user=None address=None"]


def test_the_address_is_logged(client, audited):
    user = UserFactory(is_staff=True)
    credentials = {"username": user.username, "password": PASSWORD}
    client.post("/admin/login/", credentials, REMOTE_ADDR="192.0.2.7")
    assert audited() == [f"INFO login: user={user.pk} address='192.0.2.7'"]


def test_a_failed_login_is_logged_without_anything_typed(client, audited, caplog):
    typed = {"username": "Tr0ub4dor", "password": "hunter2"}
    assert not client.login(**typed)
    client.post("/admin/login/", typed)
    assert audited() == [
        "WARNING login failed: user=None address=None",
        "WARNING login failed: user=None address='127.0.0.1'",
    ]
    assert "Tr0ub4dor" not in caplog.text
    assert "hunter2" not in caplog.text


def test_no_value_begins_a_line_of_its_own(audited):
    request = RequestFactory().get("/", REMOTE_ADDR="x\nINFO login: user=1")
    authenticate(request, username="ada", password="hunter2")
    (line,) = audited()
    assert "\n" not in line


def test_coroutines_are_logged_too(audited):
    user = UserFactory()
    client = AsyncClient()
    assert async_to_sync(client.alogin)(username=user.username, password=PASSWORD)
    async_to_sync(client.alogout)()
    assert not async_to_sync(client.alogin)(username="ada", password="hunter2")
    assert [line.split(":")[0] for line in audited()] == [
        "INFO login",
        "INFO logout",
        "WARNING login failed",
    ]
