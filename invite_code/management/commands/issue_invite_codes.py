import json
from functools import partial
from typing import Any
from uuid import uuid4

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from invite_code.conf import conf
from invite_code.issuing import issue
from invite_code.management.arguments import (
    add_database,
    add_json,
    add_terms,
    explained,
    missing_table,
    positive_integer,
    terms,
)
from invite_code.models import InviteBatch, InviteCode
from invite_code.progress import progress_for
from invite_code.seeding import table_exists
from invite_code.tasks import issue_later, state_of


class Command(BaseCommand):
    """Issue invite codes in a batch of their own."""

    help = "Issues invite codes in a batch of their own: all of them, or none."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.epilog = (
            "Example: issue_invite_codes 50 --label Newsletter --expires 2030-12-31"
        )
        parser.add_argument("count", type=positive_integer, help="How many codes.")
        add_terms(parser)
        add_database(parser, "The database they go to.")
        way = parser.add_mutually_exclusive_group()
        way.add_argument(
            "--dry-run", action="store_true", help="Say what would be done, do nothing."
        )
        way.add_argument(
            "--enqueue", action="store_true", help="Leave it to the task queue."
        )
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Issue the codes and say so.

        Raises:
            CommandError: the codes cannot be issued, or it was stopped; none was, or
                it says so.
        """
        options["key"] = uuid4().hex
        with explained(options["database"], partial(stopped, options)):
            batch = enqueue(options) if options["enqueue"] else self.issue(options)
            result = as_data(batch, options)
            words = json.dumps(result) if options["json"] else in_words(result)
            self.stdout.write(words)

    def issue(self, options: dict[str, Any]) -> InviteBatch:
        """Issue the codes that the options ask for, and take them back if dry.

        Args:
            options: of the command, with the key of the batch.

        Raises:
            Exception: as ``invite_code.issuing.issue()`` does.
        """
        count, using = options["count"], options["database"]
        with progress_for(self, options, count) as progress:
            work = partial(issue, count, **terms(options), using=using)
            if not options["dry_run"]:  # In no transaction, so it can be begun anew.
                return work(progress=progress)
            with transaction.atomic(using=using):
                batch = work(progress=progress)
                transaction.set_rollback(True, using=using)
        return batch


def enqueue(options: dict[str, Any]) -> InviteBatch | None:
    """Leave the codes to the task queue; return the batch if it is there at once.

    Args:
        options: of the command, with the key of the batch.

    Raises:
        CommandError: there is no table or no queue, or the queue has tried at once,
            and failed.
        Exception: as ``invite_code.tasks.issue_later()`` does.
    """
    using = options["database"]
    if not table_exists(InviteCode, using):
        raise CommandError(missing_table(using))
    try:
        issue_later(options["count"], **terms(options), using=using)
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error
    state = state_of(options["key"], using)
    if state.error:
        raise CommandError(state.error)
    return state.batch


def stopped(options: dict[str, Any]) -> str:
    """Return what there is to say after Ctrl-C, which may have come too late.

    Args:
        options: of the command, with the key of the batch.
    """
    batches = InviteBatch.objects.using(options["database"])
    if batch := batches.filter(key=options["key"]).first():
        return f"Stopped too late: batch {batch.pk} was issued, with all its codes."
    if options["enqueue"]:
        return (
            "Stopped: no code was issued so far. If the task queue has them already,"
            f" a worker will issue them under the key {options['key']}."
        )
    return "Stopped: no code was issued."


def as_data(batch: InviteBatch | None, options: dict[str, Any]) -> dict[str, Any]:
    """Return the object that ``--json`` prints.

    Args:
        batch: what was issued; None if a worker will.
        options: of the command, with the key of the batch.
    """
    valid_from, expires_at = options["valid_from"], options["expires"]
    is_dry = options["dry_run"]
    return {
        "batch": None if is_dry or not batch else batch.pk,
        "key": None if is_dry else options["key"],
        "count": options["count"],
        "label": options["label"],
        "max_uses": options["max_uses"],
        "valid_from": valid_from and valid_from.isoformat(),
        "expires_at": expires_at and expires_at.isoformat(),
        "email": options["email"],
        "entropy_bits": conf.code_format.entropy_bits(),
        "database": options["database"],
        "dry_run": is_dry,
    }


def in_words(result: dict[str, Any]) -> str:
    """Return the result of the command as a sentence.

    Args:
        result: the object that ``--json`` prints.
    """
    done = "Would issue"
    if not result["dry_run"]:
        pk, key = result["batch"], result["key"]
        done = f"Batch {pk}: issued" if pk else f"Enqueued under the key {key}:"
    codes = "1 code" if result["count"] == 1 else f"{result['count']} codes"
    number = {None: "any number of uses", 1: "one use"}
    said = [
        "each for " + number.get(result["max_uses"], f"{result['max_uses']} uses"),
        result["valid_from"] and f"from {result['valid_from']}",
        f"until {result['expires_at']}" if result["expires_at"] else "without end",
        result["email"] and f"for {result['email']} alone",
    ]
    return f"{done} {codes} in '{result['database']}', {', '.join(filter(None, said))}."
