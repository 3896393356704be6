"""The short form of ``hand_out_race``; its docstring says how to run it in full."""

import subprocess
import sys

from django.conf import settings

FEW = ("--processes=4", "--codes=10", "--rounds=10")


def run_race(*options):
    command = [sys.executable, "-m", "tests.robustness.hand_out_race", *options]
    return subprocess.run(
        command, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=300
    )


def column(name, table):
    """Return the numbers of a column; the names of modes have blanks."""
    heads, *rows = [line.split() for line in table.splitlines()]
    place = heads.index(name) - len(heads)
    return [int(row[place]) for row in rows if row[-1].replace(".", "").isdigit()]


def test_each_code_is_given_once():
    result = run_race(*FEW)
    assert result.returncode == 0, result.stdout + result.stderr
    assert set(column("given", result.stdout)) == {400}


def test_looking_first_and_then_saving_gives_codes_twice():
    result = run_race(*FEW, "--naive")
    assert result.returncode == 1, result.stdout + result.stderr
    assert sum(column("twice", result.stdout) + column("uneven", result.stdout)) > 0
