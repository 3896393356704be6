"""Receivers that query where Django's documentation says that they must not."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from signals_demo.recorder.findings.kinds import (
    INIT_QUERY,
    M2M_RAW_IGNORED,
    OF_MODELS,
    RAW_IGNORED,
    Finding,
    Seen,
    around,
    page_of,
    said,
)
from signals_demo.recorder.findings.rows import is_of_instance
from signals_demo.recorder.trace import Emission, Query, ReceiverCall
from signals_demo.recorder.translating import gettext as _
from signals_demo.recorder.translating import ngettext

_INIT: Final = (f"{OF_MODELS}pre_init", f"{OF_MODELS}post_init")
#: What begins and ends transactions neither reads nor changes a row.
_FRAME: Final = re.compile(
    r"(BEGIN|START|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET)\b", re.IGNORECASE
)


class _Asked:
    """What a receiver asked of the database, in all emissions of one kind."""

    def __init__(self, emission: Emission, call: ReceiverCall) -> None:
        self.receiver = call.receiver
        self.signal = emission.signal
        self.sender = emission.sender
        self.number = emission.order
        self.queries = 0
        self.calls: dict[int, ReceiverCall] = {}

    @property
    def key(self) -> tuple[object, ...]:
        """What stays the same when it asks more."""
        return self.receiver, self.signal, self.sender

    def add(self, call: ReceiverCall) -> None:
        self.queries += 1
        self.calls[id(call)] = call

    def fill(self, message: str) -> str:
        """Return the message with the names and numbers in it."""
        times = sum(call.times for call in self.calls.values())
        queries = ngettext("%(count)s query", "%(count)s queries", self.queries)
        calls = ngettext("%(count)s call", "%(count)s calls", times)
        return message % {
            "receiver": self.receiver,
            "signal": self.signal.rpartition(".")[2],
            "sender": self.sender,
            "queries": queries % {"count": f"{self.queries:,}"},
            "calls": calls % {"count": f"{times:,}"},
        }


def _asked(seen: Seen, matters: Callable[[Query, Emission], bool]) -> Iterator[_Asked]:
    """Yield what receivers asked, as far as it matters where they ran."""
    asked: dict[tuple[str, str, str | None], _Asked] = {}
    for entry, above in seen:
        if not above or not isinstance(entry, Query) or _FRAME.match(entry.sql):
            continue
        for emission, call in around(above):
            if matters(entry, emission):
                key = call.receiver, emission.signal, emission.sender
                asked.setdefault(key, _Asked(emission, call)).add(call)
                break
    yield from asked.values()


def init_queries(seen: Seen) -> Iterator[Finding]:
    """Judge receivers of what comes for each object that is made or read."""
    hint = _(
        "It comes for each row that is read: ask when the answer is needed, such as in "
        "a cached property."
    )
    for each in _asked(seen, _is_for_each):
        message = each.fill(
            _(
                "%(receiver)s queries in %(signal)s of %(sender)s: %(queries)s in "
                "%(calls)s."
            )
        )
        page = page_of(each.signal)
        yield said(INIT_QUERY, each.number, message, hint, page, *each.key)


def _is_for_each(_query: Query, emission: Emission) -> bool:
    return emission.signal in _INIT


def raw_ignored(seen: Seen) -> Iterator[Finding]:
    """Judge receivers of what comes while a fixture is loaded."""
    hints = {
        RAW_IGNORED: _(
            "A fixture brings other rows itself, and may not have loaded them yet: "
            "begin with `if raw: return`."
        ),
        M2M_RAW_IGNORED: _(
            "Django 6.1 and later pass raw to m2m_changed too: begin with "
            "`if raw: return`, and raw=False in the signature."
        ),
    }
    for each in _asked(seen, _is_early):
        of_relation = each.signal.endswith(".m2m_changed")
        kind = M2M_RAW_IGNORED if of_relation else RAW_IGNORED
        message = each.fill(
            _(
                "%(receiver)s queries in %(signal)s of %(sender)s while a fixture is "
                "loaded (raw is True): %(queries)s in %(calls)s."
            )
        )
        page = page_of(each.signal)
        yield said(kind, each.number, message, hints[kind], page, *each.key)


def _is_early(query: Query, emission: Emission) -> bool:
    """Return whether a fixture is loaded, and other rows are asked for."""
    is_of_model = emission.signal.startswith(OF_MODELS)
    is_raw = is_of_model and emission.arguments.get("raw") is True
    return is_raw and not is_of_instance(query, emission)
