"""Transactions that are tried again when they lose against others."""

import random
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from django.db import OperationalError, connections, transaction

T = TypeVar("T")

#: How often to try in all, and for how many seconds to begin another try. With 64
#: clients after one code at SERIALIZABLE, where all who met but one lose, the pauses
#: below part them before. Who waits for a lock at each try should not wait that often.
ATTEMPTS, PATIENCE = 80, 60

#: Seconds of the longest pause after the first try; it doubles from try to try, up to
#: the second one.
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 1.28

#: A serialization failure, a deadlock, and too little memory: at SERIALIZABLE that for
#: conflicts is full when many run at once, and fewer do after a pause.
#: Source: PostgreSQL, appendix "PostgreSQL Error Codes", classes 40 and 53.
SQLSTATES = {"40001", "40P01", "53200"}

#: ER_CHECKREAD, ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK, and ER_AUTOINC_READ_FAILED,
#: which says that an ``INSERT`` was in a deadlock while it waited for its number.
#: Source: MariaDB, "MariaDB Error Codes".
MYSQL_ERRORS = {1020, 1205, 1213, 1467}

#: SQLITE_BUSY and SQLITE_LOCKED; what an extended code has above its low byte says
#: more of the same. Source: SQLite, "Result and Error Codes".
SQLITE_ERRORS = {5, 6}


def retry(work: Callable[[], T], *, using: str) -> T:
    """Do work in a transaction, again if it loses against another transaction.

    Within a transaction of the caller it is tried once, in a savepoint: only the
    caller can begin that transaction anew.

    Args:
        work: what to do; nothing of it remains of a try that fails.
        using: alias of the database.

    Raises:
        OperationalError: the last try lost too; ``is_contention()`` tells.
    """
    connection = connections[using]
    outermost = connection.get_autocommit()
    deadline = time.monotonic() + PATIENCE
    for attempt in range(ATTEMPTS if outermost else 1):
        if attempt:
            longest = min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE)
            time.sleep(random.uniform(0, longest))
        committed: list[bool] = []
        try:
            with transaction.atomic(using=using):
                # What is done after the commit may fail too: that is no reason to
                # do the work twice.
                connection.on_commit(partial(committed.append, True))
                return work()
        except OperationalError as error:
            late = committed or time.monotonic() > deadline
            if late or not is_contention(error):
                raise
            lost = error
    raise lost


def is_contention(error: OperationalError) -> bool:
    """Return whether an error says no more than that others were quicker."""
    cause = error.__cause__
    first = cause.args[0] if cause and cause.args else None
    # The second name is that of psycopg2.
    sqlstate = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return (
        sqlstate in SQLSTATES
        or getattr(cause, "sqlite_errorcode", 0) & 0xFF in SQLITE_ERRORS
        or (isinstance(first, int) and first in MYSQL_ERRORS)
    )
