import json
import sys
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from invite_code.codes import MAX_LENGTH
from invite_code.conf import conf
from invite_code.explaining import Explanation, explain, facts
from invite_code.management.arguments import (
    add_database,
    add_json,
    address,
    missing_table,
)
from invite_code.models import InviteCode
from invite_code.seeding import table_exists

#: How many bytes of a line to read. The longest spelling, four times the symbols of
#: the longest code in UTF-8, is shorter; a longer line is too long for a code.
LINE_BYTES = 4 * 4 * MAX_LENGTH + 1


class Command(BaseCommand):
    """Say what there is to know about a code, and whether it would be redeemed."""

    help = (
        "Says what there is to know about an invite code, and whether it would be"
        " redeemed. Exits 0 if it would, 1 if it would be refused, 2 if that cannot be"
        " told. Changes nothing."
    )
    # They may ask a database that cannot be reached, and end with 1 then.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.epilog = (
            "Example, whose code does not land in the history of the shell:"
            " explain_invite_code - < code.txt"
        )
        parser.add_argument(
            "code",
            help="The code, in any spelling; or - to read a line of standard input.",
        )
        parser.add_argument(
            "--email",
            type=address,
            metavar="ADDRESS",
            help="The address it would be redeemed for. Default: any that it lets in.",
        )
        add_database(parser, "The database to look in.")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Explain the code.

        Raises:
            CommandError: the database cannot tell.
            SystemExit: with 1, if the code would be refused.
        """
        code = read_line() if options["code"] == "-" else options["code"]
        explanation = self.explain(code, options["email"], options["database"])
        if options["json"]:
            self.stdout.write(
                json.dumps(as_data(explanation), default=datetime.isoformat)
            )
        else:
            self.stdout.write("\n".join(in_lines(explanation)))
        if explanation.refusal:
            sys.exit(1)

    def explain(self, code: str, email: str | None, using: str) -> Explanation:
        """Return the explanation of a code.

        Raises:
            CommandError: the database cannot be reached, or has no table of codes.
        """
        try:
            return explain(code, email=email, using=using)
        except Error as error:
            reason = reason_for(error, using)
            raise CommandError(reason, returncode=2) from error


def reason_for(error: Error, using: str) -> str:
    """Return why a database does not tell.

    Args:
        error: what it said.
        using: alias of the database.
    """
    with suppress(Error):  # It cannot be reached, say.
        if not table_exists(InviteCode, using):
            return missing_table(using)
    return f"The database '{using}' does not tell: {error}"


def read_line() -> str:
    """Return a line of standard input; what of it is no text spells no code."""
    return sys.stdin.buffer.readline(LINE_BYTES).decode(errors="replace")


def in_lines(explanation: Explanation) -> list[str]:
    """Return a line for each fact, the values below one another.

    Args:
        explanation: what ``explain()`` returned.
    """
    labelled = facts(explanation)
    width = max(len(label) for label, _ in labelled)
    return [f"{label:{width}}  {value}" for label, value in labelled]


def as_data(explanation: Explanation) -> dict[str, Any]:
    """Return the object that ``--json`` prints.

    Args:
        explanation: what ``explain()`` returned.
    """
    stored, refusal = explanation.stored, explanation.refusal
    names = ("pk", "revoked_at", "valid_from", "expires_at", "uses", "max_uses")
    batch_names = ("pk", "label", "revoked_at")
    return {
        "code": conf.code_format.display(explanation.code) or None,
        "redeemable": refusal is None,
        "reason": refusal and refusal.reason,
        "message": refusal and str(refusal),
        "batch": stored and {name: getattr(stored.batch, name) for name in batch_names},
        **{name: getattr(stored, name, None) for name in names},
        "live_holds": explanation.live_holds,
        "uses_left": explanation.uses_left,
        "email": (stored and stored.email) or None,
    }
