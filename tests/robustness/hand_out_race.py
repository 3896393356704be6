"""Let processes hand out the codes of one batch at the same time.

    python -m tests.robustness.hand_out_race [--processes 16] [--codes 50] [--rounds 40]

The database is that of ``DATABASE_VENDOR``, in a database of its own. In each mode,
which is a connection with some settings, every process hands out so many codes so many
times, from a batch that has exactly as many as all of them ask for: so each hand-out
has as many as it asked for, none is in two of them, none is left, and who asks for one
more is told so. Meanwhile nobody sees another error. Exits 1 if it ever was not so.
``--naive`` hands out as people write it at first, look and then save: it shows that the
processes do meet.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.robustness.redemption_race import DEFAULTS, IMMEDIATE, PATIENT, WAL
from tests.robustness.seeding_faults import database_of_its_own, finish, fork

#: Seconds until a process counts as hanging.
TIMEOUT = 600

#: Settings of a connection, for each vendor. SQLite lets those who wait for it in by
#: chance, and some are out of luck for longer than its 5 seconds: they begin anew.
MODES: dict[str, dict[str, dict[str, Any]]] = {
    "sqlite": {
        "WAL, IMMEDIATE, 60 s": IMMEDIATE | PATIENT,
        "WAL": WAL,
        "rollback journal": DEFAULTS,
    },
    "postgresql": {
        "READ COMMITTED": {},
        "REPEATABLE READ": {"isolation_level": 3},
        "SERIALIZABLE": {"isolation_level": 4},
    },
    "mysql": {
        "READ COMMITTED": {},
        "REPEATABLE READ": {"isolation_level": "repeatable read"},
    },
}


class Load(NamedTuple):
    """Who asks for how much."""

    processes: int
    codes: int
    rounds: int

    @property
    def total(self) -> int:
        return self.processes * self.codes * self.rounds


class Result(NamedTuple):
    """What came of a mode; its fields are the columns of the table."""

    mode: str
    hand_outs: int
    given: int
    twice: int
    lost: int
    uneven: int
    one_more: int
    errors: int
    slowest: float
    seconds: float

    def is_right(self, load: Load) -> bool:
        asked = load.processes * load.rounds, load.total
        wrong = self.twice or self.lost or self.uneven or self.one_more or self.errors
        return (self.hand_outs, self.given) == asked and not wrong

    def __str__(self) -> str:
        numbers = "".join(f"{number:>10}" for number in self[1:-2])
        return f"{self.mode:<22}{numbers}{self.slowest:>10.2f}{self.seconds:>10.1f}"


def service(batch: Any, n: int) -> Any:
    """Do what is put to the test."""
    from invite_code.handing_out import hand_out

    return hand_out(batch, n)


def naive(batch: Any, n: int) -> Any:
    """Do what comes to mind first: look for codes nobody has, then save."""
    from invite_code.errors import TooFewCodes
    from invite_code.models import HandOut

    codes = batch.codes.filter(hand_out=None).order_by("pk")
    pks = list(codes.values_list("pk", flat=True)[:n])
    if len(pks) < n:
        raise TooFewCodes
    line = HandOut.objects.create(batch=batch, count=n)
    batch.codes.filter(pk__in=pks).update(hand_out=line)
    return line


hand_out: Callable[[Any, int], Any] = service  # Or naive(), if asked for.


def work(batch: Any, load: Load, barrier: Any, told: Path) -> None:
    """Be one process: hand out again and again, and tell which codes were given."""
    from django.db import connection

    given, errors, seconds = [], [], []
    connection.ensure_connection()
    barrier.wait()
    for _ in range(load.rounds):
        begun = time.monotonic()
        try:
            line = hand_out(batch, load.codes)
            codes = batch.codes.filter(hand_out=line)
            given.append(list(codes.values_list("pk", flat=True)))
        except Exception as error:
            said = " ".join(str(error).split())
            errors.append(f"{type(error).__name__}: {said}"[:120])
        seconds.append(time.monotonic() - begun)
    told.write_text(json.dumps([given, errors, max(seconds)]))


def run_processes(batch: Any, load: Load, folder: Path) -> Iterator[list[Any]]:
    """Let all processes work at once, and yield what each of them has told."""
    from django.db import connections

    connections.close_all()  # A connection must not be shared with a child.
    barrier = fork.Barrier(load.processes)
    files = [folder / str(number) for number in range(load.processes)]
    children = [
        fork.Process(target=work, args=(batch, load, barrier, file)) for file in files
    ]
    for child in children:
        child.start()
    for child, file in zip(children, files, strict=True):
        child.join(TIMEOUT)
        well = finish(child) == 0
        yield json.loads(file.read_text()) if well else [[], ["It hung or died."], 0.0]


def run(mode: str, load: Load) -> tuple[Result, Counter[str]]:
    """Run a mode on a new batch, and return what came of it, and the errors seen."""
    from invite_code.issuing import issue

    batch = issue(load.total, label="race")
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        told = list(run_processes(batch, load, Path(folder)))
        seconds = time.monotonic() - begun
    hand_outs = [pks for given, *_ in told for pks in given]
    given = Counter(pk for pks in hand_outs for pk in pks)
    errors = Counter(error for _, errors, _ in told for error in errors)
    return Result(
        mode=mode,
        hand_outs=len(hand_outs),
        given=given.total(),
        twice=sum(times - 1 for times in given.values()),
        lost=batch.codes.filter(hand_out=None).count(),
        uneven=sum(len(pks) != load.codes for pks in hand_outs),
        one_more=int(gives_one_more(batch)),
        errors=errors.total(),
        slowest=max(slowest for *_, slowest in told),
        seconds=seconds,
    ), errors


def gives_one_more(batch: Any) -> bool:
    """Return whether a code is handed out though none should be left."""
    from invite_code.errors import TooFewCodes

    try:
        hand_out(batch, 1)
    except TooFewCodes:
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description="Race for the codes of a batch.")
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--codes", type=int, default=50, help="in each hand-out")
    parser.add_argument("--rounds", type=int, default=40, help="for each process")
    parser.add_argument("--only", default="", help="modes with this in their names")
    parser.add_argument("--naive", action="store_true", help="look, and then save")
    options = parser.parse_args()
    if options.naive:
        global hand_out
        hand_out = naive
    load = Load(options.processes, options.codes, options.rounds)
    well = True
    with database_of_its_own(count=0):
        from django.db import connection

        print(f"{'mode':<22}" + "".join(f"{name:>10}" for name in Result._fields[1:]))
        own_options = connection.settings_dict["OPTIONS"]
        for mode, more in MODES[connection.vendor].items():
            if options.only in mode:
                connection.close()
                connection.settings_dict["OPTIONS"] = own_options | more
                result, errors = run(mode, load)
                well &= result.is_right(load)
                print(result, *errors.most_common(3), sep="\n    ", flush=True)
    print("Each code was given once." if well else "Something was wrong.")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
