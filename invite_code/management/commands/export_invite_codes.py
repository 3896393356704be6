import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet

from invite_code.exporting import FORMATS, Progress
from invite_code.handing_out import given, unused
from invite_code.management.arguments import (
    add_database,
    batch_of,
    encodable,
    explained,
    hand_out_of,
    positive_integer,
)
from invite_code.models import InviteCode
from invite_code.progress import progress_for
from invite_code.sheet import printable

logger = logging.getLogger("invite_code")


class Command(BaseCommand):
    """Export codes as CSV, as JSON lines, or as cards to print."""

    help = (
        "Exports invite codes as CSV, as JSON lines, or as a page that prints as cards"
        " with QR codes. Who has the file can use the codes."
    )
    done = 0

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.epilog = "Example: export_invite_codes --batch 3 --output codes.csv"
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "--hand-out",
            type=positive_integer,
            metavar="PK",
            help="Only codes that were handed out together.",
        )
        which.add_argument(
            "--unused",
            action="store_true",
            help="Only codes of the --batch that can still be handed out.",
        )
        parser.add_argument(
            "--batch",
            type=positive_integer,
            metavar="PK",
            help="Only codes of a batch. Default: all codes.",
        )
        parser.add_argument(
            "--format",
            choices=(*FORMATS, "sheet"),
            default="csv",
            help="What to make of them; sheet is an HTML page. Default: %(default)s.",
        )
        parser.add_argument(
            "--link",
            type=encodable,
            metavar="URL",
            help="Of a sheet: the page to sign up at, which each QR code leads to.",
        )
        parser.add_argument(
            "--output",
            type=encodable,
            metavar="FILE",
            help="Where to; only you can read it. Default: standard output.",
        )
        parser.add_argument(
            "--force", action="store_true", help="Overwrite the file if it exists."
        )
        add_database(parser, "The database they are in.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Export the codes, say on standard error how many, and log it.

        Raises:
            CommandError: they cannot be exported, or it was stopped.
        """
        demand_sense(options)
        using, output = options["database"], options["output"]
        with explained(using, f"{output} is as it was." if output else ""):
            try:
                self.export(options)
            except BaseException as error:
                if self.done and not output:  # What was printed is out.
                    logger.info(self.in_words(options))
                if not isinstance(error, OSError):
                    raise
                where = output or "standard output"
                raise CommandError(f"{where}: {error.strerror}.") from error
        logger.info(self.in_words(options))
        if options["verbosity"]:
            self.stderr.write(self.in_words(options), self.style.SUCCESS)

    def export(self, options: dict[str, Any]) -> None:
        """Write the codes to where the options say.

        Args:
            options: of the command.

        Raises:
            InviteCodeError: no sheet can be made of them.
            OSError: they cannot be written there.
        """
        codes = chosen(options)
        with progress_for(self, options, codes.count()) as progress:
            parts = self.parts(codes, options, progress)
            if options["output"]:
                with whole_file(options["output"], options["force"]) as file:
                    write(parts, file)
            else:
                self.to_stdout(parts)

    def parts(
        self,
        codes: QuerySet[InviteCode],
        options: dict[str, Any],
        progress: Progress | None,
    ) -> Iterator[str]:
        """Return the parts of the file, counting the codes that were taken.

        Args:
            codes: which ones.
            options: of the command.
            progress: called with the number of codes so far.

        Raises:
            InviteCodeError: no sheet can be made of them.
        """

        def count(done: int) -> None:
            self.done = done
            if progress:
                progress(done)

        if options["format"] == "sheet":
            link = options["link"]
            return printable(codes, link, self_contained=True, progress=count)
        return FORMATS[options["format"]](codes, count)

    def to_stdout(self, parts: Iterable[str]) -> None:
        """Write to standard output, until nobody reads it any more.

        Args:
            parts: what to write.

        Raises:
            OSError: it cannot be written, the disk being full say.
        """
        bytes_out = getattr(self.stdout, "buffer", None)
        try:
            if bytes_out is None:  # A program collects text.
                for part in parts:
                    self.stdout.write(part, ending="")
            else:
                self.stdout.flush()
                write(parts, bytes_out)
                bytes_out.flush()
        except OSError as error:
            # Python would complain once more when it flushes the rest in the end.
            # Source: Python's documentation of `signal`, "Note on SIGPIPE".
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stdout.fileno())
            if not isinstance(error, BrokenPipeError):
                raise

    def in_words(self, options: dict[str, Any]) -> str:
        """Return how many codes were exported, as a sentence.

        Args:
            options: of the command.
        """
        codes = "1 code" if self.done == 1 else f"{self.done} codes"
        which = [
            f"{name.replace('_', '-')} {options[name]}"
            for name in ("batch", "hand_out")
            if options[name]
        ]
        said = f"Exported {codes}{' of ' if which else ''}{' and '.join(which)}"
        return f"{said} in '{options['database']}' as {options['format']}."


def demand_sense(options: dict[str, Any]) -> None:
    """Raise an error if options do not go together.

    Args:
        options: of the command.

    Raises:
        CommandError: they do not.
    """
    if (options["format"] == "sheet") != (options["link"] is not None):
        wrong = "--format sheet and --link go together: the page to sign up at."
    elif options["unused"] and not options["batch"]:
        wrong = "--unused needs a --batch."
    elif options["force"] and not options["output"]:
        wrong = "--force needs an --output."
    else:
        return
    raise CommandError(wrong, returncode=2)


def chosen(options: dict[str, Any]) -> QuerySet[InviteCode]:
    """Return the codes that the options choose.

    Args:
        options: of the command.

    Raises:
        CommandError: there is no such batch or hand-out.
    """
    using = options["database"]
    codes = InviteCode.objects.using(using)
    if options["batch"]:
        batch = batch_of(options["batch"], using)
        codes = unused(batch, using) if options["unused"] else codes.filter(batch=batch)
    if options["hand_out"]:
        line = hand_out_of(options["hand_out"], using)
        if options["batch"] not in (None, line.batch_id):
            raise CommandError(f"Hand-out {line.pk} is of batch {line.batch_id}.")
        codes = given(line, using)
    return codes


def write(parts: Iterable[str], file: IO[bytes]) -> None:
    """Write text as UTF-8, its line ends as they are on every system.

    Args:
        parts: of the text.
        file: opened for bytes.
    """
    for part in parts:
        file.write(part.encode())


@contextmanager
def whole_file(path: str, overwrite: bool) -> Iterator[IO[bytes]]:
    """Yield a file that takes its name when it is whole; else nothing is left of it.

    Only the owner can read it.

    Args:
        path: its name.
        overwrite: whether it may take the place of another file.

    Raises:
        CommandError: something is in its place.
        OSError: it cannot be written there.
    """
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        raise CommandError(f"{path} is no file.")
    if target.exists() and not overwrite:
        raise CommandError(f"{path} exists: --force overwrites it.")
    with NamedTemporaryFile(
        dir=target.parent, prefix=f".{target.name[:100]}.", delete=False
    ) as file:
        try:
            yield file
            file.close()
            Path(file.name).replace(target)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
