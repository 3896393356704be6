import json
import re
import sys
from functools import partial
from io import BytesIO, StringIO, TextIOWrapper
from types import ModuleType

import pytest
from django.core.management import call_command
from django.db.models.signals import post_save, pre_save
from django.dispatch import Signal

from signals_demo.models import Pizza, Topping
from signals_demo.recorder.connecting import remembered
from signals_demo.recorder.management.commands import list_receivers

HERE = __name__
parcel_lost = Signal()
parcel_found = Signal()


def listen(sender, **kwargs):
    pass


async def listen_later(sender, **kwargs):
    pass


def größer(sender, **kwargs):
    pass


def run(**options):
    stdout = StringIO()
    call_command("list_receivers", stdout=stdout, no_color=True, **options)
    return stdout.getvalue()


def listed(**options):
    """Return the names of receivers by those of signals."""
    found = json.loads(run(format="json", **options))
    return {
        each["signal"]: [receiver["name"] for receiver in each["receivers"]]
        for each in found
    }


SHOP = """
def listen(sender, **kwargs):
    pass
async def listen_later(sender, **kwargs):
    pass
def connect(sender):
    paid.connect(listen, sender=sender, weak=False, dispatch_uid=("a", 1))
    paid.connect(listen_later)
"""


@pytest.fixture
def shop(monkeypatch):
    """Return a module with a signal, and with receivers."""
    module = ModuleType("shop")
    monkeypatch.setitem(sys.modules, "shop", module)
    monkeypatch.syspath_prepend("/srv")
    module.paid = Signal()
    exec(compile(SHOP, "/srv/shop.py", "exec"), vars(module))
    before = remembered[:]
    yield module
    module.paid.receivers.clear()
    remembered[:] = before


def test_it_lists_who_receives_and_since_where(shop):
    shop.connect(Topping)
    assert run(signal=["shop.paid"]) == (
        "shop.paid\n"
        "  shop.listen\n"
        "    for signals_demo.Topping, uid (a, 1), strong\n"
        "    at shop.py:2\n"
        "    connected at shop.py:7\n"
        "  shop.listen_later\n"
        "    for any sender, weak, async\n"
        "    at shop.py:4\n"
        "    connected at shop.py:8\n"
        "\n"
        "1 signal, 2 receivers.\n"
    )


def test_where_it_was_decorated_need_not_be_said_twice():
    assert "connected at" not in run(signal=["pre_save"], app=["signals_demo"])


def test_a_terminal_of_80_columns_is_wide_enough(connect):
    listen_long = partial(listen)
    connect(listen_long, parcel_lost, sender=Topping, dispatch_uid="very long " * 15)
    found = run()
    assert max(map(len, found.splitlines())) <= 79
    assert f"partial({HERE}.listen)" in re.sub(r"\n\s+", "", found)


def test_those_that_nobody_receives_come_last(shop):
    _, found = run().split("\n\nNobody receives:\n")
    assert "\n  shop.paid\n" in found
    assert "  django.db.models.signals.post_save\n" not in found


def test_all_signals_are_listed():
    found = listed()
    assert "django.db.models.signals.post_save" in found
    assert found[f"{HERE}.parcel_lost"] == []


@pytest.mark.parametrize("name", ["parcel_lost", f"{HERE}.parcel_lost"])
def test_some_signals_can_be_asked_for(name):
    assert listed(signal=[name]) == {f"{HERE}.parcel_lost": []}
    assert len(listed(signal=[name, "parcel_found"])) == 2


def test_a_sender_can_be_asked_for(connect):
    connect(listen, post_save, sender=Topping)
    connect(listen_later, post_save, sender=Pizza)
    connect(größer, pre_save)
    found = listed(sender=["signals_demo.Topping"])
    assert found["django.db.models.signals.post_save"] == [f"{HERE}.listen"]
    assert f"{HERE}.größer" in found["django.db.models.signals.pre_save"]
    assert f"{HERE}.parcel_lost" not in found
    both = listed(sender=["signals_demo.Topping", "signals_demo.Pizza"])
    assert f"{HERE}.listen_later" in both["django.db.models.signals.post_save"]


@pytest.mark.parametrize("app", ["invite_code", "signals_demo_recorder", "tests"])
def test_an_app_can_be_asked_for(connect, app):
    connect(partial(listen), parcel_lost, weak=False)
    found = [name for names in listed(app=[app]).values() for name in names]
    package = app.replace("demo_recorder", "demo.recorder")
    assert all(name.startswith((f"{package}.", "partial(tests.")) for name in found)
    assert (f"partial({HERE}.listen)" in found) is (app == "tests")
    assert bool(found) is (app != "signals_demo_recorder")


def test_the_dead_can_be_asked_for(connect):
    parcel_lost.connect(lambda sender, **kwargs: None)
    connect(listen, parcel_found)
    found = run(dead=True)
    assert "<lambda>\n    for any sender, weak, DEAD\n" in found
    assert f"{HERE}.listen\n" not in found
    assert re.search(r"^\d+ signals?, \d+ receivers?, \d+ of them dead\.$", found, re.M)
    assert f"{HERE}.parcel_lost" in listed(dead=True)
    remembered.clear()
    assert not parcel_lost.has_listeners()
    assert listed(dead=True, signal=["parcel_lost"]) == {}


def test_one_of_whom_nothing_is_known_is_there():
    parcel_lost.connect(lambda sender, **kwargs: None)
    before = remembered[:]
    remembered.clear()
    assert "  ?\n    for any sender, weak, DEAD\n" in run(signal=["parcel_lost"])
    remembered[:] = before[:-1]
    assert not parcel_lost.has_listeners()


def test_what_waits_for_its_sender_is_marked():
    from django.apps import apps

    post_save.connect(listen, sender="signals_demo.NoSuch")
    found = run(sender=["signals_demo.nosuch"])
    assert "for signals_demo.nosuch, weak, waiting for its sender" in found
    apps._pending_operations.pop(("signals_demo", "nosuch"))


def test_signals_and_the_dead_stand_out(connect):
    connect(listen, parcel_lost)
    stdout = StringIO()
    call_command("list_receivers", stdout=stdout, force_color=True)
    assert re.search(r"\x1b\[[\d;]+mdjango\.", stdout.getvalue())


def test_not_every_terminal_can_show_all(connect):
    connect(größer, parcel_lost)
    stdout = TextIOWrapper(BytesIO(), "ascii")
    call_command("list_receivers", signal=["parcel_lost"], stdout=stdout)
    stdout.seek(0)
    assert "gr\\xf6\\xdfer" in stdout.read()


def test_the_innermost_folder_of_the_path_counts(monkeypatch):
    monkeypatch.setattr(sys, "path", ["", "/a", "/a/lib", "/b"])
    assert list_receivers._shortened("/a/lib/shop.py:1") == "shop.py:1"
    assert list_receivers._shortened("/c/shop.py:1") == "/c/shop.py:1"


def test_no_check_keeps_it_from_running():
    assert list_receivers.Command.requires_system_checks == ()
