"""Kill those who issue codes, at random moments.

    python -m tests.robustness.issuing_faults [--kills 50] [--naive]
        [command ctrl-c task web]

The database is that of ``DATABASE_VENDOR``, in a database of its own. Codes are issued
by the command, by the workers of a task queue (django-tasks-db), and by a server
(gunicorn). Whenever its processes are killed, a batch must have all its codes or not be
there, and be there with all its codes, once, after the next try with its key. After
Ctrl-C, the command must have said which of the two it is. Exits 1 if it ever was not
so. ``--naive`` commits each statement by itself: it shows that the kills do hit.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from multiprocessing.process import BaseProcess
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import NamedTuple
from unittest.mock import patch
from urllib.parse import urlencode
from uuid import UUID, uuid4

from tests.robustness.http_race import BOOTED, server
from tests.robustness.seeding_faults import (
    TIMEOUT,
    database_of_its_own,
    finish,
    fork,
    kill_child,
)

#: Exit codes of a command that Ctrl-C stopped, and of one for which it came too late.
STOPPED, ENDED = 130, 99


class Way(NamedTuple):
    """One of the ways to issue codes.

    ``begin(key, count)`` begins, and returns a function that kills who does it.
    ``end(key, count)`` does it, or what is left of it, undisturbed.
    ``told(key, count)`` returns how many codes there are by what was said, if anything.
    """

    begin: Callable[[str, int], Callable[[], None]]
    end: Callable[[str, int], None]
    told: Callable[[str, int], int | None] = lambda key, count: None


def start(function: Callable[..., None], *arguments: object) -> BaseProcess:
    from django.db import connections

    connections.close_all()  # A connection must not be shared with a child.
    child = fork.Process(target=function, args=arguments)
    child.start()
    return child


def complete(child: BaseProcess) -> None:
    code = finish(child)
    assert code == 0, f"{child} fails even when nobody disturbs it"


# By the command.


def run_command(key: str, count: int) -> None:
    """Run the command in this child, with a key that the parent knows."""
    from django.core.management import call_command

    from invite_code.management.commands import issue_invite_codes

    with (
        patch.object(issue_invite_codes, "uuid4", lambda: UUID(key)),
        Path(os.devnull).open("w") as nowhere,
    ):
        call_command("issue_invite_codes", str(count), stdout=nowhere)


def by_command() -> Way:
    def begin(key: str, count: int) -> Callable[[], None]:
        child = start(run_command, key, count)
        return lambda: kill_child(child)

    def end(key: str, count: int) -> None:
        complete(start(run_command, key, count))

    return Way(begin, end)


# By the command, stopped by Ctrl-C.


def run_until_stopped(key: str, count: int, begun: object, said: str) -> None:
    """Run the command in this child, as a shell would; write down what it says."""
    from django.core.management import execute_from_command_line

    from invite_code.management.commands import issue_invite_codes

    def announce(*arguments: object) -> object:
        begun.set()
        return progress_for(*arguments)

    progress_for = issue_invite_codes.progress_for
    issue_invite_codes.progress_for = announce
    issue_invite_codes.uuid4 = lambda: UUID(key)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with Path(said).open("w") as sys.stderr, Path(os.devnull).open("w") as sys.stdout:
        try:
            execute_from_command_line(["manage.py", "issue_invite_codes", str(count)])
            os._exit(ENDED)  # At once: Ctrl-C would hit what multiprocessing does next.
        except KeyboardInterrupt:
            os._exit(ENDED)
        except Exception:
            traceback.print_exc()
            raise


def by_control_c(folder: str) -> Way:
    exits: dict[str, int | None] = {}

    def begin(key: str, count: int) -> Callable[[], None]:
        begun = fork.Event()
        child = start(run_until_stopped, key, count, begun, f"{folder}/{key}")
        begun.wait(TIMEOUT)

        def interrupt() -> None:
            os.kill(child.pid or 0, signal.SIGINT)
            exits[key] = finish(child)

        return interrupt

    def told(key: str, count: int) -> int | None:
        said = Path(folder, key).read_text()
        if exits[key] == ENDED:
            return count
        if exits[key] != STOPPED or "Traceback" in said:
            print(f"It ended with {exits[key]}:\n{said}")
            return -1
        if "no code was issued" in said:
            return 0
        return count if "Stopped too late" in said else -1

    return Way(begin, by_command().end, told)


# By a worker of a task queue.


def run_worker() -> None:
    """Do all tasks in this child, until there are none."""
    from django.core.management import call_command

    options = {"batch": True, "startup_delay": False, "reload": False, "verbosity": 0}
    call_command("db_worker", **options)


def by_task() -> Way:
    from invite_code.tasks import issue_later

    def begin(key: str, count: int) -> Callable[[], None]:
        issue_later(count, key=key)
        child = start(run_worker)
        return lambda: kill_child(child)

    def end(key: str, count: int) -> None:
        from django_tasks_db.models import DBTaskResult

        # What was cut short waits again, and somebody has asked a second time. Two
        # workers are at it at once.
        DBTaskResult.objects.update(status="READY")
        issue_later(count, key=key)
        for child in [start(run_worker) for _ in range(2)]:
            complete(child)
        tasks = DBTaskResult.objects.values_list("status", flat=True)
        assert set(tasks) == {"SUCCESSFUL"}, tasks
        DBTaskResult.objects.all().delete()

    return Way(begin, end)


# By a server.


def call(port: int, key: str, count: int) -> int:
    """Ask a server for codes, and return the status of what it answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        body = urlencode({"key": key, "count": count})
        connection.request("POST", "/issue/", body, kind)
        return connection.getresponse().status
    finally:
        connection.close()


@contextmanager
def by_web(naive: bool) -> Iterator[Way]:
    environ = {"ISSUING_NAIVE": "1"} if naive else {}
    with (
        server(SimpleNamespace(environ=environ)) as (port, log),  # type: ignore[arg-type]
        ThreadPoolExecutor(1) as client,
    ):
        killed: set[int] = set()  # Their numbers may be of other processes by now.

        def begin(key: str, count: int) -> Callable[[], None]:
            answer = client.submit(call, port, key, count)

            def kill() -> None:
                booted = {int(pid) for pid in BOOTED.findall(log.read_text())}
                for pid in booted - killed:
                    os.kill(pid, signal.SIGKILL)
                killed.update(booted)
                with suppress(OSError, HTTPException):
                    answer.result()

            return kill

        def end(key: str, count: int) -> None:
            status = call(port, key, count)
            assert status == 200, status

        yield Way(begin, end)


# What became of the codes.


def stored(key: str) -> int:
    from invite_code.models import InviteCode

    return InviteCode.objects.filter(batch__key=key).count()


def is_whole(key: str, count: int) -> bool:
    """Return whether there is one batch, and nothing but its codes."""
    from invite_code.models import InviteBatch, InviteCode

    batches = list(InviteBatch.objects.values_list("key", flat=True))
    return batches == [key] and stored(key) == InviteCode.objects.count() == count


def clear() -> None:
    from invite_code.models import InviteBatch, InviteCode

    codes = InviteCode.objects.all()
    codes._raw_delete(codes.db)
    InviteBatch.objects.all().delete()


def duration(way: Way, count: int) -> float:
    """Return the seconds that a way takes when nobody disturbs it."""
    seconds = []
    for _ in range(3):
        key = uuid4().hex
        begun = time.monotonic()
        way.end(key, count)
        seconds.append(time.monotonic() - begun)
        assert is_whole(key, count)
        clear()
    return median(seconds)


def kill(name: str, way: Way, kills: int, count: int) -> bool:
    """Kill who issues codes over and over; return whether batches stayed whole."""
    from django.db import connection

    usual = duration(way, count)
    left: Counter[str] = Counter()
    lies = wrong = 0
    for _ in range(kills):
        key = uuid4().hex
        stop = way.begin(key, count)
        time.sleep(random.uniform(0, usual))
        stop()
        codes = stored(key)
        left[{0: "none", count: "all"}.get(codes, "some")] += 1
        lies += way.told(key, count) not in (None, codes)
        way.end(key, count)
        wrong += not is_whole(key, count)
        clear()
    numbers = (kills, left["none"], left["all"], left["some"], lies, wrong)
    print(f"{name:<10}" + "".join(f"{number:>10}" for number in numbers), flush=True)
    connection.close()
    return not (left["some"] or lies or wrong)


def main() -> int:
    names = ("command", "ctrl-c", "task", "web")
    parser = argparse.ArgumentParser(description="Kill those who issue codes.")
    parser.add_argument("ways", nargs="*", metavar="way", help="of " + ", ".join(names))
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--count", type=int, default=30_000, help="codes to issue")
    parser.add_argument("--naive", action="store_true", help="use no transaction")
    options = parser.parse_args()
    if unknown := set(options.ways).difference(names):
        parser.error(f"no such way: {', '.join(unknown)}")
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.robustness.issuing_settings"
    os.environ.setdefault("DATABASE_NAME", "unused")
    with database_of_its_own(count=0), tempfile.TemporaryDirectory() as folder:
        if options.naive:
            from tests.robustness.issuing_site import be_naive

            be_naive()
        columns = ("way", "kills", "none", "all", "some", "lies", "wrong")
        print(f"{columns[0]:<10}" + "".join(f"{name:>10}" for name in columns[1:]))
        ways = {
            "command": by_command,
            "ctrl-c": lambda: by_control_c(folder),
            "task": by_task,
        }
        well = []
        for name in options.ways or names:
            if name in ways:
                well.append(kill(name, ways[name](), options.kills, options.count))
            else:
                with by_web(options.naive) as way:
                    well.append(kill(name, way, options.kills, options.count))
    print("Batches were always whole." if all(well) else "Batches were broken.")
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
