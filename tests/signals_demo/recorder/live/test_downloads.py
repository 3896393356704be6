import json
from collections import Counter

import pytest
from django.dispatch import Signal

from signals_demo.recorder import export, record
from signals_demo.recorder.live.downloads import FORMATS, recording_of
from signals_demo.recorder.live.messages import FEW, Encoder
from tests.signals_demo.recorder.eventful import eventful
from tests.signals_demo.recorder.live.test_offline import embedded

paid = Signal()


def sent(recording):
    encoder = Encoder(recording.started)
    return [encoder.sent(each, None, Counter()) for each in recording.entries]


@pytest.mark.django_db(transaction=True)
def test_json_can_be_opened_again():
    recording = eventful()
    opened = export.loads(FORMATS["json"].write(sent(recording), []))
    before = export.as_data(recording)
    after = export.as_data(opened)
    assert len(after["entries"]) == len(before["entries"])
    assert after["transactions"] == before["transactions"]
    assert opened.duration > 0


@pytest.mark.django_db(transaction=True)
def test_perfetto_gets_a_time_line():
    data = json.loads(FORMATS["perfetto"].write(sent(eventful()), []))
    assert any(event["name"].startswith("sold") for event in data["traceEvents"])
    assert min(each["ts"] for each in data["traceEvents"] if "ts" in each) == 0


@pytest.mark.django_db(transaction=True)
def test_html_holds_what_the_stream_sent_and_the_details():
    recording = eventful()
    entries = sent(recording)
    number = recording.entries[0].order
    findings = [{"number": number}, {"number": -1}]
    data = embedded(FORMATS["html"].write(entries, findings))
    assert data["entries"] == [json.loads(each.text) for each in entries]
    assert data["findings"] == findings[:1]
    names = {entry.signal for entry in recording.emissions()}
    assert {each["signal"] for each in data["details"].values()} == names


@pytest.mark.parametrize("name", FORMATS)
def test_of_nothing_there_is_an_empty_file(name):
    assert FORMATS[name].write([], [])


def test_all_formats_hold_what_was_streamed(connect):
    def write_a_novel(sender, **kwargs):
        for _ in range(2_000 if sender == "author" else 0):
            paid.send("page", text="lorem ipsum " * 10)

    connect(write_a_novel, paid)
    with record() as recording:
        paid.send("author")
    entries = sent(recording)
    opened = export.loads(FORMATS["json"].write(entries, []))
    embedded_too = embedded(FORMATS["html"].write(entries, []))["entries"]
    events = json.loads(FORMATS["perfetto"].write(entries, []))["traceEvents"]
    pages = sum(each.sender == "page" for each in opened.emissions())
    assert pages == json.dumps(embedded_too).count('"page"') == FEW
    assert sum(each["name"].startswith("paid page") for each in events) == FEW


def test_what_is_inside_may_be_deep(connect):
    def nest(sender, **kwargs):
        if sender:
            paid.send(sender - 1)

    connect(nest, paid)
    with record() as recording:
        paid.send(250)
    for each in FORMATS.values():
        assert each.write(sent(recording), [])


def test_a_recording_lasts_from_the_first_to_the_last():
    with record() as recording:
        paid.send("a")
        paid.send("b")
    first, last = recording.entries
    made = recording_of(sent(recording))
    assert made.started == first.started
    assert made.duration == last.started + last.duration - first.started
    assert recording_of([]).duration == 0
