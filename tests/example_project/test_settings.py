import sqlite3

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import ConnectionHandler

from example_project.settings import database


@pytest.fixture
def connect(tmp_path, django_db_blocker):
    """Return a function that opens one more connection to a new SQLite file."""
    opened = []

    def connect():
        handler = ConnectionHandler({"default": database("sqlite", tmp_path / "db")})
        opened.append(handler["default"])
        return opened[-1]

    with django_db_blocker.unblock():
        with connect().cursor() as cursor:
            cursor.execute("CREATE TABLE written (number)")
        yield connect
        for connection in opened:
            connection.close()


@pytest.fixture
def impatient(tmp_path):
    """A connection of another program, which does not wait for a lock."""
    connection = sqlite3.connect(tmp_path / "db", timeout=0)
    yield connection
    connection.close()


def test_sqlite_is_written_while_somebody_reads(connect, impatient):
    impatient.execute("BEGIN")
    assert impatient.execute("SELECT COUNT(*) FROM written").fetchone() == (0,)
    with connect().cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 0")
        cursor.execute("INSERT INTO written VALUES (1)")
    assert impatient.execute("SELECT COUNT(*) FROM written").fetchone() == (0,)


def test_sqlite_transaction_takes_its_turn_where_it_begins(connect, impatient):
    first = connect()
    first.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        impatient.execute("BEGIN IMMEDIATE")
    first.rollback()


def test_sqlite_waits_for_its_turn(connect):
    with connect().cursor() as cursor:
        assert cursor.execute("PRAGMA busy_timeout").fetchone() == (20_000,)


def test_another_vendor_is_told_which_there_are():
    with pytest.raises(ImproperlyConfigured, match=r"'mysql'.*sqlite, postgresql, mar"):
        database("mysql")
