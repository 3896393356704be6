"""Migrate at the same time, and kill migrate at random moments.

    python -m tests.robustness.seeding_faults [--rounds 10] [--kills 100] [--naive]

The database is that of ``DATABASE_VENDOR``, in a database of its own. Whatever
happens, the seed must be all there or not there, and be all there after the next
``migrate``. Exits 1 if it ever was not. ``--naive`` puts in the seeder that people
write at first, for which all this is fatal: it shows that the faults are real.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from typing import Any

# Children are forked: they start within milliseconds, all at the same time.
fork = get_context("fork")

PROCESSES = 8
TIMEOUT = 60  # seconds until a process counts as hanging


def run_command(name: str, at_seeder: Callable[[], Any]) -> None:
    """Run a command in this child, and something else where its seeder begins."""
    from django.core.management import call_command

    from invite_code import seeding

    real_seed = seeding.seed

    def seed(*args: Any, **kwargs: Any) -> bool:
        at_seeder()
        return real_seed(*args, **kwargs)

    seeding.seed = seed
    call_command(name, interactive=False, verbosity=0)


def start(name: str, at_seeder: Callable[[], Any] = bool) -> BaseProcess:
    from django.db import connections

    connections.close_all()  # A connection must not be shared with a child.
    child = fork.Process(target=run_command, args=(name, at_seeder))
    child.start()
    return child


def finish(child: BaseProcess) -> int | None:
    child.join(TIMEOUT)
    if child.exitcode is None:
        child.kill()
        child.join()
    return child.exitcode


def stored() -> int:
    from invite_code.models import InviteCode

    return InviteCode.objects.count()


def clear(batch_too: bool) -> None:
    from invite_code.models import InviteBatch, InviteCode

    InviteCode.objects.all().delete()
    if batch_too:
        InviteBatch.objects.all().delete()


def race(rounds: int, count: int) -> bool:
    """Let processes migrate at once, and return whether all ended well.

    They wait for one another where the seeder begins, so that all look at once. In
    every other round one of them is killed while the rest wait for it.
    """
    outcomes: Counter[str] = Counter()
    for round_ in range(rounds):
        # With the batch, they meet at its lock; without it, at its making.
        clear(batch_too=round_ % 4 < 2)
        barrier = fork.Barrier(PROCESSES, timeout=TIMEOUT)
        gone = fork.Semaphore(0)

        def meet(barrier: Any = barrier, gone: Any = gone) -> None:
            barrier.wait()
            gone.release()

        children = [start("migrate", meet) for _ in range(PROCESSES)]
        if round_ % 2:
            # Killed at the barrier, one would keep the others there.
            for _ in children:
                gone.acquire(timeout=TIMEOUT)
            time.sleep(random.uniform(0, 0.02))
            kill_child(random.choice(children))
        failed = sum(finish(child) not in (0, -signal.SIGKILL) for child in children)
        outcomes[f"{stored()} codes, {failed} processes failed"] += 1
    print(f"{rounds} rounds of {PROCESSES} migrates at once: {dict(outcomes)}")
    return set(outcomes) == {f"{count} codes, 0 processes failed"}


def kill_child(child: BaseProcess) -> None:
    assert child.pid
    os.kill(child.pid, signal.SIGKILL)
    finish(child)


def duration(name: str) -> tuple[float, float]:
    """Return the seconds from the start of a command, and of its seeder, to its end."""
    seeding = fork.Event()
    begun = time.monotonic()
    child = start(name, seeding.set)
    seeding.wait(TIMEOUT)
    seeder_begun = time.monotonic()
    assert finish(child) == 0, f"{name} fails even when nobody disturbs it"
    return time.monotonic() - begun, time.monotonic() - seeder_begun


def kill(name: str, kills: int, count: int) -> bool:
    """Kill a command over and over, and return whether the seed stayed whole.

    Every other kill strikes at any moment of the command, and the rest while the
    seeder is at work, or just after it.
    """
    clear(batch_too=True)
    whole, seeder = duration(name)
    left: Counter[int] = Counter()
    wrong = 0
    for number in range(kills):
        if name == "migrate":
            clear(batch_too=number % 4 < 2)
        seeding = fork.Event()
        child = start(name, seeding.set)
        if number % 2:
            seeding.wait(TIMEOUT)
        time.sleep(random.uniform(0, seeder if number % 2 else whole))
        kill_child(child)
        left[stored()] += 1
        wrong += finish(start("migrate")) != 0 or stored() != count
    print(f"{kills} kills of {name} left codes: {dict(left)};", end=" ")
    print(f"after the next migrate {wrong} times not {count}")
    # A flush cut short may have left the old codes, which is what they were before.
    return set(left) <= {0, count} and not wrong


def naive_seed(batch_model: Any, code_model: Any, count: int, *, using: str) -> bool:
    """Do what comes to mind first: if there is no code, save one after the other."""
    from invite_code.conf import conf

    if code_model.objects.using(using).exists():
        return False
    batch, _ = batch_model.objects.using(using).get_or_create(key="seed")
    time.sleep(0.05)  # What 2,000 calls of get_random_string() take.
    for code in conf.code_format.generate(count):
        code_model(batch=batch, code=code).save(using=using)
    return True


@contextmanager
def database_of_its_own(count: int, *, migrated: bool = False) -> Iterator[None]:
    """Set Django up on a new database, complete but for the seed.

    Args:
        count: how many codes to seed.
        migrated: whether migrations make the tables, for those who migrate again. If
            not, they are made as they are now, in a fifth of the time.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    os.environ["DATABASE_NAME"] = f"signals_faults_{os.getpid()}"
    import django
    from django.conf import settings
    from django.db import connection

    django.setup()
    settings.INVITE_CODE_SEED_COUNT = count
    with tempfile.TemporaryDirectory() as directory:
        connection.settings_dict["TEST"]["MIGRATE"] = migrated
        connection.settings_dict["TEST"]["NAME"] = (
            os.path.join(directory, "faults.sqlite3")
            if connection.vendor == "sqlite"
            else None
        )
        connection.creation.create_test_db(verbosity=0, autoclobber=True)
        try:
            yield
        finally:
            connection.creation.destroy_test_db("unused", verbosity=0)


def main() -> int:
    parser = argparse.ArgumentParser(description="Disturb the seeding of codes.")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--count", type=int, default=2000, help="codes to seed")
    parser.add_argument("--naive", action="store_true", help="use the naive seeder")
    options = parser.parse_args()
    with database_of_its_own(options.count, migrated=True):
        if options.naive:
            from invite_code import seeding

            seeding.seed = naive_seed
        well = [
            race(options.rounds, options.count),
            kill("migrate", options.kills, options.count),
            kill("flush", options.kills, options.count),
        ]
    print("The seed was always whole." if all(well) else "The seed was broken.")
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
