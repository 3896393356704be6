import asyncio
import json
from collections import Counter
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group
from django.core.signals import setting_changed
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.dispatch import Signal
from django.http import HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.test import (
    AsyncClient,
    Client,
    RequestFactory,
    modify_settings,
    override_settings,
)
from django.urls import include, path

from signals_demo.recorder import database, dispatch, record
from tests.signals_demo.recorder.eventful import eventful

pytest.importorskip("debug_toolbar", reason="django-debug-toolbar is not installed.")

pytestmark = pytest.mark.django_db

OURS = "signals_demo.recorder.panel.SignalsPanel"
PANELS = [
    "debug_toolbar.panels.history.HistoryPanel",
    "debug_toolbar.panels.sql.SQLPanel",
    "debug_toolbar.panels.signals.SignalsPanel",
    OURS,
]
STORES = ["MemoryStore", "DatabaseStore", "CacheStore"]
HERE = __name__

bill_paid = Signal()
shipped = Signal()


def write_receipt(sender, **kwargs):
    Group.objects.create(name="receipt")


def refuse(sender, **kwargs):
    raise ValueError("no")


def announce():
    bill_paid.send_robust("shop.<script>alert(1)</script>", amount=1)
    Group.objects.update(name="all")


def page(request):
    announce()
    return HttpResponse("<html><body>paid</body></html>")


def data(request):
    announce()
    return JsonResponse({"paid": True})


async def pack(sender, **kwargs):
    await asyncio.sleep(0)
    await shipped.asend("packer")


async def apage(request):
    await shipped.asend("basket")
    return HttpResponse("<html><body>paid</body></html>")


def fail(request):
    bill_paid.send(None)


urlpatterns = [
    path("page/", page),
    path("data/", data),
    path("apage/", apage),
    path("fail/", fail),
]


def store(name):
    return {"TOOLBAR_STORE_CLASS": f"debug_toolbar.store.{name}"}


@pytest.fixture(scope="module", autouse=True)
def installed(django_db_setup, django_db_blocker):
    """Have the toolbar installed as long as these tests run."""
    before = list(setting_changed.receivers)
    with (
        override_settings(
            DEBUG_TOOLBAR_PANELS=PANELS,
            DEBUG_TOOLBAR_CONFIG=store("DatabaseStore"),
            MIGRATION_MODULES={},  # The toolbar adds its own.
            ROOT_URLCONF=HERE,
        ),
        modify_settings(INSTALLED_APPS={"append": "debug_toolbar"}),
    ):
        config = import_module("debug_toolbar.settings")
        setting_changed.connect(config.update_toolbar_config)
        urlpatterns.append(path("__debug__/", include("debug_toolbar.urls")))
        entry = import_module("debug_toolbar.models").HistoryEntry
        with django_db_blocker.unblock(), connection.schema_editor() as editor:
            editor.create_model(entry)
        yield
        with django_db_blocker.unblock(), connection.schema_editor() as editor:
            editor.delete_model(entry)
    setting_changed.receivers = before


@pytest.fixture(autouse=True)
def use(settings, connect, caplog):
    caplog.set_level("CRITICAL", logger="django.request")
    caplog.set_level("CRITICAL", logger="django.dispatch")
    settings.DEBUG = True
    settings.INTERNAL_IPS = ["127.0.0.1"]
    settings.MIDDLEWARE = ["debug_toolbar.middleware.DebugToolbarMiddleware"]
    settings.DEBUG_TOOLBAR_CONFIG = store("MemoryStore")
    connect(write_receipt, bill_paid)
    connect(refuse, bill_paid)
    connect(pack, shipped, sender="basket")


@pytest.fixture
def shown():
    """What the toolbar would show of the last request, from what it has stored."""
    from debug_toolbar.store import get_store

    def shown(panel_id="RecordedSignalsPanel"):
        request_id = [*get_store().request_ids()][-1]
        answer = Client().get(
            "/__debug__/render_panel/",
            {"request_id": request_id, "panel_id": panel_id},
        )
        stats = get_store().panel(request_id, panel_id)
        return stats, answer.json()["content"]

    return shown


def lines(stats):
    return [row["branch"] + row["label"] for row in stats["rows"]]


def test_the_tree_of_a_request_is_shown(shown):
    response = Client().get("/page/")
    assert b"RecordedSignalsPanel" in response.content
    stats, content = shown()
    assert lines(stats) == [
        "bill_paid shop.<script>alert(1)</script> amount=1",
        f"├─\xa0{HERE}.write_receipt",
        "│\xa0\xa0├─\xa0pre_save auth.Group(None)",
        "│\xa0\xa0├─\xa0INSERT INTO auth_group",
        f"│\xa0\xa0└─\xa0{stats['rows'][4]['label']}",
        f"└─\xa0{HERE}.refuse",
        "UPDATE auth_group SET",
    ]
    (statement,) = stats["rows"][3]["details"]
    assert statement.startswith('INSERT INTO "auth_group" ("name")')
    assert stats["rows"][5]["marks"] == ["raised ValueError"]
    assert stats["rows"][5]["state"] == "raised"
    assert stats["rows"][0]["took"].endswith("s")
    assert [each["kind"] for each in stats["findings"]] == ["swallowed-error"]
    assert stats["findings"][0]["number"] == 1
    assert "<strong>swallowed-error</strong> (line 1):" in content
    assert "<script>" not in content
    assert "style=" not in content
    assert "UPDATE auth_group SET" in content


def test_the_list_of_panels_says_how_much_there_is():
    content = Client().get("/page/").content.decode()
    assert "5 signals, 2 receivers, 1 finding" in content
    assert "Signals sent" in content


def test_statements_are_seen_beside_the_panel_of_sql(shown):
    Client().get("/page/")
    stats, _ = shown()
    assert Counter(each.split()[0] for each in lines(stats))["UPDATE"] == 1
    _, content = shown("SQLPanel")
    assert "auth_group" in content


@pytest.mark.parametrize("middleware", [[], [f"{HERE}.synchronous"]])
def test_under_asgi_too(settings, shown, middleware):
    settings.MIDDLEWARE = [*middleware, *settings.MIDDLEWARE, *middleware]
    response = asyncio.run(AsyncClient().get("/apage/"))
    assert b"RecordedSignalsPanel" in response.content
    stats, _ = shown()
    assert lines(stats) == [
        "shipped basket",
        f"└─\xa0{HERE}.pack",
        "\xa0\xa0\xa0└─\xa0shipped packer",
    ]
    assert stats["rows"][1]["marks"] == ["async"]


def synchronous(get_response):
    return lambda request: get_response(request)


@pytest.mark.parametrize("name", STORES)
def test_what_is_fetched_is_kept_by_every_store(settings, name):
    from debug_toolbar.store import get_store

    settings.DEBUG_TOOLBAR_CONFIG = store(name)
    assert get_store().__name__ == name
    get_store().clear()
    assert Client().get("/data/").json() == {"paid": True}
    (request_id,) = get_store().request_ids()
    stats = get_store().panel(request_id, "RecordedSignalsPanel")
    assert lines(stats)[-1] == "UPDATE auth_group SET"
    answer = (
        Client().get("/__debug__/history_sidebar/", {"request_id": request_id}).json()
    )
    panel = answer["RecordedSignalsPanel"]
    assert "5 signals, 2 receivers, 1 finding" in panel["button"]
    assert "SignalsPanel" in answer


def test_a_view_that_raises_is_shown(shown):
    response = Client(raise_request_exception=False).get("/fail/")
    assert response.status_code == 500
    stats, _ = shown()
    assert stats["rows"][0]["label"] == "bill_paid"
    assert stats["rows"][0]["state"] == "raised"
    assert "got_request_exception" in " ".join(lines(stats))


def methods():
    return [
        *(vars(Signal)[name] for name in dispatch.REPLACING),
        *(vars(CursorWrapper)[name] for name in database.REPLACING_CURSOR),
        *(vars(BaseDatabaseWrapper)[name] for name in database.REPLACING),
    ]


@pytest.mark.parametrize("address", ["/page/", "/fail/", "/apage/"])
def test_nothing_is_left_replaced(connect, address):
    before, during = methods(), []

    def look(sender, **kwargs):
        during.append(methods())

    connect(look, bill_paid, shipped)
    for signal in (bill_paid, shipped):  # Before the one that raises.
        signal.receivers.insert(0, signal.receivers.pop())
        signal.sender_receivers_cache.clear()
    Client(raise_request_exception=False).get(address)
    asyncio.run(AsyncClient().get("/apage/"))
    assert during
    assert all(before[0] is not methods[0] for methods in during)
    assert methods() == before


def test_a_panel_that_is_switched_off_records_nothing():
    from debug_toolbar.store import get_store

    client = Client()
    client.cookies["djdtRecordedSignalsPanel"] = "off"
    seen = []

    def look(sender, **kwargs):
        seen.append(Signal.send.__module__)

    bill_paid.connect(look)
    client.get("/page/")
    bill_paid.disconnect(look)
    assert seen == ["django.dispatch.dispatcher"]
    request_id = [*get_store().request_ids()][-1]
    assert get_store().panel(request_id, "RecordedSignalsPanel") == {}


def test_a_panel_that_was_not_asked_has_nothing_to_keep():
    from signals_demo.recorder.panel import SignalsPanel

    toolbar = SimpleNamespace(stats={})
    panel = SignalsPanel(toolbar, None)
    panel.generate_stats(RequestFactory().get("/"), HttpResponse())
    assert toolbar.stats == {}
    assert panel.nav_subtitle == ""


@pytest.mark.django_db(transaction=True)
def test_what_is_kept_is_plain_data(monkeypatch):
    from signals_demo.recorder import panel

    recording = eventful()
    stats = panel.as_stats(recording)
    assert json.loads(json.dumps(stats)) == stats
    states = {(row["state"], *row["marks"]) for row in stats["rows"]}
    assert ("raised", "raised LookupError") in states
    assert ("undone", "rolled back") in states
    assert ("missed", "not reached") in states
    assert ("missed", "never ran: rolled back") in states
    for each in stats["findings"]:
        row = stats["rows"][each["number"] - 1]
        if each["kind"] == "rolled-back-hook":
            assert row["label"].startswith("on_commit ")
            assert row["details"][0].startswith("tests.signals_demo.recorder.eventful.")
    monkeypatch.setattr(panel, "MAX_ROWS", 3)
    fewer = panel.as_stats(recording)
    assert fewer["rows"] == stats["rows"][:3]
    assert fewer["more"] == len(stats["rows"]) - 3
    content = render_to_string("signals_demo_recorder/panel.html", fewer)
    assert f"{fewer['more']} more lines are not shown." in content


def test_a_long_line_is_cut_and_told_in_its_details():
    from signals_demo.recorder.panel import MAX_COLUMNS, as_stats

    with record() as recording:
        shipped.send(None, note="a" * 150)
    (row,) = as_stats(recording)["rows"]
    assert len(row["label"]) == MAX_COLUMNS
    assert row["details"][0] == f"shipped note={'a' * 150}"
