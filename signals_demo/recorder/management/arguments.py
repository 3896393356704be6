"""What commands of the recorder have in common: filters, and a command to run."""

from argparse import PARSER
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from django.core.management import (
    BaseCommand,
    CommandError,
    call_command,
    get_commands,
    load_command_class,
)
from django.core.management.base import CommandParser


def add_filters(parser: CommandParser, **meanings: str) -> None:
    """Add options that say what to keep, each as often as is wanted.

    Args:
        parser: of the command.
        meanings: what each of them does, by its name.
    """
    for name, meaning in meanings.items():
        parser.add_argument(
            f"--{name}",
            action="append",
            default=[],
            metavar=name.upper(),
            help=f"{meaning}; may be given more than once.",
        )


def add_command(parser: CommandParser, *, required: bool) -> None:
    """Add the command to run, which stands behind ``--``.

    Args:
        parser: that of the command that runs it.
        required: whether there is nothing else to run.
    """
    parser.add_argument(
        "command",
        # With "*", argparse would give up on it at the first option.
        nargs=PARSER if required else "*",
        metavar="-- command",
        help="The command to run, with its arguments: -- loaddata books.json",
    )


def find(command: Sequence[str]) -> BaseCommand:
    """Return the command to run.

    Args:
        command: its name and arguments.

    Raises:
        CommandError: there is no such command.
    """
    name, known = command[0], get_commands()
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise CommandError(f"There is no command {name!r} to run.{hint}")
    app = known[name]
    return app if isinstance(app, BaseCommand) else load_command_class(app, name)


def run(command: Sequence[str], options: dict[str, Any]) -> None:
    """Run a command as ``manage.py`` would.

    Args:
        command: its name and arguments.
        options: of the command that runs it.

    Raises:
        CommandError: there is no such command, or it fails.
    """
    found, arguments = find(command), command[1:]
    taken_over = {name: True for name in ("no_color", "force_color") if options[name]}
    if found.requires_system_checks:
        taken_over["skip_checks"] = "--skip-checks" in arguments
    call_command(found, *arguments, **taken_over)
