"""What a finding of a recording is, and of which kinds there are."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Final, TypeAlias

from signals_demo.recorder.inventory import documentation
from signals_demo.recorder.masking import clean
from signals_demo.recorder.trace import Above, Emission, Entry, ReceiverCall

SILENT_WRITE: Final = "silent-write"
INIT_QUERY: Final = "init-query"
RAW_IGNORED: Final = "raw-ignored"
M2M_RAW_IGNORED: Final = "m2m-raw-ignored"
RECURSION: Final = "recursion"
EARLY_TASK: Final = "early-task"
SURVIVED_ROLLBACK: Final = "survived-rollback"
LOST_HOOK: Final = "lost-hook"
NOT_REACHED: Final = "not-reached"
SWALLOWED_ERROR: Final = "swallowed-error"
# Notes: they are as they should be more often than not.
SENT_AGAIN: Final = "sent-again"
ROLLED_BACK_HOOK: Final = "rolled-back-hook"
ASYNC_COST: Final = "async-cost"

MISTAKES: Final = frozenset(
    {
        SILENT_WRITE,
        INIT_QUERY,
        RAW_IGNORED,
        M2M_RAW_IGNORED,
        RECURSION,
        EARLY_TASK,
        SURVIVED_ROLLBACK,
        LOST_HOOK,
        NOT_REACHED,
        SWALLOWED_ERROR,
    }
)
NOTES: Final = frozenset({SENT_AGAIN, ROLLED_BACK_HOOK, ASYNC_COST})
KINDS: Final = MISTAKES | NOTES

DOCS: Final = "https://docs.djangoproject.com/en/stable/"
#: What the names of Django's signals of models begin with.
OF_MODELS: Final = "django.db.models.signals."

#: Every entry, with all that it happened inside of.
Seen: TypeAlias = Sequence[tuple[Entry, tuple[Above, ...]]]


@dataclass(frozen=True)
class Finding:
    """One thing that the reader of a recording should look at.

    Attributes:
        kind: one of ``KINDS``.
        message: what happened, in one sentence.
        hint: what to do about it.
        number: the order number of the entry that it is about.
        documentation: the address of a page, or an empty string.
        key: what tells it from others of its kind in the recording, while more of it
            becomes known; an empty string if its number does.
    """

    kind: str
    message: str
    hint: str
    number: int
    documentation: str
    key: str = ""

    def as_data(self) -> dict[str, str | int]:
        """Return what ``json.dumps()`` takes, without the key."""
        data = asdict(self)
        del data["key"]
        return data


def said(
    kind: str, number: int, message: str, hint: str, page: str, *key: object
) -> Finding:
    """Return a finding with a clean message; the page is its documentation."""
    words = " ".join(map(str, key))
    return Finding(kind, clean_words(message), hint, number, page, words)


def clean_words(text: str) -> str:
    """Return a text of any length, without control characters and endless words."""
    return " ".join(map(clean, text.split(" ")))


def page_of(signal: str) -> str:
    """Return the address of the page of a signal, or an empty string."""
    return documentation(signal) or ""


def around(above: Sequence[Above]) -> list[tuple[Emission, ReceiverCall]]:
    """Return the receivers that an entry happened inside of, the innermost first.

    Those of Django are left out: nobody can change them.
    """
    return [
        (emission, call)
        for emission, call in reversed([*pairwise(above)])
        if isinstance(emission, Emission)
        and isinstance(call, ReceiverCall)
        and not call.receiver.startswith("django.")
    ]
