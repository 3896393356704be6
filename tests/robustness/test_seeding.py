"""The short form of ``seeding_faults``; its docstring says how to run it in full."""

import subprocess
import sys

from django.conf import settings


def run_faults(*options):
    command = [sys.executable, "-m", "tests.robustness.seeding_faults", *options]
    return subprocess.run(
        command, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=300
    )


def test_seed_stays_whole_whatever_disturbs_it():
    result = run_faults("--rounds=2", "--kills=10")
    assert result.returncode == 0, result.stdout + result.stderr


def breaks_in_each_way(*options):
    """Return whether the race and the kills, each, have left a broken seed."""
    result = run_faults(*options, "--naive")
    race, *kills = result.stdout.splitlines()[:3]
    return (
        result.returncode == 1
        and not race.endswith("{'200 codes, 0 processes failed': 2}")
        and not any(line.endswith(" 0 times not 200") for line in kills)
    )


def test_these_faults_break_a_naive_seeder():
    # A busy machine may be slower in the one moment that is to be hit.
    options = ("--rounds=2", "--kills=12", "--count=200")
    assert any(breaks_in_each_way(*options) for _ in range(4))
