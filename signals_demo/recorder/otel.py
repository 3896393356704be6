"""A recording as spans of OpenTelemetry; needs the extra ``otel``.

By way of any collector, the spans of many processes and machines come together. They
hang below the span under which the recording is sent, such as that of the request.
"""

from collections.abc import Sequence
from time import perf_counter_ns, time_ns
from typing import Any

try:
    from opentelemetry import context as contexts
    from opentelemetry import trace
    from opentelemetry.trace import SpanKind, Status, StatusCode
except ImportError as error:
    raise ImportError(
        "signals_demo.recorder.otel needs OpenTelemetry: "
        "pip install 'django-signals-demo[otel]'"
    ) from error

from signals_demo.recorder.text import Node, inside
from signals_demo.recorder.trace import CommitHook, Emission, Query, Recording

#: The name of the tracer, as OpenTelemetry wants it: that of the instrumentation.
SCOPE = "signals_demo.recorder"


def send(
    recording: Recording,
    tracer: trace.Tracer | None = None,
    context: contexts.Context | None = None,
) -> None:
    """Make a span of each emission, receiver call, statement and commit hook.

    Args:
        recording: one made in this process, since its times are those of its clock.
        tracer: makes the spans; by default that of the global provider.
        context: holds the span below which they hang; by default the current one.
    """
    if tracer is None:
        tracer = trace.get_tracer(SCOPE)
    if context is None:  # An empty one is none of that: its spans have no parent.
        context = contexts.get_current()
    _send(recording.entries, tracer, context, time_ns() - perf_counter_ns())


def _send(
    nodes: Sequence[Node],
    tracer: trace.Tracer,
    context: contexts.Context,
    offset: int,
) -> None:
    for node in nodes:
        if node.started is None:
            continue
        name, attributes = _described(node)
        span = tracer.start_span(
            name,
            context=context,
            kind=SpanKind.CLIENT if isinstance(node, Query) else SpanKind.INTERNAL,
            attributes={
                key: value for key, value in attributes.items() if value is not None
            },
            start_time=node.started + offset,
        )
        if node.raised:
            span.set_attribute("error.type", node.raised)
            span.set_status(Status(StatusCode.ERROR))
        below = trace.set_span_in_context(span, context)
        _send(inside(node), tracer, below, offset)
        span.end(node.started + node.duration + offset)


def _described(node: Node) -> tuple[str, dict[str, Any]]:
    """Return the name of a span and its attributes, named as OpenTelemetry's are."""
    if isinstance(node, Query):
        verb = node.sql.partition(" ")[0]
        return verb, {"db.query.text": node.sql, "db.namespace": node.alias}
    if isinstance(node, CommitHook):
        return f"on_commit {node.function}", {"django.on_commit.outcome": node.outcome}
    if isinstance(node, Emission):
        return f"{node.name} {node.sender or ''}".rstrip(), {
            "django.signal.name": node.signal,
            "django.signal.sender": node.sender,
            "django.signal.method": node.method,
            "django.signal.times": node.times,
            "django.signal.transaction": node.fate,
            **_place(node.caller or ""),
            **{
                f"django.signal.argument.{name}": str(value)
                for name, value in node.arguments.items()
            },
        }
    return node.receiver, {
        "code.function.name": node.receiver,
        **_place(node.place),
        "django.receiver.async": node.is_async,
        "django.receiver.times": node.times,
    }


def _place(place: str) -> dict[str, Any]:
    path, _, line = place.rpartition(":")
    return {"code.file.path": path, "code.line.number": int(line)} if path else {}
