import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import BytesIO, TextIOWrapper

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections
from django.utils import timezone

from invite_code.codes import CodeFormat
from invite_code.models import Hold, InviteCode
from invite_code.redemption import hold, redeem
from tests.factories import InviteBatchFactory, InviteCodeFactory, UserFactory

pytestmark = pytest.mark.django_db

LATER = datetime(2099, 12, 31, 18, 30, 5, 123456, tzinfo=UTC)


@pytest.fixture
def run(capsys):
    """Run the command; return the code it exits with, and what it printed."""

    def run(*arguments):
        status = 0
        try:
            call_command("explain_invite_code", *arguments)
        except SystemExit as exit:
            status = exit.code
        return status, capsys.readouterr().out

    return run


@pytest.fixture
def type_in(monkeypatch):
    """Make bytes the standard input."""

    def type_in(line):
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(line)))

    return type_in


def lines(output):
    return dict(line.split("  ", 1) for line in output.splitlines())


def test_a_code_that_would_be_redeemed_is_explained(run):
    batch = InviteBatchFactory(label="Newsletter")
    code = InviteCodeFactory(batch=batch, max_uses=3, expires_at=LATER)
    redeem(code.code, UserFactory())
    hold(code.code, "a session", timedelta(hours=1))
    status, output = run(code.code.lower())
    assert status == 0
    assert output == (
        f"Code            {CodeFormat().display(code.code)}\n"
        "Verdict         It would be redeemed.\n"
        f"Batch           Newsletter (primary key {batch.pk})\n"
        "Batch revoked   no\n"
        "Code revoked    no\n"
        "Valid from      at once\n"
        "Expires         2099-12-31 18:30:05+00:00\n"
        "Uses            1 of 3\n"
        "Live holds      1\n"
        "Uses left       1\n"
        "E-mail address  any\n"
    )


def test_moments_are_told_in_the_current_time_zone(run):
    code = InviteCodeFactory(valid_from=LATER)
    with timezone.override("Asia/Tokyo"):
        _, output = run(code.code)
    assert "Valid from      2100-01-01 03:30:05+09:00\n" in output


def test_without_time_zones_moments_are_told_as_they_are(run, settings):
    settings.USE_TZ = False
    code = InviteCodeFactory(expires_at=LATER.replace(tzinfo=None))
    assert "Expires         2099-12-31 18:30:05\n" in run(code.code)[1]


@pytest.mark.parametrize(
    ("values", "reason", "message"),
    [
        ({"revoked_at": LATER}, "revoked", "The code is revoked."),
        ({"batch__revoked_at": LATER}, "revoked", "Its batch is revoked."),
        ({"valid_from": LATER}, "not_yet_valid", "It is not valid yet."),
        (
            {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)},
            "expired",
            "It has expired.",
        ),
        ({"uses": 1}, "exhausted", "All its uses are made."),
    ],
)
def test_a_code_that_would_be_refused_is_told_with_the_reason(
    run, values, reason, message
):
    code = InviteCodeFactory(**values)
    status, output = run(code.code)
    assert status == 1
    assert f"Verdict         Refused. {message}" in output
    status, output = run(code.code, "--json")
    assert status == 1
    assert json.loads(output)["reason"] == reason


def test_uses_without_a_limit_are_told_as_such(run):
    code = InviteCodeFactory(max_uses=None, uses=7)
    assert lines(run(code.code)[1])["Uses left"].strip() == "any number"
    assert "Uses            7 of any number\n" in run(code.code)[1]
    result = json.loads(run(code.code, "--json")[1])
    assert (result["max_uses"], result["uses_left"], result["uses"]) == (None, None, 7)


def test_the_address_it_would_be_redeemed_for_can_be_told(run):
    code = InviteCodeFactory(email="reader@example.org")
    for arguments, status in [
        ([], 0),
        (["--email", "Reader@Example.org"], 0),
        (["--email", "other@example.org"], 1),
    ]:
        exited, output = run(code.code, *arguments)
        assert exited == status
        assert "E-mail address  reader@example.org\n" in output
    assert "Refused. It is for another e-mail address." in output


def test_what_is_not_stored_is_told_without_a_batch(run):
    [code] = CodeFormat().generate(1)
    status, output = run(code)
    assert status == 1
    assert output == (
        f"Code     {CodeFormat().display(code)}\n"
        "Verdict  Refused. There is no such code.\n"
    )
    result = json.loads(run(code, "--json")[1])
    assert (result["reason"], result["pk"], result["batch"]) == ("unknown", None, None)


def test_json_is_for_programs(run):
    batch = InviteBatchFactory(label="Press", revoked_at=LATER)
    code = InviteCodeFactory(
        batch=batch, email="reader@example.org", valid_from=LATER, max_uses=5, uses=2
    )
    Hold.objects.create(code=code, key="a session", expires_at=LATER)
    assert json.loads(run(code.code, "--json")[1]) == {
        "code": CodeFormat().display(code.code),
        "redeemable": False,
        "reason": "revoked",
        "message": "Its batch is revoked.",
        "batch": {"pk": batch.pk, "label": "Press", "revoked_at": LATER.isoformat()},
        "pk": code.pk,
        "revoked_at": None,
        "valid_from": LATER.isoformat(),
        "expires_at": None,
        "uses": 2,
        "max_uses": 5,
        "live_holds": 1,
        "uses_left": 2,
        "email": "reader@example.org",
    }
    redeemable = json.loads(run(InviteCodeFactory().code, "--json")[1])
    assert redeemable["redeemable"] is True
    assert redeemable["reason"] is redeemable["email"] is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "A code has 16 symbols."),
        ("K7QF", "A code has 16 symbols."),
        ("0000-0000-0000-0001", "one is mistyped."),
        ("\udcff", "This has a symbol that no code has."),
        ("\0", "This has a symbol that no code has."),
        ("0\u200b" * 16, "This has a symbol that no code has."),
        ("\ufdfa" * 4, "This has a symbol that no code has."),
        ("\u0130\u0131\u017f\u212a", "This has a symbol that no code has."),
        ("%s", "This has a symbol that no code has."),
        ("\U0001f600", "This has a symbol that no code has."),
        ("0" * 2**20, "This is too long for a code."),
    ],
    ids=ascii,
)
def test_what_is_no_code_is_explained_without_a_query(
    run, django_assert_num_queries, text, message
):
    with django_assert_num_queries(0):
        status, output = run(text)
        result = json.loads(run(text, "--json")[1])
    assert status == 1
    assert output.startswith("Verdict  Refused. ")
    assert output.endswith(f"{message}\n")
    assert output.count("\n") == 1
    assert (result["reason"], result["code"]) == ("malformed", None)


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\nand more\n"])
def test_a_line_of_standard_input_will_do(run, type_in, ending):
    code = InviteCodeFactory().code
    type_in(code.lower().encode() + ending)
    status, output = run("-")
    assert status == 0
    assert CodeFormat().display(code) in output


def test_the_longest_spelling_comes_through_standard_input(run, type_in):
    code = InviteCodeFactory().code
    fullwidth = "\u3000\u3000\u3000".join(chr(ord(symbol) + 0xFEE0) for symbol in code)
    type_in(fullwidth.encode())
    assert run("-")[0] == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "A code has 16 symbols."),
        (b"\xff\xfe", "This has a symbol that no code has."),
        (b"\0", "This has a symbol that no code has."),
        (b"0" * 2**20, "This is too long for a code."),
        (b" " * 2**20, "This is too long for a code."),
        ("\u3000".encode() * 2**20, "This is too long for a code."),
    ],
    ids=["nothing", "no text", "NUL", "megabyte", "blanks", "wide blanks"],
)
def test_a_line_that_is_no_code_is_explained(run, type_in, line, message):
    type_in(line)
    status, output = run("-")
    assert (status, output) == (1, f"Verdict  Refused. {message}\n")
    assert sys.stdin.buffer.tell() < 2000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: code"),
        (["-", "--email", "reader"], "'reader' is not an e-mail address"),
        (["-", "--email", ""], "'' is not an e-mail address"),
        (["-", "--email", "\udcff@example.org"], "is not text"),
        (["-", "--database", "nowhere"], "invalid choice: 'nowhere'"),
    ],
)
def test_bad_input_is_explained(arguments, message):
    with pytest.raises(CommandError, match=message):
        call_command("explain_invite_code", *arguments)


@pytest.mark.django_db(databases=["default", "other"])
def test_the_database_can_be_chosen(run):
    code = InviteCode.objects.using("other").first().code
    assert run(code, "--database", "other")[0] == 0
    assert run(code)[0] == 1


def test_a_missing_table_is_explained(empty_database):
    arguments = [CodeFormat().generate(1)[0], "--database", empty_database]
    with pytest.raises(CommandError, match=r"run 'manage\.py migrate'") as raised:
        call_command("explain_invite_code", *arguments)
    assert raised.value.returncode == 2


def test_another_error_of_the_database_is_told(seeded_database):
    with connections[seeded_database].cursor() as cursor:
        cursor.execute("ALTER TABLE invite_code_invitecode RENAME COLUMN uses TO used")
    arguments = [CodeFormat().generate(1)[0], "--database", seeded_database]
    with pytest.raises(CommandError, match=r"does not tell: .*uses") as raised:
        call_command("explain_invite_code", *arguments)
    assert raised.value.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "line", "status", "stream", "message"),
    [
        ([b"\xff\xfe"], b"", 1, "stdout", b"Refused. This has a symbol"),
        ([b"-"], b"\xff\xfe\n", 1, "stdout", b"Refused. This has a symbol"),
        ([b"-", b"--email", b"\xff"], b"", 2, "stderr", b"is not text"),
        ([], b"", 2, "stderr", b"required: code"),
        ([b"0" * 16], b"", 2, "stderr", b"The database 'default' does not tell: "),
    ],
)
def test_a_process_exits_as_documented_and_shows_no_traceback(
    arguments, line, status, stream, message
):
    command = [sys.executable, "manage.py", "explain_invite_code", *arguments]
    environ = os.environ | {
        "DJANGO_SETTINGS_MODULE": "example_project.settings",
        "DATABASE_NAME": "/nowhere/missing",
    }
    options = {"cwd": settings.BASE_DIR, "env": environ, "input": line}
    done = subprocess.run(command, capture_output=True, check=False, **options)
    assert done.returncode == status
    assert message in getattr(done, stream)
    assert b"Traceback" not in done.stderr


def test_the_help_says_how_to_keep_a_code_out_of_the_history(capsys):
    with pytest.raises(SystemExit):
        call_command("explain_invite_code", "--help")
    shown = " ".join(capsys.readouterr().out.split())
    assert "does not land in the history of the shell" in shown
    assert "Exits 0 if it would, 1 if it would be refused, 2 if" in shown
