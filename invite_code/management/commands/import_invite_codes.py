import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from django.core.management.base import BaseCommand, CommandError, CommandParser

from invite_code.importing import Report, import_codes, read_lines
from invite_code.management.arguments import (
    add_database,
    add_json,
    add_terms,
    encodable,
    explained,
    terms,
)
from invite_code.models import InviteBatch
from invite_code.progress import progress_for

logger = logging.getLogger("invite_code")


class Command(BaseCommand):
    """Import codes of one's own in a batch of their own."""

    help = (
        "Imports invite codes of your own in a new batch, those that are right, and"
        " says why others are refused. Exits 0 if all were imported, 1 if not."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.epilog = "Example: import_invite_codes codes.csv --label Conference"
        parser.add_argument(
            "file",
            type=encodable,
            help="A code on each line, CSV with a column named code, or JSON lines;"
            " or - for standard input.",
        )
        add_terms(parser)
        add_database(parser, "The database they go to.")
        parser.add_argument(
            "--dry-run", action="store_true", help="Say what would be done, do nothing."
        )
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Import the codes, and say which lines were refused.

        Raises:
            CommandError: some were refused, nothing could be imported, or it was
                stopped.
        """
        options["key"] = uuid4().hex
        with explained(options["database"], partial(stopped, options)):
            report = self.import_codes(options)
        if report.batch:
            logger.info(
                "Imported %d codes into batch %s in '%s'; %d lines were refused.",
                *(report.imported, report.batch.pk),
                *(options["database"], report.refused_count),
            )
        self.tell(report, options)

    def import_codes(self, options: dict[str, Any]) -> Report:
        """Import the codes of the file that the options name.

        Args:
            options: of the command, with the key of the batch.

        Raises:
            CommandError: it cannot be read.
            Exception: as ``invite_code.importing.import_codes()`` does.
        """
        try:
            with (
                opened(options["file"]) as file,
                progress_for(self, options, None, what="lines") as progress,
            ):
                return import_codes(
                    read_lines(file),
                    **terms(options),
                    using=options["database"],
                    dry_run=options["dry_run"],
                    progress=progress,
                )
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}.") from error

    def tell(self, report: Report, options: dict[str, Any]) -> None:
        """Print what was done.

        Args:
            report: what ``import_codes()`` returned.
            options: of the command.

        Raises:
            CommandError: not all was imported.
        """
        if options["json"]:
            self.stdout.write(json.dumps(as_data(report, options)))
        elif report.imported:
            self.stdout.write(in_words(report, options))
        if report.refused:
            lines = [] if options["json"] else in_lines(report)
            raise CommandError("\n".join([summary(report, options), *lines]))
        if not report.imported:
            raise CommandError(f"There is no code in {options['file']}.")


@contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """Yield a file opened for bytes.

    Args:
        path: its name; - for standard input.

    Raises:
        OSError: it cannot be read.
    """
    if path == "-":
        yield sys.stdin.buffer
        return
    with Path(path).open("rb") as file:
        yield file


def stopped(options: dict[str, Any]) -> str:
    """Return what there is to say after Ctrl-C, which may have come too late.

    Args:
        options: of the command, with the key of the batch.
    """
    batches = InviteBatch.objects.using(options["database"])
    if batch := batches.filter(key=options["key"]).first():
        return f"Stopped too late: batch {batch.pk} has all codes that were right."
    return "Stopped: nothing was imported."


def as_data(report: Report, options: dict[str, Any]) -> dict[str, Any]:
    """Return the object that ``--json`` prints.

    Args:
        report: what ``import_codes()`` returned.
        options: of the command.
    """
    return {
        "batch": report.batch and report.batch.pk,
        "imported": report.imported,
        "refused": [refusal._asdict() for refusal in report.refused],
        "refused_count": report.refused_count,
        "database": options["database"],
        "dry_run": options["dry_run"],
    }


def in_words(report: Report, options: dict[str, Any]) -> str:
    """Return what was imported, as a sentence.

    Args:
        report: what ``import_codes()`` returned.
        options: of the command.
    """
    codes = "1 code" if report.imported == 1 else f"{report.imported} codes"
    done = f"Batch {report.batch.pk}: imported" if report.batch else "Would import"
    return f"{done} {codes} in '{options['database']}'."


def summary(report: Report, options: dict[str, Any]) -> str:
    """Return how many lines were refused, and what became of the others.

    Args:
        report: what ``import_codes()`` returned.
        options: of the command.
    """
    number = report.refused_count
    lines = "1 line was" if number == 1 else f"{number} lines were"
    be = "would be" if options["dry_run"] else "is"
    if report.imported:
        return f"{lines} refused; what is right in the others {be} imported."
    return f"{lines} refused: nothing {be} imported."


def in_lines(report: Report) -> list[str]:
    """Return a line for each line that was refused.

    Args:
        report: what ``import_codes()`` returned.
    """
    lines = [f"  line {line}: {reason}" for line, reason in report.refused]
    if more := report.refused_count - len(report.refused):
        lines.append(f"  and {more} more")
    return lines
