import asyncio
import re
from io import StringIO

import pytest
from django.core.exceptions import MiddlewareNotUsed
from django.dispatch import Signal
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path

from signals_demo.models import Topping
from signals_demo.recorder.middleware import (
    PrintSignalsMiddleware,
    RecordingMiddleware,
    ServerTimingMiddleware,
)

order_paid = Signal()
HERE = "signals_demo.recorder.middleware"
# What the specification calls a metric: a token, and parameters.
METRIC = r'[\w-]+;dur=\d+\.\d\d;desc="[^"\\]*"'


def pay(request, **kwargs):
    order_paid.send(None, amount=1)
    Topping.objects.count()
    return HttpResponse("paid")


async def apay(request):
    await order_paid.asend(None, amount=1)
    return HttpResponse("paid", headers={"Server-Timing": "db;dur=1"})


def fail(request):
    order_paid.send(None)
    raise ValueError("no")


urlpatterns = [
    path("pay/", pay),
    path("pay/<str:rest>", pay),
    path("apay/", apay),
    path("fail/", fail),
]


@pytest.fixture
def use(settings, caplog):
    """Put middleware before the views above."""
    caplog.set_level("CRITICAL", logger="django.request")

    def use(name, *, debug=True):
        settings.DEBUG = debug
        settings.ROOT_URLCONF = __name__
        settings.MIDDLEWARE = [f"{HERE}.{name}"]

    return use


@pytest.mark.django_db
def test_the_tree_of_a_request_is_printed(use, capsys):
    use("PrintSignalsMiddleware")
    assert Client().get("/pay/").content == b"paid"
    printed = capsys.readouterr().err
    lines = printed.splitlines()
    assert lines[0] == "GET /pay/"
    assert lines[1].startswith("  order_paid amount=1 ")
    assert "SELECT" in lines[2]
    assert lines[3].startswith("  1 signal, 0 receiver calls, 1 query in ")
    assert max(map(len, lines)) <= 79
    assert "\x1b" not in printed


def test_it_is_printed_in_color_on_a_terminal(use, monkeypatch):
    use("PrintSignalsMiddleware")
    stderr = StringIO()
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.setattr(stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("DJANGO_COLORS", "dark")
    monkeypatch.setattr("django.core.management.color.supports_color", lambda: True)
    asyncio.run(AsyncClient().get("/apay/"))
    assert "\x1b[" in stderr.getvalue()


def test_under_asgi_too(use, capsys):
    use("PrintSignalsMiddleware")
    response = asyncio.run(AsyncClient().get("/apay/"))
    assert response.content == b"paid"
    assert re.match("GET /apay/\n  order_paid amount=1 ", capsys.readouterr().err)


@pytest.mark.django_db
def test_a_path_commands_no_terminal_and_tells_no_secret(use, capsys):
    use("PrintSignalsMiddleware")
    Client().get("/pay/%1b[31mtoken=abc")
    printed = capsys.readouterr().err
    assert "\x1b" not in printed
    assert "abc" not in printed
    Client().get("/pay/WXYZABCD")
    assert capsys.readouterr().err.startswith("GET /pay/********\n")


@pytest.mark.parametrize("name", ["PrintSignalsMiddleware", "ServerTimingMiddleware"])
def test_a_view_that_raises_is_told_of_too(use, capsys, name):
    use(name)
    response = Client(raise_request_exception=False).get("/fail/")
    assert response.status_code == 500
    told = response.get("Server-Timing") or capsys.readouterr().err
    # got_request_exception and template_rendered came too.
    assert "3 signals" in told


@pytest.mark.django_db
def test_the_browser_is_told_what_it_took(use):
    use("ServerTimingMiddleware")
    header = Client().get("/pay/")["Server-Timing"]
    assert re.fullmatch(f"{METRIC}, {METRIC}", header)
    assert re.sub(r"\d\.\d\d", "0", header) == (
        'signals;dur=0;desc="1 signal", sql;dur=0;desc="1 query"'
    )


def test_what_others_have_told_the_browser_is_kept(use):
    use("ServerTimingMiddleware")
    header = asyncio.run(AsyncClient().get("/apay/"))["Server-Timing"]
    assert re.fullmatch(f"db;dur=1, {METRIC}, {METRIC}", header)


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["PrintSignalsMiddleware", "ServerTimingMiddleware"])
def test_without_debug_nobody_is_told(use, capsys, name):
    use(name, debug=False)
    response = Client().get("/pay/")
    assert (capsys.readouterr().err, response.get("Server-Timing")) == ("", None)


def test_without_debug_it_is_not_used(settings):
    settings.DEBUG = False
    for middleware in (PrintSignalsMiddleware, ServerTimingMiddleware):
        with pytest.raises(MiddlewareNotUsed, match="with DEBUG only"):
            middleware(pay)


def test_each_tells_in_its_own_way(settings):
    settings.DEBUG = True
    middleware = RecordingMiddleware(lambda request: HttpResponse())
    with pytest.raises(NotImplementedError):
        middleware(RequestFactory().get("/"))
