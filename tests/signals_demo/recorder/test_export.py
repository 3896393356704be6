import json
import math
from contextlib import suppress
from itertools import pairwise

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction

from signals_demo.recorder import diff, export, record, text
from signals_demo.recorder.export import UnreadableRecording, as_data, dumps, loads
from signals_demo.recorder.findings import found
from signals_demo.recorder.trace import CommitHook, Emission, Recording, walk
from tests.signals_demo.recorder.eventful import eventful, sold


def told(recording):
    """Return all that a recording tells, but for when it began."""
    return [
        *text.tree(recording),
        *diff.outline(recording, queries=True),
        *(getattr(entry, "fate", "a hook") for entry, _ in walk(recording)),
    ]


@pytest.mark.django_db(transaction=True)
def test_what_is_opened_again_is_the_same():
    recording = eventful()

    opened = loads(dumps(recording))

    assert as_data(opened) == as_data(recording)
    assert told(opened) == told(recording)
    assert dumps(loads(dumps(opened))) == dumps(recording)


@pytest.mark.django_db(transaction=True)
def test_fates_hooks_and_what_was_dropped_are_kept():
    recording = eventful(max_entries=60)

    opened = loads(dumps(recording))

    assert opened.dropped == recording.dropped
    assert opened.dropped.total() > 0
    emissions = [each for each in opened.emissions() if each.name == "sold"]
    assert [each.fate for each in emissions[:3]] == [
        "committed",
        "rolled back",
        "committed",
    ]
    hooks = [entry for entry, _ in walk(opened) if isinstance(entry, CommitHook)]
    assert [each.outcome for each in hooks[:2]] == ["ran", "never ran: rolled back"]
    [nested] = hooks[0].entries
    assert isinstance(nested, Emission)
    assert nested.name == "shipped"


@pytest.mark.django_db(transaction=True)
def test_what_surrounds_a_savepoint_is_not_rolled_back_by_opening_it_again():
    connection.ensure_connection()  # A test before may have closed it.
    with record() as recording, transaction.atomic():
        sold.send("before")
        with suppress(LookupError), transaction.atomic():
            sold.send("within")
            raise LookupError
        sold.send("after")

    for _ in range(3):
        fates = {each.sender: each.fate for each in recording.emissions()}
        assert fates == {
            "before": "committed",
            "within": "rolled back",
            "after": "committed",
        }
        recording = loads(dumps(recording))


@pytest.mark.django_db(transaction=True)
def test_a_recording_that_goes_on_can_be_saved():
    with record() as recording:
        Group.objects.create(name="a")
        saved = dumps(recording)

    assert loads(saved).duration == 0


def test_deep_recordings_can_be_opened():
    def nest(depth, **kwargs):
        if depth:
            sold.send("deeper", depth=depth - 1)

    sold.connect(nest)
    try:
        with record() as recording:
            sold.send("top", depth=40)
    finally:
        sold.disconnect(nest)

    assert as_data(loads(dumps(recording))) == as_data(recording)


def test_the_json_is_strict():
    def refuse(name):
        pytest.fail(f"{name} is no JSON.")

    with record() as recording:
        sold.send("a", number=math.nan, other=math.inf, text="\ud800", note="é")

    saved = dumps(recording)

    assert saved.isascii()
    data = json.loads(saved, parse_constant=refuse)
    assert data["entries"][0]["arguments"] == {
        "number": "nan",
        "other": "inf",
        "text": "�",
        "note": "é",
    }


@pytest.mark.django_db(transaction=True)
def test_findings_are_kept_though_the_receivers_are_gone():
    recording = eventful()
    data = as_data(recording)

    kinds = [each["kind"] for each in data["findings"]]
    assert {"not-reached", "swallowed-error"} < set(kinds)
    emission = next(each for each in recording.emissions() if each.raised)
    (number,) = [
        each["number"] for each in data["findings"] if each["kind"] == "not-reached"
    ]
    (entry,) = [each for each in data["entries"] if each["number"] == number]
    assert (entry["signal"], entry["raised"]) == (emission.signal, "LookupError")
    data["findings"][0]["message"] = "What it was at that time."
    first = found(loads(json.dumps(data)))[0]
    assert first.message == "What it was at that time."


@pytest.mark.django_db(transaction=True)
def test_of_a_file_without_findings_what_can_be_is_found():
    recording = eventful()
    data = as_data(recording)
    del data["findings"]

    opened = loads(json.dumps(data))

    assert as_data(opened) == as_data(recording)


def test_keys_are_numbered_from_1_on():
    with record() as recording:
        for _ in range(3):
            sold.send("a")

    numbers = [each["number"] for each in as_data(recording)["entries"]]

    assert numbers == [1, 2, 3]
    assert all(one < other for one, other in pairwise(numbers))


@pytest.mark.parametrize(
    "garbage",
    [
        *(
            "",
            "x",
            "[]",
            "7",
            '"version"',
            "null",
            "{}",
            "[" * 100_000,
            '{"version": NaN}',
        ),
        *(b"\xff\xfe\x00garbage", b"\x00" * 100),
    ],
    ids=range(11),
)
def test_what_is_no_recording_is_refused(garbage):
    with pytest.raises(UnreadableRecording, match="This is no recording"):
        loads(garbage)


def test_a_file_of_a_newer_version_is_refused():
    with pytest.raises(
        UnreadableRecording, match="has version 2; version 1 can be read"
    ):
        loads('{"version": 2, "entries": []}')


def places(data, path=()):
    """Yield the path of each value inside of the data."""
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in list(items):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


#: What is only told to other readers, or may be anything.
IGNORED = {"outcome", "fate", "arguments", "type", "version"}


@pytest.mark.django_db(transaction=True)
def test_each_damage_is_refused():
    saved = dumps(eventful())
    seen = set()

    for path in places(json.loads(saved)):
        kind = tuple(each for each in path if isinstance(each, str))
        if kind in seen or IGNORED & set(kind):
            continue
        seen.add(kind)
        for damage in (object, [{}], 1.5, "x" if kind[-1] == "started" else {"x": "y"}):
            data = json.loads(saved)
            parent = data
            for key in path[:-1]:
                parent = parent[key]
            if damage is object:
                del parent[path[-1]]
            else:
                parent[path[-1]] = damage
            if damage is object and isinstance(path[-1], int):
                continue  # A list may be shorter.
            if damage is object and path == ("findings",):
                continue  # Files of before have none.
            with pytest.raises(UnreadableRecording, match="This recording is damaged"):
                loads(json.dumps(data))
    assert len(seen) > 40


@pytest.mark.parametrize("kind", ["query", "emission", "nothing"])
def test_an_entry_of_another_kind_is_refused(kind):
    entry = {"type": kind, "transaction": None}

    with pytest.raises(UnreadableRecording, match="damaged"):
        loads(json.dumps({**as_data(Recording(1, 1)), "entries": [entry]}))


def test_an_empty_recording_is_one():
    assert loads(dumps(Recording(1, 1))).entries == []
    assert export.VERSION == 1
