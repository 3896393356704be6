"""Secrets are planted wherever a recorder might look; no output may hold one."""

import asyncio
import json
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import SESSION_KEY, authenticate, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction
from django.dispatch import Signal
from django.test import AsyncClient, Client, override_settings
from django.utils import timezone
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from signals_demo.recorder import (
    capture,
    diff,
    export,
    masking,
    otel,
    perfetto,
    record,
    text,
)
from signals_demo.recorder.trace import Recording
from tests.factories import InviteCodeFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

#: What is looked for. It looks like a secret where that is all there is to go by.
CANARY = "kanari7Zq"
LONG = f"{CANARY}0123456789abcdef"

leaked = Signal()


def outputs(recording):
    """Return the recording in each format, by its name."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    otel.send(recording, provider.get_tracer("tests"))
    saved = export.dumps(recording)
    nothing = Recording(1, 1)
    return {
        "text": "\n".join(text.tree(recording, width=10_000)),
        "json": saved,
        "opened": "\n".join(text.tree(export.loads(saved), width=10_000)),
        "perfetto": perfetto.dumps(recording),
        "otel": "\n".join(span.to_json() for span in exporter.get_finished_spans()),
        "outline": "\n".join(diff.outline(recording, queries=True)),
        "diff": "\n".join(str(each) for each in diff.diff(nothing, recording)),
    }


def found_in(recording, canary=CANARY):
    """Return the formats that hold it."""
    assert list(recording.emissions())
    outcome = outputs(recording)
    assert all(outcome.values())
    return [
        name for name, output in outcome.items() if canary.lower() in output.lower()
    ]


HEADERS = {
    "Authorization": f"Basic {CANARY}",
    "X-Api-Key": CANARY,
    "X-Invite": CANARY,
    "Cookie": f"sessionid={CANARY}; csrftoken={CANARY}",
}
PATHS = [f"/?invite={CANARY}&token={LONG}", f"/reset/MQ/{LONG}/", f"/invite/{CANARY}/"]


def with_the_client():
    client = Client(headers=HEADERS)
    client.cookies["other"] = CANARY
    client.force_login(UserFactory(password="x"))
    for path in PATHS:
        client.get(path, DATABASE_URL=f"postgres://u:{CANARY}@db/x")
        client.post(path, {"password": CANARY, "code": CANARY})


def with_wsgi():
    environ = {
        **{
            f"HTTP_{name.upper().replace('-', '_')}": each
            for name, each in HEADERS.items()
        },
        "DATABASE_URL": f"postgres://u:{CANARY}@db/x",
        "GH_PAT": CANARY,
        "REQUEST_METHOD": "GET",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.input": BytesIO(CANARY.encode()),
        "wsgi.url_scheme": "http",
    }
    application = get_wsgi_application()
    for path in PATHS:
        path, _, query = path.partition("?")
        response = application(
            {**environ, "PATH_INFO": path, "QUERY_STRING": query}, lambda *args: None
        )
        b"".join(response)
        response.close()


def scope_of(path):
    path, _, query = path.partition("?")
    headers = [(name.lower().encode(), each.encode()) for name, each in HEADERS.items()]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [*headers, (b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "state": CANARY,
    }


def with_asgi():
    application = get_asgi_application()

    async def ask(path):
        body = iter([{"type": "http.request", "body": CANARY.encode()}])

        async def receive():
            for message in body:
                return message
            await asyncio.sleep(60)  # Nobody hangs up.

        async def send(message):
            """Take what is answered."""

        await application(scope_of(path), receive, send)

    async def ask_all():
        for path in PATHS:
            await ask(path)

    async_to_sync(ask_all)()  # With the connection of this thread.


def with_the_async_client():
    async def ask_all():
        client = AsyncClient(headers=HEADERS)
        client.cookies["other"] = CANARY
        for path in PATHS:
            await client.get(path)
            await client.post(path, {"password": CANARY})

    async_to_sync(ask_all)()  # With the connection of this thread.


@pytest.mark.parametrize(
    "ask", [with_the_client, with_wsgi, with_asgi, with_the_async_client]
)
def test_requests_leave_no_secret(ask):
    with record(everywhere=True) as recording:
        ask()

    assert found_in(recording) == []
    started = [each for each in recording.emissions() if each.name == "request_started"]
    assert len(started) >= len(PATHS)


def test_credentials_leave_no_secret():
    with record() as recording:
        authenticate(None, username=CANARY, password=CANARY, otp=CANARY)
        Client().post("/accounts/login/", {"login": CANARY, "password": CANARY})

    assert found_in(recording) == []
    assert "user_login_failed" in {each.name for each in recording.emissions()}


def test_sessions_leave_no_secret():
    with record() as recording:
        store = SessionStore()
        store[SESSION_KEY] = CANARY
        store.save()
        keys = [each.session_key for each in Session.objects.all()]
        Session(session_key=CANARY, expire_date=timezone.now()).save()
        Session.objects.get(session_key=CANARY).delete()

    assert found_in(recording) == []
    assert [found_in(recording, key) for key in keys] == [[]] * len(keys)


def test_settings_leave_no_secret():
    databases = {"default": {"PASSWORD": CANARY, "HOST": f"postgres://u:{CANARY}@db"}}
    with (
        record() as recording,
        override_settings(SECRET_KEY=CANARY, SOME_DSN=databases, OTHER=CANARY),
    ):
        assert recording

    assert found_in(recording) == []
    assert [each.name for each in recording.emissions()] == ["setting_changed"] * 6


def test_codes_and_passwords_leave_no_secret():
    with record() as recording:
        InviteCodeFactory(code=CANARY.upper())
        user = UserFactory(username=CANARY, email=f"{CANARY}@example.org")
        user.set_password(CANARY)
        user.save()

    assert found_in(recording) == []
    assert found_in(recording, user.password) == []


class Holder:
    """An object of somebody else's."""

    def __init__(self):
        self.path = self.label = self.name = CANARY

    def __repr__(self):
        return CANARY

    __str__ = __format__ = __repr__


@pytest.mark.parametrize(
    "arguments",
    [
        {"password": CANARY, "api_key": CANARY, "invite_code": CANARY, "otp": CANARY},
        {"data": {"Authorization": CANARY, "nested": [{"csrf_token": CANARY}]}},
        {"note": LONG, "url": f"https://u:{CANARY}@example.org/?code={CANARY}"},
        {"note": f"Bearer {CANARY}", "dsn": f"host=db password={CANARY}"},
        {"note": f"password: {CANARY}", "body": json.dumps({"password": CANARY})},
        {"user": Holder(), "many": [Holder()], "kind": {Holder(): Holder()}},
        {"stream": iter([CANARY]), "raw": CANARY.encode(), "task": lambda: CANARY},
        {"error": ValueError(CANARY), "user": get_user_model()(username=CANARY)},
        {"headers": {"X-Api-Key": CANARY}, "inviteCode": CANARY, "sid": CANARY},
        {"headers": [("Cookie", CANARY), [b"x-auth", CANARY]], "passcode": CANARY},
        {"path": Path(f"/reset/{LONG}"), f"{'x' * 300}_password": CANARY},
    ],
    ids=range(11),
)
@pytest.mark.parametrize("method", ["send", "send_robust", "asend", "asend_robust"])
def test_arguments_leave_no_secret(method, arguments):
    with record() as recording:
        result = getattr(leaked, method)("tests", **arguments)
        if method.startswith("asend"):

            async def wait():
                await result

            asyncio.run(wait())

    assert found_in(recording) == []


def test_statements_leave_no_secret():
    connection.ensure_connection()  # Which may send statements too.
    with record() as recording, connection.cursor() as cursor:
        leaked.send("tests")
        cursor.execute(f"SELECT '{CANARY}', 'it''s {CANARY}' -- {CANARY}")
        cursor.execute("SELECT %s", [CANARY])
        cursor.execute(f"SELECT '{'x' * 10_000}{CANARY}'")
        with suppress(Exception):
            cursor.execute(f"SELECT '{CANARY}' FROM no_such_table")

    assert found_in(recording) == []
    assert len(list(recording.queries())) == 4


def test_exceptions_and_hooks_leave_no_secret():
    def fail(**kwargs):
        raise LookupError(CANARY)

    def wait(secret):
        transaction.on_commit(lambda: secret)

    leaked.connect(fail)
    try:
        with record() as recording, suppress(LookupError), transaction.atomic():
            wait(CANARY)
            leaked.send_robust("tests")
            leaked.send("tests")
    finally:
        leaked.disconnect(fail)

    assert found_in(recording) == []
    assert "never ran: rolled back" in outputs(recording)["text"]


def double(number, secret=None):
    return number * 2


def test_arguments_of_tasks_leave_no_secret():
    tasks = pytest.importorskip("django.tasks", reason="Tasks came with Django 6.0.")
    backend = {"BACKEND": "django.tasks.backends.immediate.ImmediateBackend"}

    with override_settings(TASKS={"default": backend}), record() as recording:
        tasks.task(double).enqueue(CANARY, secret=CANARY)

    assert found_in(recording) == []
    assert "double" in outputs(recording)["json"]
    assert "task_enqueued" in {each.name for each in recording.emissions()}


def test_without_masks_the_secrets_would_be_found(monkeypatch):
    monkeypatch.setattr(capture, "_describe_one", lambda value, kind: str(value))
    monkeypatch.setattr(capture, "is_secret", lambda name: False)
    monkeypatch.setattr(capture, "masked", str)
    monkeypatch.setattr(capture, "_allowed", {})
    monkeypatch.setattr(capture, "ALLOWED", {})

    with record() as recording:
        leaked.send("tests", password=CANARY)
        with_the_client()

    assert found_in(recording) == ["text", "json", "opened", "perfetto", "otel"]


def test_without_masks_statements_would_be_found(monkeypatch):
    monkeypatch.setattr(capture, "statement", lambda sql, *args: sql)
    monkeypatch.setattr(masking, "statement", lambda sql, *args: sql)

    with record() as recording, connection.cursor() as cursor:
        leaked.send("tests")
        cursor.execute(f"SELECT '{CANARY}'")

    everywhere = [*outputs(recording)]
    everywhere.remove("otel")
    assert set(found_in(recording)) >= set(everywhere)
