import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from invite_code.counting import Numbers, numbers, numbers_of_all, total
from invite_code.management.arguments import (
    add_database,
    add_json,
    batch_of,
    explained,
    positive_integer,
)
from invite_code.models import InviteBatch

#: The columns of the table: their heads, and the numbers below. All there are would
#: not fit a terminal.
COLUMNS = {
    "issued": "issued",
    "given": "handed_out",
    "held": "held",
    "used": "redeemed",
    "revoked": "revoked",
    "expired": "expired",
    "unused": "unused",
}

#: Columns of a terminal, and the least of them that a label gets.
WIDTH, LEAST = 80, 8


class Command(BaseCommand):
    """Say what became of the codes of each batch."""

    help = (
        "Says how many invite codes each batch has, and what became of them: given to"
        " somebody, held, used, revoked, expired; and how many can still be given."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument(
            "--batch",
            type=positive_integer,
            metavar="PK",
            help="All numbers of one batch. Default: some, of all batches.",
        )
        add_database(parser, "The database to look in.")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the numbers.

        Raises:
            CommandError: there is no such batch, or no table.
        """
        using, pk = options["database"], options["batch"]
        with explained(using):
            if pk is None:
                counted = numbers_of_all(using)
            else:
                batch = batch_of(pk, using)
                counted = {batch: numbers(batch, using)}
        if options["json"]:
            result = as_data(counted) | {"database": using}
            self.stdout.write(json.dumps(result, default=datetime.isoformat))
        elif not counted:
            self.stdout.write(f"There are no batches in '{using}'.")
        elif pk is None:
            self.stdout.write("\n".join(in_table(counted)))
        else:
            self.stdout.write("\n".join(in_lines(batch, counted[batch])))


def as_data(counted: dict[InviteBatch, Numbers]) -> dict[str, Any]:
    """Return the object that ``--json`` prints, but for the database.

    Args:
        counted: the numbers of each batch.
    """
    names = ("pk", "label", "created_at", "revoked_at")
    return {
        "batches": [
            {name: getattr(batch, name) for name in names} | asdict(numbers)
            for batch, numbers in counted.items()
        ],
        "total": asdict(total(counted.values())),
    }


def in_table(counted: dict[InviteBatch, Numbers]) -> list[str]:
    """Return the lines of a table of batches, the last one all of them together.

    Args:
        counted: the numbers of each batch.
    """
    rows = [("batch", *COLUMNS, "label")]
    rows += [_row(b.pk, numbers, _shown(b)) for b, numbers in counted.items()]
    rows.append(_row("total", total(counted.values()), ""))
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    left = max(WIDTH - sum(widths) - 2 * len(widths), LEAST)
    return ["  ".join(_cells(row, widths, left)).rstrip() for row in rows]


def in_lines(batch: InviteBatch, numbers: Numbers) -> list[str]:
    """Return a line for each number of a batch, the values below one another.

    Args:
        batch: the batch.
        numbers: its numbers.
    """
    facts = {"batch": f"{batch.pk} {_shown(batch)}", **asdict(numbers)}
    return [f"{name.replace('_', ' '):10}  {fact}" for name, fact in facts.items()]


def _row(pk: int | str, numbers: Numbers, label: str) -> tuple[str, ...]:
    counts = (getattr(numbers, name) for name in COLUMNS.values())
    return (str(pk), *map(str, counts), label)


def _cells(row: tuple[str, ...], widths: list[int], left: int) -> list[str]:
    *counts, label = row
    cells = [f"{cell:>{width}}" for cell, width in zip(counts, widths, strict=True)]
    return [*cells, label if len(label) <= left else label[: left - 1] + "…"]


def _shown(batch: InviteBatch) -> str:
    """Return the name of a batch on one line, without what a terminal obeys."""
    return "".join(c if c.isprintable() else " " for c in str(batch))
