"""Time issuing, from a thousand codes to millions, beside the raw driver.

    python -m benchmarks.issuing [--sizes 1000,100000] [sqlite postgresql mariadb]

The ways take turns, each from empty tables to a commit. The raw driver is given its
codes drawn and sorted in chunks, which is best for an index, and is judged by the best
of its ways; what issuing takes beside one that has to draw and sort them is printed,
too. ``bulk_create`` is timed up to 100,000 codes: beyond, it only takes longer. Sizes
up to a million take several rounds, larger ones take one.

Peak memory is that of a process of its own that issues the codes.

Exits 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from django.db import connections, transaction

from benchmarks import seeding

SIZES = (1_000, 100_000, 1_000_000)

#: Rounds up to a million, of which the first one warms up; beyond, there is one. Few
#: codes take many: with 41 rounds, a ratio was between 1.1 and 1.7 from run to run.
ROUNDS = {1_000: 201, 100_000: 4, 1_000_000: 4}

#: Most codes that ``bulk_create`` is asked for.
MOST_BULK = 100_000

#: Codes in a statement of the raw driver that names each of them; a copy is one.
CHUNK = 10_000
AT_ONCE = {"postgresql_copy", "mariadb_load_data"}

#: Ways that no large number of codes is left to: others are quicker.
LEFT_OUT = {"sqlite_executemany", "mariadb_values"}

#: Bars: at most this often the time of the raw driver's best, at most this much more
#: memory than for the smallest size, in MiB.
MOST_OF_RAW = 1.5
MOST_EXTRA_MIB = 50


def draw(count: int) -> list[str]:
    """Return codes in the order in which an index takes them best."""
    from invite_code.conf import conf

    codes: list[str] = []
    for done in range(0, count, CHUNK):
        size = min(CHUNK, count - done)
        codes += sorted(conf.code_format.generate(size))
    return codes


def chunked(way: seeding.Way) -> seeding.Way:
    def insert(cursor: Any, codes: list[str]) -> None:
        for start in range(0, len(codes), CHUNK):
            way(cursor, codes[start : start + CHUNK])

    return way if way.__name__ in AT_ONCE else insert


def with_issue(alias: str, count: int) -> None:
    from invite_code.issuing import issue

    issue(count, using=alias)


def with_bulk_create(alias: str, count: int) -> None:
    from invite_code.models import InviteBatch, InviteCode

    with transaction.atomic(using=alias):
        batch = InviteBatch.objects.using(alias).create()
        InviteCode.objects.using(alias).bulk_create(
            (InviteCode(code=code, batch=batch) for code in draw(count)),
            batch_size=CHUNK,
        )


def ways(
    alias: str, raw: Any, count: int
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the ways to insert so many codes, each with its name."""
    yield "issue", lambda: with_issue(alias, count)
    yield "draw", lambda: draw(count)
    if count <= MOST_BULK:
        yield "bulk_create", lambda: with_bulk_create(alias, count)
    codes = draw(count)
    for way in seeding.RAW_WAYS[alias]:
        if way.__name__ not in LEFT_OUT:
            insert = chunked(way)
            yield (
                way.__name__,
                lambda insert=insert: seeding.with_raw_driver(raw, insert, codes),
            )


def measure(alias: str, count: int) -> dict[str, float]:
    """Return the median of each way, in seconds."""
    raw = seeding.raw_connection(alias)
    times: dict[str, list[float]] = {}
    rounds = ROUNDS.get(count, 1)
    for round_ in range(rounds):
        actions = list(ways(alias, raw, count))
        for name, action in random.sample(actions, len(actions)):
            seeding.clear(alias)
            gc.collect()
            elapsed = seeding.timed(action)
            if round_ or rounds == 1:
                times.setdefault(name, []).append(elapsed)
    raw.close()
    return {name: statistics.median(values) for name, values in times.items()}


def report(count: int, medians: dict[str, float]) -> bool:
    """Print the medians as ratios, and return whether the bar was reached."""
    others = {"issue", "draw", "bulk_create"}
    raw = min(time for name, time in medians.items() if name not in others)
    print(f"  {count:,} codes")
    for name, median in sorted(medians.items(), key=lambda item: item[1]):
        each = median / count * 1e6
        print(
            f"    {name:20}{median:9.3f} s {each:7.1f} us a code"
            f" {median / raw:6.2f} x the raw driver"
        )
    of_raw = medians["issue"] / raw
    of_both = medians["issue"] / (raw + medians["draw"])
    print(f"    issue / raw driver's best {of_raw:.2f}  (at most {MOST_OF_RAW})")
    print(f"    issue / the same and drawing the codes {of_both:.2f}")
    return of_raw <= MOST_OF_RAW


def report_memory(alias: str, sizes: list[int]) -> bool:
    peaks = {size: seeding.peak_mib(alias, size) for size in sizes}
    said = ", ".join(f"{peak:.0f} MiB for {size:,}" for size, peak in peaks.items())
    print(f"  peak memory: {said}")
    return max(peaks.values()) - peaks[min(sizes)] <= MOST_EXTRA_MIB


def run(alias: str, sizes: list[int]) -> bool:
    """Measure in a database of its own, and return whether all bars were reached."""
    creation = connections[alias].creation
    creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        print(f"\n{alias}, medians")
        reached = [report(size, measure(alias, size)) for size in sizes]
        reached.append(report_memory(alias, sizes))
        return all(reached)
    finally:
        creation.destroy_test_db(seeding.NAME, verbosity=0)


def main() -> int:
    parser = argparse.ArgumentParser(description="Time issuing beside other ways.")
    parser.add_argument(
        "vendors", nargs="*", metavar="VENDOR", help=", ".join(seeding.RAW_WAYS)
    )
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    options = parser.parse_args()
    sizes = sorted(map(int, options.sizes.split(",")))
    with tempfile.TemporaryDirectory() as directory:
        seeding.configure(directory)
        results = [run(alias, sizes) for alias in options.vendors or seeding.RAW_WAYS]
    print("\nAll bars reached." if all(results) else "\nA bar was missed.")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
