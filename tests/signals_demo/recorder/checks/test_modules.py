import importlib
import sys
import types

import pytest
from django.apps import apps
from django.db.models.signals import post_save
from django.test import modify_settings

from signals_demo.models import Topping
from signals_demo.recorder.checks.modules import check_homes, check_imports

CONNECTS = "from django.dispatch import receiver\n@receiver([])\ndef f(): pass\n"


@pytest.fixture
def app(tmp_path, monkeypatch):
    """Return what installs an app with some files, each with its source."""
    added = []

    def install(**sources):
        folder = tmp_path / "someshop"
        for name, source in {"__init__": "", **sources}.items():
            path = folder / f"{name.replace('__in__', '/')}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(source)
        importlib.invalidate_caches()
        monkeypatch.syspath_prepend(tmp_path)
        added.append(modify_settings(INSTALLED_APPS={"append": "someshop"}))
        added[-1].enable()
        return apps.get_app_config("someshop")

    yield install
    for each in added:
        each.disable()
    for name in [*sys.modules]:
        if name.partition(".")[0] == "someshop":
            del sys.modules[name]


@pytest.mark.parametrize(
    "name", ["signals", "receivers", "handlers", "signal_handlers", "listeners"]
)
def test_W006_a_module_that_nothing_imports_is_found(app, name, tmp_path):
    app(**{name: CONNECTS})
    (found,) = check_imports(None)
    assert (found.id, found.obj) == ("signals_demo.W006", f"someshop.{name}")
    assert found.msg.startswith("Nothing has imported it by now, so none of its")
    assert str(tmp_path / "someshop" / f"{name}.py") in found.msg
    assert found.hint == f"Import it in ready() of AppConfig: import someshop.{name}."
    assert f"someshop.{name}" not in sys.modules


def test_W006_one_that_is_imported_is_fine(app):
    app(signals=CONNECTS)
    importlib.import_module("someshop.signals")
    assert check_imports(None) == []


def test_W006_nor_is_one_that_is_imported_by_another_name(app, monkeypatch):
    config = app(shop_signals="", signals=CONNECTS)
    monkeypatch.syspath_prepend(config.path)
    module = importlib.import_module("shop_signals")
    monkeypatch.delitem(sys.modules, "shop_signals")
    assert len(check_imports(None)) == 1
    module.__file__ = f"{config.path}/signals.py"
    monkeypatch.setitem(sys.modules, "signals", module)
    assert check_imports(None) == []


@pytest.mark.parametrize(
    "source", ["", "order_paid = object()", "def", "from os import path\npath.join()"]
)
def test_W006_one_without_receivers_is_fine(app, source):
    app(signals=source)
    assert check_imports(None) == []


def test_W006_a_package_of_that_name_is_looked_into(app):
    app(signals__in____init__="", signals__in__stock=CONNECTS, models="")
    assert [each.obj for each in check_imports(None)] == ["someshop.signals.stock"]


@pytest.mark.parametrize("name", ["tests", "test_stock", "conftest"])
def test_W006_its_tests_are_imported_by_whoever_runs_them(app, name):
    app(**{"signals__in____init__": "", f"signals__in__{name}": CONNECTS})
    assert check_imports(None) == []


def test_W006_what_is_no_source_is_left_alone(app, tmp_path):
    app()
    (tmp_path / "someshop" / "signals").mkdir()
    (tmp_path / "someshop" / "handlers.pyc").write_bytes(b"x")
    importlib.invalidate_caches()
    assert check_imports(None) == []


def test_W006_a_file_that_cannot_be_read_is_left_alone(app, tmp_path):
    app(signals="")
    path = tmp_path / "someshop" / "signals.py"
    path.unlink()
    path.symlink_to(tmp_path / "nowhere.py")
    importlib.invalidate_caches()
    assert check_imports(None) == []


def test_W006_no_code_of_another_module_runs(app, monkeypatch):
    class Lazy(types.ModuleType):
        @property
        def __dict__(self):
            raise ImportError("no such extra")

    app(signals=CONNECTS)
    monkeypatch.setitem(sys.modules, "lazy", Lazy("lazy"))
    assert len(check_imports(None)) == 1


def test_W006_apps_can_be_asked_alone(app):
    config = app(signals=CONNECTS)
    assert check_imports([apps.get_app_config("auth")]) == []
    assert len(check_imports([config])) == 1


def test_W006_an_app_may_be_a_single_module(tmp_path, monkeypatch):
    (tmp_path / "tinyshop.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    config = apps.get_app_config("auth")
    monkeypatch.setattr(config, "module", importlib.import_module("tinyshop"))
    assert check_imports([config]) == []
    del sys.modules["tinyshop"]


@pytest.mark.parametrize("home", ["signals_demo", "signals_demo.models"])
def test_I003_receivers_have_a_module_of_their_own(connect, home):
    def listen(sender, **kwargs):
        pass

    listen.__module__ = home
    connect(listen, post_save, sender=Topping)
    (found,) = check_homes([apps.get_app_config("signals_demo")])
    assert found.id == "signals_demo.I003"
    assert f"This receiver of post_save is in {home} (" in found.msg


@pytest.mark.parametrize("home", ["signals_demo.signals", "django.contrib.auth.models"])
def test_I003_others_are_fine(connect, home):
    def listen(sender, **kwargs):
        pass

    listen.__module__ = home
    connect(listen, post_save, sender=Topping)
    assert check_homes(None) == []
