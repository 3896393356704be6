"""Codes into the database: any number of them, quickly, and all or none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import partial
from typing import Any

from django.core.validators import ProhibitNullCharactersValidator
from django.db import IntegrityError, connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

from invite_code.codes import MAX_LENGTH, CodeFormat
from invite_code.conf import conf
from invite_code.errors import CodesExhausted
from invite_code.models import InviteBatch, InviteCode
from invite_code.retrying import retry
from invite_code.signals import invite_codes_issued

#: Codes in one statement: so many that round trips do not count, so few that memory
#: stays flat and MySQL's default ``max_allowed_packet`` of 16 MiB is far away.
CHUNK_SIZE = 10_000

#: Draws without a single free code after which the possible codes count as taken.
#: Were one of 100 still free, the last draw would miss it once in 20,000 times.
MAX_FRUITLESS_DRAWS = 1000

#: Clashes of one chunk after which another error than a clash is taken to be the
#: cause, and raised: codes that were free a moment before are seldom taken.
MAX_CLASHES = 5

#: How each vendor makes rows of a JSON array: all codes travel as one parameter. A
#: parameter a value takes 4 to 13 times as long (``benchmarks/seeding.py``).
ROWS = {
    "sqlite": "json_each(%s)",
    "postgresql": "json_array_elements_text(%s::json) AS codes (value)",
    "mysql": "JSON_TABLE(%s, '$[*]' COLUMNS"
    f" (value VARCHAR({MAX_LENGTH}) PATH '$')) AS codes",
}


def issue(
    count: int,
    *,
    label: str = "",
    max_uses: int | None = 1,
    valid_from: datetime | None = None,
    expires_at: datetime | None = None,
    email: str = "",
    key: str | None = None,
    using: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> InviteBatch:
    """Issue codes in a batch of their own: exactly as many as asked, or none.

    With a key it may be repeated, after a crash say: the batch that has the key
    already is returned as it is. Sends ``invite_codes_issued`` once the codes are
    committed.

    Args:
        count: how many codes, 1 or more.
        label: what they are for, at most 200 characters.
        max_uses: how many people each lets in; None for any number.
        valid_from: before when they are refused; None for at once.
        expires_at: from when on they are refused; None for never.
        email: the only address they let in; empty for any.
        key: a name for the batch, of at most 50 characters, that no other one has.
        using: alias of the database; None leaves it to the router.
        progress: called now and then with the number of codes inserted so far.

    Raises:
        ValueError: `count` or `max_uses` is below 1, or no moment is between
            `valid_from` and `expires_at`.
        ValidationError: `label` or `key` is too long or holds a NUL, or `email` is no
            address.
        CodesExhausted: fewer codes than that are possible, or left.
        IntegrityError: another batch has got the key since a transaction of the caller
            began, which does not see it (REPEATABLE READ).
        OperationalError: as ``invite_code.redemption.redeem()`` does.
    """
    batch, values = planned(
        count,
        label=label,
        max_uses=max_uses,
        valid_from=valid_from,
        expires_at=expires_at,
        email=email,
        key=key,
    )
    using = using or router.db_for_write(InviteBatch)
    work = partial(_issue, batch, count, using, progress, values)
    try:
        return retry(work, using=using)
    except IntegrityError:
        batches = InviteBatch.objects.using(using)
        if batch.key and (issued := batches.filter(key=batch.key).first()):
            return issued
        raise


def planned(
    count: int,
    *,
    label: str = "",
    max_uses: int | None = 1,
    valid_from: datetime | None = None,
    expires_at: datetime | None = None,
    email: str = "",
    key: str | None = None,
) -> tuple[InviteBatch, dict[str, Any]]:
    """Return the batch that ``issue()`` would save, and the values of its codes.

    It asks no database, so that who leaves the issuing to a worker hears at once what
    is wrong. The arguments are those of ``issue()``.

    Raises:
        ValueError, ValidationError: as ``issue()`` does.
        CodesExhausted: fewer codes than that are possible.
    """
    if count < 1 or (max_uses is not None and max_uses < 1):
        raise ValueError("count and max_uses must be 1 or more.")
    if valid_from and expires_at and valid_from >= expires_at:
        raise ValueError("Codes cannot expire before they are valid, or just then.")
    _demand_capacity(count, conf.code_format)
    batch = InviteBatch(label=label, key=key or None)
    if label or key:
        batch.clean_fields()
        for text in (label, key or ""):  # PostgreSQL cannot store what this refuses.
            ProhibitNullCharactersValidator()(text)
    return batch, {
        "max_uses": max_uses,
        "valid_from": valid_from,
        "expires_at": expires_at,
        "email": InviteCode._meta.get_field("email").clean(email, None),
    }


def fill_batch(
    model: type[InviteCode],
    batch_id: int,
    count: int,
    *,
    using: str,
    progress: Callable[[int], None] | None = None,
    **values: Any,
) -> None:
    """Put new codes into a batch, within the transaction of the caller.

    Args:
        model: ``InviteCode``, or what it was at some migration.
        batch_id: primary key of the batch.
        count: how many codes; all of them are inserted, whatever they clash with.
        using: alias of the database.
        progress: called after each chunk with the number of codes so far.
        values: of other fields; those not named take their defaults.

    Raises:
        CodesExhausted: fewer codes than that are possible, or left.
    """
    code_format = conf.code_format
    _demand_capacity(count, code_format)
    values["batch_id"] = batch_id
    insert = inserter(model, using, values)
    stored = partial(model.objects.using, using)
    for done in range(0, count, CHUNK_SIZE):
        size = min(CHUNK_SIZE, count - done)
        _insert_chunk(insert, stored, code_format, size)
        if progress:
            progress(done + size)
    arguments = {"batch_id": batch_id, "count": count, "using": using}
    announce = partial(invite_codes_issued.send_robust, InviteBatch, **arguments)
    transaction.on_commit(announce, using=using)


def _issue(
    batch: InviteBatch,
    count: int,
    using: str,
    progress: Callable[[int], None] | None,
    values: dict[str, Any],
) -> InviteBatch:
    # What a try before this one got was taken back, and may be another batch's now.
    batch.pk, batch._state.adding = None, True
    batch.save(using=using)
    fill_batch(InviteCode, batch.pk, count, using=using, progress=progress, **values)
    return batch


def _demand_capacity(count: int, code_format: CodeFormat) -> None:
    if count > code_format.capacity():
        raise CodesExhausted(
            f"Only {code_format.capacity()} codes are possible, {count} were asked for:"
            " raise INVITE_CODE_LENGTH."
        )


def _insert_chunk(
    insert: Callable[[str], None],
    stored: Callable[[], QuerySet[InviteCode]],
    code_format: CodeFormat,
    size: int,
) -> None:
    # Among 2^75 codes a clash does not happen, and looking for one first would cost
    # more than the insert. So the unique index looks. It takes codes best in their
    # order; by their first symbols is near enough, and costs little.
    codes = code_format.generate_json(size)
    for _ in range(MAX_CLASHES):
        try:
            return insert(codes)
        except IntegrityError:
            codes = as_json(sorted(draw_free(code_format, size, stored())))
    insert(codes)


def draw_free(
    code_format: CodeFormat, size: int, stored: QuerySet[InviteCode]
) -> set[str]:
    """Return `size` different codes that are not stored.

    Raises:
        CodesExhausted: hardly one is left.
    """
    codes: set[str] = set()
    fruitless = 0
    while len(codes) < size:
        found = set(code_format.generate(size - len(codes))) - codes
        taken = stored.filter(code__in=found).values_list("code", flat=True)
        found.difference_update(taken)
        fruitless = 0 if found else fruitless + 1
        if fruitless == MAX_FRUITLESS_DRAWS:
            raise CodesExhausted(
                "Hardly a free code is left: raise INVITE_CODE_LENGTH."
            )
        codes |= found
    return codes


def as_json(codes: Iterable[str]) -> str:
    """Return codes as ``inserter()`` takes them.

    Args:
        codes: one or more, of ASCII letters and digits: nothing in them is escaped.
    """
    text = '","'.join(codes)
    return f'["{text}"]'


def inserter(
    model: type[InviteCode], using: str, values: dict[str, Any]
) -> Callable[[str], None]:
    """Return the function that inserts codes, in the fastest way there is.

    It takes a JSON array of one or more codes, and a transaction of the caller. If it
    raises ``IntegrityError``, none of them was inserted, and the transaction goes on.

    Args:
        model: ``InviteCode``, or what it was at some migration.
        using: alias of the database.
        values: of other fields; those not named take their defaults.
    """
    connection = connections[using]
    defaults = {
        field.attname: field.get_default()
        for field in model._meta.concrete_fields
        if not (field.primary_key or field.name == "code")
    }
    values = defaults | values
    if _makes_rows_of_json(connection):
        return partial(_execute, connection, *_statement(model, connection, values))
    return partial(_bulk_create, model, using, values)


def _makes_rows_of_json(connection: BaseDatabaseWrapper) -> bool:
    if getattr(connection, "mysql_is_mariadb", False):
        # JSON_TABLE came with it; Django 5.2 runs on 10.5 too.
        return bool(connection.get_database_version() >= (10, 6))
    return connection.vendor in ROWS and connection.features.supports_json_field


def _statement(
    model: type[InviteCode], connection: BaseDatabaseWrapper, values: dict[str, Any]
) -> tuple[str, list[Any]]:
    """Return the statement that inserts codes, and its parameters but the codes."""
    quote = connection.ops.quote_name
    filled = {
        str(field.column): field.get_db_prep_save(values[field.attname], connection)
        for field in model._meta.concrete_fields
        if values.get(field.attname) is not None
    }
    columns = ", ".join(map(quote, ["code", *filled]))
    selected = ", ".join(["value", *["%s"] * len(filled)])
    sql = (
        f"INSERT INTO {quote(model._meta.db_table)} ({columns})"
        f" SELECT {selected} FROM {ROWS[connection.vendor]}"
    )
    return sql, [*filled.values()]


def _execute(
    connection: BaseDatabaseWrapper, sql: str, constants: list[Any], codes: str
) -> None:
    with _apart(connection), connection.cursor() as cursor:
        cursor.execute(sql, [*constants, codes])


def _apart(connection: BaseDatabaseWrapper) -> AbstractContextManager[None]:
    """Return a savepoint, unless a statement that fails is taken back alone anyway.

    Source: SQLite, "The ON CONFLICT Clause" (ABORT); MySQL, "InnoDB Error Handling", of
    the engine that knows transactions.
    """
    if connection.vendor in {"sqlite", "mysql"}:
        return nullcontext()
    return transaction.atomic(using=connection.alias)


def _bulk_create(
    model: type[InviteCode], using: str, values: dict[str, Any], codes: str
) -> None:
    rows = (model(code=code, **values) for code in json.loads(codes))
    with transaction.atomic(using=using):
        model.objects.using(using).bulk_create(rows, batch_size=1000)
