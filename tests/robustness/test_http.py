"""The short form of ``http_race``; its docstring says how to run it in full."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
from django.conf import settings


@pytest.fixture(autouse=True)
def gunicorn():
    if find_spec("gunicorn") is None:
        reason = "gunicorn is not installed."
        pytest.fail(reason) if "CI" in os.environ else pytest.skip(reason)


def run_race(*options):
    command = [sys.executable, "-m", "tests.robustness.http_race", "--clients=16"]
    return subprocess.run(
        [*command, *options],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("options", [(), ("--atomic", "--kill")])
def test_codes_let_in_as_many_as_they_may(options):
    result = run_race("--codes=20", *options)
    assert result.returncode == 0, result.stdout + result.stderr


def test_these_clients_break_a_naive_sign_up():
    result = run_race("--codes=20", "--naive")
    assert result.returncode == 1, result.stdout + result.stderr
    assert result.stdout.endswith("Something went wrong.\n")
