"""The short form of ``django_suites``; its docstring says how to run it in full."""

import os
import subprocess
import sys

import pytest
from django.conf import settings


def test_djangos_own_tests_do_not_notice_a_recording():
    if "CI" not in os.environ:
        pytest.skip("It takes a minute, and fetches Django's tests: CI runs it.")
    result = subprocess.run(
        [sys.executable, "-m", "tests.robustness.django_suites", "--short"],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout + result.stderr
