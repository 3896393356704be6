import re
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from django.apps import apps
from django.conf import settings
from django.core.checks import registry, run_checks
from django.db.models.signals import m2m_changed, post_init, post_save
from django.dispatch import Signal

from signals_demo.models import Pizza
from signals_demo.recorder.checks.connected import CHECKS, check_receivers
from signals_demo.recorder.checks.deployment import check_explorer
from signals_demo.recorder.checks.modules import check_homes, check_imports

order_paid = Signal()
HERE = __name__
PACKAGE = check_receivers.__module__.rpartition(".")[0]
FOLDER = Path(import_module(PACKAGE).__path__[0])
SOURCES = [path.read_text() for path in FOLDER.glob("*.py")]
IDS = [each for source in SOURCES for each in re.findall(r'id="(.*?)"', source)]
PAGE = (settings.BASE_DIR / "docs" / "signal-checks.md").read_text()


def narrow(sender):
    pass


def listen(sender, **kwargs):
    pass


def test_each_id_stands_for_one_mistake():
    assert len(IDS) == len(set(IDS)) > 15


@pytest.mark.parametrize("each", IDS)
def test_each_is_documented(each):
    assert f"| `{each}` |" in PAGE


def test_none_is_documented_that_does_not_exist():
    assert set(re.findall(r"\| `(signals_demo\.\w+)` \|", PAGE)) == set(IDS)


def test_the_project_makes_none_of_these_mistakes():
    tagged = [each for each in run_checks(tags=["signals"]) if "tests." not in each.obj]
    assert tagged == []


def test_those_of_taste_are_not_registered():
    registered = registry.registry.registered_checks
    assert {check_receivers, check_imports} <= registered
    assert check_homes not in registered
    assert check_explorer in registry.registry.deployment_checks


def test_all_checks_are_asked(connect):
    connect(narrow, order_paid)
    connect(listen, m2m_changed, sender=Pizza)
    connect(listen, post_init)
    found = {(each.id, each.obj) for each in check_receivers(None)}
    assert found >= {
        ("signals_demo.E001", f"{HERE}.narrow"),
        ("signals_demo.E003", f"{HERE}.listen"),
        ("signals_demo.W011", f"{HERE}.listen"),
    }


def test_all_that_are_written_are_asked():
    written = {
        value
        for name in ("receivers", "senders", "costs")
        for value in vars(import_module(f"{PACKAGE}.{name}")).values()
        if getattr(value, "__module__", "") == f"{PACKAGE}.{name}"
        and "connected" in getattr(value, "__annotations__", {})
        and not value.__name__.startswith("_")
    }
    assert set(CHECKS) == written


@pytest.mark.parametrize(("label", "count"), [("auth", 0), ("signals_demo", 1)])
def test_apps_can_be_asked_alone(connect, label, count, monkeypatch):
    monkeypatch.setattr(narrow, "__module__", "signals_demo.signals")
    connect(narrow, order_paid)
    connect(listen, post_init)
    found = check_receivers([apps.get_app_config(label)])
    assert len(found) == count


def test_nothing_is_sent(connect):
    heard = []  # Nor queried: this test may not.

    def hear(sender, **kwargs):
        heard.append(sender)

    connect(hear, post_init, post_save)
    run_checks(tags=["signals"])
    assert heard == []


def test_no_code_of_a_module_runs(connect, monkeypatch):
    class Lazy(ModuleType):
        @property
        def __dict__(self):
            raise ImportError("no such extra")

    lazy = Lazy("lazy")
    monkeypatch.setitem(sys.modules, lazy.__name__, lazy)
    monkeypatch.setattr(listen, "__module__", lazy.__name__)
    connect(listen, order_paid)
    connect(partial(listen), order_paid, weak=False)
    ours = [each for each in check_receivers(None) if "lazy." in str(each.obj)]
    assert not {"signals_demo.W001", "signals_demo.W005"} & {each.id for each in ours}
