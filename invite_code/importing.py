"""Codes of one's own into the database: what is right, and why the rest is not."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import chain, islice
from typing import IO, NamedTuple

from django.db import IntegrityError, router, transaction
from django.utils.translation import gettext_lazy as _

from invite_code.codes import MAX_LENGTH
from invite_code.conf import conf
from invite_code.errors import InviteCodeError, Malformed
from invite_code.issuing import as_json, inserter, planned
from invite_code.models import InviteBatch, InviteCode
from invite_code.signals import invite_codes_issued

#: Codes that are looked up and inserted together.
CHUNK_SIZE = 5000

#: Refused lines that a report names; the others it counts.
MAX_REFUSED = 1000

#: The longest line, in bytes: more than an export ever has in one.
MAX_LINE = 16 * 1024

#: Characters after which a text is too long for any code.
LONGEST = 4 * MAX_LENGTH + 1

#: What parts the columns of a table, the column of the codes having this name.
DELIMITERS, COLUMN = ",;\t", "code"

MISSING = _("There is no code in this line.")
REPEATED = _("This code is in the file twice.")
KNOWN = _("This code is in the database already.")


class UnreadableFile(InviteCodeError):
    """A file cannot be read as lines of text, or as the table that it begins."""


class Refusal(NamedTuple):
    """Why a line was not imported.

    Attributes:
        line: its number in the file, from 1 on.
        reason: what is wrong with it; never the code itself.
    """

    line: int
    reason: str


@dataclass
class Report:
    """What became of the lines of a file.

    Attributes:
        batch: the new batch; None if no code was right, or the run was dry.
        imported: how many codes were right.
        refused: the first lines that were refused, at most ``MAX_REFUSED``.
        refused_count: how many were refused in all.
    """

    batch: InviteBatch | None = None
    imported: int = 0
    refused: list[Refusal] = field(default_factory=list)
    refused_count: int = 0

    def add(self, imported: int, refused: list[Refusal]) -> None:
        """Add what became of some more lines."""
        self.imported += imported
        self.refused += sorted(refused)[: MAX_REFUSED - len(self.refused)]
        self.refused_count += len(refused)


Insert = Callable[[str], None]


def import_codes(
    lines: Iterable[str],
    *,
    label: str = "",
    max_uses: int | None = 1,
    valid_from: datetime | None = None,
    expires_at: datetime | None = None,
    email: str = "",
    key: str | None = None,
    using: str | None = None,
    dry_run: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Put codes of one's own into a new batch, and report what was refused.

    All that are right are imported in one transaction, in any spelling, in the order of
    the file. Sends ``invite_codes_issued`` once they are committed.

    Args:
        lines: a code each; or a CSV file with a column ``code``, such as an export; or
            JSON objects with a key ``code``. ``read_lines()`` makes them of a file.
        label: as ``issue()`` takes it, like the five below.
        max_uses: how many people each lets in; None for any number.
        valid_from: before when they are refused; None for at once.
        expires_at: from when on they are refused; None for never.
        email: the only address they let in; empty for any.
        key: a name for the batch that no other one has.
        using: alias of the database; None leaves it to the router.
        dry_run: whether to take everything back, and report only.
        progress: called now and then with the number of codes read so far.

    Raises:
        UnreadableFile: as ``read_lines()`` does, or for a broken table; nothing was
            imported.
        ValueError, ValidationError: as ``issue()`` does.
        IntegrityError: another batch has the key; a second run is refused, since its
            file may be another one. Nothing was imported.
        OperationalError: others wrote the same codes, and one had to give way; nothing
            was imported. ``invite_code.retrying.is_contention()`` tells.
    """
    batch, values = planned(
        1,
        label=label,
        max_uses=max_uses,
        valid_from=valid_from,
        expires_at=expires_at,
        email=email,
        key=key,
    )
    using = using or router.db_for_write(InviteBatch)
    report = Report()
    found = ((number, text[:LONGEST]) for number, text in _found(iter(lines)))
    # Before the transaction: no lock waits for somebody who types.
    chunk = list(islice(found, CHUNK_SIZE))
    if not chunk:
        return report
    with transaction.atomic(using=using):
        batch.save(using=using)
        insert = inserter(InviteCode, using, {**values, "batch_id": batch.pk})
        while chunk:
            refused = _take(chunk, batch, insert)
            report.add(len(chunk) - len(refused), refused)
            if progress:
                progress(report.imported + report.refused_count)
            chunk = list(islice(found, CHUNK_SIZE))
        if dry_run or not report.imported:
            transaction.set_rollback(True, using=using)
        else:
            report.batch = batch
            _announce(batch.pk, report.imported, using)
    return report


def read_lines(file: IO[bytes]) -> Iterator[str]:
    """Yield the lines of a file, however large it is.

    Args:
        file: opened for bytes, UTF-8 with or without a mark of the byte order.

    Raises:
        UnreadableFile: a line is too long, or is no such text.
    """
    pieces = iter(partial(file.readline, MAX_LINE + 1), b"")
    for number, line in enumerate(pieces, 1):
        if b"\0" in line:
            raise UnreadableFile(
                f"Line {number} has a NUL: it is no text, or UTF-16. Save it as UTF-8."
            )
        if len(line) > MAX_LINE:
            raise UnreadableFile(
                f"Line {number} has more than {MAX_LINE} bytes: it is no code."
            )
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise UnreadableFile(
                f"Line {number} is not UTF-8: save the file as UTF-8."
            ) from None
        yield text


def _found(lines: Iterator[str]) -> Iterator[tuple[int, str]]:
    """Yield what stands for a code in each line, with the number of the line."""
    first = next(lines, "").removeprefix("\ufeff")  # The mark of the byte order.
    lines = chain([first], lines)
    if first.startswith("{"):
        return _in_objects(lines)
    for delimiter in DELIMITERS:
        names = [name.strip("\"' \r\n").lower() for name in first.split(delimiter)]
        if COLUMN in names:
            return _in_table(lines, delimiter, names.index(COLUMN))
    return _in_text(lines)


def _in_objects(lines: Iterator[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                text = json.loads(line)[COLUMN]
            # No JSON, too much of it, no object, or none with a code.
            except (ValueError, RecursionError, TypeError, KeyError):
                text = ""
            yield number, text if isinstance(text, str) else ""


def _in_table(
    lines: Iterator[str], delimiter: str, column: int
) -> Iterator[tuple[int, str]]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    number = 0
    try:
        for row in reader:
            begun, number = number + 1, reader.line_num
            if begun > 1 and any(row):
                yield begun, row[column] if column < len(row) else ""
    except csv.Error as error:
        raise UnreadableFile(
            f"The table is broken from line {number + 1} on: {error}."
        ) from None


def _in_text(lines: Iterator[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, re.split("[,;]", line, maxsplit=1)[0].strip(' "\r\n')


def _take(
    chunk: list[tuple[int, str]], batch: InviteBatch, insert: Insert
) -> list[Refusal]:
    """Insert the codes that are right, and return the other lines."""
    lines: dict[str, int] = {}
    refused = []
    for number, text in chunk:
        try:
            code = _normalized(text)
        except Malformed as error:
            refused.append(Refusal(number, str(error)))
        else:
            if code in lines:
                refused.append(Refusal(number, str(REPEATED)))
            else:
                lines[code] = number
    return refused + _insert(lines, batch, insert)


def _normalized(text: str) -> str:
    text = text.lstrip("'")  # It says "text" to a spreadsheet.
    if not text:
        raise Malformed(MISSING)
    return conf.code_format.normalize(text)


def _insert(lines: dict[str, int], batch: InviteBatch, insert: Insert) -> list[Refusal]:
    """Insert the codes that are free, and return the lines of those that are not."""
    using = str(batch._state.db)
    stored = InviteCode.objects.using(using).filter(code__in=lines)
    refused = [
        Refusal(lines.pop(code), str(REPEATED if batch_id == batch.pk else KNOWN))
        for code, batch_id in stored.values_list("code", "batch_id")
        if code in lines  # A database that ignores case finds others.
    ]
    if not lines:
        return refused
    try:
        insert(as_json(lines))
    except IntegrityError:
        # Somebody else has inserted some of them since. Above READ COMMITTED they are
        # not seen here, even now: halves of halves find out which they are.
        if len(lines) == 1:
            (number,) = lines.values()
            return [*refused, Refusal(number, str(KNOWN))]
        codes = iter(lines.items())
        half = dict(islice(codes, len(lines) // 2))
        for part in (half, dict(codes)):
            refused += _insert(part, batch, insert)
    return refused


def _announce(batch_id: int, imported: int, using: str) -> None:
    arguments = {"batch_id": batch_id, "count": imported, "using": using}
    announce = partial(invite_codes_issued.send_robust, InviteBatch, **arguments)
    transaction.on_commit(announce, using=using)
