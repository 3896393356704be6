import json
from difflib import get_close_matches
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections, router

from signals_demo import catalog, report
from signals_demo.builtin import BuiltinSignal
from signals_demo.database import have_tables
from signals_demo.exercising import exercise
from signals_demo.models import Topping


class Command(BaseCommand):
    """Exercise the built-in signals and report what came."""

    help = (
        "Makes Django send each of its own signals by the real action behind it, and "
        "compares what comes with the catalog. Receivers of your project run too; what "
        "they write to a database is rolled back."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add ``--only`` and ``--json``."""
        parser.add_argument(
            "--only",
            action="append",
            default=[],
            metavar="NAME",
            help="Exercise this signal alone; may be given more than once.",
        )
        parser.add_argument(
            "--json",
            action="store_true",
            dest="as_json",
            help="Print JSON instead of a table.",
        )

    def handle(self, *, only: list[str], as_json: bool, **options: Any) -> None:
        """Exercise the signals and print the report.

        Raises:
            CommandError: a name is unknown, tables are missing, or a signal did not
                come as it should.
        """
        signals = chosen(only)
        if not have_tables(connections[router.db_for_write(Topping)], [Topping]):
            raise CommandError("The tables are missing: run 'manage.py migrate' first.")
        exercises = exercise(signals)
        if as_json:
            self.stdout.write(json.dumps(report.as_data(exercises), indent=2))
        else:
            self.stdout.write("\n".join(report.table(exercises, self.style)))
        summary = report.summary(exercises)
        if any(exercise.problems for exercise in exercises):
            raise CommandError(summary)
        if not as_json:
            self.stdout.write("\n" + self.style.SUCCESS(summary))


def chosen(names: list[str]) -> list[BuiltinSignal]:
    """Return the signals of those names, or all if there are none.

    Raises:
        CommandError: the installed Django has no signal of such a name.
    """
    known = {signal.name: signal for signal in catalog.signals()}
    for name in names:
        if name not in known:
            nearest = get_close_matches(name, known) or known
            raise CommandError(
                f"This Django sends no signal {name!r}. Try {', '.join(nearest)}."
            )
    return [signal for name, signal in known.items() if name in names or not names]
