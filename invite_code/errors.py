"""What can go wrong with an invite code, each with a name of its own."""


class InviteCodeError(Exception):
    """Base of all errors of this app."""


class Malformed(InviteCodeError):
    """What was typed is no code in any spelling: a typo, or not a code at all."""


class CodesExhausted(InviteCodeError):
    """Nearly every possible code is taken; longer codes are needed."""
