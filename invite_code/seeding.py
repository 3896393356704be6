"""The first codes of a database."""

from django.db import IntegrityError, OperationalError, connections, transaction
from django.db.models import Model

from invite_code.issuing import fill_batch
from invite_code.models import InviteBatch, InviteCode

#: The key of the batch that ``migrate`` fills.
SEED_KEY = "seed"

#: How often to try when other processes seed at the same time. The second try finds
#: their codes, unless the first of them was killed meanwhile and they fight again.
ATTEMPTS = 5


def seed(
    batch_model: type[InviteBatch],
    code_model: type[InviteCode],
    count: int,
    *,
    using: str,
) -> bool:
    """Fill the seed batch if it holds no code, and return whether it did.

    Any number of processes may do so at the same time, and each may be killed at any
    moment: the batch then holds no code, or `count` of them.

    Args:
        batch_model: ``InviteBatch``, or what it was at some migration.
        code_model: ``InviteCode``, likewise.
        count: how many codes.
        using: alias of the database.

    Raises:
        CodesExhausted: the settings allow fewer codes than that.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return _seed(batch_model, code_model, count, using)
        except (IntegrityError, OperationalError):
            # Another process made the batch first, or changed it above READ
            # COMMITTED, or waited for this one as this one did for it.
            if connections[using].in_atomic_block:
                raise
    return _seed(batch_model, code_model, count, using)


def table_exists(model: type[Model], using: str) -> bool:
    """Return whether the database has the table of a model."""
    return model._meta.db_table in connections[using].introspection.table_names()


def _seed(
    batch_model: type[InviteBatch],
    code_model: type[InviteCode],
    count: int,
    using: str,
) -> bool:
    batch_id, has_codes = _look(batch_model, code_model, using)
    if has_codes:
        return False
    batches = batch_model.objects.using(using)
    known_id = batch_id or _lost_batch_id(batch_model, code_model, using)
    with transaction.atomic(using=using):
        # Either write locks the batch, on every database. It comes first for SQLite,
        # where a transaction that has read may not write once another one has.
        if batch_id:
            batches.filter(pk=batch_id).update(key=SEED_KEY)
        else:
            label = "Seeded by migrate"
            batch_id = batches.create(pk=known_id, key=SEED_KEY, label=label).pk
        if known_id and _look(batch_model, code_model, using)[1]:
            return False
        fill_batch(code_model, batch_id, count, using=using)
    return True


def _lost_batch_id(
    batch_model: type[InviteBatch], code_model: type[InviteCode], using: str
) -> int | None:
    """Return the primary key of a batch that is gone, and whose codes are not.

    MySQL commits after each table that it flushes: a flush that is killed there may
    have emptied the table of the batches, but not yet that of the codes.
    """
    quote = connections[using].ops.quote_name
    batches, codes = quote(batch_model._meta.db_table), quote(code_model._meta.db_table)
    with connections[using].cursor() as cursor:
        cursor.execute(
            f"SELECT MIN(batch_id) FROM {codes}"
            f" WHERE batch_id NOT IN (SELECT id FROM {batches})"
        )
        lost_id: int | None = cursor.fetchone()[0]
    return lost_id


def _look(
    batch_model: type[InviteBatch], code_model: type[InviteCode], using: str
) -> tuple[int | None, bool]:
    """Return the primary key of the seed batch, and whether it has a code."""
    quote = connections[using].ops.quote_name
    batches, codes = quote(batch_model._meta.db_table), quote(code_model._meta.db_table)
    # In SQL, because every migrate of every test run comes here: the two queries
    # that the ORM would make of it take Python longer than drawing 2,000 codes.
    with connections[using].cursor() as cursor:
        cursor.execute(
            f"SELECT id, CASE WHEN EXISTS (SELECT 1 FROM {codes}"
            f" WHERE batch_id = {batches}.id) THEN 1 ELSE 0 END"
            f" FROM {batches} WHERE {quote('key')} = %s",
            [SEED_KEY],
        )
        batch_id, has_codes = cursor.fetchone() or (None, 0)
    return batch_id, bool(has_codes)
