import json
import re
from html import escape

import pytest
from django.contrib.auth import get_user_model
from django.test import Client, override_settings
from django.urls import include, path
from jsonschema import Draft202012Validator

from signals_demo import catalog, views
from signals_demo.compat import DJANGO_VERSION
from signals_demo.pages import label
from signals_demo.sending import SendingFailed
from tests.signals_demo.schemas import (
    FLAG,
    MAYBE_COUNT,
    MAYBE_EMPTY,
    MAYBE_TEXT,
    RECEIVER,
    TEXT,
    array,
    record,
    valid,
)

pytestmark = pytest.mark.django_db

#: A project that has these pages elsewhere, and no explorer.
urlpatterns = [path("docs/django/", include("signals_demo.urls"))]

EVERY = [pytest.param(signal, id=signal.name) for signal in catalog.SIGNALS]
SUPPORTED = ["5.2", "6.0", "6.1"]


VERSION = {"type": "string", "pattern": r"^\d+\.\d+$"}
MAYBE_VERSION = {"type": ["string", "null"], "pattern": r"^\d+\.\d+$"}
ADDRESS = {"type": "string", "pattern": "^/signals/.*/$"}
VERSIONS = record(**dict.fromkeys(SUPPORTED, FLAG))
OVERVIEW = {
    "name": TEXT,
    "path": TEXT,
    "group": TEXT,
    "when": TEXT,
    "url": ADDRESS,
    "documentation": {"type": "string", "pattern": "^https://docs.djangoproject.com/"},
    "documented": FLAG,
    "since": VERSION,
    "removed": MAYBE_VERSION,
    "installed": FLAG,
}
CATALOG = record(
    django=VERSION,
    count={"type": "integer"},
    groups=array(
        record(
            title=TEXT,
            signals=array(
                record(**OVERVIEW, arguments=array(TEXT), receivers=MAYBE_COUNT)
            ),
        )
    ),
)
ARGUMENT = record(
    name=TEXT, what=TEXT, sometimes=MAYBE_EMPTY, since=VERSION, versions=VERSIONS
)
SENT = record(
    how=TEXT,
    problem=MAYBE_EMPTY,
    tree=TEXT,
    not_run=array(record(receiver=TEXT, why=TEXT)),
    recording={"type": "object", "required": ["version", "entries"]},
)
SIGNAL = record(
    **OVERVIEW,
    **{"import": TEXT},
    django=VERSION,
    sender=TEXT,
    versions=VERSIONS,
    arguments=array(ARGUMENT),
    sent_by=array(record(function=TEXT, method=TEXT, versions=VERSIONS)),
    pitfalls=array(TEXT),
    scenarios=array(TEXT),
    previous=MAYBE_TEXT,
    next=MAYBE_TEXT,
    references={
        "type": ["array", "null"],
        "items": record(name=TEXT, source=TEXT),
    },
    receivers={"type": ["array", "null"], "items": record(**RECEIVER)},
    sent={"type": ["array", "null"], "items": SENT},
    problem=MAYBE_EMPTY,
)
UNKNOWN = record(error=TEXT, name=TEXT, near=array(record(name=TEXT, url=ADDRESS)))


@pytest.fixture
def developer(settings):
    """A browser on the developer's own machine."""
    settings.DEBUG = True
    return Client()


@pytest.fixture
def sent(monkeypatch):
    """Take down which signals are sent, instead of sending them."""
    names = []

    def take_down(signal):
        names.append(signal.name)
        run = {"how": "save()", "problem": "", "tree": "└─ <receiver>", "not_run": []}
        missed = [{"receiver": "shop.signals.count", "why": "it waits."}]
        recording = {"version": 1, "entries": []}
        return [run | {"not_run": missed, "recording": recording}]

    monkeypatch.setattr(views, "send_elsewhere", take_down)
    return names


def page_of(response):
    return response.content.decode()


# The catalog


def test_the_catalog_has_all_signals_with_their_receivers(developer):
    page = page_of(developer.get("/signals/"))
    for signal in catalog.SIGNALS:
        assert f'<a href="/signals/{signal.name}/"><code>{signal.name}</code>' in page
    assert f"Django {label(DJANGO_VERSION)} sends" in page
    assert len(re.findall(r"\d+ receivers?<", page)) == len(catalog.signals())


def test_the_catalog_tells_the_public_nothing_of_the_process(client):
    page = page_of(client.get("/signals/"))
    assert "/signals/post_save/" in page
    assert not re.findall(r"\d+ receivers?<", page)


def test_the_twin_of_the_catalog_is_as_its_schema_says(client, developer):
    for browser in (client, developer):
        data = valid(browser.get("/signals/?format=json"), CATALOG)
        assert data["count"] == len(catalog.signals())
    counts = [
        each["receivers"] for group in data["groups"] for each in group["signals"]
    ]
    installed = [signal.is_in(DJANGO_VERSION) for signal in catalog.SIGNALS]
    assert [count > 0 for count in counts] == installed


# One signal


@pytest.mark.parametrize("signal", EVERY)
def test_each_page_says_what_there_is_to_say(developer, signal):
    page = page_of(developer.get(f"/signals/{signal.name}/"))
    module, _, name = signal.path.rpartition(".")
    assert f"<code>from {module} import {name}</code>" in page
    assert f'href="{signal.docs}"' in page
    for text in (signal.when, signal.sender, *signal.pitfalls):
        assert escape(text) in page
    for argument in signal.arguments:
        assert f"<code>{argument.name}</code> <span>{escape(argument.what)}" in page
    for site in signal.sent_by:
        assert f"<code>{site.function}</code>" in page
    installed = signal.is_in(DJANGO_VERSION)
    assert ("The reference receiver" in page) == installed
    assert ("Who receives it here" in page) == installed
    assert ("Have Django send it" in page) == installed


@pytest.mark.parametrize("signal", EVERY)
def test_the_twin_of_each_page_is_as_its_schema_says(client, developer, signal):
    address = f"/signals/{signal.name}/"
    told = valid(developer.get(address, headers={"accept": "application/json"}), SIGNAL)
    public = valid(client.get(address + "?format=json"), SIGNAL)
    assert told["installed"] == bool(told["receivers"]) == bool(told["references"])
    with override_settings(DEBUG=False):
        public = valid(client.get(address + "?format=json"), SIGNAL)
    secret = {"references": None, "receivers": None}
    assert {**told, **secret} == public


@pytest.mark.parametrize("signal", EVERY)
def test_the_table_has_a_mark_where_a_version_has_an_argument(developer, signal):
    page = page_of(developer.get(f"/signals/{signal.name}/"))
    for argument in signal.arguments:
        row = page.partition(f"<code>{argument.name}</code> <span>")[2]
        marks = re.findall('aria-label="(yes|no)"', row.partition("</tr>")[0])
        has = [
            signal.is_in(version) and argument.is_in(version)
            for version in ((5, 2), (6, 0), (6, 1))
        ]
        assert marks == ["yes" if each else "no" for each in has]


def test_what_this_django_does_not_have_is_told_with_its_version(
    developer, monkeypatch
):
    monkeypatch.setattr(views, "DJANGO_VERSION", (5, 2))
    monkeypatch.setattr("signals_demo.pages.DJANGO_VERSION", (5, 2))
    page = page_of(developer.get("/signals/task_started/"))
    assert (
        "This is Django 5.2, which does not have it: it came with Django 6.0." in page
    )
    assert "Have Django send it" not in page
    assert developer.post("/signals/task_started/").status_code == 404
    page = page_of(developer.get("/signals/post_syncdb/"))
    assert "It is gone since Django 1.9. This is Django 5.2." in page
    page = page_of(developer.get("/signals/"))
    assert page.count("from Django 6.0 on") == 3
    assert page.count("gone since Django 1.9") == 1


def test_strangers_are_shown(developer):
    def listen(sender, **kwargs):
        pass

    signal = catalog.get("post_save").load()
    signal.connect(listen, dispatch_uid="<b>shop</b>")
    page = page_of(developer.get("/signals/post_save/"))
    signal.disconnect(dispatch_uid="<b>shop</b>")
    name = f"{__name__}.test_strangers_are_shown.&lt;locals&gt;.listen"
    assert f"<code>{name}</code>" in page
    assert "<b>" not in page


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_unknown_name_is_not_found_and_near_ones_are_named(client, method):
    response = getattr(client, method)("/signals/post_saved/")
    assert response.status_code == 404
    assert '<a href="/signals/post_save/">' in page_of(response)
    response = getattr(client, method)("/signals/post_saved/?format=json")
    assert response.status_code == 404
    data = valid(response, UNKNOWN)
    assert data["near"][0] == {"name": "post_save", "url": "/signals/post_save/"}


def test_an_unknown_name_is_shown_as_text(client):
    page = page_of(client.get("/signals/<script>/"))
    assert "<code>&lt;script&gt;</code>" in page
    assert "Did you mean" not in page


# Sending


def test_the_button_sends_the_signal_and_shows_the_tree(developer, sent):
    page = page_of(developer.post("/signals/post_save/"))
    assert sent == ["post_save"]
    assert "└─ &lt;receiver&gt;</pre>" in page
    assert "1 receiver did not run" in page
    assert "<code>shop.signals.count</code>: it waits." in page
    assert "Have Django send it again" in page


def test_a_program_gets_the_tree_as_json(developer, sent):
    response = developer.post("/signals/post_save/?format=json")
    data = valid(response, SIGNAL)
    assert data["sent"][0]["tree"] == "└─ <receiver>"


def test_looking_sends_nothing(developer, sent):
    page = page_of(developer.get("/signals/post_save/"))
    developer.head("/signals/post_save/")
    assert sent == []
    assert "What came" not in page
    assert developer.put("/signals/post_save/").status_code == 405


def test_a_failure_is_told(developer, monkeypatch):
    def fail(signal):
        raise SendingFailed("No <room> left")

    monkeypatch.setattr(views, "send_elsewhere", fail)
    response = developer.post("/signals/post_save/")
    assert response.status_code == 503
    assert '<p class="note error" role="alert">No &lt;room&gt; left</p>' in page_of(
        response
    )
    response = developer.post("/signals/post_save/?format=json")
    assert response.status_code == 503
    assert valid(response, SIGNAL)["problem"] == "No <room> left"


def test_without_the_token_of_the_form_nothing_is_sent(settings, sent):
    settings.DEBUG = True
    browser = Client(enforce_csrf_checks=True)
    assert browser.post("/signals/post_save/").status_code == 403
    page = page_of(browser.get("/signals/post_save/"))
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
    assert sent == []
    form = {"csrfmiddlewaretoken": token}
    assert browser.post("/signals/post_save/", form).status_code == 200
    assert sent == ["post_save"]


def test_the_token_is_asked_for_where_no_middleware_does(settings, sent):
    settings.DEBUG = True
    csrf = "django.middleware.csrf.CsrfViewMiddleware"
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if each != csrf]
    browser = Client(enforce_csrf_checks=True)
    page = page_of(browser.get("/signals/post_save/"))
    assert browser.post("/signals/post_save/").status_code == 403
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
    browser.post("/signals/post_save/", {"csrfmiddlewaretoken": token})
    assert sent == ["post_save"]


def test_no_transaction_is_around_it(developer, sent, monkeypatch, transactional_db):
    from django.db import connection

    seen = []
    take_down = views.send_elsewhere

    def look(signal):
        seen.append(connection.in_atomic_block)
        return take_down(signal)

    monkeypatch.setattr(views, "send_elsewhere", look)
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    developer.post("/signals/post_save/")
    assert seen == [False]


# Who may


def user(**fields):
    return get_user_model().objects.create_user("ada", **fields)


@pytest.mark.parametrize(
    ("who", "debug", "staff", "address", "allowed"),
    [
        (None, True, False, "127.0.0.1", True),
        (None, True, False, "192.0.2.1", False),
        (None, False, False, "127.0.0.1", False),
        (None, False, True, "127.0.0.1", False),
        ({"is_staff": True}, False, True, "192.0.2.1", False),
        ({"is_superuser": True}, False, True, "192.0.2.1", False),
        ({"is_staff": True, "is_superuser": True}, False, True, "192.0.2.1", True),
        ({"is_staff": True, "is_superuser": True}, False, False, "192.0.2.1", False),
    ],
)
def test_only_those_who_may_look_see_the_process_and_send(
    client, sent, settings, who, debug, staff, address, allowed
):
    settings.DEBUG = debug
    settings.SIGNALS_RECORDER_STAFF = staff
    if who is not None:
        client.force_login(user(**who))
    spoofed = {"x-forwarded-for": "127.0.0.1"}
    request = {"REMOTE_ADDR": address, "headers": spoofed}
    page = page_of(client.get("/signals/post_save/", **request))
    assert "frozenset of the fields to write" in page
    for inside in ("def sync_profile", "Who receives it here", "<button", "Live</a>"):
        assert (inside in page) == allowed, inside
    response = client.post("/signals/post_save/", **request)
    assert response.status_code == (200 if allowed else 404)
    assert sent == (["post_save"] if allowed else [])


def test_who_may_not_look_is_not_asked_for_a_token(sent):
    browser = Client(enforce_csrf_checks=True)
    assert browser.post("/signals/post_save/").status_code == 404


@pytest.mark.parametrize("debug", [True, False])
def test_where_others_take_a_login_they_are_as_elsewhere(client, sent, settings, debug):
    settings.DEBUG = debug
    login = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, login]
    for address in ("/signals/", "/signals/post_save/"):
        assert client.get(address).status_code == 200
    response = client.post("/signals/post_save/")
    assert response.status_code == (200 if debug else 404)


# How


def test_pages_are_not_kept_by_caches(developer):
    for address in ("/signals/", "/signals/post_save/", "/signals/unknown/"):
        headers = developer.get(address).headers
        assert "Accept" in headers["Vary"]
        assert address.endswith("unknown/") or "no-store" in headers["Cache-Control"]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text/html"),
        ("*/*", "text/html"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("application/json", "application/json"),
        ("text/html;q=0.5, application/json", "application/json"),
        ("image/png", "text/html"),
    ],
)
def test_what_is_asked_for_is_answered(client, accept, kind):
    response = client.get("/signals/", headers={"accept": accept} if accept else {})
    assert response.headers["Content-Type"].startswith(kind)


def test_pages_may_be_elsewhere_and_without_the_explorer(developer, settings):
    settings.ROOT_URLCONF = __name__
    page = page_of(developer.get("/docs/django/"))
    assert '<a href="/docs/django/post_save/">' in page
    assert "Live</a>" not in page
    page = page_of(developer.get("/docs/django/post_save/"))
    assert 'action="/docs/django/post_save/#sent"' in page
    assert "All receivers of this process" not in page


INSIDE = [path("signals/", include("signals_demo.urls", namespace="catalog"))]
LIVE = [path("live/", include("signals_demo.recorder.urls"))]
#: Projects that have the pages among tools of their own, and the explorer there or not.
NESTED = (path("dev/", include(([*INSIDE, *LIVE], "dev"))),)
APART = (path("dev/", include((INSIDE, "dev"))), *LIVE)


@pytest.mark.parametrize(("urls", "live"), [(NESTED, "/dev/live/"), (APART, "/live/")])
def test_pages_may_be_inside_of_another_namespace(developer, settings, urls, live):
    settings.ROOT_URLCONF = urls
    page = page_of(developer.get("/dev/signals/"))
    assert '<a href="/dev/signals/" aria-current="page">' in page
    assert '<a href="/dev/signals/post_save/">' in page
    page = page_of(developer.get("/dev/signals/post_save/"))
    assert 'action="/dev/signals/post_save/#sent"' in page
    assert 'rel="prev" href="/dev/signals/pre_save/"' in page
    assert 'rel="next" href="/dev/signals/' in page
    assert f'<a href="{live}">Live</a>' in page
    assert f'<a href="{live}receivers/">' in page
    data = developer.get("/dev/signals/post_saved/?format=json").json()
    assert data["near"][0]["url"] == "/dev/signals/post_save/"


def test_pages_lead_to_the_explorer(developer):
    page = page_of(developer.get("/signals/post_save/"))
    assert '<a href="/signals/live/">Live</a>' in page
    assert '<a href="/signals/live/receivers/">' in page


def test_pages_have_no_inline_script_or_style(developer, sent):
    for page in (
        developer.get("/signals/"),
        developer.get("/signals/post_save/"),
        developer.post("/signals/post_save/"),
        developer.get("/signals/unknown/"),
    ):
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=", page_of(page))


def test_schemas_are_not_satisfied_by_anything(developer):
    data = developer.get("/signals/post_save/?format=json").json()
    check = Draft202012Validator(SIGNAL)
    assert check.is_valid(data)
    for name in data:
        assert not check.is_valid({key: data[key] for key in data if key != name})
        assert not check.is_valid({**data, name: 1.5})
    assert not check.is_valid({**data, "more": json.dumps(data)})
