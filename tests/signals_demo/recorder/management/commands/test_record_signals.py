import json
import os
import subprocess
import sys
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command, load_command_class

TOPPINGS = [{"model": "signals_demo.topping", "pk": 1, "fields": {"name": "ham"}}]


@pytest.fixture
def fixture_file(tmp_path):
    path = tmp_path / "toppings.json"
    path.write_text(json.dumps(TOPPINGS))
    return str(path)


def record(*arguments, stdout=None, **options):
    stdout = stdout or StringIO()
    call_command("record_signals", *arguments, stdout=stdout, **options)
    return stdout.getvalue()


def sent(output):
    """Return the names of the signals of a tree, without what is inside of them."""
    lines = [line for line in output.splitlines() if line[:1].islower()]
    return [line.split()[0] for line in lines]


@pytest.mark.django_db
def test_the_signals_of_a_command_are_shown(fixture_file, capfd):
    output = record("--", "loaddata", fixture_file, "--skip-checks", no_color=True)
    assert sent(output)[-2:] == ["pre_save", "post_save"]
    assert "\npre_save signals_demo.Topping(1) raw" in output
    assert output.splitlines()[0] == ""
    assert output.splitlines()[-2].startswith("4 signals, ")
    assert "\npost_init signals_demo.Topping(1)" not in output
    assert max(map(len, output.splitlines())) <= 79
    assert capfd.readouterr().out == "Installed 1 object(s) from 1 fixture(s)\n"


@pytest.mark.django_db
def test_what_nobody_received_is_shown_if_asked_for(fixture_file):
    output = record("--all", "--", "loaddata", fixture_file, no_color=True)
    assert "\npost_init signals_demo.Topping(1)" in output


@pytest.mark.django_db
@pytest.mark.parametrize(
    "options",
    [
        ["--signal", "post_save"],
        ["--signal=post_save", "--sender=signals_demo.Topping"],
        ["--signal=post_save", "--app=signals_demo", "--app=auth"],
    ],
)
def test_only_some_are_shown(fixture_file, options):
    output = record(
        *options, "--", "loaddata", fixture_file, "--skip-checks", no_color=True
    )
    assert sent(output) == ["post_save"]


@pytest.mark.django_db
def test_only_so_many_are_kept(fixture_file):
    output = record(
        "--max-entries", "1", "--", "loaddata", fixture_file, "--skip-checks"
    )
    assert "found no room" in output.splitlines()[-1]


@pytest.mark.django_db
@pytest.mark.parametrize("form", ["json", "perfetto"])
def test_what_programs_read_stands_alone(fixture_file, capfd, form):
    output = record("--format", form, "--", "loaddata", fixture_file, "--skip-checks")
    assert "post_save" in json.dumps(json.loads(output))
    assert capfd.readouterr() == ("", "Installed 1 object(s) from 1 fixture(s)\n")


@pytest.mark.django_db
@pytest.mark.parametrize("form", ["text", "json", "perfetto"])
def test_it_is_written_to_a_file(fixture_file, tmp_path, capfd, form):
    path, stderr = tmp_path / "out", StringIO()
    options = [
        "--format",
        form,
        "--output",
        str(path),
        "--",
        "loaddata",
        fixture_file,
        "--skip-checks",
    ]
    assert record(*options, stderr=stderr) == ""
    assert "post_save" in path.read_text(encoding="utf-8")
    assert stderr.getvalue().startswith(f"Wrote {path}. 4 signals, ")
    assert capfd.readouterr().out.startswith("Installed 1 object")


@pytest.mark.django_db
def test_a_command_that_fails_is_shown_too(tmp_path):
    path, stdout = tmp_path / "out", StringIO()
    for options in ([], ["--output", str(path)]):
        with pytest.raises(CommandError, match="No fixture named"):
            record(
                *options, "--", "loaddata", "no_such", "--skip-checks", stdout=stdout
            )
    assert " signals, " in stdout.getvalue()
    assert " signals, " in path.read_text()


def interrupted(*args, **options):
    raise KeyboardInterrupt


def test_one_that_is_interrupted_too(monkeypatch):
    check = "django.core.management.commands.check.Command.handle"
    monkeypatch.setattr(check, interrupted)
    stdout = StringIO()
    with pytest.raises(KeyboardInterrupt):
        record("--", "check", stdout=stdout)
    assert "0 signals, " in stdout.getvalue()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], r"^Say what to run: -- loaddata books\.json, or --shell\.$"),
        (["--", "migrat"], r"to run\. Did you mean migrate\?$"),
        (["--shell", "--", "migrate"], "^Either --shell or a command, not both"),
        (["--max-entries=0", "--", "check"], "^--max-entries must be 1 or more"),
        (["--output=/", "--", "check"], "^/ cannot be written: Is a directory"),
        (["--output=/no/x", "--", "check"], "cannot be written: No such file or dir"),
        (["--", "check", "--no-such"], "unrecognized arguments: --no-such"),
    ],
)
def test_what_makes_no_sense_is_an_error(arguments, message):
    with pytest.raises(CommandError, match=message):
        record(*arguments)


@pytest.mark.django_db
def test_an_ascii_terminal_is_given_ascii():
    stdout = TextIOWrapper(BytesIO(), encoding="ascii")
    call_command(
        "record_signals", "--", "migrate", "--skip-checks", "-v0", stdout=stdout
    )
    text = stdout.buffer.getvalue().decode("ascii")
    assert "`- " in text
    assert " us" in text


@pytest.fixture(scope="module")
def manage(tmp_path_factory):
    """Run ``manage.py`` as people do, with a database of its own."""
    environ = {
        **os.environ,
        "DATABASE_VENDOR": "sqlite",
        "DATABASE_NAME": str(tmp_path_factory.mktemp("manage") / "db.sqlite3"),
        "DJANGO_SETTINGS_MODULE": "example_project.settings",
        "PYTHONIOENCODING": "utf-8",
        "COLUMNS": "80",
    }

    def manage(command, **options):
        line = f'"{sys.executable}" -W error manage.py {command}'
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=settings.BASE_DIR,
            env=environ,
            capture_output=True,
            text=True,
            **options,
        )

    return manage


def test_migrate_in_a_fresh_database_is_shown(manage):
    result = manage("record_signals -- migrate")
    assert (result.stderr, result.returncode) == ("", 0)
    lines = result.stdout.splitlines()
    assert any(line.startswith("post_migrate AppConfig auth ") for line in lines)
    assert any("create_permissions" in line for line in lines)
    assert "\x1b" not in result.stdout
    tree = lines[lines.index("") :]
    assert max(map(len, tree)) <= 79


def test_a_shell_reads_what_is_piped_into_it(manage):
    code = "from django.dispatch import Signal\nprint(Signal().send(None, x=1))\n"
    result = manage("record_signals --shell --format json", input=code)
    assert result.returncode == 0
    (entry,) = json.loads(result.stdout)["entries"][-1:]
    assert entry["arguments"] == {"x": 1}
    assert "[]" in result.stderr


def test_the_exit_code_is_kept(manage):
    result = manage("record_signals -- makemigrations no_such_app")
    assert result.returncode == 2
    assert " signals, " in result.stdout
    assert "No installed app with label 'no_such_app'" in result.stderr


def test_a_reader_may_have_seen_enough(manage):
    # Longer than what a pipe holds.
    code = "from django.core.signals import request_finished as signal\n"
    code += "for _ in range(3000): signal.send(None)"
    result = manage("record_signals -- shell --verbosity 0 | head -1", input=code)
    assert (result.stdout, result.stderr, result.returncode) == ("\n", "", 0)


def test_a_pipe_that_is_closed_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stdout:
        call_command("record_signals", "--", "diffsettings", stdout=stdout)
        stdout.write("Nobody reads this, and nobody complains.")


def test_a_shell_is_a_command(monkeypatch):
    shell = "django.core.management.commands.shell.Command.handle"
    monkeypatch.setattr(shell, lambda *args, **options: None)
    assert "0 signals, " in record("--shell")


def test_help_reads_well():
    command = load_command_class("signals_demo.recorder", "record_signals")
    parser = command.create_parser("manage.py", "record_signals")
    words = " ".join(parser.format_help().split())
    assert "[-- command ...]" in words
    assert "Runs another command and shows every signal that was sent" in words
    assert "How many entries to keep; 20,000 by default." in words
