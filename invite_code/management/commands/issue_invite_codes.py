import json
from argparse import ArgumentTypeError
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, router, transaction
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from invite_code.conf import conf
from invite_code.errors import InviteCodeError
from invite_code.issuing import issue
from invite_code.models import InviteBatch, InviteCode
from invite_code.seeding import table_exists

#: The largest value a PositiveIntegerField holds on every database.
MAX_INTEGER = 2**31 - 1


def positive_integer(text: str) -> int:
    """Return a whole number that the database can hold, 1 or more.

    Raises:
        ArgumentTypeError: it is something else.
    """
    short_number = text.isascii() and text.isdigit() and len(text) <= 10
    if short_number and 1 <= int(text) <= MAX_INTEGER:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not a whole number from 1 to {MAX_INTEGER}.")


def uses(text: str) -> int | None:
    """Return how often a code may be used, None standing for any number of times.

    Raises:
        ArgumentTypeError: it is neither a number from 1 on nor "unlimited".
    """
    return None if text == "unlimited" else positive_integer(text)


def beginning(text: str) -> datetime:
    """Return the moment that an ISO 8601 date or time means, a date its beginning.

    A time without offset is one of the current time zone.

    Raises:
        ArgumentTypeError: it is neither.
    """
    return moment(text, timedelta(0))


def end(text: str) -> datetime:
    """Return what ``beginning()`` does, but of a date the end.

    Raises:
        ArgumentTypeError: it is neither, or in the past.
    """
    value = moment(text, timedelta(days=1))
    if value <= timezone.now():
        raise ArgumentTypeError(f"{text!r} is in the past.")
    return value


def moment(text: str, into_day: timedelta) -> datetime:
    """Return the moment that an ISO 8601 date or time means.

    Args:
        text: the date or time.
        into_day: how far after its beginning a date is meant.

    Raises:
        ArgumentTypeError: it is neither.
    """
    try:
        if date := parse_date(text):
            value: datetime | None = datetime.combine(date, time()) + into_day
        else:
            value = parse_datetime(text)
        value = value and as_stored(value)
    except (ValueError, OverflowError):  # A 13th month, or the year after 9999.
        value = None
    if value is None:
        raise ArgumentTypeError(f"{text!r} is not a date such as 2030-12-31.")
    return value


def as_stored(value: datetime) -> datetime:
    """Return the moment as USE_TZ asks for it: in UTC, or without an offset.

    Raises:
        OverflowError: it lies outside the years 1 to 9999 there.
    """
    if settings.USE_TZ:
        aware = timezone.make_aware(value) if timezone.is_naive(value) else value
        return aware.astimezone(UTC)
    return timezone.make_naive(value) if timezone.is_aware(value) else value


def encodable(text: str) -> str:
    """Return the text, if a database can store it.

    Raises:
        ArgumentTypeError: the terminal sent bytes that are no text.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ArgumentTypeError(f"{text!r} is not text.") from None
    return text


def address(text: str) -> str:
    """Return an e-mail address as it is stored.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        found = InviteCode._meta.get_field("email").clean(encodable(text), None)
    except ValidationError:
        found = ""
    if not found:  # Which a model takes for any address.
        raise ArgumentTypeError(f"{text[:80]!r} is not an e-mail address.")
    return str(found).lower()


class Command(BaseCommand):
    """Issue invite codes in a batch of their own."""

    help = "Issues invite codes in a batch of their own: all of them, or none."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.epilog = (
            "Example: issue_invite_codes 50 --label Newsletter --expires 2030-12-31"
        )
        parser.add_argument("count", type=positive_integer, help="How many codes.")
        parser.add_argument(
            "--label", type=encodable, default="", help="What they are for."
        )
        parser.add_argument(
            "--max-uses",
            type=uses,
            default=1,
            help='How many people each lets in: a number, or "unlimited". Default: 1.',
        )
        parser.add_argument(
            "--valid-from",
            type=beginning,
            metavar="WHEN",
            help="First day (2030-12-01), or moment. Default: at once.",
        )
        parser.add_argument(
            "--expires",
            type=end,
            metavar="WHEN",
            help="Last day (2030-12-31), or moment (2030-12-31T18:00). Default: never.",
        )
        parser.add_argument(
            "--email",
            type=address,
            metavar="ADDRESS",
            help="The only address they let in. Default: any.",
        )
        parser.add_argument(
            "--database",
            default=DEFAULT_DB_ALIAS,
            choices=tuple(connections),
            help="The database they go to. Default: %(default)s.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Say what would be done, do nothing."
        )
        parser.add_argument(
            "--json", action="store_true", help="Print a JSON object instead of text."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Issue the codes and say so.

        Raises:
            CommandError: the codes cannot be issued; none was.
        """
        batch = self.issue(options)
        valid_from, expires_at = options["valid_from"], options["expires"]
        result = {
            "batch": None if options["dry_run"] else batch.pk,
            "count": options["count"],
            "label": options["label"],
            "max_uses": options["max_uses"],
            "valid_from": valid_from and valid_from.isoformat(),
            "expires_at": expires_at and expires_at.isoformat(),
            "email": options["email"],
            "entropy_bits": conf.code_format.entropy_bits(),
            "database": options["database"],
            "dry_run": options["dry_run"],
        }
        self.stdout.write(json.dumps(result) if options["json"] else in_words(result))

    def issue(self, options: dict[str, Any]) -> InviteBatch:
        """Issue the codes that the options ask for, and take them back if dry.

        Raises:
            CommandError: they cannot be issued; none was.
        """
        using = options["database"]
        try:
            with transaction.atomic(using=using):
                batch = issue(
                    options["count"],
                    label=options["label"],
                    max_uses=options["max_uses"],
                    valid_from=options["valid_from"],
                    expires_at=options["expires"],
                    email=options["email"] or "",
                    using=using,
                )
                transaction.set_rollback(options["dry_run"], using=using)
            return batch
        except (InviteCodeError, ValueError) as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except DatabaseError as error:
            if table_exists(InviteCode, using):
                raise
            raise CommandError(missing_table(using)) from error


def missing_table(using: str) -> str:
    """Return why a database has no table for codes, and what to do.

    Args:
        using: alias of the database.
    """
    if router.allow_migrate_model(using, InviteCode):
        return (
            f"There are no tables in '{using}': run 'manage.py migrate' for it first."
        )
    return f"Invite codes are kept out of '{using}' by a database router."


def in_words(result: dict[str, Any]) -> str:
    """Return the result of the command as a sentence.

    Args:
        result: the object that ``--json`` prints.
    """
    done = "Would issue" if result["dry_run"] else f"Batch {result['batch']}: issued"
    codes = "1 code" if result["count"] == 1 else f"{result['count']} codes"
    number = {None: "any number of uses", 1: "one use"}
    terms = [
        "each for " + number.get(result["max_uses"], f"{result['max_uses']} uses"),
        result["valid_from"] and f"from {result['valid_from']}",
        f"until {result['expires_at']}" if result["expires_at"] else "without end",
        result["email"] and f"for {result['email']} alone",
    ]
    return (
        f"{done} {codes} in '{result['database']}', {', '.join(filter(None, terms))}."
    )
