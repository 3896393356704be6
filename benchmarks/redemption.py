"""Time redeeming beside the raw driver, and beside what other apps do.

    python -m benchmarks.redemption [--rounds 9] [sqlite postgresql mariadb]

Each client is a process with a connection of its own, and redeems codes for one use
that nobody else has, for users made before. The ways take turns in one run, because a
machine's speed drifts; what counts is the median of their ratios in each round. SQLite
is a file in WAL mode that waits for the disk.

Exits 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from example_project.settings import database

NAME = "signals_benchmark_redemption"
VENDORS = ("sqlite", "postgresql", "mariadb")

#: Codes in one turn of one way, shared among the clients.
COUNT = 480

#: Bars: at least this part of the raw driver's throughput, for each number of clients.
LEAST_OF_RAW = {1: 0.6, 4: 0.5, 16: 0.5}

UPDATE = (
    "UPDATE invite_code_invitecode SET uses = uses + 1"
    " WHERE code = %s AND uses < max_uses AND revoked_at IS NULL"
    " AND (expires_at IS NULL OR expires_at > %s)"
)
INSERT = (
    "INSERT INTO invite_code_redemption"
    " (code_id, user_id, user_pk, username, redeemed_at)"
    " SELECT id, %s, %s, %s, %s FROM invite_code_invitecode WHERE code = %s"
)

#: What redeems one code for one user.
Way = Callable[[str, Any], None]


def raw_cursor(alias: str) -> tuple[Any, str]:
    """Return a cursor of the driver on what Django connected, and what begins."""
    connections[alias].ensure_connection()
    begin = "BEGIN IMMEDIATE" if alias == "sqlite" else "BEGIN"
    return connections[alias].connection.cursor(), begin


def now_for(alias: str) -> Any:
    return connections[alias].ops.adapt_datetimefield_value(timezone.now())


def raw_driver(alias: str) -> Way:
    """Send the two statements that ``redeem()`` sends."""
    from invite_code.stressing import statements_for_driver

    take, record, nobody = statements_for_driver(alias)
    cursor, begin = raw_cursor(alias)

    def redeem_one(code: str, user: Any) -> None:
        values = {**nobody, "code": code, "email": user.email, "user_id": user.pk}
        values |= {"user_pk": str(user.pk), "username": user.username}
        values["now"] = now_for(alias)
        cursor.execute(begin)
        cursor.execute(take, values)
        assert cursor.rowcount == 1
        cursor.execute(record, values)
        cursor.fetchall()
        cursor.execute("COMMIT")

    return redeem_one


def raw_shortest(alias: str) -> Way:
    """Send the shortest two, which know nothing of holds, batches and addresses."""
    marks = "?" if alias == "sqlite" else "%s"
    update, insert = UPDATE.replace("%s", marks), INSERT.replace("%s", marks)
    cursor, begin = raw_cursor(alias)

    def redeem_one(code: str, user: Any) -> None:
        now = now_for(alias)
        cursor.execute(begin)
        cursor.execute(update, [code, now])
        assert cursor.rowcount == 1
        cursor.execute(insert, [user.pk, str(user.pk), user.username, now, code])
        cursor.execute("COMMIT")

    return redeem_one


def redeem(alias: str) -> Way:
    from invite_code import redemption

    return lambda code, user: redemption.redeem(code, user, using=alias)


def select_for_update(alias: str) -> Way:
    from invite_code.models import InviteCode, Redemption

    def redeem_one(code: str, user: Any) -> None:
        with transaction.atomic(using=alias):
            codes = InviteCode.objects.using(alias).select_for_update()
            row = codes.get(code=code)
            assert row.uses < row.max_uses
            row.uses += 1
            row.save(using=alias)
            Redemption.objects.using(alias).create(
                code=row, user=user, user_pk=str(user.pk), username=user.username
            )

    return redeem_one


WAYS = {
    way.__name__: way for way in (raw_driver, raw_shortest, redeem, select_for_update)
}


def serve(pipe: Connection, alias: str) -> None:
    """Be a client: redeem what comes through the pipe, by the way that it names."""
    with suppress(EOFError):
        while True:
            name, pairs = pipe.recv()
            redeem_one = WAYS[name](alias)
            connections[alias].ensure_connection()
            pipe.send("ready")
            pipe.recv()
            pipe.send(redeem_all(redeem_one, pairs))


def redeem_all(redeem_one: Way, pairs: list[Any]) -> tuple[float, float, int]:
    """Return when it began and ended, in seconds, and how many were locked out."""
    failures, start = 0, time.perf_counter()
    for code, user in pairs:
        try:
            redeem_one(code, user)
        except OperationalError:
            failures += 1
    return start, time.perf_counter(), failures


@contextmanager
def clients(count: int, alias: str) -> Iterator[list[Connection]]:
    connections.close_all()
    context = get_context("fork")
    pipes, processes = [], []
    for _ in range(count):
        here, there = context.Pipe()
        process = context.Process(target=serve, args=(there, alias), daemon=True)
        process.start()
        pipes.append(here)
        processes.append(process)
    yield pipes
    for process in processes:
        process.terminate()
        process.join()


def prepare(alias: str) -> list[Any]:
    """Return codes that nobody has used, each with a user of its own."""
    from django.contrib.auth.models import User

    from invite_code.issuing import issue

    call_command(
        "flush",
        database=alias,
        interactive=False,
        verbosity=0,
        inhibit_post_migrate=True,
    )
    codes = issue(COUNT, using=alias).codes.values_list("code", flat=True)
    User.objects.using(alias).bulk_create(
        User(username=f"user{n}", email=f"user{n}@example.com") for n in range(COUNT)
    )
    users = list(User.objects.using(alias))
    if alias != "mariadb":
        connections[alias].cursor().execute("ANALYZE")
    return list(zip(random.sample(list(codes), COUNT), users, strict=True))


def turn(alias: str, pipes: list[Connection], name: str) -> tuple[float, int]:
    """Return the redemptions per second by one way, and how many were locked out."""
    pairs = prepare(alias)
    for n, pipe in enumerate(pipes):
        pipe.send((name, pairs[n :: len(pipes)]))
    for pipe in pipes:
        assert pipe.recv() == "ready"
    for pipe in pipes:
        pipe.send("go")
    starts, ends, failures = zip(*(pipe.recv() for pipe in pipes), strict=True)
    redeemed = COUNT - sum(failures)
    verify(alias, redeemed)
    return redeemed / (max(ends) - min(starts)), sum(failures)


def verify(alias: str, redeemed: int) -> None:
    from invite_code.models import InviteCode, Redemption

    assert Redemption.objects.using(alias).count() == redeemed
    assert InviteCode.objects.using(alias).filter(uses=1).count() == redeemed


def measure(alias: str, count: int, rounds: int) -> dict[str, list[tuple[float, int]]]:
    """Return the turns of each way: its throughput, and how many were locked out."""
    turns: dict[str, list[tuple[float, int]]] = {name: [] for name in WAYS}
    with clients(count, alias) as pipes:
        for round_ in range(rounds + 1):
            for name in random.sample(list(WAYS), len(WAYS)):
                result = turn(alias, pipes, name)
                if round_:  # The first one warms up.
                    turns[name].append(result)
    return turns


def report(count: int, turns: dict[str, list[tuple[float, int]]]) -> bool:
    """Print throughput and ratios, and return whether the bar was reached."""
    print(f"  {count} client{'s' if count > 1 else ''}")
    ratios = {}
    for name, results in turns.items():
        both = zip(results, turns["raw_driver"], strict=True)
        ratios[name] = statistics.median(own[0] / raw[0] for own, raw in both)
        speed = statistics.median(result[0] for result in results)
        locked = sum(result[1] for result in results) / (COUNT * len(results))
        print(
            f"    {name:18} {speed:7.0f} per second {ratios[name]:6.2f} of the driver"
            + (f", {locked:.0%} failed: database is locked" if locked else "")
        )
    bar = LEAST_OF_RAW[count]
    print(f"    redeem / raw driver {ratios['redeem']:.2f}  (at least {bar})")
    return ratios["redeem"] >= bar and not any(n for _, n in turns["redeem"])


def report_queries(alias: str) -> None:
    (code, user), *_ = prepare(alias)
    with CaptureQueriesContext(connections[alias]) as queries:
        redeem(alias)(code, user)
    said = [query["sql"].split()[0] for query in queries.captured_queries]
    print(f"  {len(said)} queries for a redemption: {', '.join(said)}")


def configure(directory: str) -> None:
    databases = {vendor: database(vendor, NAME) for vendor in VENDORS}
    databases["sqlite"]["OPTIONS"] = {}  # Durable, as SQLite is by itself.
    databases["sqlite"]["TEST"] = {"NAME": str(Path(directory) / "test.sqlite3")}
    settings.configure(
        DATABASES={"default": {}, **databases},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "invite_code",
        ],
        INVITE_CODE_SEED_COUNT=0,
        USE_TZ=True,
    )
    django.setup()


def run(alias: str, rounds: int) -> bool:
    """Measure in a database of its own, and return whether all bars were reached."""
    creation = connections[alias].creation
    creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        if alias == "sqlite":  # The file remembers it.
            connections[alias].cursor().execute("PRAGMA journal_mode = WAL")
        print(f"\n{alias}: {COUNT} codes, medians of {rounds} rounds")
        report_queries(alias)
        results = [
            report(count, measure(alias, count, rounds)) for count in LEAST_OF_RAW
        ]
        return all(results)
    finally:
        creation.destroy_test_db(NAME, verbosity=0)


def main() -> int:
    parser = argparse.ArgumentParser(description="Time redeeming beside other ways.")
    parser.add_argument("vendors", nargs="*", metavar="VENDOR", help=", ".join(VENDORS))
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        configure(directory)
        vendors = options.vendors or VENDORS
        results = [run(alias, options.rounds) for alias in vendors]
    print("\nAll bars reached." if all(results) else "\nA bar was missed.")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
