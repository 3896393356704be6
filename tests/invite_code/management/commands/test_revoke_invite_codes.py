import io
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
from invite_code.handing_out import given, hand_out
from invite_code.issuing import issue
from invite_code.management.commands import revoke_invite_codes
from invite_code.models import HandOut, InviteBatch, InviteCode
from invite_code.redemption import redeem

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(capsys):
    """Run the command; return what it printed."""

    def run(*arguments):
        call_command("revoke_invite_codes", *map(str, arguments))
        return capsys.readouterr().out

    return run


@pytest.fixture
def type_in(monkeypatch):
    """Make a text or bytes the standard input, on a terminal if so asked."""

    def type_in(text, terminal=False):
        content = text if isinstance(text, bytes) else text.encode()
        stdin = io.TextIOWrapper(io.BytesIO(content))
        stdin.isatty = lambda: terminal
        monkeypatch.setattr(sys, "stdin", stdin)

    return type_in


def revoked(batch):
    return batch.codes.filter(revoked_at__isnull=False).count()


def is_revoked(batch):
    return bool(InviteBatch.objects.get(pk=batch.pk).revoked_at)


def codes_of(batch):
    return [CodeFormat().display(c.code) for c in batch.codes.order_by("pk")]


def test_a_batch_alone_is_revoked_as_a_whole_and_restored(run):
    batch = issue(3)
    named = f"batch {batch.pk} in 'default' as a whole: 3 codes.\n"
    assert run("--batch", batch.pk, "--yes") == f"Revoked {named}"
    assert (is_revoked(batch), revoked(batch)) == (True, 0)
    already = f"Batch {batch.pk} is revoked already, or has no codes.\n"
    assert run("--batch", batch.pk) == already
    assert run("--batch", batch.pk, "--yes", "--restore") == f"Restored {named}"
    assert not is_revoked(batch)
    not_revoked = f"Batch {batch.pk} is not revoked as a whole, or has no codes.\n"
    assert run("--batch", batch.pk, "--restore") == not_revoked


def test_unused_codes_of_a_batch_are_revoked_one_by_one_and_restored(run):
    batch = issue(3)
    redeem(batch.codes.first().code, None)
    arguments = ["--batch", batch.pk, "--unused-only", "--yes"]
    assert run(*arguments) == "Revoked 2 codes in 'default'.\n"
    assert (is_revoked(batch), revoked(batch)) == (False, 2)
    assert run(*arguments, "--restore") == "Restored 2 codes in 'default'.\n"
    assert revoked(batch) == 0


def test_a_hand_out_is_revoked(run):
    batch = issue(5)
    first, second = hand_out(batch, 2), hand_out(batch, 2)
    assert run("--hand-out", first.pk, "--yes") == "Revoked 2 codes in 'default'.\n"
    assert revoked(batch) == 2
    assert not given(second, "default").filter(revoked_at__isnull=False).exists()


def test_all_that_a_recipient_was_given_is_revoked(run):
    batches = [issue(3), issue(3)]
    for batch in batches:
        hand_out(batch, 1, to="José")
        hand_out(batch, 1, to="jose")
    assert run("--recipient", "José", "--yes") == "Revoked 2 codes in 'default'.\n"
    assert [revoked(batch) for batch in batches] == [1, 1]
    narrowed = ["--recipient", "jose", "--batch", batches[0].pk, "--yes"]
    assert run(*narrowed) == "Revoked 1 code in 'default'.\n"
    assert [revoked(batch) for batch in batches] == [2, 1]


def test_filters_narrow_each_other_down(run):
    one, other = issue(2), issue(2)
    line = hand_out(one, 1)
    arguments = ["--hand-out", line.pk, "--yes"]
    assert run(*arguments, "--batch", other.pk) == "Revoked 0 codes in 'default'.\n"
    assert run(*arguments, "--batch", one.pk) == "Revoked 1 code in 'default'.\n"


def test_a_code_in_any_spelling_is_revoked(run):
    batch = issue(2)
    code = codes_of(batch)[0].lower()
    assert run("--code", code, "--yes") == "Revoked 1 code in 'default'.\n"
    assert revoked(batch) == 1
    assert run("--code", code) == "Revoked 0 codes in 'default'.\n"


def test_codes_of_the_standard_input_are_revoked(run, type_in):
    batch = issue(1200)
    codes = codes_of(batch)[:1100]
    typed = [*codes, "", "  ", codes[0].lower(), *CodeFormat().generate(2)]
    type_in("\r\n".join(typed))
    assert run("--code", "-", "--yes") == (
        "Revoked 1100 codes in 'default'. Not there: 2 of the codes that were named.\n"
    )
    assert revoked(batch) == 1100
    type_in("\n".join(codes))
    assert run("--code", "-", "--restore", "--yes").startswith("Restored 1100 codes")
    assert revoked(batch) == 0


def test_of_codes_typed_a_batch_can_be_left_out(run, type_in):
    one, other = issue(1), issue(1)
    type_in("\n".join(codes_of(one) + codes_of(other)))
    assert run("--code", "-", "--batch", one.pk, "--yes").startswith("Revoked 1 code")
    assert (revoked(one), revoked(other)) == (1, 0)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("", "No code stands in the standard input"),
        (" \n\n", "No code stands in the standard input"),
        ("{code}\nnonsense\n\n{code}x\n", r"No code stands in line 2, 4\."),
        (b"\xff\xfe\n", "No code stands in line 1"),
        ("x\n" * 20, "line 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …"),
        ("x" * 2**20, "line 1, 2, 3, .* …"),
    ],
    ids=["nothing", "blank", "typo", "no text", "many", "megabyte"],
)
def test_what_is_no_code_is_named_by_its_line_and_nothing_is_changed(
    run, type_in, typed, message
):
    batch = issue(1)
    if isinstance(typed, str):
        typed = typed.replace("{code}", codes_of(batch)[0])
    type_in(typed)
    with pytest.raises(CommandError, match=message) as raised:
        run("--code", "-", "--yes")
    assert "Nothing was changed." in str(raised.value)
    assert codes_of(batch)[0] not in str(raised.value)
    assert revoked(batch) == 0


@pytest.mark.parametrize(
    ("answer", "goes_on"),
    [("y", True), ("YES\n", True), ("n\n", False), ("\n", False), ("", False)],
)
def test_on_a_terminal_it_asks_first(capsys, type_in, answer, goes_on):
    batch = issue(3)
    type_in(answer, terminal=True)
    arguments = ["--batch", str(batch.pk), "--unused-only", "--json"]
    if goes_on:
        call_command("revoke_invite_codes", *arguments)
    else:
        with pytest.raises(CommandError, match=r"^Nothing was changed\.$"):
            call_command("revoke_invite_codes", *arguments)
    asked = capsys.readouterr()
    assert asked.err == "Would revoke 3 codes in 'default'. Go on? [y/N] "
    assert bool(asked.out) is goes_on
    assert revoked(batch) == 3 * goes_on


def test_without_a_terminal_it_says_how_to_confirm(run, type_in):
    batch = issue(3)
    type_in("yes\n")
    with pytest.raises(
        CommandError, match=r"^Would revoke batch .* Confirm it by --yes"
    ):
        run("--batch", batch.pk)
    assert not is_revoked(batch)


@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_a_dry_run_asks_and_changes_nothing(run, type_in, caplog, extra):
    batch = issue(3)
    type_in("")
    with caplog.at_level("INFO", "invite_code"):
        out = run("--batch", batch.pk, "--dry-run", *extra)
        assert "Would revoke batch" in out or json.loads(out)["dry_run"]
        out = run("--batch", batch.pk, "--dry-run", "--unused-only", *extra)
        assert "Would revoke 3 codes" in out or json.loads(out)["count"] == 3
    assert (is_revoked(batch), revoked(batch)) == (False, 0)
    assert not caplog.records


def test_json_is_for_programs(run):
    batch = issue(3)
    line = hand_out(batch, 2, to="Press")
    result = {
        "batch": batch.pk,
        "hand_out": None,
        "recipient": None,
        "unused_only": False,
        "restore": False,
        "whole_batch": True,
        "count": 3,
        "unknown": 0,
        "database": "default",
        "dry_run": False,
    }
    assert json.loads(run("--batch", batch.pk, "--yes", "--json")) == result
    again = json.loads(run("--batch", batch.pk, "--yes", "--json"))
    assert again == result | {"count": 0}
    arguments = ["--hand-out", line.pk, "--recipient", "Press", "--unused-only"]
    assert json.loads(run(*arguments, "--yes", "--json")) == result | {
        "batch": None,
        "hand_out": line.pk,
        "recipient": "Press",
        "unused_only": True,
        "whole_batch": False,
        "count": 2,
    }


def test_it_is_logged_without_codes(run, caplog):
    batch = issue(3)
    [code, *_] = codes_of(batch)
    with caplog.at_level("INFO", "invite_code"):
        run("--code", code, "--yes")
        run("--code", code, "--yes", "--restore")
        run("--batch", batch.pk, "--yes")
        run("--batch", batch.pk, "--yes")
    assert [record.getMessage() for record in caplog.records] == [
        "Revoked 1 code in 'default'.",
        "Restored 1 code in 'default'.",
        f"Revoked batch {batch.pk} in 'default' as a whole: 3 codes.",
    ]


@pytest.mark.django_db(databases=["default", "other"])
def test_the_database_can_be_chosen(run):
    batch = issue(2, using="other")
    out = run("--batch", batch.pk, "--unused-only", "--yes", "--database", "other")
    assert out == "Revoked 2 codes in 'other'.\n"
    codes = InviteCode.objects.using("other").filter(batch=batch.pk)
    assert not codes.filter(revoked_at=None).exists()


@pytest.mark.parametrize(
    ("arguments", "message", "status"),
    [
        ([], "Say which codes: --batch, --hand-out, --recipient or --code", 2),
        (["--unused-only", "--yes"], "Say which codes", 2),
        (["--recipient", ""], "is empty", 2),
        (["--batch", "1", "--recipient", ""], "is empty", 2),
        (["--hand-out", "1", "--code", ""], "is empty", 2),
        (["--batch", "2147483647"], "There is no batch 2147483647 in 'default'", 1),
        (["--hand-out", "2147483647"], "There is no hand-out 2147483647", 1),
        (["--recipient", "Nobody"], "Nobody called 'Nobody' was given codes", 1),
        (["--code", "nonsense"], "What --code names is no code", 1),
        (["--batch", "0"], "'0' is not a whole number", 1),
        (["--recipient", "\udcff"], "is not text", 1),
        (["--batch", "1", "--database", "nowhere"], "invalid choice: 'nowhere'", 1),
    ],
)
def test_bad_input_is_explained(run, arguments, message, status):
    with pytest.raises(CommandError, match=message) as raised:
        run(*arguments)
    assert raised.value.returncode == status
    assert "nonsense" not in str(raised.value)


@pytest.mark.parametrize(
    "choice", [["--batch", "1"], ["--hand-out", "1"], ["--recipient", "Press"]]
)
def test_a_missing_table_is_explained(run, empty_database, choice):
    with pytest.raises(CommandError, match=r"run 'manage\.py migrate'"):
        run(*choice, "--database", empty_database)


def test_a_failure_among_many_codes_leaves_none_revoked(run, type_in, monkeypatch):
    batch = issue(600)
    type_in("\n".join(codes_of(batch)))
    real, called = revoke_invite_codes.revoke, []

    def stopped(codes):
        if called:
            raise KeyboardInterrupt
        called.append(real(codes))
        return called[0]

    monkeypatch.setattr(revoke_invite_codes, "revoke", stopped)
    with pytest.raises(CommandError, match=r"^Stopped\. Run it again") as raised:
        run("--code", "-", "--yes")
    assert raised.value.returncode == 130
    assert called == [500]
    assert revoked(batch) == 0


@pytest.mark.parametrize(
    ("arguments", "line", "status", "message"),
    [
        ([], b"", 2, b"Say which codes"),
        (["--batch", "none"], b"", 2, b"not a whole number"),
        (["--code", "-"], b"\xff\xfe\n", 1, b"No code stands in line 1"),
    ],
)
def test_a_process_exits_as_documented_and_shows_no_traceback(
    arguments, line, status, message
):
    command = [sys.executable, "manage.py", "revoke_invite_codes", *arguments]
    environ = os.environ | {"DATABASE_VENDOR": "sqlite", "DATABASE_NAME": ":memory:"}
    options = {"cwd": settings.BASE_DIR, "env": environ, "check": False, "input": line}
    done = subprocess.run(command, capture_output=True, **options)
    assert done.returncode == status
    assert message in done.stderr
    assert b"Traceback" not in done.stderr


def test_the_help_says_how_to_keep_codes_out_of_the_history(capsys):
    with pytest.raises(SystemExit):
        call_command("revoke_invite_codes", "--help")
    shown = " ".join(capsys.readouterr().out.split())
    assert "do not land in the history of the shell" in shown
    assert not HandOut.objects.exists()
    assert not InviteCode.objects.filter(revoked_at__lte=timezone.now()).exists()
