"""Codes as files: row by row in constant memory, however many there are."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from io import StringIO
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from invite_code.conf import conf
from invite_code.models import InviteBatch, InviteCode

#: Rows of one query: so many that queries do not count, so few that memory stays flat.
CHUNK_SIZE = 5000

#: Chunks that are looked for in one query: a database that does not know yet how many
#: codes a new batch has looks through all of them each time.
CHUNKS_AHEAD = 10

#: What a row tells, in this order.
COLUMNS = (
    "code",
    "batch",
    "label",
    "recipient",
    "uses",
    "max_uses",
    "valid_from",
    "expires_at",
    "revoked_at",
    "email",
    "created_at",
)

#: Where most of them are stored.
STORED = (
    *("code", "batch_id", "hand_out__recipient", "uses", "max_uses"),
    *("valid_from", "expires_at", "revoked_at", "email", "created_at"),
)

#: Columns with text that somebody typed.
TYPED = ("label", "recipient", "email")

#: What a spreadsheet passes over, and the signs that begin a formula, in either width.
BLANKS, SIGNS = r"[\s\x00-\x1f\u200b\ufeff]", r"[=+\-@\uff1d\uff0b\uff0d\uff20]"

#: Where a spreadsheet would begin a formula: at the start of a cell. One that parts
#: cells by semicolons or tabs starts a cell after each of these, in quotes or not, and
#: after a line break. Source: OWASP, "CSV Injection".
FORMULA = re.compile(
    rf"^(?={BLANKS}*{SIGNS})|(?<=[;\t\r\n])(?=(?:{BLANKS}|\")*{SIGNS})|^(?=[\t\r\n])"
)

Row = dict[str, Any]
Progress = Callable[[int], None]


def rows(codes: QuerySet[InviteCode]) -> Iterator[Row]:
    """Yield what is known of each code, in the order in which they were issued.

    The keys are ``COLUMNS``. ``code`` is as people read it, a moment is an ISO 8601
    text with an offset, or None. ``revoked_at`` is when the code or its batch was
    revoked, whichever was first. A code that is changed meanwhile is told as it was
    or as it is.

    Args:
        codes: which ones; not sliced, nor a union of querysets.
    """
    for chunk in _chunks(codes, None):
        yield from chunk


def as_csv(
    codes: QuerySet[InviteCode], progress: Progress | None = None
) -> Iterator[str]:
    """Yield a CSV file that no spreadsheet takes for formulas, in large pieces.

    It has a header, and is as RFC 4180 says. Where a text would begin a formula, an
    apostrophe is put before it.

    Args:
        codes: as ``rows()`` takes them.
        progress: called before each piece with the number of codes, its own included.
    """
    yield _csv([COLUMNS])
    for chunk in _chunks(codes, progress):
        yield _csv(map(_cells, chunk))


def as_json_lines(
    codes: QuerySet[InviteCode], progress: Progress | None = None
) -> Iterator[str]:
    """Yield a JSON object for each code, a line each, in large pieces.

    Args:
        codes: as ``rows()`` takes them.
        progress: called before each piece with the number of codes, its own included.
    """
    encode = json.JSONEncoder().encode
    for chunk in _chunks(codes, progress):
        yield "".join([f"{encode(row)}\n" for row in chunk])


#: The files that can be made, by the names that people choose them by.
FORMATS = {"csv": as_csv, "jsonl": as_json_lines}


@lru_cache  # Thousands of codes in a row have the same texts.
def without_formulas(text: str) -> str:
    """Return the text with an apostrophe wherever it would begin a formula."""
    return FORMULA.sub("'", text)


def _chunks(
    codes: QuerySet[InviteCode], progress: Progress | None
) -> Iterator[list[Row]]:
    done = 0
    for pks in _primary_keys(codes):
        chunk = _rows(pks, codes.db)
        done += len(pks)
        if progress:  # Before they are out, so that a log never says too few.
            progress(done)
        yield chunk


def _primary_keys(codes: QuerySet[InviteCode]) -> Iterator[list[int]]:
    # Each query begins where the last one ended: some drivers, that of MySQL among
    # them, would load the answer for all codes at once. Codes that a join repeats are
    # told once.
    pks = codes.order_by("pk").values_list("pk", flat=True)
    ahead = [*dict.fromkeys(pks[: CHUNK_SIZE * CHUNKS_AHEAD])]
    while ahead:
        for start in range(0, len(ahead), CHUNK_SIZE):
            yield ahead[start : start + CHUNK_SIZE]
        later = pks.filter(pk__gt=ahead[-1])
        ahead = [*dict.fromkeys(later[: CHUNK_SIZE * CHUNKS_AHEAD])]


def _rows(pks: list[int], using: str) -> list[Row]:
    # Most follow one another, and a range of them takes a third of the time.
    dense = pks[-1] - pks[0] == len(pks) - 1
    some = Q(pk__range=(pks[0], pks[-1])) if dense else Q(pk__in=pks)
    codes = InviteCode.objects.using(using).filter(some).order_by("pk")
    stored = list(codes.values_list(*STORED))
    # Not by a join: MariaDB would begin with the batches, and sort all their codes.
    batch_ids = {batch_id for _, batch_id, *_ in stored}
    batches = InviteBatch.objects.using(using).in_bulk(batch_ids)
    return [_row(batches[values[1]], values) for values in stored]


def _row(batch: InviteBatch, values: tuple[Any, ...]) -> Row:
    code, _, recipient, uses, max_uses, valid_from, expires_at, *rest = values
    revoked_at, email, created_at = rest
    return {
        "code": conf.code_format.display(code),
        "batch": batch.pk,
        "label": batch.label,
        "recipient": recipient or "",
        "uses": uses,
        "max_uses": max_uses,
        "valid_from": _iso(valid_from),
        "expires_at": _iso(expires_at),
        "revoked_at": _iso(_first(revoked_at, batch.revoked_at)),
        "email": email,
        "created_at": _iso(created_at),
    }


def _first(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one and other else one or other


def _iso(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    if timezone.is_naive(moment):  # As they are stored if USE_TZ is False.
        moment = timezone.make_aware(moment, timezone.get_default_timezone())
    return moment.isoformat()


def _cells(row: Row) -> Iterable[Any]:
    for name in TYPED:
        row[name] = without_formulas(row[name])
    return row.values()


def _csv(lines: Iterable[Iterable[Any]]) -> str:
    text = StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue()
