import sqlite3

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.utils import ConnectionHandler

from signals_demo import database
from signals_demo.models import Profile, Question

LOCK_WAIT = {
    "mysql": "SELECT @@lock_wait_timeout",
    "postgresql": "SELECT setting::int / 1000 FROM pg_settings "
    "WHERE name = 'lock_timeout'",
    "sqlite": "PRAGMA busy_timeout",
}

UNLIMITED = {
    "mysql": "SET SESSION lock_wait_timeout = DEFAULT,"
    " innodb_lock_wait_timeout = DEFAULT",
    "postgresql": "SET lock_timeout = 0",
}


def ask(connection, question):
    with connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchone()[0]


def lock_wait():
    """Return how long the session waits for a lock, in seconds but for SQLite."""
    return ask(connection, LOCK_WAIT[connection.vendor])


@pytest.fixture
def limited(db):
    """A session that already waits no longer than 11 seconds."""
    if connection.vendor not in UNLIMITED:
        pytest.skip(f"{connection.vendor} is left as it is.")
    database.limit_lock_wait(connection, 11)
    yield
    with connection.cursor() as cursor:
        cursor.execute(UNLIMITED[connection.vendor])


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize(("timeout", "seconds"), [(7, 7), (0, 11), (30, 11)])
def test_migrate_lowers_the_limit_and_never_raises_it(timeout, seconds, settings):
    settings.SIGNALS_DEMO_MIGRATE_LOCK_TIMEOUT = timeout
    call_command("migrate", verbosity=0)
    assert lock_wait() == seconds


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="The others are limited.")
def test_sqlite_keeps_its_own_limit():
    before = lock_wait()
    call_command("migrate", verbosity=0)
    assert lock_wait() == before


@pytest.mark.django_db
def test_an_unknown_database_is_told_nothing(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(connection, "vendor", "oracle")
    with django_assert_num_queries(0):
        database.limit_lock_wait(connection, 7)


@pytest.fixture
def fresh(db, tmp_path):
    """A connection to a file of SQLite, not open yet."""
    settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "fresh"}
    fresh = ConnectionHandler({"default": settings})["default"]
    yield fresh
    fresh.close()


def test_sqlite_sorts_in_memory_and_caches_more(fresh):
    plain = sqlite3.connect(fresh.settings_dict["NAME"])
    for pragma, value in [("temp_store", 2), ("cache_size", -16000)]:
        assert ask(fresh, f"PRAGMA {pragma}") == value
        assert plain.execute(f"PRAGMA {pragma}").fetchone() != (value,)
    plain.close()
    assert fresh.settings_dict["NAME"].read_bytes() == b""


def test_only_sqlite_is_told_its_pragmas(fresh, monkeypatch):
    monkeypatch.setattr(database, "SQLITE_PRAGMAS", ["NO SUCH STATEMENT"])
    monkeypatch.setattr(fresh, "vendor", "other")
    fresh.ensure_connection()
    fresh.close()
    monkeypatch.setattr(fresh, "vendor", "sqlite")
    with pytest.raises(DatabaseError):
        fresh.ensure_connection()


@pytest.mark.django_db
def test_tables_are_there_or_not(monkeypatch):
    models = apps.get_app_config("signals_demo").get_models()
    assert database.have_tables(connection, models)
    monkeypatch.setattr(Profile._meta, "db_table", "missing")
    assert not database.have_tables(connection, [Profile, Question])
