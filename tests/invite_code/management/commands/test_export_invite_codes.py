import json
import logging
import os
import re
import stat
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections
from django.utils import timezone

from invite_code.codes import CodeFormat
from invite_code.exporting import as_csv, as_json_lines
from invite_code.handing_out import given, hand_out
from invite_code.issuing import issue
from invite_code.management.commands import export_invite_codes as command
from invite_code.models import InviteCode
from invite_code.revoking import revoke_batch

pytestmark = pytest.mark.django_db

LINK = "https://example.org/invite/signup/"


@pytest.fixture
def run(capfdbinary):
    """Run the command; return the text that it printed."""

    def run(*arguments):
        call_command("export_invite_codes", *map(str, arguments))
        return capfdbinary.readouterr().out.decode()

    return run


@pytest.fixture
def batch():
    return issue(3, label="Newsletter")


def shown(codes):
    stored = codes.order_by("pk").values_list("code", flat=True)
    return [CodeFormat().display(code) for code in stored]


def test_codes_of_a_batch_are_printed_as_csv(run, batch):
    issue(2)
    assert run("--batch", batch.pk) == "".join(as_csv(batch.codes.all()))


def test_all_codes_are_printed_if_not_said_otherwise(run, batch):
    assert run() == "".join(as_csv(InviteCode.objects.all()))


def test_codes_of_a_hand_out_are_printed(run, batch):
    hand_out(batch, 1)
    line = hand_out(batch, 2, to="The Daily Planet")
    expected = "".join(as_csv(given(line, "default")))
    assert expected.count("The Daily Planet") == 2
    assert run("--hand-out", line.pk) == expected
    assert run("--hand-out", line.pk, "--batch", batch.pk) == expected


def test_unused_codes_are_those_that_can_be_handed_out(run, batch):
    hand_out(batch, 1)
    revoked = batch.codes.filter(hand_out=None).first()
    batch.codes.filter(pk=revoked.pk).update(revoked_at=timezone.now())
    [left] = batch.codes.filter(hand_out=None, revoked_at=None)
    printed = run("--batch", batch.pk, "--unused").splitlines()
    assert [line.split(",")[0] for line in printed[1:]] == [
        CodeFormat().display(left.code)
    ]


def test_no_code_of_a_revoked_batch_is_unused(run, batch):
    revoke_batch(batch)
    assert run("--batch", batch.pk, "--unused").count("\n") == 1


def test_json_lines_are_printed(run, batch):
    printed = run("--batch", batch.pk, "--format", "jsonl")
    assert printed == "".join(as_json_lines(batch.codes.all()))
    assert [json.loads(line)["code"] for line in printed.splitlines()] == shown(
        batch.codes.all()
    )


def test_a_sheet_is_a_page_that_needs_nothing_else(run, batch):
    page = run("--batch", batch.pk, "--format", "sheet", "--link", LINK)
    links = re.findall('href="(.*?)"', page)
    assert links == [f"{LINK}?code={code}" for code in shown(batch.codes.all())]
    assert "<style>" in page


@pytest.mark.django_db(databases=["default", "other"])
def test_the_database_can_be_chosen(run):
    batch = issue(2, using="other")
    codes = InviteCode.objects.using("other").filter(batch=batch.pk)
    printed = run("--batch", batch.pk, "--database", "other")
    assert printed == "".join(as_csv(codes))


def test_text_is_utf_8_whatever_the_terminal_speaks(run):
    batch = issue(1, label="Zoë, 北京")
    assert '"Zoë, 北京"' in run("--batch", batch.pk)


def test_a_program_may_collect_the_text(batch):
    text = StringIO()
    call_command("export_invite_codes", "--batch", str(batch.pk), stdout=text)
    assert text.getvalue() == "".join(as_csv(batch.codes.all()))


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ([], "Exported 3 codes of batch {} in 'default' as csv."),
        (["--format", "jsonl"], "Exported 3 codes of batch {} in 'default' as jsonl."),
    ],
)
def test_it_says_and_logs_how_many_without_a_code(capsys, caplog, batch, extra, words):
    with caplog.at_level(logging.INFO, "invite_code"):
        call_command("export_invite_codes", "--batch", str(batch.pk), *extra)
    said = words.format(batch.pk)
    assert capsys.readouterr().err == f"{said}\n"
    assert caplog.messages == [said]


def test_it_says_what_was_exported_in_words(capsys, caplog):
    line = hand_out(issue(3), 1)
    with caplog.at_level(logging.INFO, "invite_code"):
        call_command("export_invite_codes", "--hand-out", str(line.pk), "-v0")
    assert capsys.readouterr().err == ""
    assert caplog.messages == [
        f"Exported 1 code of hand-out {line.pk} in 'default' as csv."
    ]


def test_a_file_is_for_its_owner_alone(run, batch, tmp_path):
    file = tmp_path / "codes.csv"
    assert run("--batch", batch.pk, "--output", file) == ""
    assert file.read_bytes().decode() == "".join(as_csv(batch.codes.all()))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_exists_is_overwritten_only_by_force(run, batch, tmp_path):
    file = tmp_path / "codes.csv"
    file.write_text("mine")
    with pytest.raises(CommandError, match=r"codes\.csv exists: --force overwrites"):
        run("--batch", batch.pk, "--output", file)
    assert file.read_text() == "mine"
    file.chmod(0o644)
    run("--batch", batch.pk, "--output", file, "--force")
    assert file.read_text().startswith("code,")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_link_is_followed(run, batch, tmp_path):
    (tmp_path / "there").mkdir()
    link, target = tmp_path / "link.csv", tmp_path / "there" / "codes.csv"
    link.symlink_to(target)
    run("--batch", batch.pk, "--output", link)
    assert link.is_symlink()
    assert target.read_text().startswith("code,")


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_what_is_no_file_is_left_alone(run, batch, tmp_path, force):
    for path in (tmp_path, "/dev/null"):
        with pytest.raises(CommandError, match="is no file"):
            run("--batch", batch.pk, "--output", path, *force)
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("name", ["missing/codes.csv", "x" * 300])
def test_a_file_that_cannot_be_written_is_explained(run, batch, tmp_path, name):
    with pytest.raises(CommandError, match=r"No such file|File name too long"):
        run("--batch", batch.pk, "--output", tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def failing(monkeypatch):
    """Make the export fail after the first code."""

    def fail(error):
        def format_(codes, progress):
            yield "first\n"
            progress(1)
            raise error

        monkeypatch.setitem(command.FORMATS, "csv", format_)

    return fail


def test_after_control_c_a_file_is_as_it_was(run, tmp_path, failing, caplog):
    file = tmp_path / "codes.csv"
    file.write_text("mine")
    failing(KeyboardInterrupt)
    with pytest.raises(
        CommandError, match=r"^Stopped\. .*codes\.csv is as it"
    ) as raised:
        run("--output", file, "--force")
    assert raised.value.returncode == 130
    assert file.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [file]
    assert not caplog.messages


def test_after_control_c_it_is_logged_what_was_printed(run, failing, caplog):
    failing(KeyboardInterrupt)
    with (
        caplog.at_level(logging.INFO, "invite_code"),
        pytest.raises(CommandError, match=r"^Stopped\.$") as raised,
    ):
        run()
    assert raised.value.returncode == 130
    assert caplog.messages == ["Exported 1 code in 'default' as csv."]


@pytest.mark.parametrize("error", [OSError(5, "I/O error"), MemoryError("No room.")])
def test_whatever_ends_it_what_was_printed_is_logged(run, failing, caplog, error):
    failing(error)
    with (
        caplog.at_level(logging.INFO, "invite_code"),
        pytest.raises((CommandError, MemoryError)),
    ):
        run()
    assert caplog.messages == ["Exported 1 code in 'default' as csv."]


@pytest.mark.parametrize("format_", [["csv"], ["sheet", "--link", LINK]])
def test_what_nobody_reads_to_its_end_is_logged_as_printed(batch, caplog, format_):
    class Pipe(StringIO):
        """Its reader goes away in the middle of the first codes."""

        def write(self, text):
            if CodeFormat().display(first.code) in text:
                raise BrokenPipeError
            return len(text)

        def fileno(self):
            return os.open(os.devnull, os.O_WRONLY)

    first = batch.codes.order_by("pk")[0]
    arguments = ["--batch", str(batch.pk), "--format", *format_]
    with caplog.at_level(logging.INFO, "invite_code"):
        call_command("export_invite_codes", *arguments, stdout=Pipe())
    printed = "3 codes" if format_ == ["csv"] else "1 code"
    assert caplog.messages[0].startswith(f"Exported {printed} of batch {batch.pk} ")


def test_of_what_was_never_printed_nothing_is_logged(run, caplog):
    with caplog.at_level(logging.INFO, "invite_code"), pytest.raises(CommandError):
        run("--format", "sheet", "--link", "example")
    assert not caplog.messages


def test_a_file_that_fails_half_way_leaves_nothing(run, tmp_path, failing):
    failing(OSError(28, "No space left on device"))
    with pytest.raises(CommandError, match=r"codes\.csv: No space left on device"):
        run("--output", tmp_path / "codes.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--format", "sheet"], 2, "--format sheet and --link go together"),
        (["--link", LINK], 2, "--format sheet and --link go together"),
        (["--unused"], 2, "--unused needs a --batch"),
        (["--force"], 2, "--force needs an --output"),
        (["--unused", "--hand-out", "1"], 1, "not allowed with argument"),
        (["--batch", "0"], 1, "'0' is not a whole number"),
        (["--batch", "2147483647"], 1, "There is no batch 2147483647 in 'default'"),
        (["--hand-out", "2147483647"], 1, "There is no hand-out 2147483647 in 'defa"),
        (["--format", "xlsx"], 1, "invalid choice: 'xlsx'"),
        (["--database", "nowhere"], 1, "invalid choice: 'nowhere'"),
        (["--format", "sheet", "--link", "example"], 1, "'example' is not the address"),
        (["--format", "sheet", "--link", ""], 1, "'' is not the address of a page"),
        (["--output", "\udcff"], 1, "is not text"),
    ],
)
def test_bad_input_is_explained(run, arguments, status, message):
    with pytest.raises(CommandError, match=message) as raised:
        run(*arguments)
    assert raised.value.returncode == status


def test_a_hand_out_of_another_batch_is_explained(run, batch):
    line = hand_out(batch, 1)
    with pytest.raises(
        CommandError, match=f"Hand-out {line.pk} is of batch {batch.pk}"
    ):
        run("--hand-out", line.pk, "--batch", issue(1).pk)


def test_too_many_codes_for_a_sheet_leave_no_file(run, monkeypatch, batch, tmp_path):
    monkeypatch.setattr("invite_code.sheet.MAX_CODES", 2)
    arguments = ["--batch", batch.pk, "--format", "sheet", "--link", LINK]
    with pytest.raises(CommandError, match="at most 2 codes"):
        run(*arguments, "--output", tmp_path / "sheet.html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("which", [[], ["--batch", "1"], ["--hand-out", "1"]])
def test_a_missing_table_is_explained(run, empty_database, which):
    with pytest.raises(CommandError, match=r"run 'manage\.py migrate'"):
        run("--database", empty_database, *which)


def test_another_error_of_the_database_is_raised(run, seeded_database):
    with connections[seeded_database].cursor() as cursor:
        cursor.execute("ALTER TABLE invite_code_invitecode RENAME COLUMN uses TO used")
    with pytest.raises(DatabaseError, match="uses"):
        run("--database", seeded_database)


def test_it_stops_quietly_when_nobody_reads(batch, capsys):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as pipe:
        call_command("export_invite_codes", "--batch", str(batch.pk), stdout=pipe)
    assert capsys.readouterr().err.startswith("Exported ")


def test_it_says_when_it_cannot_write(batch, capsys):
    arguments = ["--batch", str(batch.pk)]
    with (
        open("/dev/full", "w") as full,
        pytest.raises(CommandError, match="standard output: No space left"),
    ):
        call_command("export_invite_codes", *arguments, stdout=full)
    assert capsys.readouterr().err == ""


@pytest.fixture
def shell(seeded_database):
    """Run a line of a shell in which $export is the command; there are many codes."""
    issue(5000, using=seeded_database)
    name = str(connections[seeded_database].settings_dict["NAME"])

    def shell(line):
        return subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line}"],
            env=os.environ
            | {
                "DJANGO_SETTINGS_MODULE": "example_project.settings",
                "DATABASE_NAME": name,
                "PYTHONUNBUFFERED": "",  # As a shell has it.
                "export": f"{sys.executable} {settings.BASE_DIR}/manage.py"
                " export_invite_codes",
            },
            capture_output=True,
            check=False,
            text=True,
        )

    return shell


def test_a_reader_who_has_enough_is_no_error(shell):
    done = shell("$export | head -n 1")
    assert done.stdout.startswith("code,batch,label,")
    assert re.fullmatch(r"Exported \d+ codes in 'default' as csv\.\n", done.stderr)
    assert done.returncode == 0


def test_a_reader_who_wants_nothing_is_no_error(shell):
    done = shell("$export --batch 1 | true")
    assert done.stderr == "Exported 5 codes of batch 1 in 'default' as csv.\n"
    assert done.returncode == 0


@pytest.mark.parametrize("extra", ["", "--batch 1"])
def test_a_full_disk_is_explained(shell, extra):
    done = shell(f"$export {extra} > /dev/full")
    assert done.stderr == "CommandError: standard output: No space left on device.\n"
    assert done.returncode == 1


def test_a_terminal_that_speaks_ascii_gets_all_of_it(shell):
    done = shell("PYTHONIOENCODING=ascii $export | wc -l")
    assert int(done.stdout) == 1 + 5 + 5000
    assert done.returncode == 0


def test_the_help_shows_an_example(capsys):
    with pytest.raises(SystemExit):
        call_command("export_invite_codes", "--help")
    assert "--batch 3 --output codes.csv" in capsys.readouterr().out
