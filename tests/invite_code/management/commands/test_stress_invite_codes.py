import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction

from invite_code.errors import CodesExhausted
from invite_code.management.commands import stress_invite_codes as command
from invite_code.models import InviteBatch, InviteCode, Redemption
from invite_code.stressing import LABEL, SURPLUS, Verdict

run = partial(call_command, "stress_invite_codes")

GOOD = Verdict(
    per_second=500.4,
    driver_per_second=1000,
    tries=16_000,
    granted=4000,
    refused=12_000,
    oversold=0,
    lost=0,
    errors=[],
    driver_errors=[],
)
ERRORS = ["OperationalError: database is locked", "ValueError: no"]


@pytest.fixture
def stressed(monkeypatch, seeded_database):
    """Run the command for a verdict, or an error, that is given."""

    def stress(outcome, *arguments):
        def judge(**asked):
            if isinstance(outcome, Verdict):
                return outcome
            raise outcome

        monkeypatch.setattr(command, "stress", judge)
        run(*arguments, database=seeded_database)

    return stress


def test_it_says_what_it_found_and_that_nothing_is_left(seeded_database, capsys):
    run("--workers", "2", "--codes", "5", "--max-uses", "2", database=seeded_database)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Writing to '{seeded_database}', and loading it for a while."
    assert lines[1].startswith("2 workers, 5 codes, 2 use(s) each, in 'empty' (")
    counts = dict(map(str.split, lines[2:8]))
    assert counts == {
        "tries": str(5 * (2 + SURPLUS)),
        "granted": "10",
        "refused": str(5 * SURPLUS),
        "oversold": "0",
        "lost": "0",
        "errors": "0",
    }
    assert lines[-1] == "All that it wrote was removed."
    assert not InviteBatch.objects.using(seeded_database).filter(label=LABEL).exists()


def test_json_is_for_programs(stressed, capsys):
    stressed(GOOD, "--json", "--workers", "8", "--codes", "4000")
    assert json.loads(capsys.readouterr().out) == {
        "workers": 8,
        "codes": 4000,
        "max_uses": 1,
        "database": "empty",
        "vendor": connection.display_name,
        "tries": 16_000,
        "granted": 4000,
        "refused": 12_000,
        "oversold": 0,
        "lost": 0,
        "errors": 0,
        "driver_errors": 0,
        "per_second": 500,
        "driver_per_second": 1000,
        "ratio": 0.5,
    }


def test_the_table_is_for_people(stressed, capsys):
    stressed(GOOD)
    assert capsys.readouterr().out == (
        "Writing to 'empty', and loading it for a while.\n"
        "16 workers, 200 codes, 1 use(s) each, in 'empty'"
        f" ({connection.display_name}):\n"
        "  tries         16,000\n"
        "  granted        4,000\n"
        "  refused       12,000\n"
        "  oversold           0\n"
        "  lost               0\n"
        "  errors             0\n"
        "500 redemptions a second, 0.5 of the 1,000 that the driver\n"
        "makes by itself with the same two statements.\n"
        "All that it wrote was removed.\n"
    )


def test_a_driver_that_fails_is_told_and_nothing_wrong(stressed, capsys):
    failing = {"driver_errors": ERRORS, "driver_per_second": 0}
    stressed(Verdict(**vars(GOOD) | failing))
    shown = capsys.readouterr()
    assert shown.err == (
        "The driver failed 2 times; the first: OperationalError: database is locked\n"
    )
    assert "500 redemptions a second, none by the driver\nitself with" in shown.out
    stressed(Verdict(**vars(GOOD) | failing), "--json")
    result = json.loads(capsys.readouterr().out)
    assert (result["driver_errors"], result["ratio"]) == (2, None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"oversold": 2}, "2 oversold, 0 lost, 0 errors$"),
        ({"lost": 1}, "0 oversold, 1 lost, 0 errors$"),
        (
            {"errors": ERRORS},
            "0 lost, 2 errors; the first: Opera.*: database is locked",
        ),
    ],
)
def test_it_fails_if_anything_is_wrong(stressed, capsys, wrong, message):
    with pytest.raises(CommandError, match=message) as raised:
        stressed(Verdict(**vars(GOOD) | wrong), "--json")
    assert raised.value.returncode == 1
    [(name, value)] = wrong.items()
    found = json.loads(capsys.readouterr().out)[name]
    assert found == (len(value) if name == "errors" else value)


@pytest.mark.parametrize(
    ("error", "message", "returncode"),
    [
        (KeyboardInterrupt(), "^Stopped. All that it wrote was removed", 130),
        (CodesExhausted("None is left."), "^None is left. All that it wrote", 1),
        (ChildProcessError("One ended."), "^One ended. All that it wrote", 1),
    ],
)
def test_when_it_is_stopped_it_says_what_is_left(stressed, error, message, returncode):
    with pytest.raises(CommandError, match=message) as raised:
        stressed(error)
    assert raised.value.returncode == returncode


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "0"], "'0' is not a whole number from 1 to 256"),
        (["--workers", "257"], "'257' is not a whole number from 1 to 256"),
        (["--workers", "many"], "'many' is not a whole number"),
        (["--codes", "-1"], "'-1' is not a whole number from 1 to 4000"),
        (["--codes", "4001"], "not a whole number from 1 to 4000"),
        (["--max-uses", "0"], "'0' is not a whole number from 1 to 1000"),
        (["--max-uses", "9" * 2**20], "^[^\n]{,200}is not a whole number"),
        (["--database", "nowhere"], "invalid choice: 'nowhere'"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(CommandError, match=message):
        run(*arguments)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="The others are servers.")
def test_a_database_in_memory_is_refused():
    with pytest.raises(
        CommandError, match="'default' is in the memory of this process"
    ):
        run()


def test_without_a_settings_module_it_is_refused(seeded_database, monkeypatch):
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
    with pytest.raises(CommandError, match="Set DJANGO_SETTINGS_MODULE"):
        run(database=seeded_database)


def test_within_a_transaction_it_is_refused(seeded_database):
    with (
        transaction.atomic(using=seeded_database),
        pytest.raises(CommandError, match="do not see what a transaction writes"),
    ):
        run(database=seeded_database)


def test_without_tables_it_says_how_to_make_them(empty_database):
    with pytest.raises(CommandError, match=r"run 'manage\.py migrate'"):
        run(database=empty_database)


@pytest.fixture
def start(seeded_database):
    """Start the command in a shell's way, in the seeded database."""
    processes = []

    def start(*command):
        database = connections[seeded_database].settings_dict
        process = subprocess.Popen(
            [*command, "stress_invite_codes", "--workers", "2"],
            env=os.environ
            | {
                "DJANGO_SETTINGS_MODULE": "example_project.settings",
                "DATABASE_NAME": str(database["NAME"]),
                "PYTHONPATH": str(settings.BASE_DIR),
                "PYTHONUNBUFFERED": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    "way",
    [
        [sys.executable, str(Path(settings.BASE_DIR) / "manage.py")],
        [sys.executable, "-m", "django"],
        [str(Path(sys.executable).with_name("django-admin"))],
    ],
    ids=["manage.py", "python -m django", "django-admin"],
)
def test_it_runs_as_any_command_does(start, way):
    output, errors = start(*way).communicate(timeout=120)
    assert (output.splitlines()[-1:], errors) == (
        ["All that it wrote was removed."],
        "",
    )


def test_on_control_c_it_stops_and_removes_its_rows(start, seeded_database):
    codes = InviteCode.objects.using(seeded_database).order_by("pk")
    before = list(codes.values())
    process = start(sys.executable, "-m", "django")
    while not Redemption.objects.using(seeded_database).exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # As a terminal does.
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "CommandError: Stopped. All that it wrote was removed." in errors
    assert "Traceback" not in errors
    assert list(codes.values()) == before
    assert not Redemption.objects.using(seeded_database).exists()
