"""What a recording says about mistakes: those that show at run time only.

All that is said is known from the recording. It sees no mail server and no file, so it
makes no claims about them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from signals_demo.recorder.findings.kinds import (
    ASYNC_COST,
    DOCS,
    NOT_REACHED,
    SILENT_WRITE,
    SWALLOWED_ERROR,
    Seen,
    around,
    said,
)
from signals_demo.recorder.findings.kinds import KINDS as KINDS
from signals_demo.recorder.findings.kinds import MISTAKES as MISTAKES
from signals_demo.recorder.findings.kinds import NOTES as NOTES
from signals_demo.recorder.findings.kinds import Finding as Finding
from signals_demo.recorder.findings.lasting import early_tasks, hooks, survivors
from signals_demo.recorder.findings.nesting import nested
from signals_demo.recorder.findings.querying import init_queries, raw_ignored
from signals_demo.recorder.findings.rows import is_of_instance
from signals_demo.recorder.findings.silent import silent_writes
from signals_demo.recorder.trace import (
    Emission,
    Query,
    ReceiverCall,
    Recording,
    walk,
)
from signals_demo.recorder.translating import gettext as _
from signals_demo.recorder.translating import ngettext

#: How often the same is said before it is said once, with a number.
MANY: Final = 3
#: How many names a message lists.
MAX_NAMES: Final = 3

_SENDING: Final = f"{DOCS}topics/signals/#sending-signals"
_BULK: Final = {"INSERT": "#bulk-create", "UPDATE": "#update", "DELETE": "#delete"}


class KnownRecording(Recording):
    """A recording whose findings are known, such as one that was read from a file.

    Attributes:
        findings: those that it had where its receivers were.
    """

    __slots__ = ("findings",)

    findings: list[Finding]


def found(recording: Recording) -> list[Finding]:
    """Return what there is to say of a recording, in the order of its entries.

    Args:
        recording: a whole one. Of a part too little is known: a statement passes for a
            bulk write if the signal before it is not there.
    """
    if isinstance(recording, KnownRecording):
        return recording.findings
    seen = list(walk(recording))
    findings = [
        *_silent_writes(recording, seen),
        *_swallowed_errors(recording),
        *(finding for judge in _JUDGES for finding in judge(seen)),
    ]
    return _gathered(sorted(findings, key=_number))


def _number(finding: Finding) -> int:
    return finding.number


def _gathered(findings: Iterable[Finding]) -> list[Finding]:
    """Say once, with a number, what would be said more than a few times."""
    same: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for each in findings:
        same[each.kind, each.message].append(each)
    gathered = [
        each
        for group in same.values()
        for each in (group if len(group) <= MANY else [_once(group)])
    ]
    return sorted(gathered, key=_number)


def _once(group: Sequence[Finding]) -> Finding:
    message = group[0].message
    return replace(group[0], message=f"{message} (x {len(group):,})", key=message)


def _silent_writes(recording: Recording, seen: Seen) -> Iterator[Finding]:
    hint = _(
        "If they should hear of it, save or delete one by one, or call here what they "
        "call."
    )
    silent = silent_writes(recording)
    # A receiver that changes its own row knows why it does not save it again.
    own = {
        id(entry)
        for entry, above in (seen if silent else ())
        if isinstance(entry, Query)
        and any(is_of_instance(entry, emission) for emission, _call in around(above))
    }
    for each in silent:
        if id(each.query) in own:
            continue
        page = f"{DOCS}ref/models/querysets/{_BULK.get(each.verb, '')}"
        yield said(SILENT_WRITE, each.query.order, str(each), hint, page)


def _swallowed_errors(recording: Recording) -> Iterator[Finding]:
    hint = _(
        "Look at the results, or into the log: Django writes it to the logger "
        "django.dispatch."
    )
    for each in swallowed_errors(recording):
        number, text = each.emission.order, str(each)
        # Of one emission, there may be several.
        yield said(SWALLOWED_ERROR, number, text, hint, _SENDING, number, text)


def _not_reached(seen: Seen) -> Iterator[Finding]:
    """Judge exceptions by whom they kept from being called."""
    for entry, _above in seen:
        if not isinstance(entry, Emission) or entry.raised is None:
            continue
        culprit = next((each for each in entry.calls if each.raised), None)
        missed = [each for each in entry.calls if each.outcome == "not reached"]
        if culprit is not None and missed:
            yield _not_called(entry, culprit, missed)


def _not_called(
    emission: Emission, culprit: ReceiverCall, missed: Sequence[ReceiverCall]
) -> Finding:
    message = ngettext(
        "%(culprit)s raised %(error)s: %(count)s of %(all)s receivers of %(signal)s "
        "was not called (%(names)s).",
        "%(culprit)s raised %(error)s: %(count)s of %(all)s receivers of %(signal)s "
        "were not called (%(names)s).",
        len(missed),
    ) % {
        "culprit": culprit.receiver,
        "error": culprit.raised,
        "count": f"{len(missed):,}",
        "all": f"{sum(not each.muted for each in emission.calls):,}",
        "signal": emission.name,
        "names": _names([each.receiver for each in missed]),
    }
    if emission.signal.startswith("django."):
        hint = _("send() stops at the first exception: let that receiver catch it.")
    else:
        hint = _(
            "send() stops at the first exception: let that receiver catch it, or send "
            "by send_robust()."
        )
    return said(NOT_REACHED, emission.order, message, hint, _SENDING)


def _names(names: Sequence[str]) -> str:
    more = "" if len(names) <= MAX_NAMES else ", …"
    return ", ".join(names[:MAX_NAMES]) + more


def _async_costs(seen: Seen) -> Iterator[Finding]:
    """Judge synchronous emissions by what their asynchronous receivers take."""
    hint = _(
        "Each such call takes an event loop, and another thread if one runs here. For "
        "what is sent often, a synchronous receiver is quicker."
    )
    waited: dict[tuple[str, str, str], list[tuple[Emission, ReceiverCall]]]
    waited = defaultdict(list)
    for entry, _above in seen:
        if isinstance(entry, Emission) and not entry.method.startswith("a"):
            for call in entry.calls:
                # Of one that was not reached, it is not known.
                if call.is_async and not call.receiver.startswith("django."):
                    key = call.receiver, entry.signal, entry.method
                    waited[key].append((entry, call))
    for key, pairs in waited.items():
        number, message = pairs[0][0].order, _waiting(pairs)
        yield said(ASYNC_COST, number, message, hint, _SENDING, *key)


def _waited(emission: Emission) -> int:
    """Return what an emission took beside its synchronous receivers."""
    others = sum(each.duration for each in emission.calls if not each.is_async)
    return emission.duration - others


def _waiting(pairs: Sequence[tuple[Emission, ReceiverCall]]) -> str:
    emission, call = pairs[0]
    times = sum(each.times for _emission, each in pairs)
    took = sum(_waited(each) for each, _call in pairs) / 1_000_000
    return ngettext(
        "%(method)s() of %(signal)s waited for %(receiver)s, which is asynchronous: "
        "%(count)s time, in %(took)s ms altogether.",
        "%(method)s() of %(signal)s waited for %(receiver)s, which is asynchronous: "
        "%(count)s times, in %(took)s ms altogether.",
        times,
    ) % {
        "method": emission.method,
        "signal": emission.name,
        "receiver": call.receiver,
        "count": f"{times:,}",
        "took": f"{took:,.1f}",
    }


_JUDGES: Final = (
    _not_reached,
    _async_costs,
    init_queries,
    raw_ignored,
    nested,
    early_tasks,
    survivors,
    hooks,
)


@dataclass(frozen=True)
class SwallowedError:
    """An exception of a receiver that nobody heard of.

    Attributes:
        emission: what was sent, by ``send_robust()`` or ``asend_robust()``.
        receiver: the dotted name of the receiver.
        raised: the class of the exception.
    """

    emission: Emission
    receiver: str
    raised: str

    def __str__(self) -> str:
        """Return what happened, in one sentence."""
        return _(
            "%(receiver)s raised %(error)s, which %(method)s() of %(signal)s kept to "
            "itself."
        ) % {
            "receiver": self.receiver,
            "error": self.raised,
            "method": self.emission.method,
            "signal": self.emission.name,
        }


def swallowed_errors(recording: Recording) -> list[SwallowedError]:
    """Return the exceptions that ``send_robust()`` returned instead of raising."""
    return [
        SwallowedError(emission, call.receiver, call.raised)
        for emission in recording.emissions()
        if emission.method.endswith("_robust")
        for call in emission.calls
        if call.raised
    ]
