import asyncio
import sys
import threading
from contextvars import copy_context
from importlib import import_module, reload

import pytest
from asgiref.sync import sync_to_async
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from signals_demo.recorder import otel, record
from signals_demo.recorder.text import inside
from signals_demo.recorder.trace import Recording
from tests.signals_demo.recorder.eventful import eventful, shipped, sold


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer(otel.SCOPE)


def paths(spans):
    """Return of each span its name, after those of the spans that it hangs below."""
    known = {each.context.span_id: each for each in spans}

    def path(span):
        above = known.get(span.parent.span_id) if span.parent else None
        return (*(path(above) if above else ()), span.name)

    return sorted(path(each) for each in spans)


def expected_paths(nodes, above=()):
    for node in nodes:
        if node.started is not None:
            path = (*above, otel._described(node)[0])
            yield path
            yield from expected_paths(inside(node), path)


@pytest.mark.django_db(transaction=True)
def test_each_span_hangs_below_what_caused_it(exporter, tracer):
    recording = eventful()

    otel.send(recording, tracer)

    spans = exporter.get_finished_spans()
    assert paths(spans) == sorted(expected_paths(recording.entries))
    assert any(len(path) == 4 for path in paths(spans))
    assert {each.instrumentation_scope.name for each in spans} == {otel.SCOPE}


def test_parents_are_right_across_threads_and_tasks(exporter, tracer):
    async def in_turn(sender, **kwargs):
        for number in range(3):
            await asyncio.sleep(0)
            await shipped.asend(f"{sender} {number}")
            await sync_to_async(shipped.send)(f"{sender} thread {number}")

    def in_thread(sender, **kwargs):
        context = copy_context()
        thread = threading.Thread(
            target=context.run, args=(shipped.send, f"{sender} own thread")
        )
        thread.start()
        thread.join()

    async def both():
        await asyncio.gather(*(sold.asend(sender) for sender in "abc"))

    sold.connect(in_turn)
    sold.connect(in_thread)
    try:
        with record() as recording:
            asyncio.run(both())
    finally:
        sold.disconnect(in_turn)
        sold.disconnect(in_thread)

    otel.send(recording, tracer)

    found = [path for path in paths(exporter.get_finished_spans()) if len(path) == 3]
    assert len(found) == 3 * 7
    for top, _, below in found:
        assert below.startswith(top.replace("sold ", "shipped "))


def test_spans_hang_below_the_current_one(exporter, tracer):
    with record() as recording:
        sold.send("a")

    with tracer.start_as_current_span("request"):
        otel.send(recording, tracer)
        otel.send(recording, tracer, Context())

    below, alone, request = exporter.get_finished_spans()
    assert below.parent.span_id == request.context.span_id
    assert below.context.trace_id == request.context.trace_id
    assert alone.parent is None


def test_spans_may_hang_below_one_that_has_ended(exporter, tracer):
    with record() as recording:
        sold.send("a")
    with tracer.start_as_current_span("request") as span:
        context = trace.set_span_in_context(span)

    otel.send(recording, tracer, context)

    request, sent = exporter.get_finished_spans()
    assert sent.parent.span_id == request.context.span_id


def test_the_global_provider_is_the_default():
    otel.send(eventless := Recording(1, 1))

    assert not eventless.entries


@pytest.mark.django_db(transaction=True)
def test_spans_say_what_happened(exporter, tracer):
    otel.send(eventful(), tracer)

    spans = {each.name: each for each in exporter.get_finished_spans()}
    kept, failing = spans["sold kept"], spans["sold failing"]
    here = "tests.signals_demo.recorder.eventful"
    assert kept.attributes["django.signal.name"] == f"{here}.sold"
    assert kept.attributes["django.signal.sender"] == "kept"
    assert kept.attributes["django.signal.method"] == "send"
    assert kept.attributes["django.signal.times"] == 1
    assert kept.attributes["django.signal.transaction"] == "committed"
    assert kept.attributes["django.signal.argument.book"] == "Emma"
    assert kept.attributes["code.file.path"].endswith("eventful.py")
    assert kept.attributes["code.line.number"] > 1
    assert kept.status.status_code is StatusCode.UNSET
    assert failing.status.status_code is StatusCode.ERROR
    assert failing.attributes["error.type"] == "LookupError"
    receiver = spans[f"{here}.pack"]
    assert receiver.attributes["code.function.name"] == f"{here}.pack"
    assert receiver.attributes["django.receiver.async"] is True
    assert receiver.attributes["django.receiver.times"] == 1
    assert receiver.kind is SpanKind.INTERNAL
    query = spans["INSERT"]
    assert query.kind is SpanKind.CLIENT
    assert query.attributes["db.namespace"] == "default"
    assert query.attributes["db.query.text"].startswith("INSERT INTO")
    [hook] = [each for name, each in spans.items() if name.startswith("on_commit ")]
    assert hook.attributes["django.on_commit.outcome"] == "ran"
    assert f"{here}.never_reached" in spans
    assert "secret reason" not in str([each.to_json() for each in spans.values()])


def test_spans_have_the_times_of_the_recording(exporter, tracer):
    with record() as recording:
        sold.send("a")

    otel.send(recording, tracer)

    [sent] = recording.entries
    [span] = exporter.get_finished_spans()
    assert span.end_time - span.start_time == sent.duration


def test_a_receiver_without_a_place_has_none(exporter, tracer):
    sold.connect(print, weak=False)
    try:
        with record() as recording:
            sold.send_robust("a")
    finally:
        sold.disconnect(print)

    otel.send(recording, tracer)

    span = exporter.get_finished_spans()[-2]
    assert span.name == "builtins.print"
    assert "code.file.path" not in span.attributes


def test_without_opentelemetry_the_import_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)

    with pytest.raises(ImportError, match=r"pip install 'django-signals-demo\[otel\]'"):
        reload(otel)

    monkeypatch.undo()
    assert reload(otel) is import_module("signals_demo.recorder.otel")
