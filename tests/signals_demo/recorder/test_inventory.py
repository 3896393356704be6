import gc
import importlib
import sys
from functools import partial
from types import ModuleType

import django
import pytest
from django.core.signals import request_started
from django.db.models.signals import post_save
from django.dispatch import Signal

from signals_demo import catalog
from signals_demo.models import Topping
from signals_demo.recorder import inventory
from signals_demo.recorder.inventory import connections, signal_name, signals

order_paid = Signal()
HERE = __name__


def listen(sender, **kwargs):
    pass


async def listen_later(sender, **kwargs):
    pass


class Listener:
    def __call__(self, sender, **kwargs):
        pass

    def hear(self, sender, **kwargs):
        pass


listener = Listener()


def made(signal=order_paid):
    """Return the connections of a signal."""
    name = signal_name(signal)
    return [each for each in connections() if each.signal == name]


@pytest.mark.parametrize("builtin", catalog.signals(), ids=lambda each: each.name)
def test_signals_of_django_have_their_names(builtin):
    signal = builtin.load()
    name = signal_name(signal)
    # It is documented where it is imported, not where it is defined.
    setting_changed = "django.core.signals.setting_changed"
    assert name in (builtin.path, setting_changed)
    assert (name == setting_changed) == (builtin.name == "setting_changed")
    assert any(each is signal for each in signals())


def test_a_custom_signal_has_the_name_of_its_attribute():
    assert signal_name(order_paid) == f"{HERE}.order_paid"
    assert any(each is order_paid for each in signals())


def test_one_that_no_module_holds_has_a_number():
    signal = Signal()
    assert signal_name(signal) == f"django.dispatch.dispatcher.Signal#{id(signal):x}"


def test_it_is_named_where_it_is_defined_and_not_where_it_is_imported(
    tmp_path, monkeypatch
):
    # As if the module that imports it had been imported first.
    (tmp_path / "importing_it.py").write_text("from defining_it import restocked\n")
    (tmp_path / "defining_it.py").write_text(
        "from django.dispatch import Signal\n\nrestocked: Signal = Signal()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("importing_it")
    assert signal_name(module.restocked) == "defining_it.restocked"
    for name in ("importing_it", "defining_it"):
        monkeypatch.delitem(sys.modules, name)


def test_where_no_source_defines_it_the_first_name_counts(monkeypatch):
    signal, first, second = Signal(), ModuleType("shop_a"), ModuleType("shop_b")
    for module in (first, second):
        module.restocked = signal
        monkeypatch.setitem(sys.modules, module.__name__, module)
    assert signal_name(signal) == "shop_a.restocked"


def test_what_stands_in_for_a_module_does_no_harm(monkeypatch):
    class Odd:
        __slots__ = ()

    class Proxy(ModuleType):
        @property
        def __dict__(self):
            return ()

    monkeypatch.setitem(sys.modules, "odd", Odd())
    monkeypatch.setitem(sys.modules, "proxy", Proxy("proxy"))
    assert "#" in signal_name(Signal())


def test_a_name_is_forgotten_with_its_signal():
    signal = Signal()
    key = id(signal)
    signal_name(signal)
    assert signal_name(signal) == inventory._names[key][1]
    del signal
    gc.collect()
    assert key not in inventory._names


def test_a_name_is_not_that_of_another_signal_at_the_same_place():
    signal = Signal()
    inventory._names[id(signal)] = inventory._names[id(order_paid)]
    assert signal_name(signal) != signal_name(order_paid)


@pytest.mark.parametrize(
    ("receiver", "name"),
    [
        (listen, f"{HERE}.listen"),
        (listen_later, f"{HERE}.listen_later"),
        (listener.hear, f"{HERE}.Listener.hear"),
        (listener, f"{HERE}.Listener instance"),
        (partial(listen, reason=1), f"partial({HERE}.listen)"),
        (lambda sender, **kwargs: None, f"{HERE}.<lambda>"),
    ],
)
@pytest.mark.parametrize("weak", [True, False])
def test_a_connection_is_described(connect, receiver, name, weak):
    connect(receiver, order_paid, weak=weak)
    (each,) = made()
    assert (each.name, each.receiver) == (name, receiver)
    assert (each.sender, each.sender_id, each.uid) == (None, None, None)
    assert (each.is_weak, each.is_alive) == (weak, True)
    assert each.is_async is (receiver is listen_later)


@pytest.mark.parametrize("uid", ["x", 5, (1, 2), (1, 2, 3), ("a", 1), frozenset("x")])
def test_a_dispatch_uid_is_told_from_what_django_makes(connect, uid):
    connect(listen, order_paid, dispatch_uid=uid)
    (each,) = made()
    assert each.uid == each.key == uid


def test_the_dead_are_there_until_django_looks_again():
    signal, alive = Signal(), Listener()
    signal.connect(alive)
    signal.connect(alive.hear)
    signal.connect(alive, dispatch_uid="x")
    signal.connect(alive, dispatch_uid=(1, 2, 3))
    del alive
    dead = made(signal)
    assert [each.uid for each in dead] == [None, None, "x", (1, 2, 3)]
    assert not any(each.is_alive or each.name for each in dead)
    assert not signal.has_listeners()
    assert made(signal) == []


def test_senders_are_models_configurations_and_others(connect):
    from django.apps import apps
    from django.contrib import auth

    senders = {
        Topping: "signals_demo.Topping",
        apps.get_app_config("auth"): "AppConfig auth",
        type(None): "NoneType",
        auth.__name__: "django.contrib.auth",
    }
    for sender in senders:
        connect(listen, order_paid, sender=sender)
    assert [each.sender for each in made()] == list(senders.values())
    assert [each.sender_id for each in made()] == list(map(id, senders))


def test_a_lazy_sender_is_the_model_that_it_became(connect):
    connect(listen, post_save, sender="signals_demo.Topping")
    ours = [each.sender for each in made(post_save) if each.receiver is listen]
    assert ours == ["signals_demo.Topping"]


def test_other_senders_are_known_if_django_refers_to_them(connect):
    connect(listen, request_started, sender=Listener)
    (ours,) = [each for each in made(request_started) if each.receiver is listen]
    known = django.VERSION >= (6, 0)
    assert ours.sender == (f"{HERE}.Listener" if known else inventory.UNKNOWN)


def test_before_apps_are_loaded_senders_are_unknown(connect, monkeypatch):
    connect(listen, order_paid, sender="signals_demo")
    monkeypatch.setattr("django.apps.apps.ready", False)
    assert [each.sender for each in made()] == [inventory.UNKNOWN]


def test_auth_need_not_be_there(connect, monkeypatch):
    monkeypatch.delitem(sys.modules, "django.contrib.auth")
    connect(listen, order_paid, sender=Topping)
    assert [each.sender for each in made()] == ["signals_demo.Topping"]
