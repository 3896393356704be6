"""What can go wrong with an invite code, each with a name of its own."""


class InviteCodeError(Exception):
    """Base of all errors of this app."""


class CodesExhausted(InviteCodeError):
    """Nearly every possible code is taken; longer codes are needed."""


class TooFewCodes(InviteCodeError):
    """A batch has fewer unused codes left than were asked for."""


class Refused(InviteCodeError):
    """A code lets nobody in, for the reason that the class stands for.

    For staff and programs: visitors are told only what is typed wrong.

    Attributes:
        reason: the name of the reason, as signals and JSON have it.
    """

    reason = "refused"


class Malformed(Refused):
    """What was typed is not a code in any spelling: a typo, or no code at all."""

    reason = "malformed"


class Unknown(Refused):
    """There is no such code."""

    reason = "unknown"


class Revoked(Refused):
    """The code was revoked, or the batch it is in."""

    reason = "revoked"


class NotYetValid(Refused):
    """The code is refused until it becomes valid."""

    reason = "not_yet_valid"


class Expired(Refused):
    """The code was valid, and is no more."""

    reason = "expired"


class WrongEmail(Refused):
    """The code lets in another e-mail address only."""

    reason = "wrong_email"


class Exhausted(Refused):
    """All uses of the code are made, or kept for others by holds."""

    reason = "exhausted"


class NotAdmitted(Refused):
    """The visitor has not shown a code, or too long ago."""

    reason = "not_admitted"


class Throttled(InviteCodeError):
    """Too many codes were refused of late: none is judged for a while.

    Attributes:
        retry_after: seconds until it is worth another try.
    """

    def __init__(self, retry_after: int) -> None:
        """Say how many seconds to wait."""
        super().__init__(f"Too many tries; the next one in {retry_after} seconds.")
        self.retry_after = retry_after
