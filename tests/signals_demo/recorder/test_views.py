import asyncio
import json
import re
from contextlib import contextmanager
from threading import Thread

import pytest
from django.contrib.auth.models import User
from django.core.management.base import CommandError
from django.db import transaction
from django.dispatch import Signal
from django.http import HttpResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import clear_script_prefix, include, path, set_script_prefix
from jsonschema import Draft202012Validator

from signals_demo.recorder import export
from signals_demo.recorder.actions import Action
from signals_demo.recorder.live.feed import feed
from signals_demo.recorder.views import _addresses
from tests.signals_demo.recorder.eventful import happen, silent
from tests.signals_demo.recorder.live.test_offline import embedded
from tests.signals_demo.recorder.test_access import Granting
from tests.signals_demo.schemas import (
    ACTION,
    BUSY,
    EXPLAINED,
    LIVE,
    RECEIVERS,
    valid,
)

paid = Signal()
NAME = f"{__name__}.paid"
HOSTILE = "\r\n\r\ndata: x\0\u2028</script><b>"
STRANGER = "203.0.113.5"


def send(sender):
    """Send a signal outside of any request."""
    thread = Thread(target=paid.send, args=[sender])
    thread.start()
    thread.join()


def pay(request):
    paid.send("shop", note=HOSTILE)
    return HttpResponse("paid")


def fail():
    raise CommandError("secret")


ACTIONS = [
    Action("pay", "Pay <b>now</b>", "Pays.", lambda: paid.send("action")),
    Action("fail", "Fail", "Fails.", fail),
    Action("happen", "Happen", "", happen),
    Action("atomic", "Atomic", "Tells.", lambda: paid.send(in_transaction())),
]


def in_transaction():
    return str(transaction.get_connection().in_atomic_block)


# What ends a request looks after connections.
pytestmark = pytest.mark.django_db

urlpatterns = [
    path("pay/", pay),
    path("live/", include("signals_demo.recorder.urls")),
]


def mounted():
    return override_settings(
        ROOT_URLCONF=__name__,
        DEBUG=True,
        INTERNAL_IPS=["127.0.0.1"],
        SIGNALS_RECORDER_ACTIONS=f"{__name__}.ACTIONS",
    )


@pytest.fixture(autouse=True)
def site(caplog, monkeypatch):
    caplog.set_level("CRITICAL", logger="django.request")
    monkeypatch.setattr("signals_demo.recorder.live.feed.PAUSE", 0.02)
    monkeypatch.setattr(
        "signals_demo.recorder.live.streams.close_old_connections", lambda: None
    )
    with mounted():
        yield
    feed.forget()


@pytest.fixture
def client():
    """A developer's browser."""
    return Client(REMOTE_ADDR="127.0.0.1")


@contextmanager
def streamed(client, address="/live/stream/", **headers):
    """Yield a response and an iterator over its events."""
    # As a server with threads says.
    response = client.get(address, headers=headers, **{"wsgi.multithread": True})

    def events():
        for part in response.streaming_content:
            lines = part.decode().removesuffix("\n\n").split("\n")
            fields = dict(line.split(": ", 1) for line in lines)
            if "event" in fields:
                assert set(fields) == {"id", "event", "data"}
                yield fields["event"], fields["id"], json.loads(fields["data"])

    yield response, events()
    response.close()


def entries(events):
    """Return the entries of the next message that has some."""
    return next(data["entries"] for name, _, data in events if name == "entries")


def named_entry(events):
    """Return the only entry of ``NAME`` in the next message that has one."""
    found = []
    while not found:
        found = [each for each in entries(events) if each["signal"] == NAME]
    (entry,) = found
    return entry


PAGES = [
    ("get", "/live/"),
    ("get", "/live/?format=json"),
    ("get", "/live/stream/"),
    ("get", "/live/receivers/"),
    ("get", "/live/receivers/?format=json"),
    ("get", f"/live/emission/?signal={NAME}&sender="),
    ("post", "/live/actions/pay/"),
    ("post", "/live/export/json/"),
    ("post", "/live/export/perfetto/"),
    ("post", "/live/export/html/"),
]
SPOOFED = {
    "X-Forwarded-For": "127.0.0.1",
    "X-Real-Ip": "127.0.0.1",
    "Forwarded": "for=127.0.0.1",
    "Remote-Addr": "127.0.0.1",
    "X-Forwarded-Host": "localhost",
}


def asked(client, method, address, **extra):
    response = getattr(client, method)(address, **extra)
    if getattr(response, "streaming", False):
        response.close()
    return response.status_code


@pytest.mark.parametrize("trusting", [True, False])
@pytest.mark.parametrize("headers", [{}, SPOOFED])
@pytest.mark.parametrize(("method", "address"), PAGES)
@pytest.mark.parametrize(
    ("debug", "origin", "status"),
    [
        (True, "127.0.0.1", 200),
        (True, STRANGER, 404),
        (False, "127.0.0.1", 404),
        (False, STRANGER, 404),
    ],
)
def test_developers_are_let_in_and_others_find_nothing(
    settings, method, address, debug, origin, status, headers, trusting
):
    settings.DEBUG = debug
    settings.USE_X_FORWARDED_HOST = trusting
    settings.ALLOWED_HOSTS = ["localhost", "testserver"]
    client = Client(REMOTE_ADDR=origin)
    assert asked(client, method, address, headers=headers) == status


@pytest.mark.parametrize(("method", "address"), PAGES)
def test_a_page_at_a_foreign_name_finds_nothing(settings, method, address):
    settings.USE_X_FORWARDED_HOST = True
    settings.ALLOWED_HOSTS = ["localhost"]
    client = Client(REMOTE_ADDR="127.0.0.1")
    foreign = {**SPOOFED, "Host": "evil.example"}
    assert (
        asked(client, method, address, headers=SPOOFED | {"Host": "localhost"}) == 200
    )
    assert asked(client, method, address, headers=foreign) == 404


@pytest.mark.parametrize(("method", "address"), PAGES)
@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(
    ("who", "setting", "status"),
    [
        ("anonymous", True, 404),
        ("user", True, 404),
        ("staff", True, 404),
        ("granted", True, 200),
        ("granted", False, 404),
        ("superuser", True, 200),
        ("superuser", False, 404),
    ],
)
def test_staff_is_let_in_where_the_site_says_so(
    settings, method, address, debug, who, setting, status
):
    settings.DEBUG = debug
    settings.SIGNALS_RECORDER_STAFF = setting
    settings.AUTHENTICATION_BACKENDS = [
        "django.contrib.auth.backends.ModelBackend",
        f"{Granting.__module__}.Granting",
    ]
    client = Client(REMOTE_ADDR=STRANGER)
    if who != "anonymous":
        facts = {"is_staff": who != "user", "is_superuser": who == "superuser"}
        user = User.objects.create(username=who, **facts)
        client.force_login(user)
    assert asked(client, method, address, headers=SPOOFED) == status


@pytest.mark.parametrize(("method", "address"), PAGES)
def test_changes_need_a_token_and_strangers_do_not_learn_of_it(method, address):
    inside = Client(enforce_csrf_checks=True, REMOTE_ADDR="127.0.0.1")
    outside = Client(enforce_csrf_checks=True, REMOTE_ADDR=STRANGER)
    assert asked(outside, method, address) == 404
    assert asked(inside, method, address) == (200 if method == "get" else 403)
    if method == "post":
        inside.cookies["csrftoken"] = token = "a" * 32
        headers = {"X-CSRFToken": token}
        assert asked(inside, method, address, headers=headers) == 200


@pytest.mark.parametrize(("method", "address"), PAGES)
@pytest.mark.parametrize("wrong", ["get", "post", "put", "patch", "delete"])
def test_other_methods_are_refused(client, method, address, wrong):
    if wrong != method:
        assert asked(client, wrong, address) == 405


@pytest.mark.parametrize(
    "address",
    [
        "/live/emission/",
        "/live/emission/?signal=",
        "/live/emission/?signal=os.system",
        "/live/emission/?signal=../../etc/passwd&sender=x",
        "/live/emission/?signal=%00",
        f"/live/emission/?signal={'a' * 5000}",
    ],
)
def test_unknown_signals_are_not_found(client, address):
    assert asked(client, "get", address) == 404


@pytest.mark.parametrize(
    "address", ["/live/actions/none/", "/live/export/pickle/", "/live/export/HTML/"]
)
def test_unknown_actions_and_formats_are_not_found(client, address):
    assert asked(client, "post", address) == 404


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "{}",
        '"1"',
        "1",
        "[1.5]",
        "[true]",
        '["1"]',
        "[[1]]",
        "null",
        "\xff",
        b"\xff\xfe",
        "[" * 100_000,
        "[" + "9" * 5_000 + "]",
    ],
)
def test_a_wrong_body_is_refused(client, body):
    response = client.post("/live/export/json/", body, "application/json")
    assert response.status_code == 400


def test_a_wrong_form_is_refused(client):
    assert client.post("/live/export/json/", {"number": "x"}).status_code == 400


@pytest.mark.parametrize("last", ["", "x", "a.b", "1.2.3", "é", "9" * 1000, "x.1\0"])
def test_a_wrong_place_is_no_error(client, last):
    with streamed(client, f"/live/stream/?after={last}") as (response, events):
        assert response.status_code == 200
        assert next(events)[0] == "hello"


def test_the_page_is_shown(client):
    page = client.get("/live/")
    text = page.content.decode()
    assert page["Content-Type"].startswith("text/html")
    assert "no-store" in page["Cache-Control"]
    assert "Pay &lt;b&gt;now&lt;/b&gt;" in text
    assert "<b>now</b>" not in text
    assert 'action="/live/actions/pay/"' in text
    config = page.context["config"]
    assert config["stream"] == "/live/stream/"
    assert config["emission"] == "/live/emission/"
    assert config["export"]["perfetto"] == "/live/export/perfetto/"
    assert config["process"] == feed.process
    assert config["actions"][0] == {
        "slug": "pay",
        "title": "Pay <b>now</b>",
        "description": "Pays.",
        "url": "/live/actions/pay/",
    }
    assert json.loads(json.dumps(config)) == config


def test_without_a_script_it_shows_the_newest_tree(client):
    client.get("/live/")
    client.get("/pay/")
    assert "paid shop" in client.get("/live/").context["tree"]


@pytest.mark.parametrize("more", [0, 1])
def test_without_a_script_it_shows_so_many_lines_and_says_so(client, monkeypatch, more):
    monkeypatch.setattr("signals_demo.recorder.views.MAX_LINES", 11 - more)
    client.get("/live/")
    for number in range(10):
        send(str(number))
    page = client.get("/live/")
    lines = page.context["tree"].splitlines()
    assert len(lines) == 11 - more  # The last one counts the others.
    assert ("There is more" in page.content.decode()) is bool(more)


@pytest.mark.parametrize(
    ("query", "accept", "is_json"),
    [
        ("", "text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("", "*/*", False),
        ("", "application/json", True),
        ("", "application/json, text/html;q=0.9", True),
        ("?format=json", "text/html", True),
        ("?format=html", "application/json", False),
        ("", "image/png", False),
    ],
)
@pytest.mark.parametrize("page", ["/live/", "/live/receivers/"])
def test_pages_have_a_twin_in_json(client, page, query, accept, is_json):
    response = client.get(f"{page}{query}", headers={"Accept": accept})
    kind = "application/json" if is_json else "text/html; charset=utf-8"
    assert response["Content-Type"] == kind


def test_the_twin_holds_what_the_ring_does(client):
    first = client.get("/live/?format=json").json()
    assert first.keys() == {"process", "actions", "entries", "findings", "lost"}
    assert first["entries"] == []
    client.get("/pay/")
    data = client.get("/live/?format=json").json()
    assert data["process"] == feed.process
    assert [each["slug"] for each in data["actions"]] == [
        "pay",
        "fail",
        "happen",
        "atomic",
    ]
    assert data["lost"] == 0
    (entry,) = [each for each in data["entries"] if each["signal"] == NAME]
    assert entry["sender"] == "shop"
    assert entry["within"]["label"] == "GET /pay/"


TWIN = {"Accept": "application/json"}


@pytest.mark.django_db(transaction=True)
def test_the_twins_of_what_happens_are_as_their_schemas_say(
    client, monkeypatch, caplog
):
    caplog.set_level("CRITICAL", logger="django.dispatch")
    monkeypatch.setattr("signals_demo.recorder.live.feed.JUDGE_EVERY", 0)
    monkeypatch.setattr("signals_demo.recorder.live.feed.JUDGE_SHARE", 0)
    valid(client.get("/live/?format=json"), LIVE)
    made = valid(client.post("/live/actions/happen/", headers=TWIN), ACTION)
    told = valid(client.get("/live/?format=json"), LIVE)
    for data in (made, told):
        kinds = {*re.findall(r'"type": "(\w+)"', json.dumps(data))}
        assert kinds == {"emission", "on_commit", "query"}
    assert made["recording"]["transactions"]
    assert told["findings"]
    assert made["findings"]
    monkeypatch.setattr("signals_demo.recorder.actions._running", {"happen"})
    valid(client.post("/live/actions/happen/", headers=TWIN), BUSY)


@pytest.mark.parametrize("sender", ["kept", ""])
def test_the_twins_of_receivers_are_as_their_schemas_say(client, connect, sender):
    connect(silent, paid, sender="kept", dispatch_uid="x")
    valid(client.get("/live/receivers/?format=json"), RECEIVERS)
    address = f"/live/emission/?signal={NAME}&sender={sender}"
    data = valid(client.get(address), EXPLAINED)
    assert bool(data["receivers"][0]["verdict"]) is not bool(sender)


@pytest.mark.parametrize(
    ("address", "schema"),
    [
        ("/live/?format=json", LIVE),
        (f"/live/emission/?signal={NAME}", EXPLAINED),
    ],
)
def test_schemas_are_not_satisfied_by_anything(client, address, schema):
    data = client.get(address).json()
    check = Draft202012Validator(schema)
    assert check.is_valid(data)
    for name in data:
        assert not check.is_valid({key: data[key] for key in data if key != name})
        assert not check.is_valid({**data, name: 1.5})
    assert not check.is_valid({**data, "more": json.dumps(data)})


def test_a_stream_tells_what_others_do(client):
    with streamed(client) as (response, events):
        assert response["Content-Type"] == "text/event-stream"
        assert response["Cache-Control"] == "no-cache"
        assert response["X-Accel-Buffering"] == "no"
        assert next(events)[0] == "hello"
        client.get("/pay/")
        entry = named_entry(events)
    assert entry["within"]["label"] == "GET /pay/"


def test_a_stream_goes_on_where_it_ended(client):
    with streamed(client) as (_, events):
        next(events)
        send("a")
        _, place, _ = next(events)
        send("b")
        entries(events)
    with streamed(client, **{"Last-Event-ID": place}) as (_, events):
        assert next(events)[2]["missed"] == 0
        assert [each["sender"] for each in entries(events)] == ["b"]
    with streamed(client, f"/live/stream/?after={place}") as (_, events):
        next(events)
        assert [each["sender"] for each in entries(events)] == ["b"]


def test_a_server_with_one_thread_is_not_held(client):
    response = client.get("/live/stream/", **{"wsgi.multithread": False})
    text = b"".join(response.streaming_content).decode()
    assert text.endswith('event: bye\ndata: {"reason": "busy"}\n\n')


@pytest.mark.parametrize(
    "middleware",
    [
        "django.middleware.gzip.GZipMiddleware",
        "django.middleware.http.ConditionalGetMiddleware",
        "django.middleware.cache.UpdateCacheMiddleware",
        "django.middleware.common.CommonMiddleware",
    ],
)
def test_no_middleware_holds_a_stream_back(settings, client, middleware):
    settings.MIDDLEWARE = [middleware, *settings.MIDDLEWARE]
    with streamed(client, **{"Accept-Encoding": "gzip"}) as (response, events):
        assert next(events)[0] == "hello"
        send("a")
        assert any(each["sender"] == "a" for _ in range(3) for each in entries(events))
        assert not response.has_header("ETag")


def test_under_asgi_a_stream_is_a_task():
    async def look():
        client = AsyncClient(REMOTE_ADDR="127.0.0.1")
        response = await client.get("/live/stream/")
        assert response.is_async
        parts = aiter(response.streaming_content)
        head = [await anext(parts), await anext(parts)]
        await client.get("/pay/")
        body = await anext(parts)
        await parts.aclose()
        return b"".join(head).decode(), body.decode()

    head, body = asyncio.run(look())
    assert '"server": "ASGI"' in head
    data = json.loads(body.split("data: ", 1)[1])
    assert {each["within"]["label"] for each in data["entries"]} == {"GET /pay/"}


def test_requests_of_the_explorer_itself_are_not_told(client):
    client.get("/live/")
    client.get("/live/receivers/")
    client.get(f"/live/emission/?signal={NAME}")
    client.post("/live/export/json/")
    client.post("/live/actions/pay/")
    client.get("/static/signals_demo_recorder/explorer.css")
    client.get("/pay/")
    data = client.get("/live/?format=json").json()
    labels = {each["within"]["label"] for each in data["entries"]}
    assert labels == {"Pay <b>now</b>", "GET /pay/"}


def test_a_site_that_is_nothing_else_is_told_all_the_same(client):
    with override_settings(ROOT_URLCONF=AtTheRoot):
        client.get("/")
        client.get("/receivers/")
        client.get("/pay/")
        data = client.get("/?format=json").json()
    labels = {each["within"]["label"] for each in data["entries"]}
    assert "GET /pay/" in labels
    assert "GET /receivers/" not in labels


def test_a_site_may_be_so_under_the_name_of_a_script(rf):
    with override_settings(ROOT_URLCONF=AtTheRoot), script_prefix("/app/"):
        hidden = _addresses(rf.get("/app/"))
    assert "/app/stream/" in hidden
    assert "/stream/" in hidden
    assert not any("/app/pay/".startswith(each) for each in hidden)


@contextmanager
def script_prefix(prefix):
    set_script_prefix(prefix)
    yield
    clear_script_prefix()


class AtTheRoot:
    urlpatterns = (
        path("pay/", pay),
        path("", include("signals_demo.recorder.urls")),
    )


def test_an_address_that_is_masked_hides_no_other_one(client, monkeypatch):
    # Nothing is told between the beginning of a request and its view.
    monkeypatch.setattr("signals_demo.recorder.live.feed.PAUSE", 30)
    with override_settings(ROOT_URLCONF=Masked):
        client.get("/debug2024/")
        client.get("/debug2024/receivers/")
        client.get("/order2024/")
        data = client.get("/debug2024/?format=json").json()
    labels = [each["within"]["label"] for each in data["entries"]]
    assert {*labels} == {"GET /********/"}
    assert [each["sender"] for each in data["entries"]].count("shop") == 1
    assert len({each["within"]["id"] for each in data["entries"]}) == 1


class Masked:
    urlpatterns = (
        path("order2024/", pay),
        path("debug2024/", include("signals_demo.recorder.urls")),
    )


class InsideOfOthers:
    mounted = path("live/", include("signals_demo.recorder.urls"))
    tools = path("tools/", include(([mounted], "tools"), namespace="ours"))
    urlpatterns = (path("dev/", include(([tools], "dev"))), path("pay/", pay))


def test_it_may_be_inside_of_other_name_spaces(client):
    here = "/dev/tools/live/"
    with override_settings(ROOT_URLCONF=InsideOfOthers):
        page = client.get(here)
        client.get(f"{here}receivers/")
        client.post(f"{here}actions/pay/")
        client.get("/pay/")
        data = client.get(f"{here}?format=json").json()
    text, config = page.content.decode(), page.context["config"]
    assert config["stream"] == f"{here}stream/"
    assert data["actions"][0]["url"] == f"{here}actions/pay/"
    assert f'href="{here}receivers/"' in text
    labels = {each["within"]["label"] for each in data["entries"]}
    assert labels == {"Pay <b>now</b>", "GET /pay/"}


def test_each_of_two_links_to_itself(client):
    for here in ("/", "/dev/"):
        with override_settings(ROOT_URLCONF=Twice):
            page = client.get(f"{here}live/receivers/")
        assert f'href="{here}live/"' in page.content.decode()


class Twice:
    mounted = path("live/", include("signals_demo.recorder.urls"))
    urlpatterns = (mounted, path("dev/", include(([mounted], "dev"))))


def test_receivers_are_listed(client):
    assert "post_save" in client.get("/live/receivers/").content.decode()
    data = client.get("/live/receivers/?format=json").json()
    assert "django.db.models.signals.post_save" in {each["signal"] for each in data}


def test_an_emission_is_explained(client):
    name = "django.db.models.signals.post_save"
    data = client.get(f"/live/emission/?signal={name}&sender=auth.User").json()
    assert (data["signal"], data["sender"]) == (name, "auth.User")
    assert data["documentation"]
    data = client.get(f"/live/emission/?signal={NAME}&sender=").json()
    assert data["sender"] is None


def test_an_action_tells_what_came_of_it(client):
    headers = {"Accept": "application/json"}
    data = client.post("/live/actions/pay/", headers=headers).json()
    assert data["slug"] == "pay"
    assert data["raised"] is None
    assert data["tree"].startswith("paid action")
    data = client.post("/live/actions/fail/", headers=headers).json()
    assert data["raised"] == "django.core.management.base.CommandError"
    assert "secret" not in json.dumps(data)


def test_an_action_works_without_a_script(client):
    page = client.post("/live/actions/pay/")
    assert page["Content-Type"].startswith("text/html")
    text = page.content.decode()
    assert "paid action" in text
    assert "<b>now</b>" not in text
    assert page.context["slug"] == ACTIONS[0].slug
    page = client.post("/live/actions/fail/")
    assert page.status_code == 200
    assert "CommandError" in page.content.decode()


@pytest.mark.django_db(transaction=True)
def test_an_action_is_in_no_transaction_of_the_request(client, monkeypatch):
    connection = transaction.get_connection()
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    assert client.post("/live/actions/atomic/").context["tree"].startswith("paid False")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [("application/json", "application/json"), ("text/html", "text/plain")],
)
def test_an_action_that_is_running_is_not_run_again(client, monkeypatch, accept, kind):
    monkeypatch.setattr("signals_demo.recorder.actions._running", {"pay"})
    response = client.post("/live/actions/pay/", headers={"Accept": accept})
    assert response.status_code == 409
    assert response["Content-Type"].startswith(kind)
    assert "being run" in response.content.decode()


@pytest.fixture
def numbers(client):
    client.get("/live/")
    for name in ("a", "b", "c"):
        paid.send(name)
    data = client.get("/live/?format=json").json()
    return [each["number"] for each in data["entries"]]


def senders(response):
    return [each.sender for each in export.loads(response.content.decode()).entries]


def test_all_is_exported_unless_some_are_asked_for(client, numbers):
    kind = {"CONTENT_TYPE": "application/json"}
    response = client.generic("POST", "/live/export/json/", **kind)
    assert senders(response) == ["a", "b", "c"]
    assert senders(client.post("/live/export/json/")) == ["a", "b", "c"]


def test_none_is_exported_if_none_is_asked_for(client, numbers):
    response = client.post("/live/export/json/", "[]", "application/json")
    assert senders(response) == []


def test_numbers_of_another_process_are_refused(client, numbers):
    for process, status in ((feed.process, 200), ("another-1", 409)):
        address = f"/live/export/json/?process={process}"
        assert client.post(address, "", "application/json").status_code == status


def test_some_are_exported(client, numbers):
    body = json.dumps([numbers[2], numbers[0], 10**9])
    response = client.post("/live/export/json/", body, "application/json")
    assert senders(response) == ["a", "c"]
    assert response["Signals-Entries"] == "2"
    response = client.post("/live/export/json/", {"number": numbers[:2]})
    assert senders(response) == ["a", "b"]


@pytest.mark.parametrize(
    ("format", "kind", "suffix"),
    [
        ("json", "application/json", ".json"),
        ("perfetto", "application/json", ".perfetto.json"),
        ("html", "text/html; charset=utf-8", ".html"),
    ],
)
def test_a_download_has_a_name(client, numbers, format, kind, suffix):
    response = client.post(f"/live/export/{format}/")
    assert response["Content-Type"] == kind
    disposition = response["Content-Disposition"]
    assert disposition.startswith('attachment; filename="signals-2')
    assert disposition.endswith(f'{suffix}"')
    assert response.content


def test_what_signals_carry_is_text_everywhere(client):
    with streamed(client) as (_, events):
        next(events)
        client.get("/pay/")
        entry = named_entry(events)
    note = entry["arguments"]["note"]
    assert "</script><b>" in note
    assert not set(note) & set("\r\n\0\u2028")
    page = client.get("/live/").content.decode()
    assert "</script><b>" not in page
    whole = client.post("/live/export/html/").content.decode()
    assert "</script><b>" not in whole
    assert any(
        each["arguments"].get("note") == note for each in embedded(whole)["entries"]
    )


@pytest.mark.django_db
def test_where_others_take_a_login_strangers_get_no_hint_of_it(client, settings):
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    assert client.get("/live/").status_code == 200
    settings.DEBUG = False
    assert client.get("/live/").status_code == 404
