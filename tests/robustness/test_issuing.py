"""The short form of ``issuing_faults``; its docstring says how to run it in full."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
from django.conf import settings

from invite_code import tasks


@pytest.fixture(autouse=True)
def what_it_takes():
    missing = [name for name in ("gunicorn", "django_tasks_db") if not find_spec(name)]
    if missing or not tasks.available():
        reason = f"{', '.join(missing) or tasks.SOURCE} is not installed."
        pytest.fail(reason) if "CI" in os.environ else pytest.skip(reason)


def run_faults(*options):
    command = [sys.executable, "-m", "tests.robustness.issuing_faults", *options]
    return subprocess.run(
        command, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=300
    )


def test_batches_stay_whole_whoever_is_killed():
    result = run_faults("--kills=3", "--count=20000")
    assert result.returncode == 0, result.stdout + result.stderr


def broken_naively(ways):
    """Return the ways that left a part of a batch, and lied if they say anything."""
    result = run_faults("--naive", "--kills=4", "--count=20000", *ways)
    rows = [line.split() for line in result.stdout.splitlines()[1:-1]]
    assert {way for way, *_ in rows} == ways, result.stderr
    return {
        way
        for way, _, _, _, some, lies, _ in rows
        if int(some) and (int(lies) or way != "ctrl-c")
    }


def test_these_kills_break_naive_issuing():
    ways = {"command", "ctrl-c", "task", "web"}
    # A busy machine may be slower in the one moment that is to be hit.
    for _ in range(5):
        if ways:
            ways -= broken_naively(ways)
    assert not ways
