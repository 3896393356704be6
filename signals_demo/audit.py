"""Who signed in and out, for those who must answer that question later."""

import logging
from typing import Any

from django.http import HttpRequest

logger = logging.getLogger("signals_demo.audit")


def record(
    event: str,
    *,
    request: HttpRequest | None,
    user: Any = None,
    level: int = logging.INFO,
) -> None:
    """Log one event of one account, in one line.

    Nothing that was typed is logged: a password is often typed where the user name
    belongs. ``%r`` lets no value begin a line of its own.

    Args:
        event: what happened.
        request: where it came from; None when no request is there.
        user: the account; None when it is not known.
        level: level of the log line.
    """
    user_id = user.pk if user else None
    address = request.META.get("REMOTE_ADDR") if request else None
    logger.log(level, "%s: user=%r address=%r", event, user_id, address)
