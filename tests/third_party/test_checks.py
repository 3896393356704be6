"""The checks of signals are silent on what others do well, and on nothing else."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.third_party.settings import PACKAGES

RECEIVING = [each for each in PACKAGES if each not in ("fido2", "psycopg")]
MISTAKES = """
import django
from django.core.management import call_command
from django.db.models.signals import post_delete, post_save

django.setup()
post_save.connect(lambda sender, **kwargs: None)
post_delete.connect(lambda sender, **kwargs: None, weak=False)
call_command("check", tags=["signals"])
"""


@pytest.fixture(scope="module", autouse=True)
def packages():
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        reason = f"Not installed: {', '.join(missing)}."
        pytest.fail(reason) if "CI" in os.environ else pytest.skip(reason)


def python(*arguments, debug="1"):
    settings = {"DJANGO_SETTINGS_MODULE": "tests.third_party.settings"}
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        env=os.environ | settings | {"THIRD_PARTY_DEBUG": debug},
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("debug", ["1", ""], ids=["DEBUG", "not DEBUG"])
def test_there_is_no_false_alarm(debug):
    said = python("-m", "django", "check", "--tag", "signals", debug=debug)
    assert said == "System check identified no issues (0 silenced).\n"


@pytest.mark.parametrize("package", [*RECEIVING, "allauth.mfa"])
def test_each_package_has_receivers(receivers, package):
    assert any(name.startswith(f"{package}.") for name in receivers)


@pytest.fixture(scope="module")
def receivers(packages):
    """Return the names of all receivers of the project."""
    signals = json.loads(python("-m", "django", "list_receivers", "--format", "json"))
    return {each["name"] for signal in signals for each in signal["receivers"]}


def test_mistakes_beside_them_are_found():
    said = python("-c", MISTAKES)
    assert "<lambda>: (signals_demo.W001)" in said
    assert "<lambda>: (signals_demo.W008)" in said
    assert "identified 2 issues" in said
