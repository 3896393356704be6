import json
import os
from contextlib import suppress
from time import monotonic, sleep

import pytest
from django.core.signals import request_finished, request_started
from django.db import transaction
from django.dispatch import Signal
from django.test import override_settings

from signals_demo.models import Topping
from signals_demo.recorder import scope
from signals_demo.recorder.findings.kinds import SWALLOWED_ERROR, Finding
from signals_demo.recorder.live.feed import Feed

paid = Signal()
LIVE = "signals_demo.recorder.live.feed"
ORIGINAL = {name: vars(Signal)[name] for name in ("send", "asend", "_live_receivers")}


def is_patched():
    return any(vars(Signal)[name] is not method for name, method in ORIGINAL.items())


@pytest.fixture
def feed(monkeypatch):
    """A feed that collects when it is told to."""
    monkeypatch.setattr(f"{LIVE}.PAUSE", 30)
    monkeypatch.setattr(f"{LIVE}.JUDGE_EVERY", 0)
    monkeypatch.setattr(f"{LIVE}.JUDGE_SHARE", 0)
    feed = Feed()
    yield feed
    feed.stop()


@pytest.fixture
def quick_feed(monkeypatch):
    """A feed that collects by itself, and ends soon."""
    monkeypatch.setattr(f"{LIVE}.PAUSE", 0.01)
    monkeypatch.setattr(f"{LIVE}.LINGER", 0.1)
    feed = Feed()
    yield feed
    feed.stop()


def told(feed, after=0):
    """Return what was told since a message, as lists of entries."""
    feed.collect()
    messages, _ = feed.ring.since(after)
    return [json.loads(message.text)["entries"] for message in messages]


def senders(feed, after=0):
    return [each["sender"] for entries in told(feed, after) for each in entries]


def until(condition):
    end = monotonic() + 30
    while not condition() and monotonic() < end:
        sleep(0.01)
    assert condition()


def test_nothing_is_recorded_unless_somebody_looks(quick_feed):
    assert not is_patched()
    assert quick_feed.look(hold=True)
    assert is_patched()
    paid.send("seen")
    until(lambda: quick_feed.ring.last)
    quick_feed.look_away()
    paid.send("seen by those who look again at once")
    until(lambda: not is_patched())
    assert not scope.everywhere
    assert not quick_feed.is_recording
    paid.send("unseen")
    assert senders(quick_feed) == ["seen", "seen by those who look again at once"]


def test_who_only_asks_now_and_then_has_it_go_on_for_a_while(quick_feed):
    assert not quick_feed.look(hold=False)
    assert is_patched()
    until(lambda: not is_patched())
    assert not quick_feed.look(hold=False)
    assert is_patched()


@override_settings(SIGNALS_RECORDER_MAX_STREAMS=2)
def test_only_so_many_look_at_once(feed):
    assert [feed.look(hold=True) for _ in range(3)] == [True, True, False]
    feed.look_away()
    assert feed.looking == 1
    assert feed.look(hold=True)


def test_it_goes_on_as_long_as_one_looks(quick_feed):
    assert quick_feed.look(hold=True)
    assert quick_feed.look(hold=True)
    quick_feed.look_away()
    sleep(0.3)
    assert is_patched()


def test_what_happened_is_told_once_and_in_order(feed):
    feed.look(hold=True)
    for number in range(3):
        paid.send(str(number))
    assert senders(feed) == ["0", "1", "2"]
    last = feed.ring.last
    assert senders(feed, last) == []
    paid.send("3")
    assert senders(feed, last) == ["3"]


def test_numbers_go_on_and_times_do_not_begin_anew(feed):
    feed.look(hold=True)
    paid.send("a")
    ((first,),) = told(feed)
    feed.stop()
    feed.look(hold=True)
    paid.send("b")
    ((second,),) = told(feed, 1)
    assert second["number"] > first["number"]
    assert second["started"] > first["started"] > 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fate", ["committed", "rolled back"])
def test_an_entry_comes_again_with_the_fate_of_its_transaction(feed, fate):
    feed.look(hold=True)
    with suppress(ZeroDivisionError), transaction.atomic():
        paid.send("unsure")
        (entry,) = unsure(feed, 0)
        assert entry["fate"] == "open"
        last = feed.ring.last
        if fate == "rolled back":
            raise ZeroDivisionError
    feed.collect()
    again = unsure(feed, last)
    assert [each["fate"] for each in again] == [fate]
    assert again[0]["number"] == entry["number"]


def unsure(feed, after):
    return [
        each
        for entries in told(feed, after)
        for each in entries
        if each.get("sender") == "unsure"
    ]


def test_much_at_once_comes_in_several_messages(feed):
    feed.look(hold=True)
    for number in range(1_000):
        paid.send(None, text="lorem ipsum" * 5, number=number)
    messages = told(feed)
    assert 5 <= len(messages) <= 20
    assert max(map(len, messages)) <= 200
    numbers = [each["arguments"]["number"] for entries in messages for each in entries]
    assert numbers == [*range(1_000)]


def test_large_entries_come_one_by_one(feed, monkeypatch):
    monkeypatch.setattr(f"{LIVE}.MAX_MESSAGE_TEXT", 1_000)
    feed.look(hold=True)
    for number in range(5):
        paid.send(None, number=number, **dict.fromkeys("abcdefgh", "lorem ipsum" * 15))
    assert [len(entries) for entries in told(feed)] == [1] * 5


def test_what_found_no_room_is_counted_and_then_there_is_room(feed, monkeypatch):
    monkeypatch.setattr(f"{LIVE}.MAX_ENTRIES", 10)
    feed.look(hold=True)
    for _ in range(2):
        for _ in range(25):
            paid.send(None)
        assert len(senders(feed, feed.ring.last)) == 10
        message = feed.ring.since(feed.ring.last - 1)[0][0]
        assert message.dropped == {f"{__name__}.paid": 15}


@override_settings(SIGNALS_RECORDER_RING_BYTES=50_000)
def test_the_ring_is_bounded_by_the_setting(feed):
    feed.look(hold=True)
    for _ in range(50):
        for _ in range(20):
            paid.send(None)
        feed.collect()
    messages, _ = feed.ring.since(0)
    assert messages[0].number > 40
    assert feed.ring.lost == 20 * (50 - len(messages))


def test_requests_to_the_page_itself_are_not_told(feed, monkeypatch):
    for each in (request_started, request_finished):
        monkeypatch.setattr(each, "receivers", [])

    def begin(path):
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path}
        request_started.send(None, environ=environ)

    feed.look(hold=True)
    begin("/live/")  # It is known by its view alone.
    feed.hide("/live/")
    paid.send("own")
    request_finished.send(None)
    begin("/live/stream/")
    paid.send("own too")
    request_finished.send(None)
    begin("/lively/")
    paid.send("other")
    request_finished.send(None)
    entries = [each for entries in told(feed) for each in entries]
    assert {each["within"]["label"] for each in entries} == {"GET /lively/"}
    assert len(entries) == 3
    assert len({each["within"]["id"] for each in entries}) == 1


def test_only_so_many_addresses_are_known(feed):
    for number in range(100):
        feed.hide(f"/{number}/")
    assert feed._hides("GET /99/a/")
    assert not feed._hides("GET /0/a/")
    assert len(feed._prefixes) < 30


def test_the_recording_may_end_meanwhile(feed, monkeypatch):
    feed.look(hold=True)
    recordings = iter([feed._recording])
    ending = property(lambda self: next(recordings, None))
    with monkeypatch.context() as patch:
        patch.setattr(Feed, "_recording", ending, raising=False)
        feed.hide()


def test_what_an_action_does_is_told_apart(feed):
    with feed.group("Nobody looks"):
        paid.send(None)
    feed.look(hold=True)
    with feed.group("Pay"):
        paid.send(None)
    ((entry,),) = told(feed)
    assert entry["within"]["label"] == "Pay"


def swallow(**kwargs):
    raise ValueError


def findings(feed):
    feed.collect()
    return [
        (each["kind"], each["number"])
        for each in feed.ring.findings()
        if each["kind"] == SWALLOWED_ERROR
    ]


def test_findings_are_told_once(feed, connect, caplog):
    caplog.set_level("CRITICAL", logger="django.dispatch")
    connect(swallow, paid)
    feed.look(hold=True)
    paid.send_robust("a")
    (entry,), _findings = told(feed)
    assert findings(feed) == [(SWALLOWED_ERROR, entry["number"])]
    paid.send_robust("b")
    assert len(findings(feed)) == 2
    for _ in range(20):
        paid.send_robust("c")
        feed.collect()
    *each, counted = feed.ring.findings()
    assert len(each) == 3
    assert counted["message"] == f"{each[0]['message']} (x 22)"
    assert counted["number"] == entry["number"]


def test_what_one_signal_lets_be_found_is_told_once_each(feed, connect, caplog):
    caplog.set_level("CRITICAL", logger="django.dispatch")

    def swallow_too(**kwargs):
        raise LookupError

    connect(swallow, paid)
    connect(swallow_too, paid)
    feed.look(hold=True)
    for _ in range(2):
        paid.send_robust("a")
        feed.collect()
    assert len(feed.ring.findings()) == 4
    keys = [each["key"] for each in told_findings(feed)]
    assert len({*keys}) == len(keys) == 4


async def take_time(**kwargs):
    pass


def test_what_is_found_again_takes_the_place_of_what_was_told(feed, connect):
    connect(take_time, paid)
    feed.look(hold=True)
    for _ in range(3):
        paid.send("a")
        feed.collect()
    (found,) = feed.ring.findings()
    assert "asynchronous: 3 times" in found["message"]
    assert [each["key"] for each in told_findings(feed)] == [found["key"]] * 3


def test_it_does_so_when_what_it_began_with_is_gone(feed, connect):
    connect(take_time, paid)
    feed.look(hold=True)
    seen = []
    for _ in range(10):
        paid.send("a")
        with override_settings(SIGNALS_RECORDER_RING_BYTES=10_000):
            feed.collect()
        seen += feed.ring.findings()
    assert seen[0]["number"] < seen[-1]["number"]
    assert len({each["key"] for each in seen}) == 1


def test_the_same_in_another_request_or_receiver_is_another_one(feed, connect):
    async def take_more(**kwargs):
        pass

    connect(take_time, paid)
    connect(take_more, paid)
    feed.look(hold=True)
    for label in ("one", "two"):
        with feed.group(label):
            paid.send("a")
    feed.collect()
    found = feed.ring.findings()
    assert len({each["number"] for each in found}) == 2
    assert len({each["key"] for each in found}) == 4


def test_only_requests_with_news_are_judged_again(feed, monkeypatch):
    judged = []

    def judge(recording):
        judged.append([each.sender for each in recording.entries])
        return ()

    monkeypatch.setattr(f"{LIVE}.found", judge)
    feed.look(hold=True)
    for label in ("one", "two"):
        with feed.group(label):
            paid.send(label)
        feed.collect()
    assert judged == [["one"], ["two"]]


def told_findings(feed):
    return [each for message in feed.ring.since(0)[0] for each in message.findings]


@pytest.mark.django_db
def test_what_announced_a_statement_may_have_come_before(feed, connect):
    connect(lambda **kwargs: None, paid, weak=False)
    topping = Topping(name="Cheese")
    feed.look(hold=True)
    topping.save()
    feed.collect()
    assert [each["kind"] for each in feed.ring.findings()] == []


def test_of_what_is_cut_only_that_is_said_that_holds(feed, monkeypatch):
    kinds = ["silent-write", SWALLOWED_ERROR]

    def found(recording):
        return [
            Finding(kind, "", "", recording.entries[-1].order, "") for kind in kinds
        ]

    monkeypatch.setattr(f"{LIVE}.found", found)
    feed.look(hold=True)
    paid.send(None)
    feed.collect()
    assert [each["kind"] for each in feed.ring.findings()] == kinds
    feed.ring.lost = 1
    paid.send(None)
    feed.collect()
    assert [each["kind"] for each in feed.ring.findings()] == [*kinds, SWALLOWED_ERROR]


def test_looking_for_findings_takes_a_small_share_of_the_time(feed, monkeypatch):
    searched = []

    def found(recording):
        searched.append(len(recording.entries))
        sleep(0.02)
        return []

    monkeypatch.setattr(f"{LIVE}.found", found)
    monkeypatch.setattr(f"{LIVE}.JUDGE_SHARE", 10)
    feed.look(hold=True)
    for _ in range(20):
        paid.send(None)
        feed.collect()
    assert len(searched) == 1


def test_findings_are_forgotten_one_day(feed, monkeypatch):
    monkeypatch.setattr(f"{LIVE}.MAX_FINDINGS", 2)
    for number in range(1, 6):
        assert feed._news(None, Finding("kind", "", "", number, ""))
    assert feed._news(None, Finding("kind", "", "", 1, ""))
    assert not feed._news(None, Finding("kind", "", "", 5, ""))


def test_an_error_of_ours_does_not_end_it(quick_feed, monkeypatch, caplog):
    def found(recording):
        if len(caplog.records) < 2:
            raise LookupError("ours")
        return []

    monkeypatch.setattr(f"{LIVE}.found", found)
    monkeypatch.setattr(f"{LIVE}.JUDGE_EVERY", 0)
    quick_feed.look(hold=True)
    for _ in range(4):
        last = quick_feed.ring.last
        paid.send(None)
        until(lambda last=last: quick_feed.ring.last > last)
    assert "What was recorded cannot be told." in caplog.text


def test_a_receiver_that_calls_itself_without_end_is_told(feed, connect):
    def call_itself(**kwargs):
        paid.send("again")

    connect(call_itself, paid)
    feed.look(hold=True)
    with pytest.raises(RecursionError):
        paid.send("first")
    assert senders(feed) == ["first"]


def test_a_child_of_the_process_has_a_feed_of_its_own(feed):
    feed.look(hold=True)
    paid.send("parent")
    assert senders(feed) == ["parent"]
    before = feed.process
    reading, writing = os.pipe()
    os.register_at_fork(after_in_child=feed.forget)
    pid = os.fork()
    if not pid:
        paid.send("child, before it looks")
        facts = [feed.process, is_patched(), feed.is_recording, feed.ring.last]
        feed.look(hold=True)
        paid.send("child")
        os.write(writing, json.dumps([*facts, senders(feed)]).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    process, patched, recording, last, seen = json.loads(os.read(reading, 10_000))
    os.close(reading), os.close(writing)
    assert process != before
    assert process.endswith(f"-{pid}")
    assert (patched, recording, last, seen) == (False, False, 0, ["child"])
    assert feed.process == before
    paid.send("parent again")
    assert senders(feed, 1) == ["parent again"]


def test_it_is_collected_by_a_thread_at_a_time(feed):
    feed.collect()  # Nobody looks.
    assert not feed.ring.last
