from datetime import UTC, datetime

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from example_project.management.commands import demo
from invite_code.conf import conf
from invite_code.models import InviteBatch, InviteCode
from tests.factories import InviteCodeFactory

NOW = datetime(2030, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def empty():
    InviteCode.objects.all().delete()
    InviteBatch.objects.all().delete()


@pytest.fixture
def served(monkeypatch):
    """Take down what is served instead of serving it."""
    addresses = []

    def call(name, *arguments, **options):
        if name == "runserver":
            addresses.extend(arguments)
        else:
            call_command(name, *arguments, **options)

    monkeypatch.setattr(demo, "call_command", call)
    return addresses


@pytest.fixture
def without_signals(monkeypatch):
    monkeypatch.setattr(demo, "exercise", lambda signals: [])


def test_first_run_seeds_codes_and_the_second_says_so(empty, capsys):
    call_command("demo")
    first = capsys.readouterr().out
    assert "migrate has seeded 2,000 codes." in first
    assert "signals came as the catalog says." in first
    call_command("demo")
    second = capsys.readouterr().out
    assert "2,000 codes were there already: none was added." in second


@pytest.mark.usefixtures("without_signals")
def test_account_can_sign_in_with_the_password_shown(capsys, client):
    call_command("demo")
    password = capsys.readouterr().out.partition("; password ")[2][:12]
    assert client.login(username="demo", password=password)
    assert client.get("/admin/invite_code/invitecode/").status_code == 200


@pytest.mark.usefixtures("without_signals")
def test_account_is_kept(capsys):
    call_command("demo")
    before = get_user_model().objects.get(username="demo").password
    capsys.readouterr()
    call_command("demo")
    assert "password as shown before" in capsys.readouterr().out
    assert get_user_model().objects.get(username="demo").password == before


def test_missing_codes_are_an_error(empty, monkeypatch):
    monkeypatch.setattr("invite_code.seeding.seed", lambda *args, **kwargs: False)
    with pytest.raises(CommandError, match="migrate seeded 0 codes"):
        call_command("demo")


@pytest.mark.usefixtures("without_signals")
def test_seeding_that_is_switched_off_is_no_error(empty, settings, capsys):
    settings.INVITE_CODE_SEED_COUNT = 0
    call_command("demo")
    assert "Seeding is switched off" in capsys.readouterr().out


def test_signal_that_does_not_come_is_an_error(monkeypatch):
    monkeypatch.setattr("signals_demo.exercising.SCENARIOS", {})
    with pytest.raises(CommandError, match="0 of 2"):
        call_command("demo", "-v0")


@pytest.mark.usefixtures("without_signals")
def test_serve_starts_the_server(served):
    call_command("demo", serve="127.0.0.1:1")
    assert served == ["127.0.0.1:1"]


@pytest.mark.usefixtures("without_signals")
@pytest.mark.parametrize("address", ["127.0.0.1:1", "1"])
def test_serve_shows_a_code_to_sign_up_with(
    address, empty, served, settings, capsys, client
):
    settings.INVITE_CODE_SEED_COUNT = 0
    first = InviteCodeFactory(max_uses=2)
    call_command("demo", serve=address)
    shown = capsys.readouterr().out.partition("Sign up at http://127.0.0.1:1")[2]
    page, code = shown.split("\nwith the code ")
    assert conf.code_format.normalize(code[:19]) == first.code
    form = {"username": "ada", "password1": "correct horse", "invite_code": code[:19]}
    response = client.post(page, form | {"password2": "correct horse"})
    assert response.status_code == 302


@pytest.mark.usefixtures("without_signals", "served")
@pytest.mark.parametrize("address", ["127.0.0.1:1", "1"])
def test_serve_shows_the_explorer_last(address, capsys):
    call_command("demo", serve=address)
    *_, last = capsys.readouterr().out.split("See signals live at ")
    assert last.strip() == "http://127.0.0.1:1/signals/live/"


@pytest.mark.usefixtures("without_signals")
def test_without_a_server_there_is_no_explorer(capsys):
    call_command("demo")
    assert "See signals live" not in capsys.readouterr().out


@pytest.mark.usefixtures("without_signals")
@pytest.mark.parametrize(
    "spoilt",
    [
        {"uses": 1},
        {"revoked_at": NOW},
        {"expires_at": NOW},
        {"valid_from": NOW},
        {"email": "ada@example.com"},
        {"batch__revoked_at": NOW},
    ],
)
def test_serve_shows_no_code_that_may_be_refused(
    spoilt, empty, served, settings, capsys
):
    settings.INVITE_CODE_SEED_COUNT = 0
    InviteCodeFactory(**spoilt)
    call_command("demo", serve="127.0.0.1:1")
    assert "with the code" not in capsys.readouterr().out


def test_reloaded_server_does_not_demonstrate_again(served, monkeypatch, capsys):
    monkeypatch.setenv("RUN_MAIN", "true")
    call_command("demo", serve="127.0.0.1:1")
    assert served == ["127.0.0.1:1"]
    assert "Invite codes" not in capsys.readouterr().out
