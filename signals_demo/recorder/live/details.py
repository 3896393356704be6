"""A signal and all that is connected to it, as one sender sees it."""

import inspect
from collections.abc import Iterable
from types import CodeType
from typing import Any, Final

from django.utils.translation import gettext as _

from signals_demo.recorder import capture
from signals_demo.recorder.inventory import (
    Connection,
    connections,
    documentation,
    origins,
    receiver_data,
    signal_name,
    signals,
)
from signals_demo.recorder.related import relation
from signals_demo.recorder.trace import Emission, Recording, walk

#: How many characters of the source of a receiver are shown.
MAX_SOURCE: Final = 20_000


def details(signal: str, sender: str | None) -> dict[str, Any] | None:
    """Return what is known of a signal; None if there is none of that name.

    Args:
        signal: its dotted name.
        sender: as emissions describe it; None for none.
    """
    return all_details([(signal, sender)]).get((signal, sender))


def all_details(
    wanted: Iterable[tuple[str, str | None]],
) -> dict[tuple[str, str | None], dict[str, Any]]:
    """Return what is known of signals, each as a sender sees it.

    Args:
        wanted: names of signals, and senders; unknown ones are left out.
    """
    wanted = [*wanted]
    found = signals()  # It takes long.
    by_signal: dict[str, list[Connection]] = {signal_name(each): [] for each in found}
    for each in connections(found):
        by_signal[each.signal].append(each)
    calls = origins()
    return {
        (signal, sender): {
            "signal": signal,
            "sender": sender,
            "documentation": documentation(signal),
            "receivers": [
                {
                    **receiver_data(each, calls),
                    "verdict": verdict(each, sender),
                    **source(each.receiver),
                }
                for each in by_signal[signal]
            ],
        }
        for signal, sender in wanted
        if signal in by_signal
    }


def details_of(recording: Recording) -> dict[str, dict[str, Any]]:
    """Return the details of all that a recording holds, by signal and sender."""
    wanted = {
        (entry.signal, entry.sender)
        for entry, _above in walk(recording)
        if isinstance(entry, Emission)
    }
    return {
        f"{signal} {sender or ''}": each
        for (signal, sender), each in all_details(wanted).items()
    }


def verdict(connection: Connection, sender: str | None) -> str:
    """Return why a receiver does not run for a sender, or an empty string."""
    if not connection.is_alive:
        return _("It is gone: the signal held it weakly, and nothing else did.")
    if connection.sender_id is None or connection.sender == sender:
        return ""
    name = connection.signal.rpartition(".")[2]
    return _("It waits for %(sender)s%(how)s.") % {
        "sender": connection.sender,
        "how": relation(connection.sender, sender, name) or "",
    }


def source(receiver: object) -> dict[str, Any]:
    """Return the source of a receiver, and the line on which it begins."""
    code = capture.function_parts(receiver)[1]
    # All that exec() makes goes by that name, and the text of "python -c" as well.
    if isinstance(code, CodeType) and code.co_filename != "<string>":
        try:
            lines, first = inspect.getsourcelines(code)
        except (OSError, TypeError, SyntaxError, IndexError):  # It has none, or others.
            pass
        else:
            return {"source": "".join(lines)[:MAX_SOURCE], "source_line": first}
    return {"source": None, "source_line": 0}
