"""Let people sign up at the same time, over HTTP, at the example project.

    python -m tests.robustness.http_race [--codes 400] [--atomic] [--kill] [--naive]

The database is that of ``DATABASE_VENDOR``, in a database of its own; the server is
gunicorn with 2 processes of 8 threads. As many users are made as codes are redeemed and
uses counted; nobody is let in without becoming one of them; no code lets in more people
than it may, or fewer while enough tried; no client sees an error of the server. With
``--kill``, its processes are killed all the while: clients may lose an answer, and
nothing else. Exits 1 if it ever was not so. ``--naive`` puts in a sign-up as people
write it at first: it shows that the clients do meet.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch
from urllib.parse import urlencode

from tests.robustness.redemption_race import make_codes, share_out, use_up
from tests.robustness.seeding_faults import database_of_its_own

PROCESSES, THREADS = 2, 8

PAGE = "/invite/signup/"
PASSWORD = "correct horse battery"
REFUSED = "does not let you in"
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
BOOTED = re.compile(r"Booting worker with pid: (\d+)")
LISTENING = re.compile(r"Listening at: http://127\.0\.0\.1:(\d+)")

#: Seconds until a server or a client counts as hanging.
TIMEOUT = 60

#: Seconds between two kills.
KILL_PAUSE = 0.3, 0.9


class Mode(NamedTuple):
    """What the server runs with."""

    atomic: bool
    kill: bool
    naive: bool

    @property
    def name(self) -> str:
        words = [
            "naive" * self.naive,
            "ATOMIC_REQUESTS" * self.atomic,
            "kill -9" * self.kill,
        ]
        return ", ".join(filter(None, words)) or "plain"

    @property
    def environ(self) -> dict[str, str]:
        urls = "tests.robustness.naive_signup" if self.naive else "example_project.urls"
        return {
            "DJANGO_SETTINGS_MODULE": "tests.robustness.http_settings",
            "HTTP_RACE_ATOMIC": "1" * self.atomic,
            "HTTP_RACE_URLS": urls,
        }


class Result(NamedTuple):
    """What came of a mode; its fields are the columns of the table."""

    mode: str
    tries: int
    let_in: int
    users: int
    redeemed: int
    uses: int
    refused: int
    busy: int
    broken: int
    double: int
    lost: int
    errors: int
    kills: int
    seconds: float

    def is_right(self, kill: bool) -> bool:
        counts = {self.users, self.redeemed, self.uses}
        wrong = len(counts) > 1 or self.double or self.lost or self.errors
        if kill:
            return not wrong and self.let_in <= self.users and self.kills > 0
        return not (wrong or self.busy or self.broken) and self.let_in == self.users

    def __str__(self) -> str:
        numbers = "".join(f"{number:>9}" for number in self[1:-1])
        return f"{self.mode:<26}{numbers}{self.seconds:>9.1f}"


@contextmanager
def server(mode: Mode) -> Iterator[tuple[int, Path]]:
    """Serve the example project, and yield the port and the log of gunicorn."""
    from django.db import connection

    name = str(connection.settings_dict["NAME"])
    command = [sys.executable, "-m", "gunicorn", "example_project.wsgi", "--preload"]
    command += ["--bind=127.0.0.1:0", "--worker-class=gthread", "--no-control-socket"]
    command += [f"--workers={PROCESSES}", f"--threads={THREADS}"]
    with tempfile.NamedTemporaryFile(prefix="http_race") as log:
        master = subprocess.Popen(
            command,
            env={**os.environ, **mode.environ, "DATABASE_NAME": name},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield port_of(master, Path(log.name)), Path(log.name)
        finally:
            master.send_signal(signal.SIGQUIT)  # The quick way to end.
            master.wait(TIMEOUT)


def port_of(master: subprocess.Popen[bytes], log: Path) -> int:
    """Return the port that gunicorn has chosen, as soon as it has."""
    end = time.monotonic() + TIMEOUT
    while master.poll() is None and time.monotonic() < end:
        if found := LISTENING.search(log.read_text()):
            return int(found[1])
        time.sleep(0.05)
    raise RuntimeError(f"gunicorn does not start:\n{log.read_text()}")


@contextmanager
def killing(log: Path) -> Iterator[list[int]]:
    """Kill one server process after the other; yield the list of those killed."""
    killed: list[int] = []
    done = threading.Event()

    def kill() -> None:
        while not done.wait(random.uniform(*KILL_PAUSE)):
            booted = {int(pid) for pid in BOOTED.findall(log.read_text())}
            if alive := booted.difference(killed):
                killed.append(random.choice(list(alive)))
                os.kill(killed[-1], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        done.set()
        thread.join()


class Client:
    """Somebody with a browser: has the form, and sends it with one code or another."""

    def __init__(self, port: int) -> None:
        self.port = port
        response, page = self.ask("GET", {})
        found = TOKEN.search(page)
        assert found, f"{response.status}: {page[:500]}"
        self.cookie = response.headers["Set-Cookie"].partition(";")[0]
        self.token = found[1]

    def sign_up(self, code: str, name: str) -> str:
        """Return what came of it: a name of a column, or an error."""
        passwords = {"password1": PASSWORD, "password2": PASSWORD}
        form = {"username": name, "invite_code": code, **passwords}
        body = urlencode({**form, "csrfmiddlewaretoken": self.token})
        kind = "application/x-www-form-urlencoded"
        headers = {"Cookie": self.cookie, "Content-Type": kind}
        try:
            response, page = self.ask("POST", headers, body)
        except (OSError, HTTPException):
            return "broken"
        if response.status == 200 and REFUSED in page:
            return "refused"
        known = {302: "let in", 503: "busy"}
        return known.get(response.status, f"{response.status}: {page[:300]}")

    def ask(
        self, method: str, headers: dict[str, str], body: str | None = None
    ) -> tuple[HTTPResponse, str]:
        # Kept alive, a connection could be closed while the next request is sent.
        headers = {**headers, "Connection": "close"}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        try:
            connection.request(method, PAGE, body, headers)
            response = connection.getresponse()
            return response, response.read().decode()
        finally:
            connection.close()


def sign_up_all(clients: list[Client], shares: list[list[str]]) -> Counter[str]:
    """Let all clients sign up at once, and return what came of it for all of them."""

    def work(number: int) -> Counter[str]:
        tries = enumerate(shares[number])
        sign_up = clients[number].sign_up
        return Counter(sign_up(code, f"{number}-{try_}") for try_, code in tries)

    with ThreadPoolExecutor(len(clients)) as pool:
        return sum(pool.map(work, range(len(clients))), Counter())


def run(mode: Mode, count: int, clients: int) -> tuple[Result, Counter[str]]:
    """Run a mode on new codes, and return what came of it, and the errors seen."""
    from django.core.management import call_command

    call_command("flush", interactive=False, verbosity=0, inhibit_post_migrate=True)
    tried = make_codes(count, clients, holds=False)
    shares = share_out(tried, clients)
    with server(mode) as (port, log):
        ready = [Client(port) for _ in shares]
        begun = time.monotonic()
        with killing(log) if mode.kill else nullcontext([]) as killed:
            outcomes = sign_up_all(ready, shares)
        seconds = time.monotonic() - begun
    return judge(mode, tried, outcomes, len(killed), seconds), outcomes


def judge(
    mode: Mode,
    tried: dict[str, int],
    outcomes: Counter[str],
    kills: int,
    seconds: float,
) -> Result:
    """Compare what clients were told with what the database has."""
    from django.contrib.auth import get_user_model

    rows = stored()
    users = get_user_model().objects.count()
    missed = sum(max(min(row.limit, tried[row.code]) - row.people, 0) for row in rows)
    use_up_later(tried)
    never = sum(max(row.limit - row.people, 0) for row in stored())
    return Result(
        mode=mode.name,
        tries=sum(tried.values()),
        let_in=outcomes.pop("let in", 0),
        users=users,
        redeemed=sum(row.people for row in rows),
        uses=sum(row.uses for row in rows),
        refused=outcomes.pop("refused", 0),
        busy=outcomes.pop("busy", 0),
        broken=outcomes.pop("broken", 0),
        double=sum(max(row.people - row.limit, 0) for row in rows),
        # Clients whose tries were cut short may not have been let in, but may be later.
        lost=never if mode.kill else missed + never,
        errors=sum(outcomes.values()),
        kills=kills,
        seconds=seconds,
    )


class Row(NamedTuple):
    code: str
    limit: int
    uses: int
    people: int


def stored() -> list[Row]:
    from django.db.models import Count

    from invite_code.models import InviteCode

    codes = InviteCode.objects.annotate(people=Count("redemptions"))
    return [
        Row(*row) for row in codes.values_list("code", "max_uses", "uses", "people")
    ]


def use_up_later(codes: Iterable[str]) -> None:
    """Redeem what is left of the codes, at the time when no hold is left.

    What a killed worker has held is free by then, without anybody's doing.
    """
    from django.utils import timezone

    from invite_code.forms import FORM_TTL

    later = timezone.now() + FORM_TTL
    with patch.object(timezone, "now", lambda: later):
        use_up(codes)


def main() -> int:
    parser = argparse.ArgumentParser(description="Race for invite codes over HTTP.")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--codes", type=int, default=400)
    parser.add_argument("--atomic", action="store_true", help="ATOMIC_REQUESTS")
    parser.add_argument("--kill", action="store_true", help="kill server processes")
    parser.add_argument("--naive", action="store_true", help="look, and then save")
    options = parser.parse_args()
    mode = Mode(options.atomic, options.kill, options.naive)
    with database_of_its_own(count=0):
        result, errors = run(mode, options.codes, options.clients)
    print(f"{'mode':<26}" + "".join(f"{name:>9}" for name in Result._fields[1:]))
    print(result, *errors.most_common(3), sep="\n    ")
    well = result.is_right(mode.kill)
    print("Every code let in whom it may." if well else "Something went wrong.")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
