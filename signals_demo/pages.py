"""What the pages of the signals show, as data: their JSON twins are just that."""

from collections.abc import Mapping
from difflib import get_close_matches
from itertools import groupby
from textwrap import dedent
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext

from signals_demo import catalog
from signals_demo.builtin import BuiltinSignal, Dated, Version
from signals_demo.compat import DJANGO_VERSION
from signals_demo.examples import scenarios_of
from signals_demo.recorder import inventory
from signals_demo.recorder.live.details import source

#: The versions of Django that the pages compare.
VERSIONS: tuple[Version, ...] = ((5, 2), (6, 0), (6, 1))

#: Where receivers stand that are here to be read.
REFERENCES = ("signals_demo.signals", "signals_demo.subclasses")

#: What the names of the pages' addresses stand in, unless a project says otherwise.
NAMESPACE = "signals_demo"

Data = dict[str, Any]


def label(version: Version | None) -> str | None:
    """Return a version as it is written, such as ``6.1``."""
    return None if version is None else ".".join(map(str, version))


def versions(signal: BuiltinSignal, *parts: Dated) -> dict[str, bool]:
    """Return which of the compared versions have a signal, and these parts of it."""
    return {
        label(version) or "": all(each.is_in(version) for each in (signal, *parts))
        for version in VERSIONS
    }


def overview(signal: BuiltinSignal, namespace: str = NAMESPACE) -> Data:
    """Return what the catalog says of a signal in a line or two."""
    return {
        "name": signal.name,
        "path": signal.path,
        "group": gettext(signal.group),
        "when": gettext(signal.when),
        "url": reverse(f"{namespace}:signal", args=[signal.name]),
        "documentation": signal.docs,
        "documented": signal.documented,
        "since": label(signal.since),
        "removed": label(signal.removed),
        "installed": signal.is_in(DJANGO_VERSION),
        "arguments": [argument.name for argument in signal.arguments_in()],
    }


def index(
    listeners: Mapping[str, list[Data]] | None, namespace: str = NAMESPACE
) -> Data:
    """Return the page of all signals.

    Args:
        listeners: the receivers of this process by signal; None to tell nothing of
            this process.
        namespace: where the pages are.
    """
    groups = [
        {
            "title": gettext(title),
            "signals": [
                {
                    **overview(signal, namespace),
                    "receivers": living(signal, listeners),
                }
                for signal in members
            ],
        }
        for title, members in groupby(catalog.SIGNALS, lambda signal: signal.group)
    ]
    return {
        "django": label(DJANGO_VERSION),
        "count": len(catalog.signals()),
        "groups": groups,
    }


def living(
    signal: BuiltinSignal, listeners: Mapping[str, list[Data]] | None
) -> int | None:
    """Return how many receivers of a signal are alive, if that may be told."""
    if listeners is None:
        return None
    return sum(1 for each in listeners.get(signal.path, ()) if each["alive"])


def details(signal: BuiltinSignal, namespace: str = NAMESPACE) -> Data:
    """Return the documentation of one signal."""
    module, _, name = signal.path.rpartition(".")
    known = [each.name for each in catalog.SIGNALS]
    place = known.index(signal.name)
    return {
        **overview(signal, namespace),
        "django": label(DJANGO_VERSION),
        "import": f"from {module} import {name}",
        "sender": gettext(signal.sender),
        "versions": versions(signal),
        "arguments": [
            {
                "name": argument.name,
                "what": gettext(argument.what),
                "sometimes": gettext(argument.sometimes) if argument.sometimes else "",
                "since": label(argument.since),
                "versions": versions(signal, argument),
            }
            for argument in signal.arguments
        ],
        "sent_by": [
            {
                "function": site.function,
                "method": site.method,
                "versions": versions(signal, site),
            }
            for site in signal.sent_by
        ],
        "pitfalls": [gettext(pitfall) for pitfall in signal.pitfalls],
        "scenarios": [scenario.how for scenario in scenarios_of(signal)],
        "previous": known[place - 1] if place else None,
        "next": known[place + 1] if place + 1 < len(known) else None,
    }


def receivers(*signals: BuiltinSignal) -> dict[str, list[Data]]:
    """Return the receivers of signals by the dotted names of these.

    Args:
        signals: entries of the catalog that the installed Django has.
    """
    known = [each.load() for each in signals]
    return {each["signal"]: each["receivers"] for each in inventory.as_data(known)}


def references(signal: BuiltinSignal) -> list[Data]:
    """Return name and source of our receivers of a signal, each of them once."""
    found = {
        each.name: each.receiver
        for each in inventory.connections([signal.load()])
        if is_reference(each.name)
    }
    sources = {name: source(receiver)["source"] for name, receiver in found.items()}
    return [
        {"name": name, "source": dedent(text)}
        for name, text in sources.items()
        if text is not None  # Where only what is compiled is installed, there is none.
    ]


def is_reference(name: str) -> bool:
    """Return whether a receiver is one of those that are here to be read."""
    return name.rpartition(".")[0] in REFERENCES


def unknown(name: str, namespace: str = NAMESPACE) -> Data:
    """Return what to say of a signal that there is not, and those named like it."""
    known = [signal.name for signal in catalog.SIGNALS]
    wanted = name.lower().replace("-", "_")
    alike = get_close_matches(wanted, known, n=5, cutoff=0.5)
    near = [
        {"name": each, "url": reverse(f"{namespace}:signal", args=[each])}
        for each in dict.fromkeys((*alike, *(each for each in known if wanted in each)))
    ]
    return {"error": gettext("Django has no such signal."), "name": name, "near": near}
