"""Leave browsers idle at the explorer's event stream, and ask for an ordinary page.

    python -m tests.robustness.explorer_streams [--clients 200] [--server gunicorn]
        [--unbounded]

The server is gunicorn with a process of 16 threads, or uvicorn. Each client does as a
browser does: it reads, and when the stream ends, asks again after the time that the
server told it, for what came since. Meanwhile a page is asked for again and again.
Exits 1 if it ever took longer than a second, or if a client got an error. With
``--unbounded`` the server keeps all streams: it shows that the threads do run out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
THREADS = 16
STREAM = "/live/stream/"

#: Seconds until a server counts as hanging.
TIMEOUT = 60
#: Seconds that an ordinary page may take.
LONGEST = 1.0

LISTENING = re.compile(r"(?:Listening at|running on):? +http://127\.0\.0\.1:(\d+)")
COMMANDS = {
    "gunicorn": [
        *("gunicorn", "example_project.wsgi", "--worker-class=gthread"),
        *("--no-control-socket", f"--threads={THREADS}", "--bind=127.0.0.1:{port}"),
    ],
    "uvicorn": [
        *("uvicorn", "example_project.asgi:application", "--no-access-log"),
        *("--lifespan=off", f"--host={HOST}", "--port={port}"),
    ],
}


@contextmanager
def server(
    kind: str, *options: str, port: int = 0, most: int | None = None
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Serve the site, and yield the port and the process.

    Args:
        kind: which of the two.
        options: of its command.
        port: where; any free one if it is 0.
        most: how many streams it keeps, if not as many as it does by itself.
    """
    command = [part.format(port=port) for part in COMMANDS[kind]]
    environ = {"DJANGO_SETTINGS_MODULE": "tests.robustness.explorer_settings"}
    if most is not None:
        environ["EXPLORER_MAX_STREAMS"] = str(most)
    with tempfile.NamedTemporaryFile(prefix="explorer") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, *options],
            env={**os.environ, **environ},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Those that it starts end with it.
        )
        try:
            yield port_of(process, Path(log.name)), process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(TIMEOUT)


def port_of(process: subprocess.Popen[bytes], log: Path) -> int:
    """Return the port that a server has chosen, as soon as it answers."""
    end = time.monotonic() + TIMEOUT
    while process.poll() is None and time.monotonic() < end:
        if found := LISTENING.search(log.read_text()):
            with suppress(ConnectionError):  # It may say so a moment too early.
                ask(int(found[1]), "/ping/").read()
                return int(found[1])
        time.sleep(0.05)
    raise RuntimeError(f"The server does not start:\n{log.read_text()}")


def ask(port: int, path: str, timeout: float = TIMEOUT, **headers: str) -> HTTPResponse:
    """Return the answer to a request; the connection ends with it."""
    connection = HTTPConnection(HOST, port, timeout=timeout)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET", path, headers={"Connection": "close", **names})
    response = connection.getresponse()
    connection.close()  # The response has what it needs of it.
    return response


def events(response: HTTPResponse) -> Iterator[tuple[str, str, Any]]:
    """Yield kind, place and data of each event, as they come.

    Raises:
        TimeoutError: what was waited for does not come.
    """
    fields: dict[str, str] = {}
    end = time.monotonic() + TIMEOUT
    for line in response:
        if time.monotonic() > end:
            raise TimeoutError
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            fields[name] = value
        elif "event" in fields:
            yield fields["event"], fields["id"], json.loads(fields["data"])
            fields = {}


async def browse(port: int, until: float, seen: Counter[str]) -> None:
    """Do as a browser with the page open does, and count what it gets."""
    place, retry = "", 2.0
    while time.monotonic() < until:
        reader, writer = await asyncio.open_connection(HOST, port)
        lines = f"GET {STREAM} HTTP/1.0", f"Host: {HOST}", f"Last-Event-ID: {place}"
        writer.write("\r\n".join([*lines, "", ""]).encode())
        try:
            async with asyncio.timeout(max(until - time.monotonic(), 0.1)):
                status = (await reader.readline()).split()
                seen[status[1].decode() if len(status) > 1 else "no answer"] += 1
                async for line in reader:
                    name, _, value = line.decode().strip().partition(": ")
                    if name == "retry":
                        retry = int(value) / 1000
                    elif name == "id":
                        place = value
                    elif name == "event":
                        seen[value] += 1
        except TimeoutError:
            seen["held"] += 1
        finally:
            writer.close()
        await asyncio.sleep(min(retry, max(until - time.monotonic(), 0)))


async def crowd(port: int, clients: int, seconds: float) -> tuple[list[float], Any]:
    """Return how long an ordinary page took each time, and what the clients got."""
    seen: Counter[str] = Counter()
    until = time.monotonic() + seconds
    browsing = [asyncio.create_task(browse(port, until, seen)) for _ in range(clients)]
    await asyncio.sleep(0.5)
    times = []
    while time.monotonic() < until - 1:
        times.append(await asyncio.to_thread(time_page, port))
        await asyncio.sleep(0.1)
    await asyncio.gather(*browsing)
    return times, seen


def time_page(port: int) -> float:
    """Return how many seconds an ordinary page takes."""
    began = time.monotonic()
    try:
        answered = ask(port, "/ping/", timeout=5 * LONGEST).status == 200
    except OSError:
        answered = False
    return time.monotonic() - began if answered else math.inf


def main() -> int:
    parser = argparse.ArgumentParser(description="Leave browsers idle.")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--server", choices=COMMANDS, default="gunicorn")
    parser.add_argument("--unbounded", action="store_true", help="keep all streams")
    options = parser.parse_args()
    most = 10_000 if options.unbounded else None
    with server(options.server, most=most) as (port, _):
        times, seen = asyncio.run(crowd(port, options.clients, options.seconds))
    times.sort()
    median, longest = times[len(times) // 2], times[-1]
    print(f"{len(times)} pages: {median:.3f} s, at most {longest:.3f} s; {dict(seen)}")
    errors = {name for name in seen if name.isdigit()} - {"200"}
    well = longest <= LONGEST and not errors
    print("The page came in time." if well else "The page had to wait.")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
