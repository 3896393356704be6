"""Codes and batches that let nobody in any more, and that taken back."""

from datetime import datetime
from functools import partial
from typing import Any

from django.db import router
from django.db.models import QuerySet
from django.utils import timezone

from invite_code.models import InviteBatch, InviteCode
from invite_code.retrying import retry


def revoke(codes: QuerySet[InviteCode], *, using: str | None = None) -> int:
    """Revoke codes from now on, in one statement, and return how many.

    What is revoked already keeps its moment, and does not count.

    Args:
        codes: the codes, not sliced; a million of them is fine.
        using: alias of the database; None is that of `codes`, or leaves it to the
            router.

    Raises:
        OperationalError: as ``invite_code.redemption.redeem()`` does.
    """
    using = using or database_of(codes)
    return _set(codes.using(using).filter(revoked_at=None), timezone.now(), using)


def restore(codes: QuerySet[InviteCode], *, using: str | None = None) -> int:
    """Take the revocation of codes back, in one statement, and return of how many.

    Codes of a batch that was revoked as a whole are still refused.

    Args:
        codes: the codes, not sliced.
        using: as for ``revoke()``.

    Raises:
        OperationalError: as ``invite_code.redemption.redeem()`` does.
    """
    using = using or database_of(codes)
    return _set(codes.using(using).filter(revoked_at__isnull=False), None, using)


def revoke_batch(batch: InviteBatch, *, using: str | None = None) -> bool:
    """Revoke all codes of a batch at once, and return whether it was not yet.

    Nothing is written to the codes: those revoked one by one stay so, whatever becomes
    of the batch.

    Args:
        batch: the batch, saved; its ``revoked_at`` is brought up to date.
        using: alias of the database; None leaves it to the router, which by default
            chooses that of `batch`.

    Raises:
        OperationalError: as ``invite_code.redemption.redeem()`` does.
    """
    return _set_batch(batch, using, timezone.now())


def restore_batch(batch: InviteBatch, *, using: str | None = None) -> bool:
    """Take the revocation of a batch back, and return whether there was one.

    Args:
        batch: the batch, saved; its ``revoked_at`` is brought up to date.
        using: alias of the database; None leaves it to the router, which by default
            chooses that of `batch`.

    Raises:
        OperationalError: as ``invite_code.redemption.redeem()`` does.
    """
    return _set_batch(batch, using, None)


def database_of(rows: QuerySet[Any]) -> str:
    """Return the alias of the database in which rows are changed.

    Args:
        rows: which ones. Where no database was chosen for them, ``.db`` says from
            which one to read.
    """
    chosen: str | None = rows._db  # type: ignore[attr-defined]  # not in the stubs
    hints = rows._hints  # type: ignore[attr-defined]  # those of a related manager
    return chosen or router.db_for_write(rows.model, **hints)


def _set_batch(batch: InviteBatch, using: str | None, moment: datetime | None) -> bool:
    using = using or router.db_for_write(InviteBatch, instance=batch)
    batches = InviteBatch.objects.using(using).filter(pk=batch.pk)
    changed = _set(batches.filter(revoked_at__isnull=bool(moment)), moment, using)
    batch.refresh_from_db(using=using, fields=["revoked_at"])
    return bool(changed)


def _set(
    rows: QuerySet[InviteCode] | QuerySet[InviteBatch],
    moment: datetime | None,
    using: str,
) -> int:
    return retry(partial(rows.update, revoked_at=moment), using=using)
