"""Signals that come for the same row inside of themselves."""

import re
from collections.abc import Iterator
from typing import Final

from signals_demo.recorder.findings.kinds import (
    RECURSION,
    SENT_AGAIN,
    Finding,
    Seen,
    around,
    page_of,
    said,
)
from signals_demo.recorder.trace import Emission, ReceiverCall
from signals_demo.recorder.translating import gettext as _

#: A row that is known by its key: those without one are all alike, and so are those
#: with one that is masked, or of which the type alone is kept.
_ROW: Final = re.compile(r"\w+\.\w+\((?!.*(?:\bNone\b|[<*])).+\)")


def nested(seen: Seen) -> Iterator[Finding]:
    """Judge receivers by whether they make come what they were called for."""
    deepest: dict[int, tuple[Emission, ReceiverCall, int]] = {}
    for entry, above in seen:
        row = _row(entry) if above and isinstance(entry, Emission) else None
        if row is None:
            continue
        rounds = [pair for pair in around(above) if _row(pair[0]) == row]
        if rounds:
            outer, call = rounds[-1]
            known = deepest.get(id(outer))
            if known is None or known[2] < len(rounds):
                deepest[id(outer)] = outer, call, len(rounds)
    for emission, call, depth in deepest.values():
        yield _again(emission, call) if depth == 1 else _deep(emission, call, depth)


def _row(emission: Emission) -> tuple[object, ...] | None:
    """Return what emissions share that tell of the same row, or None."""
    instance = emission.arguments.get("instance")
    # Of many that are folded, the arguments are those of the first.
    if emission.times > 1 or not _ROW.fullmatch(str(instance)):
        return None
    which = (str(emission.arguments.get(name)) for name in ("action", "using"))
    return emission.signal, emission.sender, instance, *which


def _again(emission: Emission, call: ReceiverCall) -> Finding:
    message = _(
        "%(receiver)s made %(signal)s of %(instance)s come once more, inside of itself."
    )
    hint = _("Something ended it there. update() would not have sent it at all.")
    values = _values(emission, call)
    page = page_of(emission.signal)
    return said(SENT_AGAIN, emission.order, message % values, hint, page)


def _deep(emission: Emission, call: ReceiverCall, depth: int) -> Finding:
    message = _(
        "%(receiver)s made %(signal)s of %(instance)s come inside of itself, and that "
        "one again: %(depth)s deep."
    )
    hint = _(
        "Use update(), which sends nothing, or change the object in pre_save, before "
        "it is saved."
    )
    values = _values(emission, call) | {"depth": f"{depth:,}"}
    page = page_of(emission.signal)
    return said(RECURSION, emission.order, message % values, hint, page)


def _values(emission: Emission, call: ReceiverCall) -> dict[str, object]:
    return {
        "receiver": call.receiver,
        "signal": emission.name,
        "instance": emission.arguments["instance"],
    }
