import threading
import time
from wsgiref.util import setup_testing_defaults

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_started
from django.http import HttpResponse, StreamingHttpResponse
from django.test import AsyncRequestFactory, Client
from django.urls import path

from signals_demo.compat import HAS_TASKS
from signals_demo.timing import MILLISECOND

pytestmark = pytest.mark.django_db  # A request closes old connections.
LIMIT = 200  # milliseconds; more than a busy machine needs for a fast request


def pause(milliseconds=LIMIT):
    time.sleep(milliseconds / 1000)


def slow(request, secret):
    pause()
    return HttpResponse()


def fast(request):
    return HttpResponse()


def neighbor(request):
    """Take a while, in which another thread answers another request."""
    thread = threading.Thread(target=Client().get, args=("/fast/",))
    thread.start()
    thread.join()
    pause()
    return HttpResponse()


def stream(request):
    def pieces():
        yield b"at once"
        pause()
        yield b"later"

    return StreamingHttpResponse(pieces())


urlpatterns = [
    path("slow/<str:secret>/", slow),
    path("fast/", fast),
    path("neighbor/", neighbor),
    path("träge/", slow, {"secret": ""}),
    path("stream/", stream),
]


@pytest.fixture(autouse=True)
def limit(settings):
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = []
    settings.ALLOWED_HOSTS = ["*"]
    settings.SIGNALS_DEMO_SLOW_REQUEST_MS = LIMIT


@pytest.fixture
def logged(caplog):
    """The lines of one logger, without what differs from run to run."""
    caplog.set_level("INFO", "signals_demo")

    def logged(name):
        return [
            (record.msg, *record.args[1:])
            for record in caplog.records
            if record.name == f"signals_demo.{name}"
        ]

    return logged


def slow_request(route):
    return ("Slow request: %d ms, route %r", route)


def test_a_slow_request_is_logged_without_its_data(client, logged, caplog):
    client.get("/slow/hunter2/?token=hunter2")
    assert logged("requests") == [slow_request("slow/<str:secret>/")]
    assert "hunter2" not in caplog.text


def test_a_fast_request_is_not_logged(client, logged):
    client.get("/fast/")
    assert logged("requests") == []


def test_nothing_is_logged_if_the_setting_is_0(client, logged, settings):
    settings.SIGNALS_DEMO_SLOW_REQUEST_MS = 0
    client.get("/slow/x/")
    assert logged("requests") == []


def test_each_thread_has_a_clock_of_its_own(client, logged):
    client.get("/neighbor/")
    assert logged("requests") == [slow_request("neighbor/")]


def test_a_stream_ends_with_its_last_piece(client, logged):
    response = client.get("/stream/")
    assert logged("requests") == []
    assert b"".join(response) == b"at oncelater"
    assert logged("requests") == [slow_request("stream/")]


def test_an_address_that_leads_nowhere_has_no_route(client, logged, settings):
    settings.SIGNALS_DEMO_SLOW_REQUEST_MS = 0.0001
    client.get("/nowhere/hunter2/")
    assert logged("requests") == [slow_request(None)]


def test_a_response_closed_by_hand_is_no_request(client, logged):
    client.get("/fast/")
    pause()
    HttpResponse().close()
    assert logged("requests") == []


def test_a_request_by_wsgi_is_logged(logged):
    environ = {"PATH_INFO": "/träge/".encode().decode("latin-1")}
    setup_testing_defaults(environ)
    WSGIHandler()(environ, lambda *args: None).close()
    assert logged("requests") == [slow_request("träge/")]


def by_asgi(scope, prefix=""):
    async def request():
        server = ApplicationCommunicator(ASGIHandler(), scope | {"root_path": prefix})
        await server.send_input({"type": "http.request"})
        await server.receive_output()
        await server.receive_output()
        await server.wait()

    async_to_sync(request)()


@pytest.mark.parametrize("prefix", ["", "/mounted"])
def test_a_request_by_asgi_is_logged(prefix, logged):
    by_asgi(AsyncRequestFactory()._base_scope(path=f"{prefix}/slow/x/"), prefix)
    assert logged("requests") == [slow_request("slow/<str:secret>/")]


def test_a_stream_of_events_is_not_slow(client, logged):
    scope = AsyncRequestFactory()._base_scope(path="/slow/x/")
    by_asgi(scope | {"headers": [(b"accept", b"text/event-stream")]})
    client.get("/slow/x/", headers={"accept": "text/event-stream"})
    assert logged("requests") == []
    client.get("/slow/x/", headers={"accept": "text/html"})
    assert logged("requests") == [slow_request("slow/<str:secret>/")]


def test_a_start_without_a_request_is_no_error():
    request_started.send(None)


if HAS_TASKS:
    from django.tasks import task

    @task
    def cook(dish):
        if dish == "stone":
            raise ValueError(dish)

    @pytest.mark.parametrize(
        ("dish", "status"), [("soup", "successful"), ("stone", "failed")]
    )
    def test_a_task_is_timed(dish, status, logged, caplog):
        result = cook.enqueue(dish)
        label = f"{__name__}.cook {result.id}"
        messages = [r.getMessage() for r in caplog.records]
        assert f"{label}: queued in 'default'" in messages
        waited = result.started_at - result.enqueued_at
        assert f"{label}: waited {waited // MILLISECOND} ms" in messages
        ran = result.finished_at - result.started_at
        assert f"{label}: {status} after {ran // MILLISECOND} ms" in messages
        assert not any("soup" in message for message in messages)

    def test_a_task_that_only_waits_is_said_to(settings, logged):
        dummy = {"BACKEND": "django.tasks.backends.dummy.DummyBackend"}
        settings.TASKS = {"default": dummy}
        cook.enqueue("soup")
        assert logged("tasks") == [("%s: queued in %r", "default")]
