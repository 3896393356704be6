"""What the commands of this app have in common: their arguments, and their errors."""

from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db import (
    DEFAULT_DB_ALIAS,
    Error,
    OperationalError,
    connections,
    router,
)
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from invite_code.errors import InviteCodeError
from invite_code.models import MAX_INTEGER, HandOut, InviteBatch, InviteCode
from invite_code.retrying import is_contention
from invite_code.seeding import table_exists

BUSY = "Others were writing just then, so nothing was changed: try again."


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


def at_most(limit: int) -> Callable[[str], int]:
    """Return the type of an argument that is a whole number from 1 to a limit."""

    def whole_number(text: str) -> int:
        try:
            number = positive_integer(text)
        except ArgumentTypeError:
            number = limit + 1
        if number <= limit:
            return number
        raise ArgumentTypeError(
            f"{text[:80]!r} is not a whole number from 1 to {limit}."
        )

    return whole_number


def add_terms(parser: CommandParser) -> None:
    """Add what the codes of a new batch are to be; see ``terms()``.

    Args:
        parser: of the command.
    """
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


def terms(options: dict[str, Any]) -> dict[str, Any]:
    """Return what the codes are to be, as ``issue()`` takes it.

    Args:
        options: of the command, with the key of the batch.
    """
    return {
        "label": options["label"],
        "max_uses": options["max_uses"],
        "valid_from": options["valid_from"],
        "expires_at": options["expires"],
        "email": options["email"] or "",
        "key": options["key"],
    }


def add_database(parser: CommandParser, purpose: str) -> None:
    """Add ``--database``.

    Args:
        parser: of the command.
        purpose: what the database is for, as a sentence.
    """
    parser.add_argument(
        "--database",
        default=DEFAULT_DB_ALIAS,
        choices=tuple(connections),
        help=f"{purpose} Default: %(default)s.",
    )


def add_json(parser: CommandParser) -> None:
    """Add ``--json``.

    Args:
        parser: of the command.
    """
    parser.add_argument(
        "--json", action="store_true", help="Print a JSON object instead of text."
    )


def batch_of(pk: int, using: str) -> InviteBatch:
    """Return the batch with a primary key.

    Args:
        pk: the primary key.
        using: alias of the database.

    Raises:
        CommandError: there is none, or the database has no tables.
    """
    with explained(using):
        batch = InviteBatch.objects.using(using).filter(pk=pk).first()
    if batch is None:
        raise CommandError(
            f"There is no batch {pk} in '{using}': invite_code_stats lists them."
        )
    return batch


def hand_out_of(pk: int, using: str) -> HandOut:
    """Return the hand-out with a primary key.

    Args:
        pk: the primary key.
        using: alias of the database.

    Raises:
        CommandError: there is none.
    """
    line = HandOut.objects.using(using).filter(pk=pk).first()
    if line is None:
        raise CommandError(f"There is no hand-out {pk} in '{using}'.")
    return line


@contextmanager
def explained(using: str, stopped: str | Callable[[], str] = "") -> Iterator[None]:
    """Make errors of those who use a command, and of rivals, errors of the command.

    Args:
        using: alias of the database.
        stopped: what to say of the work when it is stopped by Ctrl-C; or a function
            that looks what has become of it, and returns all there is to say.

    Raises:
        CommandError: in place of them; with exit code 130 after Ctrl-C.
    """
    in_transaction = connections[using].in_atomic_block
    try:
        yield
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    except (InviteCodeError, ValueError) as error:
        raise CommandError(str(error)) from error
    except (KeyboardInterrupt, Error) as error:
        if was_stopped(error):
            if not in_transaction:
                start_afresh(using)
            said = stopped() if callable(stopped) else f"Stopped. {stopped}".strip()
            raise CommandError(said, returncode=130) from None
        if isinstance(error, OperationalError) and is_contention(error):
            raise CommandError(BUSY) from error
        if table_exists(InviteCode, using):
            raise
        raise CommandError(missing_table(using)) from error


def was_stopped(error: BaseException | None) -> bool:
    """Return whether Ctrl-C has led to an error.

    Where it hits a commit, Django cannot leave the transaction of PostgreSQL, and that
    is the error that comes out.

    Args:
        error: what was raised.
    """
    while error and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def start_afresh(using: str) -> None:
    """Leave a connection that was interrupted, nobody knows in the middle of what.

    Args:
        using: alias of the database.
    """
    connections[using].close()
    del connections[using]  # With what Django believes about it.


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
