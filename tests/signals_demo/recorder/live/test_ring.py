import json
from threading import Thread
from time import monotonic

import pytest

from signals_demo.recorder.live.groups import Group
from signals_demo.recorder.live.ring import MESSAGE_SIZE, Ring, Sent
from signals_demo.recorder.trace import Query

ROOM = 100 * MESSAGE_SIZE


def sent(order, text="{}", size=0, group=None):
    entry = Query(order, "SELECT", "default", 1, False, None)
    return Sent(entry, group, text, size)


def finding(key, message):
    return {"key": key, "message": message}


@pytest.fixture
def ring():
    return Ring()


def numbers(ring, after=0):
    messages, missed = ring.since(after)
    return [message.number for message in messages], missed


def test_a_message_is_json_on_one_line(ring):
    ring.add(ROOM, (sent(1, '{"a": 1}'), sent(2)), ({"b": "\r\n\u2028"},), {"query": 3})
    (message,), _ = ring.since(0)
    assert json.loads(message.text) == {
        "entries": [{"a": 1}, {}],
        "findings": [{"b": "\r\n\u2028"}],
        "dropped": {"query": 3},
    }
    assert message.text.isascii()
    assert message.text.isprintable()


def test_those_who_come_back_get_what_they_lack(ring):
    for order in range(3):
        ring.add(ROOM, (sent(order),))
    assert numbers(ring) == ([1, 2, 3], 0)
    assert numbers(ring, 2) == ([3], 0)
    assert numbers(ring, 3) == ([], 0)


def test_the_oldest_make_room_and_are_counted(ring):
    for order in range(10):
        ring.add(5 * MESSAGE_SIZE, (sent(order), sent(order)))
    assert numbers(ring) == ([6, 7, 8, 9, 10], 5)
    assert numbers(ring, 3) == ([6, 7, 8, 9, 10], 2)
    assert numbers(ring, 7) == ([8, 9, 10], 0)
    assert ring.lost == 10


def test_the_size_of_entries_counts(ring):
    for order in range(10):
        ring.add(ROOM, (sent(order, size=ROOM // 2),))
    assert numbers(ring) == ([10], 9)


def test_the_newest_is_kept_however_large(ring):
    ring.add(ROOM, (sent(1),))
    ring.add(ROOM, (sent(2, size=ROOM * 2),))
    assert numbers(ring)[0] == [2]


def test_a_group_knows_that_some_of_it_is_gone(ring):
    first, second = (Group(number, "", False, 1, None, 0) for number in (1, 2))
    ring.add(MESSAGE_SIZE, (sent(1, group=first), sent(2)))
    assert not first.is_cut
    ring.add(MESSAGE_SIZE, (sent(3, group=second),))
    assert first.is_cut
    assert not second.is_cut


def test_an_entry_that_was_sent_again_counts_once(ring):
    ring.add(ROOM, (sent(2, "old"), sent(1)), (finding("a", "first"),))
    ring.add(ROOM, (sent(2, "new"),), (finding("b", "second"),))
    assert [(each.entry.order, each.text) for each in ring.entries()] == [
        (1, "{}"),
        (2, "new"),
    ]
    assert [each["message"] for each in ring.findings()] == ["first", "second"]
    ring.add(ROOM, (), (finding("a", "more"),))
    assert [each["message"] for each in ring.findings()] == ["more", "second"]


def test_those_who_wait_are_woken(ring):
    woken = []
    waiting = Thread(target=lambda: (ring.wait(0, 30), woken.append(ring.last)))
    waiting.start()
    ring.listen(wake := lambda: woken.append("listener"))
    ring.add(ROOM)
    waiting.join()
    assert sorted(map(str, woken)) == ["1", "listener"]
    ring.unlisten(wake)
    ring.add(ROOM)
    assert len(woken) == 2


def test_nobody_waits_for_ever(ring):
    began = monotonic()
    ring.wait(0, 0.05)
    assert 0.04 < monotonic() - began < 5
