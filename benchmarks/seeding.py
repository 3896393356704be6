"""Time seeding beside the raw driver, ``bulk_create`` and ``save()``.

    python -m benchmarks.seeding [--rounds 15] [--million] [sqlite postgresql mariadb]

The ways take turns in one run, because a machine's speed drifts; what counts are the
ratios of their medians. Each starts from empty tables and ends with a commit. Ours is
all that ``migrate`` does: look, lock, draw and insert. The raw driver is given its
codes drawn and sorted, and is judged by the best of its ways.

Exits 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from example_project.settings import database

NAME = "signals_benchmark"
COUNT = 2000
MILLION = 1_000_000

#: Bars: at most this often the time of the raw driver's best, at least this often
#: faster than ``bulk_create``, at most this much more memory for a million codes.
MOST_OF_RAW = 1.5
LEAST_OF_BULK = {"sqlite": 8, "postgresql": 3, "mariadb": 4}
MOST_EXTRA_MIB = 50

COLUMNS = "batch_id, code, max_uses, uses, email, created_at"
INSERT = f"INSERT INTO invite_code_invitecode ({COLUMNS})"
NOW = "2026-01-01 00:00:00"
REST = f"1, 0, '', '{NOW}'"

Way = Callable[[Any, list[str]], None]


def sqlite_json_each(cursor: Any, codes: list[str]) -> None:
    cursor.execute(
        f"{INSERT} SELECT 1, value, {REST} FROM json_each(?)", [json.dumps(codes)]
    )


def sqlite_executemany(cursor: Any, codes: list[str]) -> None:
    cursor.executemany(f"{INSERT} VALUES (1, ?, {REST})", [(code,) for code in codes])


def postgresql_copy(cursor: Any, codes: list[str]) -> None:
    with cursor.copy(f"COPY invite_code_invitecode ({COLUMNS}) FROM STDIN") as copy:
        copy.write("".join(f"1\t{code}\t1\t0\t\t{NOW}+00\n" for code in codes))


def postgresql_unnest(cursor: Any, codes: list[str]) -> None:
    cursor.execute(
        f"{INSERT} SELECT 1, code, 1, 0, '', '{NOW}+00'"
        " FROM unnest(string_to_array(%s, ',')) AS code",
        [",".join(codes)],
    )


def mariadb_json_table(cursor: Any, codes: list[str]) -> None:
    cursor.execute(
        f"{INSERT} SELECT 1, code, {REST} FROM JSON_TABLE(%s, '$[*]'"
        " COLUMNS (code VARCHAR(64) PATH '$')) AS codes",
        [json.dumps(codes)],
    )


def mariadb_values(cursor: Any, codes: list[str]) -> None:
    rows = ",".join(f"(1, '{code}', {REST})" for code in codes)
    cursor.execute(f"{INSERT} VALUES {rows}")


def mariadb_load_data(cursor: Any, codes: list[str]) -> None:
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("".join(f"1\t{code}\t1\t0\t\t{NOW}\n" for code in codes))
        file.flush()
        cursor.execute(
            f"LOAD DATA LOCAL INFILE '{file.name}'"
            f" INTO TABLE invite_code_invitecode ({COLUMNS})"
        )


RAW_WAYS: dict[str, list[Way]] = {
    "sqlite": [sqlite_json_each, sqlite_executemany],
    "postgresql": [postgresql_copy, postgresql_unnest],
    "mariadb": [mariadb_json_table, mariadb_values, mariadb_load_data],
}


def with_raw_driver(raw: Any, way: Way, codes: list[str]) -> None:
    cursor = raw.cursor()
    cursor.execute("BEGIN")
    cursor.execute(
        "INSERT INTO invite_code_invitebatch (id, label, created_at)"
        f" VALUES (1, 'Seeded by migrate', '{NOW}')"
    )
    way(cursor, codes)
    raw.commit()


def with_seed(alias: str) -> None:
    from invite_code.models import InviteBatch, InviteCode
    from invite_code.seeding import seed

    assert seed(InviteBatch, InviteCode, COUNT, using=alias)


def with_bulk_create(alias: str) -> None:
    from invite_code.conf import conf
    from invite_code.models import InviteBatch, InviteCode

    with transaction.atomic(using=alias):
        batch = InviteBatch.objects.using(alias).create(key="seed")
        codes = conf.code_format.generate(COUNT)
        InviteCode.objects.using(alias).bulk_create(
            InviteCode(code=code, batch=batch) for code in codes
        )


def with_save(alias: str) -> None:
    from invite_code.conf import conf
    from invite_code.models import InviteBatch, InviteCode

    batch = InviteBatch.objects.using(alias).create(key="seed")
    for code in conf.code_format.generate(COUNT):
        InviteCode(code=code, batch=batch).save(using=alias)


def clear(alias: str) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute("DELETE FROM invite_code_invitecode")
        cursor.execute("DELETE FROM invite_code_invitebatch")
    if alias == "postgresql":
        with connections[alias].cursor() as cursor:
            cursor.execute("VACUUM invite_code_invitecode")


def raw_connection(alias: str) -> Any:
    """Return a connection of the driver itself, set up as Django sets up its own."""
    wrapper = connections[alias]
    parameters = wrapper.get_connection_params()
    if alias == "mariadb":
        parameters["local_infile"] = True
    raw = wrapper.get_new_connection(parameters)
    if alias == "sqlite":
        raw.isolation_level = None
    return raw


def timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure(alias: str, rounds: int) -> dict[str, float]:
    """Return the median of each way, in milliseconds."""
    from invite_code.conf import conf

    raw = raw_connection(alias)
    times: dict[str, list[float]] = {}
    for round_ in range(rounds + 1):
        ways: dict[str, Callable[[], None]] = {"seed": lambda: with_seed(alias)}
        for way in RAW_WAYS[alias]:
            codes = sorted(conf.code_format.generate(COUNT))
            ways[way.__name__] = lambda way=way, codes=codes: with_raw_driver(
                raw, way, codes
            )
        ways["bulk_create"] = lambda: with_bulk_create(alias)
        if round_ % 5 == 1:  # It is slow, and nobody will mistake it for the others.
            ways["save"] = lambda: with_save(alias)
        # Shuffled, so that no way always runs on the caches another one left behind.
        for name, action in random.sample(list(ways.items()), len(ways)):
            clear(alias)
            gc.collect()
            elapsed = timed(action)
            if round_:  # The first one warms up.
                times.setdefault(name, []).append(elapsed * 1000)
    raw.close()
    return {name: statistics.median(values) for name, values in times.items()}


def report(alias: str, medians: dict[str, float]) -> bool:
    """Print the medians as ratios, and return whether the bars were reached."""
    raw = min(medians[way.__name__] for way in RAW_WAYS[alias])
    of_raw = medians["seed"] / raw
    of_bulk = medians["bulk_create"] / medians["seed"]
    print(f"\n{alias}: {COUNT} codes, medians")
    for name, median in sorted(medians.items(), key=lambda item: item[1]):
        print(f"  {name:20} {median:9.1f} ms {median / raw:8.2f} x the raw driver")
    least_of_bulk = LEAST_OF_BULK[alias]
    print(f"  seed / raw driver's best   {of_raw:6.2f}  (at most {MOST_OF_RAW})")
    print(f"  bulk_create / seed         {of_bulk:6.2f}  (at least {least_of_bulk})")
    return of_raw <= MOST_OF_RAW and of_bulk >= least_of_bulk


def queries_when_done(alias: str) -> int:
    from invite_code.models import InviteBatch, InviteCode
    from invite_code.seeding import seed

    clear(alias)
    with_seed(alias)
    with CaptureQueriesContext(connections[alias]) as queries:
        assert not seed(InviteBatch, InviteCode, COUNT, using=alias)
    return len(queries)


def peak_mib(alias: str, count: int) -> float:
    """Return the most memory a process held that issued codes, in MiB."""
    clear(alias)
    connections.close_all()
    with get_context("fork").Pool(1) as pool:
        return pool.apply(_issue, (alias, count))


def _issue(alias: str, count: int) -> float:
    from invite_code.issuing import issue

    issue(count, using=alias)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def report_memory(alias: str) -> bool:
    small, large = peak_mib(alias, 1000), peak_mib(alias, MILLION)
    print(f"  peak memory: {small:.0f} MiB for 1,000, {large:.0f} MiB for 1,000,000")
    return large - small <= MOST_EXTRA_MIB


def configure(directory: str) -> None:
    databases = {vendor: database(vendor, NAME) for vendor in RAW_WAYS}
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


def run(alias: str, rounds: int, million: bool) -> bool:
    """Measure in a database of its own, and return whether all bars were reached."""
    creation = connections[alias].creation
    creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        reached = report(alias, measure(alias, rounds))
        queries = queries_when_done(alias)
        print(f"  queries when it was done before: {queries}  (at most 2)")
        remembered = not million or report_memory(alias)
        return reached and queries <= 2 and remembered
    finally:
        creation.destroy_test_db(NAME, verbosity=0)


def main() -> int:
    parser = argparse.ArgumentParser(description="Time seeding beside other ways.")
    parser.add_argument(
        "vendors", nargs="*", metavar="VENDOR", help=", ".join(RAW_WAYS)
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--million", action="store_true", help="measure memory, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        configure(directory)
        vendors = options.vendors or RAW_WAYS
        results = [run(alias, options.rounds, options.million) for alias in vendors]
    print("\nAll bars reached." if all(results) else "\nA bar was missed.")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
