import json
import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from invite_code.codes import CodeFormat
from invite_code.handing_out import given
from invite_code.issuing import issue
from invite_code.management.commands import hand_out_invite_codes
from invite_code.models import HandOut, InviteBatch, InviteCode

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(capsys):
    """Run the command; return what it printed, and what it said beside that."""

    def run(*arguments):
        call_command("hand_out_invite_codes", *map(str, arguments))
        return tuple(capsys.readouterr())

    return run


def shown(line, using="default"):
    codes = given(line, using).values_list("code", flat=True)
    return [CodeFormat().display(code) for code in codes]


def test_codes_are_printed_and_the_hand_out_is_named_beside_them(run):
    batch = issue(3)
    out, err = run(batch.pk, 2, "--to", "The Daily Planet")
    line = HandOut.objects.get()
    assert (line.recipient, line.count) == ("The Daily Planet", 2)
    assert out.splitlines() == shown(line)
    assert len(shown(line)) == 2
    assert err == (
        f"Hand-out {line.pk}: 2 codes of batch {batch.pk} in 'default'"
        " to The Daily Planet.\n"
    )


def test_nobody_need_be_named(run):
    batch = issue(1)
    _, err = run(batch.pk, 1)
    assert err.endswith(f": 1 code of batch {batch.pk} in 'default'.\n")
    assert HandOut.objects.get().recipient == ""


def test_it_is_silent_if_asked_to_be(run):
    out, err = run(issue(1).pk, 1, "-v0")
    assert (len(out.splitlines()), err) == (1, "")


def test_json_is_for_programs(run):
    batch = issue(3)
    out, err = run(batch.pk, 2, "--to", "Press", "--json")
    line = HandOut.objects.get()
    assert json.loads(out) == {
        "hand_out": line.pk,
        "batch": batch.pk,
        "recipient": "Press",
        "count": 2,
        "database": "default",
        "dry_run": False,
        "codes": shown(line),
    }
    assert err.startswith(f"Hand-out {line.pk}: ")


def test_a_dry_run_gives_nothing_and_prints_no_code(run, caplog):
    batch = issue(3)
    with caplog.at_level("INFO", "invite_code"):
        assert run(batch.pk, 2, "--dry-run", "--to", "Press") == (
            "",
            f"Would hand out 2 codes of batch {batch.pk} in 'default' to Press.\n",
        )
        out, _ = run(batch.pk, 2, "--dry-run", "--json")
    result = json.loads(out)
    assert (result["hand_out"], result["codes"], result["dry_run"]) == (None, [], True)
    assert not HandOut.objects.exists()
    assert not batch.codes.exclude(hand_out=None).exists()
    assert not caplog.records


def test_it_is_logged_without_codes(run, caplog):
    batch = issue(3)
    with caplog.at_level("INFO", "invite_code"):
        out, _ = run(batch.pk, 2, "--to", "Press")
    [record] = caplog.records
    line = HandOut.objects.get()
    assert record.getMessage() == (
        f"Handed out 2 codes of batch {batch.pk} in 'default': hand-out {line.pk}."
    )
    assert not any(code in record.getMessage() for code in out.split())


@pytest.mark.django_db(databases=["default", "other"])
def test_the_database_can_be_chosen(run):
    batch = issue(2, using="other")
    out, err = run(batch.pk, 2, "--database", "other")
    assert out.splitlines() == shown(HandOut.objects.using("other").get(), "other")
    assert "in 'other'" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: batch, count"),
        (["1"], "required: count"),
        (["0", "1"], "'0' is not a whole number"),
        (["1", "many"], "'many' is not a whole number"),
        (["2147483647", "1"], "There is no batch 2147483647 in 'default'"),
        (["{pk}", "4"], "4 codes were asked for, 3 unused ones are left"),
        (["{pk}", "4", "--dry-run"], "4 codes were asked for, 3 unused"),
        (["{pk}", "1", "--to", "x" * 201], "at most 200 characters"),
        (["{pk}", "1", "--to", "\0"], "Null characters"),
        (["{pk}", "1", "--to", "\udcff"], "is not text"),
        (["{pk}", "1", "--database", "nowhere"], "invalid choice: 'nowhere'"),
    ],
)
def test_bad_input_is_explained_and_gives_nothing(run, arguments, message):
    pk = issue(3).pk
    with pytest.raises(CommandError, match=message):
        run(*(argument.replace("{pk}", str(pk)) for argument in arguments))
    assert not HandOut.objects.exists()


def test_a_revoked_batch_is_explained(run):
    batch = issue(3)
    InviteBatch.objects.filter(pk=batch.pk).update(revoked_at=timezone.now())
    with pytest.raises(CommandError, match="The batch is revoked"):
        run(batch.pk, 1)


def test_a_missing_table_is_explained(run, empty_database):
    with pytest.raises(CommandError, match=r"run 'manage\.py migrate'"):
        run(1, 1, "--database", empty_database)


def test_ctrl_c_leads_to_the_ledger(run, monkeypatch):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(hand_out_invite_codes, "hand_out", interrupt)
    with pytest.raises(CommandError, match="The ledger says") as raised:
        run(issue(1).pk, 1)
    assert raised.value.returncode == 130


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [(["1"], 2, b"required: count"), (["0", "1"], 2, b"not a whole number")],
)
def test_a_process_exits_as_documented_and_shows_no_traceback(
    arguments, status, message
):
    command = [sys.executable, "manage.py", "hand_out_invite_codes", *arguments]
    environ = os.environ | {"DATABASE_VENDOR": "sqlite", "DATABASE_NAME": ":memory:"}
    options = {"cwd": settings.BASE_DIR, "env": environ, "check": False}
    done = subprocess.run(command, capture_output=True, **options)
    assert done.returncode == status
    assert message in done.stderr
    assert b"Traceback" not in done.stderr


def test_the_help_shows_an_example(capsys):
    with pytest.raises(SystemExit):
        call_command("hand_out_invite_codes", "--help")
    assert '50 --to "The Daily Planet"' in capsys.readouterr().out
    assert InviteCode.objects.filter(hand_out=None).exists()
