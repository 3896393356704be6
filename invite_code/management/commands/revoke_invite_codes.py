import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet

from invite_code.codes import MAX_LENGTH
from invite_code.conf import conf
from invite_code.errors import Malformed
from invite_code.handing_out import CHUNK_SIZE
from invite_code.management.arguments import (
    add_database,
    add_json,
    batch_of,
    encodable,
    explained,
    hand_out_of,
    positive_integer,
)
from invite_code.models import HandOut, InviteBatch, InviteCode
from invite_code.retrying import retry
from invite_code.revoking import restore, restore_batch, revoke, revoke_batch

logger = logging.getLogger("invite_code")

#: The options of which at least one says which codes.
FILTERS = ("batch", "hand_out", "recipient", "code")

WHICH = "Say which codes: --batch, --hand-out, --recipient or --code."
EMPTY = "An option that says which codes is empty: name them, or leave it out."
UNCHANGED = "Nothing was changed."

#: How many bytes of a line to read: more than the longest spelling of a code has, which
#: takes four times its symbols, of up to four bytes each.
LINE_BYTES = 4 * 4 * MAX_LENGTH + 1

#: How many of the lines are named that are no codes.
NAMED = 10


class Command(BaseCommand):
    """Revoke invite codes, or take that back."""

    help = (
        "Revokes invite codes: they let nobody in any more. --restore takes that back."
        " Options that say which codes narrow each other down. A batch alone is revoked"
        " as a whole."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.epilog = (
            "Example, whose codes do not land in the history of the shell:"
            " revoke_invite_codes --code - --yes < leaked.txt"
        )
        parser.add_argument(
            "--batch", type=positive_integer, metavar="PK", help="Those of a batch."
        )
        parser.add_argument(
            "--hand-out", type=positive_integer, metavar="PK", help="Of a hand-out."
        )
        parser.add_argument(
            "--recipient",
            type=encodable,
            metavar="NAME",
            help="Of all hand-outs to somebody, by the very name in the ledger.",
        )
        parser.add_argument(
            "--code",
            help="One, in any spelling; or - to read one a line of standard input.",
        )
        parser.add_argument(
            "--unused-only", action="store_true", help="Only what nobody has used yet."
        )
        parser.add_argument(
            "--restore",
            action="store_true",
            help="Let codes in again that are revoked.",
        )
        add_database(parser, "The database they are in.")
        parser.add_argument(
            "--dry-run", action="store_true", help="Say what would be done, do nothing."
        )
        parser.add_argument("--yes", action="store_true", help="Do not ask first.")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Revoke or restore the codes, and say how many.

        Raises:
            CommandError: it is not said which, or not confirmed; nothing was changed.
        """
        if all(options[name] is None for name in FILTERS):
            raise CommandError(WHICH, returncode=2)
        if any(options[name] == "" for name in FILTERS):
            raise CommandError(EMPTY, returncode=2)
        using, dry = options["database"], options["dry_run"]
        with explained(using, "Run it again with --dry-run to see what is left."):
            choice = chosen(options)
            result = as_data(options, choice)
            if result["count"] and not (dry or options["yes"]):
                self.confirm(in_words({**result, "dry_run": True}))
            if not dry:
                result["count"] = choice.change()
        said = in_words(result)
        if result["count"] and not dry:
            logger.info(said)
        self.stdout.write(json.dumps(result) if options["json"] else said)

    def confirm(self, plan: str) -> None:
        """Ask whether to go on.

        Args:
            plan: what would be done, as a sentence.

        Raises:
            CommandError: there is nobody to ask, or the answer is not yes.
        """
        if not sys.stdin.isatty():
            raise CommandError(
                f"{plan} {UNCHANGED} Confirm it by --yes: there is no terminal to ask."
            )
        # Not by input(), which asks on the standard output: that may be JSON.
        self.stderr.write(f"{plan} Go on? [y/N] ", str, ending="")
        self.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise CommandError(UNCHANGED)


@dataclass(frozen=True)
class Choice:
    """What the options choose.

    Args:
        using: alias of the database.
        restore: whether to restore it.
        batch: the batch, if it is chosen as a whole.
        parts: the codes, as many of them at once as fit a statement.
        unknown: how many of the codes that were typed are not there.
    """

    using: str
    restore: bool
    batch: InviteBatch | None
    parts: list[QuerySet[InviteCode]]
    unknown: int = 0

    def count(self) -> int:
        """Return for how many codes something would change."""
        if self.batch and bool(self.batch.revoked_at) != self.restore:
            return 0
        return sum(part.count() for part in self.parts)

    def change(self) -> int:
        """Revoke or restore it, and return for how many codes something changed."""
        if self.batch:
            set_batch = restore_batch if self.restore else revoke_batch
            codes = self.count()
            return codes if set_batch(self.batch, using=self.using) else 0
        set_codes = restore if self.restore else revoke
        return retry(lambda: sum(map(set_codes, self.parts)), using=self.using)


def chosen(options: dict[str, Any]) -> Choice:
    """Return what the options choose.

    Args:
        options: of the command; at least one says which codes.

    Raises:
        CommandError: there is no such batch, hand-out, recipient or code.
    """
    using, undo = options["database"], options["restore"]
    codes = InviteCode.objects.using(using)
    batch = None
    if options["batch"]:
        batch = batch_of(options["batch"], using)
        codes = codes.filter(batch=batch)
    if batch and not (options["unused_only"] or any(options[n] for n in FILTERS[1:])):
        return Choice(using, undo, batch, [codes])
    if options["hand_out"]:
        line = hand_out_of(options["hand_out"], using)
        codes = codes.filter(hand_out=line).filter(batch=line.batch_id)
    if options["recipient"]:
        codes = codes.filter(hand_out__in=hand_outs_to(options["recipient"], using))
    if options["unused_only"]:
        codes = codes.filter(uses=0)
    codes = codes.filter(revoked_at__isnull=not undo)
    if not options["code"]:
        return Choice(using, undo, None, [codes])
    typed = typed_codes(options["code"])
    chunks = [typed[i : i + CHUNK_SIZE] for i in range(0, len(typed), CHUNK_SIZE)]
    stored = InviteCode.objects.using(using)
    known = sum(stored.filter(code__in=chunk).count() for chunk in chunks)
    parts = [codes.filter(code__in=chunk) for chunk in chunks]
    return Choice(using, undo, None, parts, len(typed) - known)


def hand_outs_to(recipient: str, using: str) -> list[int]:
    """Return the primary keys of all hand-outs to somebody.

    Args:
        recipient: the name in the ledger. MySQL takes one for another that differs in
            accents or case, and so would revoke too much.
        using: alias of the database.

    Raises:
        CommandError: there is none.
    """
    lines = HandOut.objects.using(using).filter(recipient=recipient)
    found = lines.values_list("pk", "recipient")
    pks = [pk for pk, name in found if name == recipient]
    if not pks:
        raise CommandError(f"Nobody called {recipient!r} was given codes in '{using}'.")
    return pks


def typed_codes(option: str) -> list[str]:
    """Return the codes that an option or the standard input has, each once.

    Args:
        option: a code, or "-" for a code on each line of the standard input.

    Raises:
        CommandError: there is none, or something else stands there.
    """
    texts = lines_of_input() if option == "-" else iter([(1, option)])
    codes, wrong = {}, []
    for number, text in texts:
        try:
            codes[conf.code_format.normalize(text)] = True
        except Malformed:
            wrong.append(number)
    if wrong and option != "-":
        raise CommandError(f"What --code names is no code. {UNCHANGED}")
    if wrong:
        numbers = ", ".join(map(str, wrong[:NAMED])) + ", …" * (len(wrong) > NAMED)
        raise CommandError(f"No code stands in line {numbers}. {UNCHANGED}")
    if not codes:
        raise CommandError(f"No code stands in the standard input. {UNCHANGED}")
    return list(codes)


def lines_of_input() -> Iterator[tuple[int, str]]:
    """Yield the lines of standard input that are not blank, and their numbers.

    Of one that is too long for a code, enough is read to tell; the rest follows.
    """
    stream = sys.stdin.buffer
    for number, line in enumerate(iter(partial(stream.readline, LINE_BYTES), b""), 1):
        if line.strip():
            yield number, line.decode(errors="replace")


def as_data(options: dict[str, Any], choice: Choice) -> dict[str, Any]:
    """Return the object that ``--json`` prints.

    Args:
        options: of the command.
        choice: what they choose.
    """
    names = ("batch", "hand_out", "recipient", "unused_only", "restore")
    return {
        **{name: options[name] for name in names},
        "whole_batch": choice.batch is not None,
        "count": choice.count(),
        "unknown": choice.unknown,
        "database": options["database"],
        "dry_run": options["dry_run"],
    }


def in_words(result: dict[str, Any]) -> str:
    """Return the result of the command as a sentence, or two.

    Args:
        result: the object that ``--json`` prints.
    """
    verb = "restore" if result["restore"] else "revoke"
    done = f"Would {verb}" if result["dry_run"] else f"{verb.capitalize()}d"
    codes = "1 code" if result["count"] == 1 else f"{result['count']} codes"
    if not result["whole_batch"]:
        said = f"{done} {codes} in '{result['database']}'."
    elif result["count"]:
        batch = f"batch {result['batch']} in '{result['database']}'"
        said = f"{done} {batch} as a whole: {codes}."
    else:
        state = "not revoked as a whole" if result["restore"] else "revoked already"
        said = f"Batch {result['batch']} is {state}, or has no codes."
    unknown = f" Not there: {result['unknown']} of the codes that were named."
    return said + unknown * bool(result["unknown"])
