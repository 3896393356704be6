"""One of the processes that try codes against one another, for ``stressing``.

It is imported before Django is set up: nothing here may import a model.
"""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import django
from django.db import connections
from django.utils.module_loading import import_string

from invite_code.errors import Refused
from invite_code.signals import invite_code_redeemed, invite_code_refused


@dataclass
class Tally:
    """What a worker saw of the codes it tried.

    Args:
        granted: how often each code let somebody in.
        refused: how many tries were refused.
        errors: what went wrong otherwise, in the words of the error.
        started: when it began, in seconds of a clock that all processes share.
        ended: when it was done.
    """

    granted: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    errors: list[str] = field(default_factory=list)
    started: float = 0
    ended: float = 0

    @property
    def tries(self) -> int:
        """How many codes it tried, the same one as often as it did."""
        return self.granted.total() + self.refused + len(self.errors)


def work(pipe: Connection, using: str, database: dict[str, Any]) -> None:
    """Do what comes through the pipe, until it is closed.

    Each job is the dotted path of a function that is called as ``redeem()`` is, and the
    codes to try. The answers are "ready", and after the signal to go a ``Tally``.

    Args:
        pipe: the end of it that is this process's.
        using: alias of the database.
        database: its connection settings, which may differ from those in the settings
            module: a test database has a name of its own.
    """
    django.setup()
    connections.settings[using] = database
    silence()
    with suppress(EOFError):
        while True:
            path, codes = pipe.recv()
            redeem = import_string(path)
            connections[using].ensure_connection()
            pipe.send("ready")
            pipe.recv()
            pipe.send(try_all(redeem, codes, using))


def silence() -> None:
    """Disconnect, in this process alone, all who would hear of a redemption.

    Nobody was let in: no welcome is to be mailed, no metric to be raised.
    """
    for sent in (invite_code_redeemed, invite_code_refused):
        sent.receivers.clear()


def try_all(redeem: Callable[..., Any], codes: list[str], using: str) -> Tally:
    """Try codes one after another, for nobody in particular.

    Args:
        redeem: what to try them with, called as ``redeem()`` is.
        codes: the codes, one as often as it is to be tried.
        using: alias of the database.
    """
    tally = Tally(started=time.perf_counter())
    for code in codes:
        try:
            redeem(code, None, using=using)
            tally.granted[code] += 1
        except Refused:
            tally.refused += 1
        except Exception as error:
            tally.errors.append(f"{type(error).__name__}: {error}")
    tally.ended = time.perf_counter()
    return tally
