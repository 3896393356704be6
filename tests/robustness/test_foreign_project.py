"""``foreign_project`` as a test; its docstring says what it does."""

import os
import subprocess
import sys

import pytest
from django.conf import settings


def test_two_lines_show_the_signals_of_a_project_of_others():
    if "CI" not in os.environ:
        pytest.skip("It takes a minute, and fetches Wagtail: CI runs it.")
    result = subprocess.run(
        [sys.executable, "-m", "tests.robustness.foreign_project"],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout + result.stderr
