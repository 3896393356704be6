"""The explorer's streams on real servers; ``explorer_streams`` says how to run more."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from importlib.util import find_spec
from itertools import islice

import pytest
from django.conf import settings

from tests.robustness import explorer_streams
from tests.robustness.explorer_streams import STREAM, events, server

SOLD = "tests.robustness.explorer_site.sold"
INTERFACES = {"gunicorn": "WSGI", "uvicorn": "ASGI"}


@pytest.fixture(params=INTERFACES)
def kind(request):
    if find_spec(request.param) is None:
        reason = f"{request.param} is not installed."
        pytest.fail(reason) if "CI" in os.environ else pytest.skip(reason)
    return request.param


@pytest.fixture
def ask():
    """Ask a server, and let go of all answers when the test ends."""
    with ExitStack() as stack:

        def ask(*arguments, **headers):
            response = explorer_streams.ask(*arguments, **headers)
            return stack.enter_context(closing(response))

        yield ask


def sold(stream):
    """Yield the entries of the signal, each with the place of its message."""
    for name, place, data in stream:
        for each in data["entries"] if name == "entries" else ():
            if each.get("signal") == SOLD:
                yield each, place


def end(process):
    """Have a server end as it does on a deployment; return how many seconds it took."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    return time.monotonic() - began


@pytest.mark.parametrize("path", ["sell", "asell"])
def test_a_stream_tells_of_an_ordinary_request(kind, path, ask):
    with server(kind) as (port, _):
        response = ask(port, STREAM, Accept_Encoding="gzip")
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["Content-Encoding"] == "identity"
        stream = events(response)
        name, _, data = next(stream)
        assert (name, data["server"]) == ("hello", INTERFACES[kind])
        began = time.monotonic()
        assert ask(port, f"/{path}/1/").status == 200
        entry, _ = next(sold(stream))
        assert time.monotonic() - began < 5
        assert entry["within"]["label"] == f"GET /{path}/1/"
        assert entry["receivers"][0]["receiver"].endswith(".keep_stock")


def test_requests_at_the_same_time_are_told_apart(kind, ask):
    with server(kind) as (port, _):
        stream = events(ask(port, STREAM))
        next(stream)
        under_way = [ask(port, f"/sell/{times}/") for times in (3, 1, 2, 3)]
        assert {response.status for response in under_way} == {200}
        found = [entry for entry, _ in islice(sold(stream), 9)]
    times = {}
    for each in found:
        times.setdefault(each["within"]["id"], []).append(each["within"]["label"])
    counted = sorted((labels[0], len(labels)) for labels in times.values())
    assert counted == [
        ("GET /sell/1/", 1),
        ("GET /sell/2/", 2),
        ("GET /sell/3/", 3),
        ("GET /sell/3/", 3),
    ]


def test_a_stream_goes_on_after_the_server_was_restarted(kind, ask):
    with server(kind) as (port, process):
        stream = events(ask(port, STREAM))
        _, _, before = next(stream)
        ask(port, "/sell/1/")
        _, place = next(sold(stream))
        # One that waits for its last responses would do so for 30 seconds, or for ever.
        assert end(process) < 15
        assert [name for name, _, _ in stream][-1] == "bye"
    with server(kind, port=port) as (_, process):
        stream = events(ask(port, STREAM, Last_Event_ID=place))
        _, _, after = next(stream)
        assert after["process"] != before["process"]
        assert after["restarted"]
        assert after["pid"] != before["pid"]
        ask(port, "/sell/1/")
        entry, _ = next(sold(stream))
        assert entry["sender"] == "shop"


def test_room_is_made_when_a_browser_goes(kind, ask):
    with server(kind, most=1) as (port, _):
        first = ask(port, STREAM)
        assert next(events(first))[0] == "hello"
        assert [name for name, _, _ in events(ask(port, STREAM))][-1] == "bye"
        first.close()
        until = time.monotonic() + 20
        while time.monotonic() < until:
            response = ask(port, STREAM)
            retry = response.readline()
            response.close()
            if retry == b"retry: 2000\n":
                return
            time.sleep(0.5)
        raise AssertionError("It is held for nobody.")


def test_each_process_has_a_feed_of_its_own(kind, ask):
    options = {"gunicorn": ["--workers=2", "--preload"], "uvicorn": ["--workers=2"]}
    with server(kind, *options[kind]) as (port, _):
        seen = set()
        until = time.monotonic() + 30
        while len(seen) < 2 and time.monotonic() < until:
            response = ask(port, STREAM)
            _, _, data = next(events(response))
            response.close()
            seen.add((data["process"], data["pid"]))
        assert len({pid for _, pid in seen}) == 2
        assert all(process.endswith(f"-{pid}") for process, pid in seen)


def test_a_burst_is_told_in_bounded_memory(kind, ask):
    with server(kind) as (port, process):
        ask(port, "/sell/100/")
        stream = events(ask(port, STREAM))
        next(stream)
        before = memory(process)
        times = 10_000
        assert ask(port, f"/sell/{times}/").status == 200
        told = lost = 0
        while told + lost < times:
            name, _, data = next(stream)
            if name == "entries":
                told += sum(each.get("signal") == SOLD for each in data["entries"])
                lost += data["dropped"].get(SOLD, 0)
            elif name == "hello":
                lost = times  # It fell behind, and is told so.
        assert told > 1_000
        assert memory(process) - before < 150


def memory(process):
    """Return the memory of a server and its processes, in MB."""
    pids = {process.pid}
    listed = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,rss="], capture_output=True, text=True, check=True
    )
    rows = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    pids |= {pid for pid, parent, _ in rows if parent == process.pid}
    return sum(size for pid, _, size in rows if pid in pids) / 1024


def run_crowd(kind, *options):
    command = [sys.executable, "-m", "tests.robustness.explorer_streams"]
    return subprocess.run(
        [*command, f"--server={kind}", "--seconds=5", *options],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_idle_browsers_leave_room_for_others(kind):
    result = run_crowd(kind, "--clients=60")
    assert result.returncode == 0, result.stdout + result.stderr


def test_these_browsers_take_all_threads_of_a_server_that_lets_them():
    result = run_crowd("gunicorn", "--clients=60", "--unbounded")
    assert result.returncode == 1, result.stdout + result.stderr
    assert result.stdout.endswith("The page had to wait.\n")


def test_the_development_server_ends_at_once(tmp_path, ask):
    log = tmp_path / "log"
    environ = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.robustness.explorer_settings",
    }
    command = [sys.executable, "-u", "manage.py", "runserver", "127.0.0.1:0"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--skip-checks"],
            cwd=settings.BASE_DIR,
            env=environ,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        port = development_port(log)
        stream = events(ask(port, STREAM))
        assert next(stream)[0] == "hello"
        ask(port, "/sell/1/")
        assert next(sold(stream))[0]["within"]["label"] == "GET /sell/1/"
        began = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)
        assert time.monotonic() - began < 5
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def development_port(log):
    until = time.monotonic() + 60
    while time.monotonic() < until:
        text = log.read_text()
        if "http://127.0.0.1:" in text:
            return int(text.partition("http://127.0.0.1:")[2].partition("/")[0])
        time.sleep(0.1)
    raise AssertionError(log.read_text())
