"""What became of a receiver, in one word and in a sentence."""

from dataclasses import dataclass
from typing import Final

CALLED: Final = "called"
MUTED: Final = "muted"
NOT_REACHED: Final = "not reached"
NOT_IMPORTED: Final = "not imported"
NO_SUCH_RECEIVER: Final = "no such receiver"
NEVER_CONNECTED: Final = "never connected"
DISCONNECTED: Final = "disconnected"
DEAD: Final = "dead"
TAKEN_UID: Final = "dispatch_uid taken"
OTHER_SENDER: Final = "other sender"
BULK_WRITE: Final = "bulk write"
FAST_DELETE: Final = "fast delete"
DATABASE_CASCADE: Final = "database cascade"
TOO_LATE: Final = "connected too late"
NOT_SENT: Final = "not sent"


@dataclass(frozen=True)
class Verdict:
    """Whether a receiver ran, or why not.

    Attributes:
        receiver: its dotted name.
        reason: one of the constants of this module.
        text: what happened, in a sentence or two.
        hint: what to do about it, or an empty string.
    """

    receiver: str
    reason: str
    text: str
    hint: str = ""

    def __str__(self) -> str:
        """Return text and hint."""
        return f"{self.receiver}: {self.text}" + (f" {self.hint}" if self.hint else "")
