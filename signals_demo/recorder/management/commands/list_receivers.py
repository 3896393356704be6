import json
import os
import sys
from collections.abc import Iterator
from textwrap import wrap
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandParser

from signals_demo.recorder import inventory
from signals_demo.recorder.encoding import printable
from signals_demo.recorder.management.arguments import add_filters
from signals_demo.recorder.text import WIDTH, plural


class Command(BaseCommand):
    """Show the signals of the process, and who is connected to them."""

    help = "Lists all signals and receivers: who they are, for whom, connected where."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what to show, and how."""
        add_filters(
            parser,
            signal="Show this signal alone, such as post_save",
            sender="Show what signals of this model reach, such as shop.Book",
            app="Show the receivers of this app or package alone, such as shop",
        )
        parser.add_argument(
            "--dead",
            action="store_true",
            help="Show those alone that were connected weakly, and held by nothing.",
        )
        parser.add_argument(
            "--format", choices=["text", "json"], default="text", help="Text or JSON."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write what was asked for."""
        found = list(_chosen(inventory.as_data(forgotten=True), options))
        if options["format"] == "json":
            self.stdout.write(json.dumps(found, indent=2))
            return
        for signal in found:
            if signal["receivers"]:
                self.show(signal)
        silent = [each["signal"] for each in found if not each["receivers"]]
        if silent:
            self.write("Nobody receives:", "")
            for name in silent:
                self.write(name, "  ")
            self.stdout.write()
        self.write(_summary(found), "")

    def show(self, signal: dict[str, Any]) -> None:
        """Write a signal and its receivers."""
        self.write(signal["signal"], "", self.style.MIGRATE_HEADING)
        for each in signal["receivers"]:
            paint = self.style.SUCCESS if each["alive"] else self.style.ERROR
            self.write(each["name"] or "?", "  ", paint)
            self.write(", ".join(_facts(each)), "    ")
            place, caller = _shortened(each["place"]), each["connected_at"] or ""
            self.write(f"at {place}" if place else "", "    ")
            if caller and caller != each["place"]:
                self.write(f"connected at {_shortened(caller)}", "    ")
        self.stdout.write()

    def write(self, line: str, indent: str, paint: Any = str) -> None:
        """Write a text in as many lines as it takes."""
        for part in wrap(
            line,
            WIDTH,
            initial_indent=indent,
            subsequent_indent=f"{indent}  ",
            break_on_hyphens=False,
        ):
            self.stdout.write(paint(printable(part, self.stdout)))


def _chosen(
    found: list[dict[str, Any]], options: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the signals that were asked for, with the receivers that were."""
    packages = tuple(f"{_package(label)}." for label in options["app"])
    filtered = bool(packages or options["sender"] or options["dead"])
    for signal in found:
        name = signal["signal"]
        if options["signal"] and not {
            name,
            name.rpartition(".")[2],
        } & set(options["signal"]):
            continue
        receivers = [
            each
            for each in signal["receivers"]
            if (not options["sender"] or each["sender"] in (None, *options["sender"]))
            and (not packages or _defined(each["name"]).startswith(packages))
            and not (options["dead"] and each["alive"])
        ]
        if receivers or not filtered:
            yield signal | {"receivers": receivers}


def _package(label: str) -> str:
    """Return the package of an app, or what was given if there is no such app."""
    found = [each.name for each in apps.get_app_configs() if each.label == label]
    return found[0] if found else label


def _defined(name: str) -> str:
    """Return the name of a receiver without the partials around it."""
    while name.startswith("partial("):
        name = name.removeprefix("partial(")
    return name


def _facts(receiver: dict[str, Any]) -> Iterator[str]:
    yield f"for {receiver['sender'] or 'any sender'}"
    if receiver["uid"] is not None:
        yield f"uid {receiver['uid']}"
    yield "weak" if receiver["weak"] else "strong"
    if receiver["async"]:
        yield "async"
    if receiver["waiting"]:
        yield "waiting for its sender"
    if not receiver["alive"]:
        yield "DEAD"


def _shortened(place: str) -> str:
    """Return a file and line without the folder that Python imports it from."""
    folders = sorted((f"{each}{os.sep}" for each in sys.path if each), key=len)
    return next(
        (
            place.removeprefix(each)
            for each in reversed(folders)
            if place.startswith(each)
        ),
        place,
    )


def _summary(found: list[dict[str, Any]]) -> str:
    receivers = [each for signal in found for each in signal["receivers"]]
    dead = sum(not each["alive"] for each in receivers)
    note = f", {dead:,} of them dead" if dead else ""
    return (
        f"{plural(len(found), 'signal')}, {plural(len(receivers), 'receiver')}{note}."
    )
