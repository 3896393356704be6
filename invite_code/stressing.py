"""Try codes from many processes at once, in a database as it is, and judge the result.

What is written is a batch with a key of its own, and it is removed again, whatever
happens. Nothing here sends a signal of a model or of this app: nobody is let in.
"""

import signal
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache, partial
from itertools import cycle
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from typing import Any
from uuid import uuid4

from django.db import connections, transaction
from django.db.models import Count
from django.utils import timezone

from invite_code.conf import conf
from invite_code.errors import Exhausted
from invite_code.issuing import draw_free
from invite_code.models import Hold, InviteBatch, InviteCode, Redemption
from invite_code.redemption import RECORD, TAKE, in_dialect
from invite_code.retrying import retry
from invite_code.stress_worker import Tally, work

#: What sends the statements of ``redeem()`` without it.
DRIVER = f"{__name__}.redeem_by_driver"

#: How often a code is tried beyond its uses, so that there is somebody to refuse.
SURPLUS = 3

#: How often the service and the driver take turns to be timed, each with codes that
#: nobody else tries.
TURNS = 3

#: How the keys of the batches begin.
KEYS = "stress-"

#: By this the batch is known in the admin, should all of this be killed half way. The
#: next one removes it, when its codes have expired.
LABEL = "stress_invite_codes"

#: For so long its codes would let somebody in then, were they known to anybody.
LIFETIME = timedelta(hours=1)


@dataclass(frozen=True)
class Verdict:
    """What came of it. It was as it should be if all of ``wrong`` is 0.

    Args:
        per_second: how many different codes are redeemed in a second.
        driver_per_second: how many if the driver sends the two statements itself.
        tries: how often a code was tried that others tried, too.
        granted: how many of them succeeded, as those who tried were told.
        refused: how many were refused.
        oversold: uses beyond those that the codes allow: told, counted or recorded.
        lost: uses that are left, though each code was tried more often than it allows.
        errors: what went wrong otherwise, in the words of the errors.
        driver_errors: where the driver failed, likewise. It does not begin anew what
            loses against others, so that is nothing wrong.
    """

    per_second: float
    driver_per_second: float
    tries: int
    granted: int
    refused: int
    oversold: int
    lost: int
    errors: list[str]
    driver_errors: list[str]

    @property
    def wrong(self) -> int:
        """How many things are not as they should be."""
        return self.oversold + self.lost + len(self.errors)


def stress(
    *,
    workers: int,
    codes: int,
    max_uses: int,
    using: str,
    _redeem: str = "invite_code.redemption.redeem",
) -> Verdict:
    """Try each of some codes from several processes at the same time.

    Args:
        workers: how many processes, each with a connection of its own.
        codes: how many codes.
        max_uses: how often each may be used.
        using: alias of the database, which other processes can reach.
        _redeem: dotted path of what takes the place of ``redeem()``, for a test that
            wants to see it fail.

    Raises:
        CodesExhausted: not so many codes are free.
        ChildProcessError: a process ended by itself.
    """
    for leftover in _leftovers(using):  # Of one that was killed.
        retry(partial(_remove, leftover, using), using=using)
    key = f"{KEYS}{uuid4()}"
    try:
        drawn = _prepare(key, (1 + 2 * TURNS) * codes, max_uses, using)
        lots = [drawn[i : i + codes] for i in range(0, len(drawn), codes)]
        paths = cycle((_redeem, DRIVER))
        with _team(workers, using) as team:
            race = _fire(team, _redeem, _shares(lots[0], max_uses + SURPLUS, workers))
            turns = [
                _fire(team, path, _shares(lot, 1, workers))
                for path, lot in zip(paths, lots[1:], strict=False)
            ]
        ours, drivers = turns[::2], turns[1::2]
        return Verdict(
            per_second=_per_second(ours),
            driver_per_second=_per_second(drivers),
            errors=_errors([race, *ours]),
            driver_errors=_errors(drivers),
            **_count(lots[0], max_uses, race, using),
        )
    finally:
        retry(partial(_remove, key, using), using=using)


def redeem_by_driver(code: str, user: None, *, using: str) -> None:
    """Send the statements of ``redeem()``, by the driver of the database alone.

    Args:
        code: the code, normalized.
        user: nobody.
        using: alias of the database.

    Raises:
        Exhausted: the code is refused.
    """
    connection = connections[using]
    take, record, values = statements_for_driver(using)
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    values = {**values, "code": code, "now": now}
    cursor = connection.connection.cursor()
    cursor.execute("BEGIN")
    try:
        cursor.execute(take, values)
        taken = cursor.rowcount
        if taken:
            cursor.execute(record, values)
            cursor.fetchall()
    except Exception:
        cursor.execute("ROLLBACK")
        raise
    cursor.execute("COMMIT")
    if not taken:
        raise Exhausted


@lru_cache
def statements_for_driver(using: str) -> tuple[str, str, dict[str, Any]]:
    """Return the two statements in the driver's own style, and what nobody has."""
    row = {"user_id": None, "user_pk": "", "username": ""}
    values = {**row, "email": "", "key": "", "taken": 1}
    statements = [in_dialect(sql, using) for sql in (TAKE, RECORD)]
    if connections[using].vendor == "sqlite":
        names = (*values, "code", "now")
        marks = {name: f":{name}" for name in names}
        statements = [sql % marks for sql in statements]
    take, record = statements
    return take, record, values


def _prepare(key: str, count: int, max_uses: int, using: str) -> list[str]:
    """Put a batch of codes into the database, and return them."""
    codes = InviteCode.objects.using(using)
    drawn = list(draw_free(conf.code_format, count, codes))
    expires_at = timezone.now() + LIFETIME
    with transaction.atomic(using=using):
        # Unlike save() it sends no signal, and MySQL does not say what the key is.
        batches = InviteBatch.objects.using(using)
        batches.bulk_create([InviteBatch(key=key, label=LABEL)])
        values = {"batch": batches.get(key=key), "expires_at": expires_at}
        codes.bulk_create(
            [InviteCode(code=code, max_uses=max_uses, **values) for code in drawn],
            batch_size=1000,
        )
    return drawn


def _leftovers(using: str) -> list[str]:
    """Return the keys of batches whose codes have expired."""
    batches = InviteBatch.objects.using(using).filter(key__startswith=KEYS)
    old = batches.filter(created_at__lt=timezone.now() - LIFETIME)
    return [str(key) for key in old.values_list("key", flat=True)]


def _remove(key: str, using: str) -> None:
    """Remove a batch with all that belongs to it."""
    codes = InviteCode.objects.using(using).filter(batch__key=key)
    # A worker that was ended may have left a statement to the server. This waits for
    # it, and lets no later one find a code.
    codes.update(revoked_at=timezone.now())
    ids = list(codes.values_list("pk", flat=True))
    for rows in (
        Redemption.objects.using(using).filter(code__in=ids),
        Hold.objects.using(using).filter(code__in=ids),
        InviteCode.objects.using(using).filter(pk__in=ids),
        InviteBatch.objects.using(using).filter(key=key),
    ):
        rows._raw_delete(using)  # It sends no signal, unlike delete().


@contextmanager
def _team(count: int, using: str) -> Iterator[list[Connection]]:
    """Start workers, yield a pipe to each, and end them."""
    context = get_context("spawn")
    settings = connections[using].settings_dict
    pipes, processes = [], []
    try:
        with _interrupts_blocked():
            for _ in range(count):
                pipe, theirs = context.Pipe()
                process = context.Process(target=work, args=(theirs, using, settings))
                process.start()
                theirs.close()  # So that the pipe ends when the worker does.
                pipes.append(pipe)
                processes.append(process)
        yield pipes
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Put off Ctrl-C, and let what is started meanwhile inherit that it never comes.

    It reaches all processes. The first one ends the others, which have nothing to say.
    """
    if not hasattr(signal, "pthread_sigmask"):  # On Windows, say.
        yield
        return
    resource_tracker.ensure_running()  # Started later it would end what is begun here.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _shares(codes: list[str], tries: int, workers: int) -> list[list[str]]:
    """Return which codes each worker tries, all in the same order: so they meet."""
    shares: list[list[str]] = [[] for _ in range(workers)]
    for first, code in enumerate(codes):
        for n in range(first, first + tries):
            shares[n % workers].append(code)
    return shares


def _fire(team: list[Connection], path: str, shares: list[list[str]]) -> list[Tally]:
    """Let all workers begin at once, and return what each of them saw."""
    try:
        for pipe, share in zip(team, shares, strict=True):
            pipe.send((path, share))
        for pipe in team:
            pipe.recv()
        for pipe in team:
            pipe.send("go")
        return [pipe.recv() for pipe in team]
    except (EOFError, OSError) as error:
        raise ChildProcessError(
            "A worker ended by itself; what it printed says why."
        ) from error


def _count(
    codes: list[str], max_uses: int, tallies: list[Tally], using: str
) -> dict[str, Any]:
    """Return what became of the codes: as it was told, counted and recorded."""
    granted = sum((tally.granted for tally in tallies), start=Counter())
    stored = InviteCode.objects.using(using).filter(code__in=codes)
    rows = stored.annotate(recorded=Count("redemptions"))
    uses = [
        (granted[code], counted, recorded)
        for code, counted, recorded in rows.values_list("code", "uses", "recorded")
    ]
    return {
        "tries": sum(tally.tries for tally in tallies),
        "granted": granted.total(),
        "refused": sum(tally.refused for tally in tallies),
        "oversold": sum(max(0, max(made) - max_uses) for made in uses),
        "lost": sum(max(0, max_uses - min(made)) for made in uses),
    }


def _errors(turns: Iterable[list[Tally]]) -> list[str]:
    return [error for tallies in turns for tally in tallies for error in tally.errors]


def _per_second(turns: Iterable[list[Tally]]) -> float:
    granted, seconds = 0, 0.0
    for tallies in turns:
        granted += sum(tally.granted.total() for tally in tallies)
        ended = max(tally.ended for tally in tallies)
        seconds += ended - min(tally.started for tally in tallies)
    return granted / seconds
