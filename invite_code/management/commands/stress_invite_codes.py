import json
import os
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from invite_code.errors import InviteCodeError
from invite_code.management.arguments import (
    add_database,
    add_json,
    at_most,
    missing_table,
)
from invite_code.models import Redemption
from invite_code.seeding import table_exists
from invite_code.stressing import Verdict, stress

REMOVED = "All that it wrote was removed."


class Command(BaseCommand):
    """Try codes from many processes at once, and say whether that went well."""

    help = (
        "Redeems invite codes of its own from many processes at once in your database,"
        " and says whether each was redeemed exactly as often as allowed. It WRITES to"
        " the database and loads it for some seconds; other rows are left alone, what"
        " it wrote is removed, and no receiver hears of it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument(
            "--workers",
            type=at_most(256),
            default=16,
            help="How many processes, each with a connection. Default: %(default)s.",
        )
        parser.add_argument(
            "--codes",
            type=at_most(4_000),
            default=200,
            help="How many codes they try. Default: %(default)s.",
        )
        parser.add_argument(
            "--max-uses",
            type=at_most(1000),
            default=1,
            metavar="N",
            help="How many people each code lets in. Default: %(default)s.",
        )
        add_database(parser, "The database to do it in.")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and print the verdict.

        Raises:
            CommandError: it cannot be done, was stopped, or found something wrong.
        """
        using = options["database"]
        if reason := impossible(using):
            raise CommandError(reason)
        names = ("workers", "codes", "max_uses")
        asked = {name: options[name] for name in names}
        if not options["json"]:
            self.stdout.write(f"Writing to '{using}', and loading it for a while.")
        try:
            verdict = stress(**asked, using=using)
        except KeyboardInterrupt:
            raise CommandError(f"Stopped. {REMOVED}", returncode=130) from None
        except (InviteCodeError, ChildProcessError) as error:
            raise CommandError(f"{error} {REMOVED}") from error
        result = as_data(verdict, asked | {"database": using})
        self.stdout.write(json.dumps(result) if options["json"] else in_words(result))
        if failures := verdict.driver_errors:
            self.stderr.write(
                f"The driver failed {len(failures)} times; the first: {failures[0]}"
            )
        if verdict.wrong:
            raise CommandError(complaint(verdict))


def impossible(using: str) -> str:
    """Return why it cannot be done in a database, and what to do; empty if it can.

    Args:
        using: alias of the database.
    """
    connection = connections[using]
    if "DJANGO_SETTINGS_MODULE" not in os.environ:
        return "Set DJANGO_SETTINGS_MODULE: other processes need the settings, too."
    if getattr(connection, "is_in_memory_db", bool)():  # SQLite alone has it.
        return (
            f"'{using}' is in the memory of this process, where no other one finds it:"
            " there is nobody to race. Give it a file, or name another --database."
        )
    if connection.in_atomic_block:
        return "Other processes do not see what a transaction writes: end it first."
    if not table_exists(Redemption, using):
        return missing_table(using)
    return ""


def as_data(verdict: Verdict, asked: dict[str, Any]) -> dict[str, Any]:
    """Return the object that ``--json`` prints.

    Args:
        verdict: what ``stress()`` returned.
        asked: what the command was asked to do.
    """
    ours, drivers = verdict.per_second, verdict.driver_per_second
    return {
        **asked,
        "vendor": connections[asked["database"]].display_name,
        **asdict(verdict),
        "errors": len(verdict.errors),
        "driver_errors": len(verdict.driver_errors),
        "per_second": round(ours),
        "driver_per_second": round(drivers),
        "ratio": round(ours / drivers, 2) if drivers else None,
    }


def in_words(result: dict[str, Any]) -> str:
    """Return the result of the command as a table.

    Args:
        result: the object that ``--json`` prints.
    """
    names = ("tries", "granted", "refused", "oversold", "lost", "errors")
    driver = "{ratio} of the {driver_per_second:,} that the driver\nmakes by itself"
    if result["ratio"] is None:
        driver = "none by the driver\nitself"
    template = (
        "{workers} workers, {codes} codes, {max_uses} use(s) each, in '{database}'"
        " ({vendor}):\n"
        + "".join(f"  {name:10}{{{name}:10,}}\n" for name in names)
        + f"{{per_second:,}} redemptions a second, {driver}"
        " with the same two statements.\n"
    )
    return template.format(**result) + REMOVED


def complaint(verdict: Verdict) -> str:
    """Return what was found wrong.

    Args:
        verdict: what ``stress()`` returned, with something wrong in it.
    """
    counts = f"{verdict.oversold} oversold, {verdict.lost} lost"
    first = f"; the first: {verdict.errors[0]}" if verdict.errors else ""
    return f"Not as it should be: {counts}, {len(verdict.errors)} errors{first}"
