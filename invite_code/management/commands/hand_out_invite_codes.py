import json
import logging
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from invite_code.conf import conf
from invite_code.handing_out import given, hand_out
from invite_code.management.arguments import (
    add_database,
    add_json,
    batch_of,
    encodable,
    explained,
    positive_integer,
)
from invite_code.models import HandOut

logger = logging.getLogger("invite_code")


class Command(BaseCommand):
    """Give somebody the next unused codes of a batch, and print them."""

    help = (
        "Gives somebody the next unused invite codes of a batch, and prints them: all"
        " that were asked for, or none. No code is given twice."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.epilog = (
            'Example: hand_out_invite_codes 3 50 --to "The Daily Planet" > codes.txt'
        )
        parser.add_argument(
            "batch", type=positive_integer, help="Primary key of the batch."
        )
        parser.add_argument("count", type=positive_integer, help="How many codes.")
        parser.add_argument(
            "--to",
            type=encodable,
            default="",
            metavar="NAME",
            help="Who is given them, for the ledger.",
        )
        add_database(parser, "The database they are in.")
        parser.add_argument(
            "--dry-run", action="store_true", help="Say what would be done, do nothing."
        )
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Hand the codes out, print them, and say beside them which hand-out it is.

        Raises:
            CommandError: too few codes are left, say; nobody was given any.
        """
        using, dry = options["database"], options["dry_run"]
        with explained(using, "The ledger says whether somebody was given codes."):
            line = self.hand_out(options)
            codes = [] if dry else given(line, using).values_list("code", flat=True)
            shown = [conf.code_format.display(code) for code in codes]
        result = {
            "hand_out": None if dry else line.pk,
            "batch": line.batch_id,
            "recipient": line.recipient,
            "count": line.count,
            "database": using,
            "dry_run": dry,
        }
        if options["verbosity"]:
            # Not among the codes, and before them, should nobody read those.
            self.stderr.write(in_words(result), str)
        if options["json"]:
            self.stdout.write(json.dumps({**result, "codes": shown}))
        elif shown:
            self.stdout.write("\n".join(shown))

    def hand_out(self, options: dict[str, Any]) -> HandOut:
        """Hand out the codes that the options ask for, and take them back if dry."""
        using = options["database"]
        batch = batch_of(options["batch"], using)
        if options["dry_run"]:
            with transaction.atomic(using=using):
                line = hand_out(batch, options["count"], to=options["to"], using=using)
                transaction.set_rollback(True, using=using)
            return line
        line = hand_out(batch, options["count"], to=options["to"], using=using)
        words = "Handed out %d codes of batch %d in '%s': hand-out %d."
        logger.info(words, line.count, batch.pk, using, line.pk)
        return line


def in_words(result: dict[str, Any]) -> str:
    """Return the result of the command as a sentence.

    Args:
        result: the object that ``--json`` prints.
    """
    dry = result["dry_run"]
    done = "Would hand out" if dry else f"Hand-out {result['hand_out']}:"
    codes = "1 code" if result["count"] == 1 else f"{result['count']} codes"
    to = f" to {result['recipient']}" if result["recipient"] else ""
    return f"{done} {codes} of batch {result['batch']} in '{result['database']}'{to}."
