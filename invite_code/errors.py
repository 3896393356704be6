"""What can go wrong with an invite code, each with a name of its own."""


class InviteCodeError(Exception):
    """Base of all errors of this app."""


class Malformed(InviteCodeError):
    """What was typed is not a code in any spelling: a typo, or no code at all."""


class CodesExhausted(InviteCodeError):
    """Nearly every possible code is taken; longer codes are needed."""
