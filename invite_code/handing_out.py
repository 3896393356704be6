"""The ledger of who was given which codes; no code is given twice."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import partial
from typing import Any

from django.core.validators import ProhibitNullCharactersValidator
from django.db import IntegrityError, connections, router
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from invite_code.errors import TooFewCodes
from invite_code.models import HandOut, Hold, InviteBatch, InviteCode
from invite_code.retrying import retry

#: Codes in one statement: all databases take as many parameters.
CHUNK_SIZE = 500


def hand_out(
    batch: InviteBatch,
    n: int,
    *,
    to: str = "",
    key: str | None = None,
    using: str | None = None,
) -> HandOut:
    """Give somebody the next unused codes of a batch: exactly as many, or none.

    No code is given twice, whoever else asks at the same time. Within a transaction it
    is undone with that transaction. With a key it may be repeated, after a crash say:
    the hand-out that has the key already is returned as it is.

    Args:
        batch: the batch, saved.
        n: how many codes, 1 or more.
        to: who is given them, at most 200 characters.
        key: a name for the hand-out, of at most 50 characters, that no other one has.
        using: alias of the database; None leaves it to the router, which by default
            chooses that of `batch`.

    Returns:
        The line of the ledger; ``given()`` returns its codes.

    Raises:
        ValueError: `n` is below 1.
        ValidationError: `to` or `key` is too long, or holds a NUL.
        TooFewCodes: fewer unused codes are left.
        IntegrityError, OperationalError: as ``invite_code.issuing.issue()`` does.
    """
    if n < 1:
        raise ValueError("At least one code is handed out.")
    using = using or router.db_for_write(HandOut, instance=batch)
    key = key or None
    values = {"batch_id": batch.pk, "recipient": to, "count": n, "key": key}
    HandOut(**values).clean_fields(exclude=["batch"])
    for text in (to, key or ""):  # PostgreSQL cannot store what this refuses.
        ProhibitNullCharactersValidator()(text)
    work = partial(_hand_out, batch, values, using)
    try:
        try:
            return retry(work, using=using)
        except TooFewCodes:
            # Others may have the rest in hand, and give it back: wait for them all.
            return retry(partial(work, patient=True), using=using)
    except IntegrityError:
        lines = HandOut.objects.using(using)
        if key and (line := lines.filter(key=key).first()):
            return line
        raise


def given(line: HandOut, using: str) -> QuerySet[InviteCode]:
    """Return the codes of a hand-out, found by the index of their batch.

    Args:
        line: the line of the ledger.
        using: alias of the database.
    """
    codes = InviteCode.objects.using(using)
    return codes.filter(batch=line.batch_id, hand_out=line.pk).order_by("pk")


def unused(batch: InviteBatch, using: str) -> QuerySet[InviteCode]:
    """Return the codes of a batch that can be handed out, the next ones first.

    They were given to nobody, are neither redeemed nor held, and not refused for ever.
    Of a batch that is revoked there are none.

    Args:
        batch: the batch, as it is now.
        using: alias of the database.
    """
    now = timezone.now()
    held = Hold.objects.using(using).filter(code=OuterRef("pk"), expires_at__gt=now)
    codes = InviteCode.objects.using(using).filter(fresh(now), batch=batch)
    if batch.revoked_at:
        return codes.none()
    # None has a hand-out, but PostgreSQL reads them in the order of the index only if
    # that is named first, and MySQL only if it is not.
    order = ("pk",) if connections[using].vendor == "mysql" else ("hand_out", "pk")
    return codes.exclude(Exists(held)).order_by(*order)


def fresh(now: datetime, code: str = "") -> Q:
    """Return the condition of codes that can be handed out if nobody holds them.

    Args:
        now: the moment.
        code: the lookup that leads to the code, such as ``"code__"``.
    """
    terms = {"hand_out": None, "uses": 0, "revoked_at": None}
    never, later = {f"{code}expires_at": None}, {f"{code}expires_at__gt": now}
    return Q(**{f"{code}{name}": value for name, value in terms.items()}) & (
        Q(**never) | Q(**later)
    )


def _hand_out(
    batch: InviteBatch, values: dict[str, Any], using: str, *, patient: bool = False
) -> HandOut:
    # The first statement writes, so that on SQLite nobody else is between the others.
    line = HandOut.objects.using(using).create(**values)
    batch = InviteBatch.objects.using(using).get(pk=batch.pk)
    if batch.revoked_at:
        raise TooFewCodes("The batch is revoked: nobody could use its codes.")
    # Codes that others have locked are passed over, where the database can.
    skip = connections[using].features.has_select_for_update_skip_locked
    codes = unused(batch, using).select_for_update(skip_locked=skip and not patient)
    with _by_index(using):
        pks = list(codes.values_list("pk", flat=True)[: line.count])
        if len(pks) < line.count:
            raise TooFewCodes(
                f"{line.count} codes were asked for, {len(pks)} unused ones are left."
            )
        taken = InviteCode.objects.using(using)
        for start in range(0, len(pks), CHUNK_SIZE):
            taken.filter(pk__in=pks[start : start + CHUNK_SIZE]).update(hand_out=line)
    line.is_new = True
    return line


def _by_index(using: str) -> AbstractContextManager[None]:
    """Make MySQL find codes by index, because it locks whatever it reads.

    For the next ones it would take the index of the foreign key, and so read and sort
    all codes that nobody was given; to change those, in a small table, none at all.
    """
    connection = connections[using]
    if connection.vendor != "mysql":
        return nullcontext()
    table = connection.ops.quote_name(InviteCode._meta.db_table)
    indexes = {f"FROM {table}": "invite_code_next", f"UPDATE {table}": "PRIMARY"}

    def hint(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        for place, index in indexes.items():
            sql = sql.replace(place, f"{place} FORCE INDEX ({index})", 1)
        return execute(sql, *args)

    return connection.execute_wrapper(hint)
