"""The numbers of a batch, now and over time, in few queries however many its codes.

Nothing is asked row by row, and no function is called that SQLite has from Python.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import reduce
from itertools import accumulate
from operator import add
from typing import Any, TypeVar

from django.db import router
from django.db.models import (
    Aggregate,
    Case,
    Count,
    Expression,
    F,
    IntegerField,
    Q,
    QuerySet,
    Sum,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.utils import timezone

from invite_code.handing_out import fresh
from invite_code.models import HandOut, Hold, InviteBatch, InviteCode, Redemption

Row = TypeVar("Row", HandOut, Hold, Redemption)

#: The batch of what has a code; as a sum, for which there is no index. By that of the
#: batch, SQLite would go through its codes, most of which have no such row.
BATCH_OF_CODE = F("code__batch") + 0


@dataclass(frozen=True)
class Numbers:
    """What became of the codes of a batch; all but ``uses`` are numbers of codes.

    Args:
        issued: all there are.
        handed_out: given to somebody, by the ledger.
        held: of which a use is kept for somebody now.
        redeemed: used at least once.
        uses: how often they were used, all together.
        used_up: used as often as they may be.
        revoked: revoked one by one; all, if the batch is revoked.
        expired: refused because their time is over.
        unused: what ``hand_out()`` can still give.
    """

    issued: int = 0
    handed_out: int = 0
    held: int = 0
    redeemed: int = 0
    uses: int = 0
    used_up: int = 0
    revoked: int = 0
    expired: int = 0
    unused: int = 0

    def __add__(self, other: "Numbers") -> "Numbers":
        """Return the numbers of both together."""
        mine, others = asdict(self), asdict(other)
        return Numbers(**{name: mine[name] + others[name] for name in mine})


@dataclass(frozen=True)
class Point:
    """The numbers of a batch at one moment, each counted from its creation on.

    Args:
        moment: the moment.
        issued: codes that there were.
        handed_out: codes given to somebody until then.
        held: uses that are kept now, by holds made until then.
        redeemed: uses made until then: several of one code, if it allows them.
    """

    moment: datetime
    issued: int
    handed_out: int
    held: int
    redeemed: int


def numbers(batch: InviteBatch, using: str | None = None) -> Numbers:
    """Return the numbers of a batch as they are now.

    Args:
        batch: the batch, saved.
        using: alias of the database; None leaves it to the router, which by default
            chooses that of `batch`.
    """
    using = using or router.db_for_read(InviteCode, instance=batch)
    codes = InviteCode.objects.using(using).filter(batch=batch)
    return _numbers([batch], codes)[batch]


def numbers_of_all(using: str | None = None) -> dict[InviteBatch, Numbers]:
    """Return the numbers of all batches, in the order in which they were issued.

    Args:
        using: alias of the database; None leaves it to the router.
    """
    using = using or router.db_for_read(InviteCode)
    batches = InviteBatch.objects.using(using).order_by("pk")
    return _numbers(batches, InviteCode.objects.using(using))


def total(numbers: Iterable[Numbers]) -> Numbers:
    """Return the numbers of several batches together."""
    return reduce(add, numbers, Numbers())


def history(
    batch: InviteBatch,
    points: int = 30,
    using: str | None = None,
    *,
    issued: int | None = None,
) -> list[Point]:
    """Return the numbers of a batch from its creation to now, at equal distances.

    Args:
        batch: the batch, saved.
        points: at how many moments, 2 or more.
        using: alias of the database; None leaves it to the router, which by default
            chooses that of `batch`.
        issued: how many codes it has, where that was counted before.

    Raises:
        ValueError: `points` is below 2.
    """
    if points < 2:
        raise ValueError("A history has 2 points or more.")
    using = using or router.db_for_read(InviteCode, instance=batch)
    now = timezone.now()
    step = (now - batch.created_at) / (points - 1)
    moments = [*(batch.created_at + step * i for i in range(points - 1)), now]
    lines = HandOut.objects.using(using).filter(batch=batch)
    holds = _of(batch, Hold.objects.using(using).filter(expires_at__gt=now))
    redemptions = _of(batch, Redemption.objects.using(using))
    # What a batch is: codes that were issued together.
    if issued is None:
        issued = InviteCode.objects.using(using).filter(batch=batch).count()
    columns = (
        [issued] * points,
        _series(lines, Sum("count"), "created_at", moments),
        _series(holds, Count("pk"), "created_at", moments),
        _series(redemptions, Count("pk"), "redeemed_at", moments),
    )
    return [Point(*row) for row in zip(moments, *columns, strict=True)]


def _numbers(
    batches: Iterable[InviteBatch], codes: QuerySet[InviteCode]
) -> dict[InviteBatch, Numbers]:
    """Return the numbers of some batches, counted among their codes."""
    now = timezone.now()
    # Holds are few, so those of other batches do no harm.
    holds = Hold.objects.using(codes.db).filter(expires_at__gt=now)
    counts = _by_batch(codes, F("batch"), _of_codes(now))
    held = _by_batch(holds, BATCH_OF_CODE, _of_holds(now))
    return {
        batch: _together(batch, counts.get(batch.pk, {}), held.get(batch.pk, {}))
        for batch in batches
    }


def _by_batch(
    rows: QuerySet[Any], batch: Combinable, what: dict[str, Expression]
) -> dict[int, dict[str, int]]:
    counted = rows.values_list(batch).annotate(**what)
    return {pk: dict(zip(what, counts, strict=True)) for pk, *counts in counted}


def _of_codes(now: datetime) -> dict[str, Expression]:
    conditions = {
        "redeemed": Q(uses__gt=0),
        "used_up": Q(uses__gte=F("max_uses")),
        "revoked": Q(revoked_at__isnull=False),
        "expired": Q(expires_at__lte=now),
        "unused": fresh(now),
    }
    return {
        "issued": Count("pk"),
        "handed_out": Count("hand_out"),
        "times_used": Sum("uses"),  # A field has the better name.
        **{name: Count("pk", filter=term) for name, term in conditions.items()},
    }


def _of_holds(now: datetime) -> dict[str, Expression]:
    kept = fresh(now, "code__")
    return {
        "held": Count("code", distinct=True),
        "unused": Count("code", distinct=True, filter=kept),
    }


def _together(
    batch: InviteBatch, counts: dict[str, int], held: dict[str, int]
) -> Numbers:
    uses = counts.pop("times_used", 0)
    numbers = Numbers(**counts, uses=uses, held=held.get("held", 0))
    if batch.revoked_at:
        return replace(numbers, revoked=numbers.issued, unused=0)
    return replace(numbers, unused=numbers.unused - held.get("unused", 0))


def _of(batch: InviteBatch, rows: QuerySet[Row]) -> QuerySet[Row]:
    """Return the rows whose codes are in a batch."""
    return rows.alias(batch_of_code=BATCH_OF_CODE).filter(batch_of_code=batch.pk)


def _series(
    rows: QuerySet[Row], what: Aggregate, field: str, moments: list[datetime]
) -> list[int]:
    """Return what there was of some rows at each moment, all earlier ones included."""
    grouped = rows.values(place=_place(field, moments)).annotate(there=what)
    there = dict(grouped.values_list("place", "there"))
    return list(accumulate(there.get(place, 0) for place in range(len(moments))))


def _place(field: str, moments: list[datetime], first: int = 0) -> Expression:
    """Return the place of the first of the moments that is not before a field.

    The last moment is now, and nothing is later. A tree of comparisons takes half the
    time of counting for each moment on its own.
    """
    if len(moments) == 1:
        return Value(first)
    half = len(moments) // 2
    early = _place(field, moments[:half], first)
    late = _place(field, moments[half:], first + half)
    not_after = When(**{f"{field}__lte": moments[half - 1]}, then=early)
    return Case(not_after, default=late, output_field=IntegerField())
