import asyncio
import json
import signal
from threading import Thread
from time import monotonic
from types import SimpleNamespace

import pytest
from django.dispatch import Signal
from django.test import override_settings

from signals_demo.recorder.live.feed import Feed
from signals_demo.recorder.live.streams import (
    TaskStream,
    ThreadStream,
    parsed,
    server_is_ending,
)

paid = Signal()
STREAMS = "signals_demo.recorder.live.streams"
LIVE = "signals_demo.recorder.live.feed"


@pytest.fixture
def closed():
    """How often connections to databases were closed."""
    return []


@pytest.fixture
def feed(monkeypatch, closed):
    monkeypatch.setattr(f"{LIVE}.PAUSE", 0.01)
    # Those of the tests stay open.
    monkeypatch.setattr(
        f"{STREAMS}.close_old_connections", lambda: closed.append("closed")
    )
    feed = Feed()
    yield feed
    feed.stop()


def events(text):
    """Return kind, id and data of each event of a stream."""
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if line)
        if "event" in lines:
            found.append((lines["event"], lines["id"], json.loads(lines["data"])))
    return found


def read(stream, enough):
    """Return events until there are enough of them, and let the stream go."""
    text = ""
    iterator = iter(stream)
    for part in iterator:
        text += part
        if enough(events(text)):
            break
    iterator.close()
    return events(text)


def senders(found):
    return [
        each["sender"]
        for kind, _, data in found
        if kind == "entries"
        for each in data["entries"]
    ]


def saw(sender):
    return lambda found: sender in senders(found)


def test_a_stream_says_who_it_is_and_then_what_happens(feed):
    stream = ThreadStream(feed, "", hold=True)
    iterator = iter(stream)
    assert next(iterator) == "retry: 2000\n\n"
    ((kind, place, data),) = events(next(iterator))
    assert (kind, place) == ("hello", f"{feed.process}.0")
    pid = int(feed.process.split("-")[1])
    assert data == {
        "process": feed.process,
        "pid": pid,
        "server": "WSGI",
        "busy": False,
        "restarted": False,
        "missed": 0,
    }
    paid.send("live")
    ((kind, place, data),) = events(next(iterator))
    assert (kind, place) == ("entries", f"{feed.process}.1")
    assert data["entries"][0]["sender"] == "live"
    iterator.close()
    assert feed.looking == 0


def test_it_goes_on_where_the_browser_left_off(feed):
    feed.look(hold=True)
    for name in ("a", "b", "c"):
        paid.send(name)
        feed.collect()
    found = read(ThreadStream(feed, f"{feed.process}.1", hold=True), saw("c"))
    assert senders(found) == ["b", "c"]
    assert found[0][2]["missed"] == 0
    again = read(ThreadStream(feed, "", hold=True), saw("c"))
    assert senders(again) == ["a", "b", "c"]


def missed(found):
    return [data["missed"] for kind, _, data in found if kind == "hello"]


def burst(feed):
    """Have more happen than there is room for, and return how many messages are gone.

    That the setting has changed is told too: with what comes next, or before it.
    """
    with override_settings(SIGNALS_RECORDER_RING_BYTES=1):
        for _ in range(5):
            paid.send("x")
            feed.collect()
    return feed.ring.since(0)[1]


def test_it_says_how_much_is_gone(feed):
    feed.look(hold=True)
    gone = burst(feed)
    assert gone >= 4
    found = read(ThreadStream(feed, f"{feed.process}.2", hold=True), saw("x"))
    assert missed(found) == [0, gone - 2]
    assert missed(read(ThreadStream(feed, "", hold=True), saw("x"))) == [0]


def test_a_slow_reader_is_told_what_it_has_missed(feed):
    stream = iter(ThreadStream(feed, "", hold=True))
    next(stream), next(stream)
    paid.send("first")
    assert senders(events(next(stream))) == ["first"]
    gone = burst(feed)
    ((kind, place, data),) = events(next(stream))
    assert (kind, data["missed"]) == ("hello", gone - 1)
    assert place == f"{feed.process}.1"
    assert events(next(stream))[0][1] == f"{feed.process}.{gone + 1}"
    stream.close()


def test_who_has_nothing_yet_may_miss_something_too(feed):
    feed.look(hold=True)
    before = burst(feed)
    ((_, place, _),) = read(ThreadStream(feed, "", hold=True), len)
    assert place == f"{feed.process}.{before}"
    gone = burst(feed)
    found = read(ThreadStream(feed, place, hold=True), saw("x"))
    assert missed(found) == [0, gone - before]


def test_who_has_been_greeted_may_miss_something(feed):
    stream = iter(ThreadStream(feed, "", hold=True))
    next(stream), next(stream)
    gone = burst(feed)
    ((kind, _, data),) = events(next(stream))
    assert (kind, data["missed"]) == ("hello", gone)
    stream.close()


@pytest.mark.parametrize(
    "last", ["other-1.7", "other-1.0", "no", "", "-1", "\r\n", f"x.{'9' * 30}", "é.1"]
)
def test_what_another_process_or_nobody_has_sent_is_no_place_here(feed, last):
    feed.look(hold=True)
    paid.send("a")
    feed.collect()
    found = read(ThreadStream(feed, last, hold=True), saw("a"))
    assert found[0][2]["restarted"] is last.startswith("other")
    assert senders(found) == ["a"]


def test_a_place_that_has_not_been_reached_is_the_last_one(feed):
    feed.look(hold=True)
    paid.send("a")
    feed.collect()
    stream = ThreadStream(feed, f"{feed.process}.99", hold=True)
    assert stream.number == 1


@override_settings(SIGNALS_RECORDER_MAX_STREAMS=1)
def test_too_many_get_what_there_is_and_then_an_end(feed):
    first = iter(ThreadStream(feed, "", hold=True))
    next(first)
    paid.send("a")
    feed.collect()
    text = "".join(ThreadStream(feed, "", hold=True))
    found = events(text)
    assert [kind for kind, _, _ in found] == ["hello", "entries", "bye"]
    assert found[0][2]["busy"] is True
    assert found[-1][2] == {"reason": "busy"}
    assert 5_000 <= int(text.split("\n")[0].removeprefix("retry: ")) < 10_000
    # Who was refused comes back for what has happened since.
    paid.send("b")
    feed.collect()
    found = events("".join(ThreadStream(feed, found[-1][1], hold=True)))
    assert senders(found) == ["b"]
    first.close()
    iterator = iter(ThreadStream(feed, "", hold=True))
    assert next(iterator) == "retry: 2000\n\n"
    iterator.close()


def test_a_server_with_one_thread_is_not_held(feed):
    found = events("".join(ThreadStream(feed, "", hold=False)))
    assert [kind for kind, _, _ in found] == ["hello", "bye"]
    assert feed.is_recording


def test_it_shows_that_it_lives(feed, monkeypatch):
    monkeypatch.setattr(f"{STREAMS}.HEARTBEAT", 0.1)
    monkeypatch.setattr(f"{STREAMS}.LOOK", 0.05)
    stream = iter(ThreadStream(feed, "", hold=True))
    parts = [next(stream) for _ in range(4)]
    assert parts[2:] == [": \n\n", ": \n\n"]
    stream.close()


def test_it_ends_after_a_while(feed, monkeypatch):
    monkeypatch.setattr(f"{STREAMS}.LONGEST", 0.1)
    monkeypatch.setattr(f"{STREAMS}.LOOK", 0.05)
    found = events("".join(ThreadStream(feed, "", hold=True)))
    assert found[-1][0::2] == ("bye", {"reason": "end"})
    assert feed.looking == 0


@pytest.mark.parametrize(
    ("server", "ending"),
    [
        (SimpleNamespace(should_exit=False), False),
        (SimpleNamespace(should_exit=True), True),
        (SimpleNamespace(alive=True), False),
        (SimpleNamespace(alive=False), True),
        (SimpleNamespace(), False),
        (None, False),
    ],
)
def test_it_ends_with_the_server(feed, monkeypatch, server, ending):
    monkeypatch.setattr(f"{STREAMS}.LOOK", 0.05)
    monkeypatch.setattr(f"{STREAMS}.LONGEST", 10)
    handler = SimpleNamespace(__self__=server) if server else signal.SIG_DFL
    monkeypatch.setattr(signal, "getsignal", lambda number: handler)
    assert server_is_ending() is ending
    stream = ThreadStream(feed, "", hold=True)
    if ending:
        began = monotonic()
        assert events("".join(stream))[-1][0] == "bye"
        assert monotonic() - began < 5
    else:
        stream = iter(stream)
        next(stream), next(stream)
        paid.send("a")
        assert senders(events(next(stream))) == ["a"]
        stream.close()


def test_closed_before_it_began_it_holds_nothing(feed):
    stream = ThreadStream(feed, "", hold=True)
    stream.close()
    assert feed.looking == 0
    iterator = iter(stream)
    next(iterator)
    assert feed.looking == 1
    stream.close()
    stream.close()
    iterator.close()
    assert feed.looking == 0


def test_a_task_is_woken_at_once(feed, monkeypatch):
    monkeypatch.setattr(f"{STREAMS}.LOOK", 30)

    async def look():
        stream = aiter(TaskStream(feed, "", hold=True))
        text = "".join([await anext(stream), await anext(stream)])
        thread = Thread(target=lambda: paid.send("live"))
        thread.start()
        text += await anext(stream)
        thread.join()
        await stream.aclose()
        return text

    found = events(asyncio.run(asyncio.wait_for(look(), 20)))
    assert [kind for kind, _, _ in found] == ["hello", "entries"]
    assert found[0][2]["server"] == "ASGI"
    assert senders(found) == ["live"]
    assert feed.looking == 0
    assert not feed.ring._listeners


def test_a_task_that_is_canceled_lets_go(feed):
    async def look():
        async for _ in TaskStream(feed, "", hold=True):
            pass

    async def serve():
        task = asyncio.create_task(look())
        while not feed.looking:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(serve())
    assert feed.looking == 0


def test_a_task_shows_that_it_lives_and_ends(feed, monkeypatch):
    monkeypatch.setattr(f"{STREAMS}.HEARTBEAT", 0.1)
    monkeypatch.setattr(f"{STREAMS}.LOOK", 0.05)
    monkeypatch.setattr(f"{STREAMS}.LONGEST", 0.3)

    async def look():
        return [part async for part in TaskStream(feed, "", hold=True)]

    parts = asyncio.run(look())
    assert ": \n\n" in parts
    assert events(parts[-1])[0][2] == {"reason": "end"}


def test_a_task_that_is_not_held_ends(feed):
    async def look():
        return "".join([part async for part in TaskStream(feed, "", hold=False)])

    assert [kind for kind, _, _ in events(asyncio.run(look()))] == ["hello", "bye"]


def test_a_loop_that_has_been_closed_stops_nobody(feed):
    loop = asyncio.new_event_loop()
    stream = aiter(TaskStream(feed, "", hold=True))
    loop.run_until_complete(anext(stream))
    loop.close()
    feed.ring.wake()
    other = iter(ThreadStream(feed, "", hold=True))
    next(other)
    other.close()
    stream = None


def test_databases_are_left_alone_meanwhile(feed, closed):
    "".join(ThreadStream(feed, "", hold=False))
    assert closed == ["closed"]

    async def look():
        return [part async for part in TaskStream(feed, "", hold=False)]

    asyncio.run(look())
    assert closed == ["closed"] * 2


def test_places_are_read_strictly():
    assert parsed("ab12-3.45") == ("ab12-3", 45)
    for wrong in ("", ".", "a.", ".1", "a.-1", "a.1\n", "a.1 ", "a b.1", "a.\u0661"):
        assert parsed(wrong) is None
