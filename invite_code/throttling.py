"""Limits on guessing: how many refused codes a client, and all clients, may try.

A try is counted before the code is judged, and given back unless the code is refused.
So no more codes than the limit are judged, however many tries run at the same time, if
the cache counts atomically, as those of Redis and Memcached do.
"""

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from typing import NamedTuple, Self

from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.dummy import DummyCache
from django.http import HttpRequest

from invite_code.conf import conf
from invite_code.errors import Malformed, Refused, Throttled

logger = logging.getLogger(__name__)

#: Seconds of each period that a limit may name.
PERIODS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}

#: Seconds after which to try again where the cache cannot tell.
PAUSE = 60

#: An address as some proxies forward it. Each connection has a port of its own, which
#: must not make it a client of its own.
WITH_PORT = re.compile(r"(\d+\.\d+\.\d+\.\d+|\[.+\]):\d+")


class Limit(NamedTuple):
    """A number of tries in a period.

    The periods follow one another on the clock: at the turn of two of them, twice as
    many tries may come in a row.

    Args:
        tries: how many.
        seconds: the length of the period.
    """

    tries: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the limit that ``20/hour`` means, None for the empty string.

        Raises:
            ValueError: it is neither. No tries at all are no limit, but a closed door.
        """
        if not text:
            return None
        tries, _, period = text.partition("/")
        if not re.fullmatch("[1-9][0-9]{0,8}", tries) or period not in PERIODS:
            raise ValueError(f"{text!r} is not a limit such as 20/hour.")
        return cls(int(tries), PERIODS[period])


@contextmanager
def limited(request: HttpRequest) -> Iterator[None]:
    """Count the code that is judged within, and take that back unless it is refused.

    A typo is not counted. A cache that does not answer is a limit that is reached.

    Args:
        request: whose client tries.

    Raises:
        Throttled: too many were refused of late; nothing was judged.
    """
    cache = caches[conf.INVITE_CODE_CACHE]
    counted: list[str] = []
    refused = False
    now = int(time.time())
    try:
        for name, limit in _limits(request):
            start = now // limit.seconds * limit.seconds
            key = f"invite_code:{name}:{start}"
            tries = _count(cache, key, limit.seconds)
            counted.append(key)
            if tries > limit.tries:
                raise Throttled(start + limit.seconds - now)
        yield
    except Refused as refusal:
        refused = not isinstance(refusal, Malformed)
        raise
    finally:
        if not refused:
            _take_back(cache, counted)


def client(request: HttpRequest) -> str:
    """Return what stands for the client: its address, for IPv6 the network of it.

    ``X-Forwarded-For`` is read only if the settings say how many proxies have added to
    it: whatever is to the left of those, anybody can write.

    Args:
        request: what the client sent.
    """
    address: str = request.META.get("REMOTE_ADDR") or ""
    if proxies := conf.INVITE_CODE_TRUSTED_PROXIES:
        forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        address = forwarded[-proxies:][0].strip() or address
    if match := WITH_PORT.fullmatch(address):
        address = match[1].strip("[]")
    try:
        ip = ip_address(address)
    except ValueError:  # A socket of the local system has none. They count as one.
        return ""
    if ip.version == 4:
        return str(ip)
    # A customer gets a /64 or more. Source: RFC 6177.
    return str(ip.ipv4_mapped or ip_network((ip, 64), strict=False))


def _limits(request: HttpRequest) -> Iterator[tuple[str, Limit]]:
    for name, text in (
        (client(request), conf.INVITE_CODE_CLIENT_LIMIT),
        ("all", conf.INVITE_CODE_TOTAL_LIMIT),
    ):
        if limit := Limit.parse(text):
            yield name, limit


def _count(cache: BaseCache, key: str, seconds: int) -> int:
    """Count one more, and return how many that makes."""
    if isinstance(cache, DummyCache):  # It keeps nothing: no limit can be.
        return 0
    try:
        # Twice the period, so that it does not run out between these two.
        cache.add(key, 0, timeout=2 * seconds)
        return cache.incr(key)
    except Exception as error:  # Each cache fails in a way of its own.
        logger.exception("The cache does not count tries, so no code is judged.")
        raise Throttled(PAUSE) from error


def _take_back(cache: BaseCache, keys: list[str]) -> None:
    for key in keys:
        try:
            cache.decr(key)
        except Exception:  # It is gone, or the cache is: too strict by one at worst.
            logger.debug("A try could not be taken back.", exc_info=True)
