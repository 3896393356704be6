from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from signals_demo.recorder.encoding import printable
from signals_demo.recorder.explain import why_not
from signals_demo.recorder.management.arguments import add_command, find, run
from signals_demo.recorder.recording import record
from signals_demo.recorder.verdict import CALLED, Verdict


class Command(BaseCommand):
    """Run another command, and say why a receiver did or did not run."""

    help = (
        "Runs another command and says whether a receiver ran, or why it did not: "
        "explain_receiver shop.signals.update_stock -- loaddata books.json"
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the receiver, and what to run."""
        parser.add_argument("receiver", help="Its dotted name.")
        add_command(parser, required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command and give the verdict, even if it failed.

        Raises:
            CommandError: there is no such command, or it fails.
        """
        command = options["command"]
        if command[0] == "--":  # Some versions of argparse leave it in.
            command = command[1:]
        find(command)
        with record(everywhere=True) as recording:
            try:
                run(command, options)
            finally:
                recording.end()
                self.show(why_not(recording, options["receiver"]))

    def show(self, verdict: Verdict) -> None:
        """Write the verdict, and what to do about it."""
        paint = self.style.SUCCESS if verdict.reason == CALLED else self.style.WARNING
        said = f"{verdict.receiver}: {verdict.text}"
        self.stdout.write(paint(printable(said, self.stdout)))
        if verdict.hint:
            self.stdout.write(printable(verdict.hint, self.stdout))
