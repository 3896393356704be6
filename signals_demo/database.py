"""What a database connection is asked, and told for as long as it is open."""

from collections.abc import Iterable

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

#: The statement that lowers the limit on waiting for a lock, by ``connection.vendor``.
#:
#: PostgreSQL waits for ever, which it calls 0, and counts milliseconds. MySQL counts
#: seconds, and waits a day for a table. SQLite gives up after seconds anyway.
LOCK_TIMEOUT = {
    "mysql": (
        "SET SESSION lock_wait_timeout = LEAST(@@lock_wait_timeout, {seconds}),"
        " innodb_lock_wait_timeout = LEAST(@@innodb_lock_wait_timeout, {seconds})"
    ),
    "postgresql": (
        "SELECT set_config(name, '{seconds}s', false) FROM pg_settings WHERE"
        " name = 'lock_timeout' AND setting::int NOT BETWEEN 1 AND {seconds} * 1000"
    ),
}

#: Sort in memory, and keep 16 MB of the database there.
SQLITE_PRAGMAS = ("PRAGMA temp_store = MEMORY", "PRAGMA cache_size = -16000")


def limit_lock_wait(connection: BaseDatabaseWrapper, seconds: int) -> None:
    """Let no statement of this connection wait longer than this for a lock.

    A limit that is lower already stays.
    """
    if statement := LOCK_TIMEOUT.get(connection.vendor):
        with connection.cursor() as cursor:
            cursor.execute(statement.format(seconds=int(seconds)))


def tune_sqlite(connection: BaseDatabaseWrapper) -> None:
    """Give an SQLite connection more memory; nothing is written into the file."""
    with connection.cursor() as cursor:
        for pragma in SQLITE_PRAGMAS:
            cursor.execute(pragma)


def have_tables(connection: BaseDatabaseWrapper, models: Iterable[type[Model]]) -> bool:
    """Return whether the database has the table of each of these models."""
    tables = connection.introspection.table_names()
    return {model._meta.db_table for model in models}.issubset(tables)
