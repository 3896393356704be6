"""How long requests take until their last byte is sent, and tasks to wait and run."""

import logging
import threading
from datetime import timedelta
from time import perf_counter
from typing import Any

from django.core.handlers.wsgi import get_path_info
from django.urls import Resolver404, resolve

from signals_demo.conf import conf

requests = logging.getLogger("signals_demo.requests")
tasks = logging.getLogger("signals_demo.tasks")

#: What a browser accepts that listens to events: it lasts as long as somebody does.
#: Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
EVENT_STREAM = "text/event-stream"

MILLISECOND = timedelta(milliseconds=1)

# Each request has a thread of its own for synchronous code, under ASGI too. A context
# variable would be lost there: before Django 6.1 asend() runs receivers in a copy.
_request = threading.local()


def start_clock(environ: dict[str, Any] | None, scope: Any) -> None:
    """Note when a request began.

    Args:
        environ: the request under WSGI, otherwise None.
        scope: the request under ASGI, otherwise None.
    """
    if environ is not None:
        path, accept = get_path_info(environ), environ.get("HTTP_ACCEPT")
    elif scope is None:
        return  # Sent by hand, by a worker that begins a job like a request.
    else:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        accept = dict(scope.get("headers", ())).get(b"accept", b"").decode("latin-1")
    if accept != EVENT_STREAM:
        _request.clock = (perf_counter(), path)


def log_if_slow() -> None:
    """Stop the clock, and log the request if it took longer than allowed."""
    clock = vars(_request).pop("clock", None)
    limit = conf.SIGNALS_DEMO_SLOW_REQUEST_MS
    if clock is None or not limit:  # No clock: a response closed by hand.
        return
    started, path = clock
    elapsed = (perf_counter() - started) * 1000
    if elapsed >= limit:
        requests.warning("Slow request: %d ms, route %r", elapsed, _route(path))


def _route(path: str) -> str | None:
    """Return the URL pattern, which unlike the path holds nobody's data."""
    try:
        return resolve(path).route
    except Resolver404:
        return None


def log_queued(task_result: Any) -> None:
    """Log that a task waits in its queue."""
    queue = task_result.task.queue_name
    tasks.info("%s: queued in %r", _label(task_result), queue)


def log_wait(task_result: Any) -> None:
    """Log how long a task has waited in its queue."""
    waited = task_result.started_at - task_result.enqueued_at
    tasks.info("%s: waited %d ms", _label(task_result), waited / MILLISECOND)


def log_run(task_result: Any) -> None:
    """Log how a task ended, and how long it ran."""
    ran = task_result.finished_at - task_result.started_at
    status = task_result.status.lower()
    tasks.info("%s: %s after %d ms", _label(task_result), status, ran / MILLISECOND)


def _label(task_result: Any) -> str:
    """Return a name without the arguments of the task, which may be secret."""
    return f"{task_result.task.module_path} {task_result.id}"
