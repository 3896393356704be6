import gc
import json
import re
import weakref
from collections import Counter

import pytest
from django.db import connection, transaction
from django.dispatch import Signal

from signals_demo.recorder import export, record
from signals_demo.recorder.live.depth import MAX_DEPTH, everything
from signals_demo.recorder.live.groups import Group
from signals_demo.recorder.live.messages import (
    FEW,
    MAX_EXACT,
    MAX_TEXT,
    MAX_TRANSACTIONS,
    Encoder,
)
from signals_demo.recorder.trace import Query, walk
from signals_demo.recorder.transaction import Transaction
from tests.signals_demo.recorder.eventful import eventful

paid = Signal()


def encoded(entry, group=None, began=0):
    dropped = Counter()
    sent = Encoder(began).sent(entry, group, dropped)
    return json.loads(sent.text), dropped


def without(data, *names):
    if isinstance(data, list):
        return [without(each, *names) for each in data]
    if isinstance(data, dict):
        return {
            key: without(value, *names)
            for key, value in data.items()
            if key not in names
        }
    return data


@pytest.mark.django_db(transaction=True)
def test_entries_are_written_as_the_export_does_but_for_their_numbers():
    recording = eventful()
    exported = export.as_data(recording)["entries"]
    sent = [encoded(each, began=recording.started)[0] for each in recording.entries]
    names = "number", "transaction", "within"
    assert without(sent, *names) == without(exported, *names)
    assert [each["number"] for each in sent] == [
        each.order for each in recording.entries
    ]


@pytest.mark.django_db(transaction=True)
def test_numbers_are_those_of_the_process_at_any_depth():
    recording = eventful()
    orders = {entry.order for entry, _ in walk(recording)}

    def numbers(data):
        for each in data if isinstance(data, list) else data.values():
            if isinstance(each, (dict, list)):
                yield from numbers(each)
        if isinstance(data, dict) and "number" in data:
            yield data["number"]

    assert set(numbers([encoded(each)[0] for each in recording.entries])) == orders


def test_a_group_is_told():
    with record() as recording:
        paid.send(None)
    (entry,) = recording.entries
    assert encoded(entry)[0]["within"] is None
    group = Group(3, "GET /", False, 1, None, 0)
    assert encoded(entry, group)[0]["within"] == {"id": 3, "label": "GET /"}


def test_nothing_in_the_text_ends_a_line_or_an_element():
    with record() as recording:
        paid.send(None, note="\r\n\0\u2028\u2029\ud800", **{"\r\ndata: x": "\ufeff"})
    sent = Encoder(0).sent(recording.entries[0], None, Counter())
    assert sent.text.isascii()
    assert sent.text.isprintable()


@pytest.mark.parametrize("number", [MAX_EXACT + 1, -MAX_EXACT - 1, 12345678901234567])
def test_what_a_browser_would_round_is_text(number):
    nested = {"deep": [number, MAX_EXACT, -MAX_EXACT, True, None, 0.5, "a"]}
    with record() as recording:
        paid.send(None, number=number, nested=nested)
    (entry,) = recording.entries
    sent = encoded(entry)[0]["arguments"]
    assert sent["number"] == str(number)
    assert sent["nested"]["deep"] == [str(number), *nested["deep"][1:]]
    (exported,) = export.as_data(recording)["entries"]
    assert exported["arguments"] == {"number": number, "nested": nested}


@pytest.mark.django_db(transaction=True)
def test_all_other_numbers_are_small_enough():
    entries = [encoded(each)[0] for each in eventful().entries]

    def numbers(data):
        for each in data if isinstance(data, list) else data.values():
            if isinstance(each, (dict, list)):
                yield from numbers(each)
            elif isinstance(each, int):
                yield each

    assert max(map(abs, numbers(entries))) <= MAX_EXACT


def test_too_much_inside_is_left_out_and_counted(connect):
    def write_a_novel(**kwargs):
        for _ in range(2_000):
            paid.send("page", text="lorem ipsum " * 10)

    connect(write_a_novel, paid, sender="author")
    with record() as recording:
        paid.send("author")
    (entry,) = recording.entries
    sent = Encoder(0).sent(entry, None, dropped := Counter())
    assert len(sent.text) <= MAX_TEXT
    assert dropped == {f"{__name__}.paid": 2_000 - FEW}
    (call,) = json.loads(sent.text)["receivers"]
    assert len(call["entries"]) == FEW
    assert len(entry.calls[0].entries) == 2_000


def numbers(text):
    return [int(each) for each in re.findall(r'"number": (\d+)', text)]


def write_a_novel(sender, **kwargs):
    for _ in range(2_000 if sender == "author" else 0):
        paid.send("page", text="lorem ipsum " * 10)


def call_itself(sender, **kwargs):
    if sender:
        paid.send(sender - 1)


@pytest.mark.parametrize(
    ("receiver", "sender", "count"),
    [(write_a_novel, "author", 1 + FEW), (call_itself, 200, MAX_DEPTH)],
)
def test_only_what_is_told_is_kept(connect, receiver, sender, count):
    connect(receiver, paid)
    with record() as recording:
        paid.send(sender)
    (whole,) = recording.entries
    sent = Encoder(0).sent(whole, None, Counter())
    kept = [each.order for each, _ in everything([sent.entry])]
    assert sorted(kept) == sorted(numbers(sent.text))
    assert len(kept) == count
    watched = [weakref.ref(each) for each, _ in everything([whole])]
    del recording, whole
    gc.collect()
    assert [each for each in watched if each() is not None] == []


def test_what_goes_on_is_kept_as_it_was_told(connect):
    sent = []

    def tell(sender, **kwargs):
        if sender == "first":
            paid.send("told")
            sent.append(Encoder(0).sent(recording.entries[0], None, Counter()))
            paid.send("later")

    connect(tell, paid)
    with record() as recording:
        paid.send("first")
    assert len([*everything(recording.entries)]) == 3
    assert len([*everything([sent[0].entry])]) == 2


@pytest.mark.django_db(transaction=True)
def test_all_kinds_that_are_left_out_are_counted_by_their_names(connect):
    def work(sender, **kwargs):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if sender:
            with transaction.atomic():
                transaction.on_commit(lambda: paid.send(sender - 1))

    connect(work, paid)
    with connection.cursor(), record() as recording:
        paid.send(MAX_DEPTH)
    dropped = encoded(recording.entries[0])[1]
    assert dropped.keys() == {f"{__name__}.paid", "query", "on_commit"}


def test_too_much_wherever_it_is_is_left_out(connect):
    def nest(sender, **kwargs):
        if len(sender) < 2:
            for _ in range(60):
                paid.send(f"{sender}*", text="lorem ipsum " * 10)

    connect(nest, paid)
    with record(max_entries=10_000) as recording:
        paid.send("")
    sent = Encoder(0).sent(recording.entries[0], None, dropped := Counter())
    assert len(sent.text) <= MAX_TEXT
    assert json.loads(sent.text)["receivers"][0]["entries"] == []
    assert sum(dropped.values()) > 60


def test_a_transaction_keeps_its_number_and_few_are_kept():
    encoder = Encoder(0)
    first, second = Transaction("default"), Transaction("default")

    def number(transaction):
        query = Query(1, "SELECT", "default", 1, False, transaction)
        return json.loads(encoder.sent(query, None, Counter()).text)["transaction"]

    assert (number(first), number(second), number(first)) == (1, 2, 1)
    assert number(None) is None
    for _ in range(2 * MAX_TRANSACTIONS):
        number(Transaction("default"))
    assert len(encoder.numbered) == MAX_TRANSACTIONS
