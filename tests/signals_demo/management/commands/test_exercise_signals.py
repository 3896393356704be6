import gc
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from signals_demo import catalog, exercising
from signals_demo.models import Pizza, Topping
from signals_demo.scenarios import SCENARIOS, Scenario
from tests.factories import PizzaFactory, ToppingFactory, UserFactory


def exercise_signals(*args):
    stdout = StringIO()
    call_command("exercise_signals", *args, stdout=stdout, no_color=True)
    return stdout.getvalue()


def dump():
    """Return every row of every table."""
    with connection.cursor() as cursor:
        rows = {}
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            rows[table] = sorted(map(repr, cursor.fetchall()))
    return rows


def receivers():
    gc.collect()  # Models of migrations listen to setting_changed until then,
    for signal in catalog.signals():
        signal.load().has_listeners(Pizza)  # and are struck off at the next look.
    return {
        signal.name: {(entry[0], entry[-1]) for entry in signal.load().receivers}
        for signal in catalog.signals()
    }


@pytest.fixture
def silent_post_save(monkeypatch):
    nothing = [Scenario("nothing at all", lambda: None)]
    monkeypatch.setitem(SCENARIOS, "post_save", nothing)


@pytest.mark.django_db(databases="__all__")
def test_it_shows_every_signal_and_what_came_of_them(capfd):
    output = exercise_signals()

    assert all(f"\n{signal.name} " in output for signal in catalog.signals())
    count = len(catalog.signals())
    assert output.endswith(
        f"\n\n{count} of {count} signals came as the catalog says.\n"
    )
    assert capfd.readouterr() == ("", "")


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_the_database_is_left_as_it_was():
    UserFactory()
    PizzaFactory().toppings.add(ToppingFactory())
    before = dump()

    exercise_signals()

    assert dump() == before


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_database_that_is_not_left_as_it_was_would_be_noticed(monkeypatch):
    monkeypatch.setattr(exercising, "rolled_back", nullcontext)
    before = dump()

    exercise_signals()

    assert dump() != before


@pytest.mark.django_db(databases="__all__")
def test_nothing_is_left_connected():
    before = receivers()

    exercise_signals()

    assert receivers() == before


@pytest.mark.django_db(databases="__all__")
def test_a_signal_that_does_not_come_is_an_error(silent_post_save):
    stdout = StringIO()

    with pytest.raises(CommandError, match=r"says, all but post_save\.$"):
        call_command("exercise_signals", stdout=stdout, no_color=True)

    assert (
        "nothing at all                                0  FAILED" in stdout.getvalue()
    )


@pytest.mark.django_db(databases="__all__")
def test_json_is_all_that_is_printed():
    data = json.loads(exercise_signals("--json"))

    assert [entry["signal"] for entry in data] == [
        signal.name for signal in catalog.signals()
    ]
    assert not any(entry["problems"] for entry in data)


@pytest.mark.django_db(databases="__all__")
def test_json_is_printed_for_an_error_too(silent_post_save):
    stdout = StringIO()

    with pytest.raises(CommandError):
        call_command("exercise_signals", "--json", "--only=post_save", stdout=stdout)

    assert json.loads(stdout.getvalue())[0]["problems"] == ["never came"]


@pytest.mark.django_db(databases="__all__")
def test_only_some_are_exercised_in_the_order_of_the_catalog():
    data = json.loads(
        exercise_signals("--json", "--only", "setting_changed", "--only", "pre_init")
    )

    assert [entry["signal"] for entry in data] == ["pre_init", "setting_changed"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("post_saved", r"Try post_save"),
        ("post_syncdb", r"Try post_"),
        ("nonsense", r"Try pre_init, .*, file_changed\."),
    ],
)
def test_an_unknown_name_is_an_error_with_a_hint(name, hint):
    with pytest.raises(CommandError, match=f"no signal '{name}'. {hint}"):
        exercise_signals("--only", name)


def test_it_runs_from_the_shell_without_a_word_on_the_side(tmp_path):
    env = {
        **os.environ,
        "DATABASE_VENDOR": "sqlite",
        "DATABASE_NAME": str(tmp_path / "db.sqlite3"),
        "DJANGO_SETTINGS_MODULE": "example_project.settings",
    }

    def manage(*args):
        return subprocess.run(
            [sys.executable, "-W", "error", "manage.py", *args],
            cwd=settings.BASE_DIR,
            env=env,
            capture_output=True,
            text=True,
        )

    assert manage("migrate", "--verbosity=0").returncode == 0
    result = manage("exercise_signals")
    assert result.stderr == ""
    assert result.returncode == 0
    assert "\x1b" not in result.stdout


@pytest.mark.django_db(databases="__all__")
def test_missing_tables_are_explained(monkeypatch):
    monkeypatch.setattr(Topping._meta, "db_table", "not_migrated")
    with pytest.raises(CommandError, match=r"run 'manage\.py migrate' first"):
        exercise_signals()
