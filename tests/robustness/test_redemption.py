"""The short form of ``redemption_race``; its docstring says how to run it in full."""

import subprocess
import sys

from django.conf import settings

FEW = ("--clients=8", "--codes=20")


def run_race(*options):
    command = [sys.executable, "-m", "tests.robustness.redemption_race", *options]
    return subprocess.run(
        command, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=300
    )


def column(name, table):
    """Return the numbers of a column; the names of modes have blanks."""
    heads, *rows = [line.split() for line in table.splitlines()]
    place = heads.index(name) - len(heads)
    return [int(row[place]) for row in rows if row[-1].replace(".", "").isdigit()]


def test_codes_let_in_exactly_whom_they_may():
    result = run_race(*FEW)
    assert result.returncode == 0, result.stdout + result.stderr
    assert len(column("granted", result.stdout)) >= 10
    assert min(column("granted", result.stdout)) > 8


def test_looking_first_and_then_saving_lets_in_too_many():
    result = run_race(*FEW, "--only=member", "--naive")
    assert result.returncode == 1, result.stdout + result.stderr
    assert sum(column("double", result.stdout)) > 0
