import json
import logging
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from io import BytesIO, TextIOWrapper

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, connections

from invite_code.codes import CodeFormat
from invite_code.management.commands import import_invite_codes as command
from invite_code.models import InviteBatch, InviteCode
from tests.factories import InviteCodeFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(capsys):
    """Run the command; return what it printed."""

    def run(*arguments):
        call_command("import_invite_codes", *map(str, arguments))
        return capsys.readouterr().out

    return run


@pytest.fixture
def file(tmp_path):
    """Return a function that writes codes to a file."""

    def write(codes):
        path = tmp_path / "codes.txt"
        path.write_text("".join(f"{code}\n" for code in codes))
        return path

    return write


def fresh(count):
    return [CodeFormat().display(code) for code in CodeFormat().generate(count)]


def newest_batch():
    return InviteBatch.objects.latest("pk")


def stored(batch, using="default"):
    codes = InviteCode.objects.using(using).filter(batch=batch.pk).order_by("pk")
    return [CodeFormat().display(code.code) for code in codes]


def number_of_rows():
    return InviteBatch.objects.count(), InviteCode.objects.count()


def test_codes_are_imported_and_it_is_said_without_a_code(run, file):
    codes = fresh(3)
    said = run(file(codes))
    assert stored(newest_batch()) == codes
    assert said == f"Batch {newest_batch().pk}: imported 3 codes in 'default'.\n"


def test_one_code_is_spoken_of_as_one(run, file):
    assert "imported 1 code in" in run(file(fresh(1)))


def test_every_option_is_stored(run, file):
    run(
        *(file(fresh(2)), "--label", "Conference", "--max-uses", "unlimited"),
        *("--valid-from", "2099-12-01T06:00Z", "--expires", "2099-12-31T18:00Z"),
        *("--email", "Reader@Example.org", "--database", "default"),
    )
    batch = newest_batch()
    assert batch.label == "Conference"
    for code in batch.codes.all():
        assert code.max_uses is None
        assert code.valid_from == datetime(2099, 12, 1, 6, tzinfo=UTC)
        assert code.expires_at == datetime(2099, 12, 31, 18, tzinfo=UTC)
        assert code.email == "reader@example.org"


@pytest.mark.django_db(databases=["default", "other"])
def test_the_database_can_be_chosen(run, file):
    codes = fresh(2)
    assert "in 'other'" in run(file(codes), "--database", "other")
    assert stored(InviteBatch.objects.using("other").latest("pk"), "other") == codes


def test_standard_input_will_do(run, monkeypatch):
    codes = fresh(2)
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO("\n".join(codes).encode())))
    run("-")
    assert stored(newest_batch()) == codes
    assert not sys.stdin.buffer.closed


def test_what_was_refused_is_told_by_its_line_and_the_rest_is_imported(run, file):
    first, second = fresh(2)
    known = InviteCodeFactory().code
    path = file([first, "short", known, second, first])
    with pytest.raises(CommandError) as raised:
        run(path)
    assert raised.value.returncode == 1
    assert str(raised.value) == (
        "3 lines were refused; what is right in the others is imported.\n"
        "  line 2: A code has 16 symbols.\n"
        "  line 3: This code is in the database already.\n"
        "  line 5: This code is in the file twice."
    )
    assert stored(newest_batch()) == [first, second]


def test_it_is_said_how_many_were_imported_beside_those_refused(capsys, file):
    with pytest.raises(CommandError, match="1 line was refused; what is right"):
        call_command("import_invite_codes", str(file([*fresh(2), "short"])))
    assert "imported 2 codes in 'default'" in capsys.readouterr().out


def test_lines_beyond_the_report_are_counted(run, file, monkeypatch):
    monkeypatch.setattr("invite_code.importing.MAX_REFUSED", 2)
    with pytest.raises(CommandError) as raised:
        run(file(["short"] * 5))
    assert str(raised.value) == (
        "5 lines were refused: nothing is imported.\n"
        "  line 1: A code has 16 symbols.\n"
        "  line 2: A code has 16 symbols.\n"
        "  and 3 more"
    )


def test_a_dry_run_says_the_same_and_imports_nothing(
    run, file, issued, caplog, django_capture_on_commit_callbacks
):
    before = number_of_rows()
    path = file(fresh(2))
    caplog.set_level(logging.INFO, "invite_code")
    with django_capture_on_commit_callbacks(execute=True):
        assert run(path, "--dry-run") == "Would import 2 codes in 'default'.\n"
        with pytest.raises(CommandError, match="others would be imported"):
            run(file([*fresh(1), "short"]), "--dry-run")
        with pytest.raises(CommandError, match="nothing would be imported"):
            run(file(["short"]), "--dry-run")
    assert number_of_rows() == before
    assert issued == []
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("extra", "is_dry"), [([], False), (["--dry-run"], True)], ids=["real", "dry"]
)
def test_json_is_for_programs(capsys, file, extra, is_dry):
    path = file([*fresh(2), "short"])
    with pytest.raises(
        CommandError, match=r"^1 line was refused; what is right[^\n]*$"
    ):
        call_command("import_invite_codes", str(path), "--json", *extra)
    assert json.loads(capsys.readouterr().out) == {
        "batch": None if is_dry else newest_batch().pk,
        "imported": 2,
        "refused": [{"line": 3, "reason": "A code has 16 symbols."}],
        "refused_count": 1,
        "database": "default",
        "dry_run": is_dry,
    }


def test_it_is_logged_without_a_code(run, file, caplog):
    code = fresh(1)[0]
    caplog.set_level(logging.INFO, "invite_code")
    with pytest.raises(CommandError):
        run(file([code, code]))
    assert caplog.messages == [
        f"Imported 1 codes into batch {newest_batch().pk} in 'default'; 1 lines were"
        " refused."
    ]


@pytest.mark.parametrize("content", [b"", b"\n \n", b"code\n", b"\xef\xbb\xbf"])
def test_a_file_without_a_code_is_an_error(run, tmp_path, content):
    path = tmp_path / "empty.txt"
    path.write_bytes(content)
    with pytest.raises(CommandError, match=r"There is no code in .*empty\.txt"):
        run(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0", "Line 1 has a NUL"),
        ("CODE\n".encode("utf-16"), "UTF-16"),
        (b"caf\xe9\n", "Line 1 is not UTF-8"),
        (b"x" * 2**20, "Line 1 has more than 16384 bytes"),
        (b'code\n"x', "The table is broken from line 2 on"),
    ],
)
def test_a_file_that_is_no_list_is_explained(run, tmp_path, content, message):
    path = tmp_path / "list"
    path.write_bytes(content)
    before = number_of_rows()
    with pytest.raises(CommandError, match=message):
        run(path)
    assert number_of_rows() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: file"),
        (["/nowhere"], r"/nowhere: No such file or directory\."),
        (["/tmp"], r"/tmp: Is a directory\."),
        (["\udcff"], "is not text"),
        (["/dev/null", "--label", "x" * 201], "at most 200 characters"),
        (["/dev/null", "--max-uses", "0"], "'0' is not a whole number"),
        (["/dev/null", "--email", "reader"], "is not an e-mail address"),
        (["/dev/null", "--expires", "2020-01-01"], "is in the past"),
        (
            [
                *("/dev/null", "--valid-from", "2099-01-02"),
                *("--expires", "2099-01-01"),
            ],
            "cannot expire",
        ),
    ],
)
def test_bad_input_is_explained(run, arguments, message):
    with pytest.raises(CommandError, match=message):
        run(*arguments)


def failing(monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(command, "import_codes", fail)


def test_after_control_c_nothing_is_imported(run, file, monkeypatch):
    failing(monkeypatch, KeyboardInterrupt)
    with pytest.raises(CommandError, match="Stopped: nothing was imported") as raised:
        run(file(fresh(1)))
    assert raised.value.returncode == 130


def test_control_c_may_come_too_late(file, monkeypatch, seeded_database):
    import_codes = command.import_codes

    def import_and_stop(*args, **kwargs):
        import_codes(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "import_codes", import_and_stop)
    path = str(file(fresh(1)))
    with pytest.raises(CommandError, match="Stopped too late: batch") as raised:
        call_command("import_invite_codes", path, "--database", seeded_database)
    assert raised.value.returncode == 130


def test_who_has_to_give_way_is_told_to_try_again(run, file, monkeypatch):
    error = OperationalError("deadlock")
    error.__cause__ = Exception(1213, "deadlock")
    failing(monkeypatch, error)
    with pytest.raises(CommandError, match="nothing was changed: try again"):
        run(file(fresh(1)))


def test_a_missing_table_is_explained(run, file, empty_database):
    with pytest.raises(CommandError, match=r"run 'manage\.py migrate'"):
        run(file(fresh(1)), "--database", empty_database)


def test_another_error_of_the_database_is_raised(run, file, seeded_database):
    with connections[seeded_database].cursor() as cursor:
        cursor.execute("ALTER TABLE invite_code_invitecode RENAME COLUMN uses TO used")
    with pytest.raises(DatabaseError, match="uses"):
        run(file(fresh(1)), "--database", seeded_database)


def test_an_operational_error_that_is_no_contention_is_raised(run, file, monkeypatch):
    failing(monkeypatch, OperationalError("The server is gone."))
    with pytest.raises(OperationalError, match="gone"):
        run(file(fresh(1)))


def test_what_was_exported_is_imported_again(seeded_database, tmp_path):
    exported = tmp_path / "codes.csv"
    at = ["--database", seeded_database]
    call_command("export_invite_codes", "--output", str(exported), *at, "-v0")
    with pytest.raises(CommandError, match="5 lines were refused: nothing"):
        call_command("import_invite_codes", str(exported), *at)
    InviteCode.objects.using(seeded_database).all().delete()
    call_command("import_invite_codes", str(exported), *at)
    assert InviteCode.objects.using(seeded_database).count() == 5


@pytest.mark.parametrize(
    ("lines", "status", "out", "err"),
    [
        (2, 0, r"Batch \d+: imported 2 codes in 'default'\.\n", ""),
        (0, 1, "", "CommandError: There is no code in -.\n"),
    ],
)
def test_a_process_exits_as_documented(seeded_database, lines, status, out, err):
    name = str(connections[seeded_database].settings_dict["NAME"])
    done = subprocess.run(
        [sys.executable, "manage.py", "import_invite_codes", "-"],
        cwd=settings.BASE_DIR,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "example_project.settings",
            "DATABASE_NAME": name,
        },
        input="\n".join(fresh(lines)),
        capture_output=True,
        check=False,
        text=True,
    )
    assert (done.returncode, done.stderr) == (status, err)
    assert re.fullmatch(out, done.stdout)


def test_the_help_shows_an_example(capsys):
    with pytest.raises(SystemExit):
        call_command("import_invite_codes", "--help")
    assert "codes.csv --label Conference" in capsys.readouterr().out
