import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError, CommandParser

from signals_demo.recorder import export, perfetto, text
from signals_demo.recorder.encoding import lines, printable
from signals_demo.recorder.management.arguments import (
    add_command,
    add_filters,
    find,
    run,
)
from signals_demo.recorder.recording import MAX_ENTRIES, record
from signals_demo.recorder.trace import Recording

FORMATS = {"json": export.dumps, "perfetto": perfetto.dumps}


class Command(BaseCommand):
    """Run another command, and show the signals it sent."""

    help = (
        "Runs another command and shows every signal that was sent meanwhile, with its "
        "receivers, statements and transactions: record_signals -- loaddata books.json"
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what to run, what to keep, and how to show it."""
        add_command(parser, required=False)
        parser.add_argument(
            "--shell", action="store_true", help="Run Django's shell, until you leave."
        )
        add_filters(
            parser,
            signal="Keep this signal alone, such as post_save",
            sender="Keep what this model sends alone, such as shop.Book",
            app="Keep what models of this app send alone, such as shop",
        )
        parser.add_argument(
            "--all",
            action="store_true",
            help="Show pre_init, post_init and class_prepared too if nobody receives "
            "them.",
        )
        parser.add_argument(
            "--format",
            choices=["text", *FORMATS],
            default="text",
            help="A tree, JSON that can be opened again, or a time line for Perfetto.",
        )
        parser.add_argument(
            "--output", type=Path, help="Write to this file, not to the terminal."
        )
        parser.add_argument(
            "--max-entries",
            type=int,
            default=MAX_ENTRIES,
            help=f"How many entries to keep; {MAX_ENTRIES:,} by default.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command, then show what was recorded, even if it failed.

        Raises:
            CommandError: there is nothing to run, it fails, or the file cannot be
                written.
        """
        command = self.command(options)
        # What is read by a program must stand alone on the standard output stream.
        alone = options["format"] != "text" and options["output"] is None
        with (
            opened(options["output"]) as file,
            redirect_stdout(sys.stderr) if alone else nullcontext(),
            record(
                everywhere=True,
                signals=options["signal"],
                senders=options["sender"],
                apps=options["app"],
                max_entries=options["max_entries"],
            ) as recording,
        ):
            try:
                run(command, options)
            finally:
                recording.end()
                self.show(recording, options, file)

    def command(self, options: dict[str, Any]) -> list[str]:
        """Return what to run: name and arguments.

        Raises:
            CommandError: it is nothing, or unknown, or an option makes no sense.
        """
        command: list[str] = options["command"]
        if options["shell"]:
            if command:
                raise CommandError("Either --shell or a command, not both.")
            command = ["shell"]
        if not command:
            raise CommandError("Say what to run: -- loaddata books.json, or --shell.")
        if options["max_entries"] < 1:
            raise CommandError("--max-entries must be 1 or more.")
        find(command)
        return command

    def show(
        self, recording: Recording, options: dict[str, Any], file: TextIO | None
    ) -> None:
        """Write the recording to where it should go."""
        write, everything = FORMATS.get(options["format"]), options["all"]
        if write is not None:
            result = write(recording)
        elif file is not None:
            result = "\n".join(text.tree(recording, width=119, everything=everything))
        else:
            tree = text.tree(
                recording,
                self.style,
                width=min(shutil.get_terminal_size((80, 24)).columns, 160) - 1,
                lines=lines(self.stdout),
                everything=everything,
            )
            # The command may have written too.
            result = printable("\n".join(["", *tree]), self.stdout)
        if file is not None:
            file.write(f"{result}\n")
            self.stderr.write(f"Wrote {file.name}. {text.summary(recording)}")
            return
        try:
            self.stdout.write(result)
            self.stdout.flush()
        except BrokenPipeError:  # Its reader, such as head, has seen enough.
            # Python would complain once more when it flushes the rest in the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stdout.fileno())


@contextmanager
def opened(path: Path | None) -> Iterator[TextIO | None]:
    """Open the file before the command runs, which may take long.

    Raises:
        CommandError: it cannot be written.
    """
    if path is None:
        yield None
        return
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
    with file:
        yield file
