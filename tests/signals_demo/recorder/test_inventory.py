import gc
import importlib
import inspect
import json
import sys
from functools import partial
from types import ModuleType

import django
import pytest
from django.apps import apps
from django.core.signals import request_started
from django.db.models.signals import ModelSignal, post_save
from django.dispatch import Signal

from signals_demo import catalog
from signals_demo.models import Topping
from signals_demo.recorder import inventory
from signals_demo.recorder.connecting import remembered
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


@pytest.fixture(autouse=True)
def as_before():
    """Forget what a test has connected."""
    before = remembered[:]
    yield
    remembered[:] = before


def made(signal=order_paid):
    """Return the connections of a signal."""
    return list(connections([signal]))


@pytest.mark.parametrize("builtin", catalog.signals(), ids=lambda each: each.name)
def test_signals_of_django_have_their_names(builtin):
    signal = builtin.load()
    name = signal_name(signal)
    # It is documented where it is imported, not where it is defined.
    setting_changed = "django.core.signals.setting_changed"
    assert name in (builtin.path, setting_changed)
    assert (name == setting_changed) == (builtin.name == "setting_changed")
    assert any(each is signal for each in signals())


@pytest.fixture(autouse=True)
def nothing_is_frozen():
    """Search through all there is, as in most processes."""
    gc.unfreeze()
    yield
    gc.freeze()


def test_what_a_server_has_frozen_is_found_too(connect, monkeypatch):
    frozen = Signal()
    connect(listen, frozen)
    monkeypatch.setitem(sys.modules, "shop_a", ModuleType("shop_a"))
    gc.freeze()
    monkeypatch.setattr(gc, "get_freeze_count", pytest.fail)  # It takes long.
    found = [*map(id, signals())]
    assert {id(order_paid), id(post_save), id(frozen)} <= {*found}
    new = sys.modules["shop_a"].new = Signal()
    connect(listen, new, post_save)
    found = [*map(id, signals())]
    assert [found.count(id(each)) for each in (frozen, new, post_save)] == [1, 1, 1]
    assert [each.name for each in made(frozen)] == [f"{HERE}.listen"]


class Hasty(Signal):
    def __init__(self):
        """Leave out what Django's does."""


def test_a_signal_may_have_no_receivers_at_all():
    assert made(Hasty()) == []


def test_what_is_no_entry_of_django_is_left_alone():
    signal = Signal()
    signal.connect(listen, sender=Listener)
    (entry,) = signal.receivers
    odd = [None, (), (listen, "first"), (1, listen, True), ((1,), listen, True)]
    signal.receivers += [*odd, (entry[0], listen, 5, True)]
    assert [each.receiver for each in made(signal)] == [listen, listen]
    assert [each.name for each in made(signal)] == [f"{HERE}.listen"] * 2


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


def test_modules_are_searched_again_only_if_they_have_changed(monkeypatch):
    module = ModuleType("shop_a")
    module.restocked = Signal()
    monkeypatch.setitem(sys.modules, "shop_a", module)
    assert signal_name(module.restocked) == "shop_a.restocked"
    with monkeypatch.context() as patches:
        patches.setattr(inventory, "_search", pytest.fail)
        assert "#" in signal_name(Signal())
    module.restocked = Signal()
    assert signal_name(module.restocked) == "shop_a.restocked"
    module.returned = Signal()
    assert signal_name(module.returned) == "shop_a.returned"


def test_what_stands_in_for_a_module_does_no_harm(monkeypatch):
    class Odd:
        __slots__ = ()

    class Proxy(ModuleType):
        @property
        def __dict__(self):
            raise ImportError("no such extra")

    class Holder:
        __name__ = "holder"

        def __init__(self):
            self.restocked = Signal()

    holder = Holder()
    monkeypatch.setitem(sys.modules, "odd", Odd())
    monkeypatch.setitem(sys.modules, "proxy", Proxy("proxy"))
    monkeypatch.setitem(sys.modules, "holder", holder)
    assert "#" in signal_name(Signal())
    assert signal_name(holder.restocked) == "holder.restocked"


def test_a_name_is_forgotten_with_its_signal():
    signal = Signal()
    key = id(signal)
    signal_name(signal)
    assert signal_name(signal) == inventory.known_names[key][1]
    del signal
    gc.collect()
    assert key not in inventory.known_names


def test_a_name_is_not_that_of_another_signal_at_the_same_place():
    signal = Signal()
    inventory.known_names[id(signal)] = inventory.known_names[id(order_paid)]
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


def test_other_senders_are_known_by_what_they_were_connected_with(connect):
    connect(listen, request_started, sender=Listener)
    (ours,) = [each for each in made(request_started) if each.receiver is listen]
    assert ours.sender == f"{HERE}.Listener"


def test_other_senders_that_nobody_named_are_known_if_django_refers_to_them(connect):
    connect(listen, request_started, sender=Listener)
    remembered.clear()
    (ours,) = [each for each in made(request_started) if each.receiver is listen]
    known = django.VERSION >= (6, 0)
    assert ours.sender == (f"{HERE}.Listener" if known else inventory.UNKNOWN)


def test_before_apps_are_loaded_senders_are_unknown(connect, monkeypatch):
    connect(listen, order_paid, sender="signals_demo")
    monkeypatch.setattr("django.apps.apps.ready", False)
    assert [each.sender for each in made()] == ["signals_demo"]
    remembered.clear()
    assert [each.sender for each in made()] == [inventory.UNKNOWN]


def test_who_connected_is_looked_through_once_for_all_senders(connect, monkeypatch):
    searches = []
    search = inventory.origins

    def origins():
        searches.append(len(remembered))
        return search()

    monkeypatch.setattr(inventory, "origins", origins)
    for sender in (Listener, Hasty, listener):
        connect(listen, order_paid, sender=sender)
    described = {each.sender for each in made()}
    assert {f"{HERE}.Listener", f"{HERE}.Hasty"} < described
    assert len(searches) <= 1  # None, where Django keeps a reference to the sender.


def test_auth_need_not_be_there(connect, monkeypatch):
    monkeypatch.delitem(sys.modules, "django.contrib.auth")
    connect(listen, order_paid, sender=Topping)
    assert [each.sender for each in made()] == ["signals_demo.Topping"]


@pytest.mark.parametrize("builtin", catalog.signals(), ids=lambda each: each.name)
def test_signals_of_django_have_their_documentation(builtin):
    name = signal_name(builtin.load())
    assert inventory.is_builtin(name)
    assert inventory.documentation(name) == builtin.docs


def test_others_have_none():
    assert not inventory.is_builtin(f"{HERE}.order_paid")
    assert inventory.documentation(f"{HERE}.order_paid") is None


def data(signal=order_paid, **options):
    """Return what is said of the receivers of a signal."""
    all_signals = inventory.as_data(**options)
    assert json.loads(json.dumps(all_signals)) == all_signals
    names = [each["signal"] for each in all_signals]
    assert names == sorted(names)
    (found,) = [each for each in all_signals if each["signal"] == signal_name(signal)]
    return found


def test_signals_without_receivers_are_listed():
    assert data() == {
        "signal": f"{HERE}.order_paid",
        "builtin": False,
        "documentation": None,
        "receivers": [],
    }


def test_signals_of_django_are_marked():
    found = data(post_save)
    assert found["builtin"]
    assert found["documentation"].endswith("#django.db.models.signals.post_save")


@pytest.mark.parametrize("weak", [True, False])
def test_a_receiver_is_listed_with_all_that_is_known(connect, weak):
    connect(listen_later, order_paid, sender=Topping, weak=weak, dispatch_uid="x")
    (found,) = data()["receivers"]
    assert "conftest.py:" in found.pop("connected_at")
    assert found == {
        "name": f"{HERE}.listen_later",
        "place": f"{__file__}:{listen_later.__code__.co_firstlineno}",
        "sender": "signals_demo.Topping",
        "uid": "x",
        "weak": weak,
        "async": True,
        "alive": True,
        "waiting": False,
    }


def test_it_is_told_who_connected_it():
    line = inspect.currentframe().f_lineno + 1
    order_paid.connect(listen)
    (found,) = data()["receivers"]
    order_paid.disconnect(listen)
    assert found["connected_at"] == f"{__file__}:{line}"


def test_of_what_was_connected_before_nobody_knows_who_did(connect):
    connect(listen, order_paid)
    remembered.clear()
    assert [each["connected_at"] for each in data()["receivers"]] == [None]


def test_receivers_are_in_the_order_of_their_calls(connect):
    for each in (listener.hear, listen, listener):
        connect(each, order_paid)
    assert [each["name"].rpartition(".")[2] for each in data()["receivers"]] == [
        *("hear", "listen", "Listener instance")
    ]


@pytest.mark.parametrize(
    ("uid", "text"),
    [
        (("shop", 5), "(shop, 5)"),
        (5, "5"),
        ("Bearer abcdefgh", "********"),
        ("a\nb", "a\N{REPLACEMENT CHARACTER}b"),
        (Listener, f"{HERE}.Listener"),
    ],
)
def test_a_uid_is_a_harmless_text(connect, uid, text):
    connect(listen, order_paid, dispatch_uid=uid)
    assert [each["uid"] for each in data()["receivers"]] == [text]


def test_a_uid_need_not_be_hashable(connect):
    connect(listen, order_paid, dispatch_uid=["x"])
    (found,) = data()["receivers"]
    assert found["uid"] == "(x)"
    assert found["connected_at"]


def test_names_and_places_are_harmless(connect):
    def odd(sender, **kwargs):
        pass

    odd.__qualname__ = "\x1b[31m"
    odd.__code__ = odd.__code__.replace(co_filename=f"/{'x' * 300}/\n.py")
    connect(odd, order_paid)
    (found,) = data()["receivers"]
    assert "\x1b" not in found["name"]
    assert len(found["place"]) == 200
    assert found["place"].startswith("…x")
    assert found["place"].endswith(f"�.py:{odd.__code__.co_firstlineno}")


def test_the_dead_are_known_by_who_connected_them():
    order_paid.connect(lambda sender, **kwargs: None)
    (found,) = data()["receivers"]
    assert (found["name"], found["alive"]) == (
        *(f"{HERE}.test_the_dead_are_known_by_who_connected_them.<locals>.<lambda>",),
        False,
    )
    assert found["place"].startswith(__file__)
    remembered.clear()
    (found,) = data()["receivers"]
    assert (found["name"], found["place"], found["alive"]) == ("", "", False)
    assert not order_paid.has_listeners()


def test_the_dead_that_django_has_forgotten_are_listed_if_asked_for(connect):
    order_paid.connect(lambda sender, **kwargs: None, sender=Topping)
    Signal().connect(lambda sender, **kwargs: None)
    connect(listen, order_paid)
    assert [each["alive"] for each in data()["receivers"]] == [True]
    found = data(forgotten=True)["receivers"]
    assert [each["alive"] for each in found] == [True, False]
    assert found[1]["name"].endswith("<lambda>")
    assert (found[1]["sender"], found[1]["weak"]) == ("signals_demo.Topping", True)
    assert found[1]["connected_at"].startswith(__file__)


def test_the_dead_are_listed_once():
    order_paid.connect(lambda sender, **kwargs: None)
    assert len(data(forgotten=True)["receivers"]) == 1
    assert not order_paid.has_listeners()


def test_the_first_of_several_counts_and_not_a_dead_one():
    remembered.clear()
    order_paid.connect(listen, dispatch_uid="x")
    order_paid.connect(listener, dispatch_uid="x")
    (call,) = inventory.origins().values()
    assert call.receiver == f"{HERE}.listen"
    order_paid.disconnect(dispatch_uid="x")
    remembered.clear()
    dead = Listener()
    order_paid.connect(dead, dispatch_uid="x")
    del dead
    order_paid.connect(listen, dispatch_uid="x")
    (call,) = inventory.origins().values()
    assert call.receiver == f"{HERE}.listen"
    order_paid.disconnect(dispatch_uid="x")


@pytest.fixture
def pending():
    """Forget what waits for a model that never comes."""
    yield
    apps._pending_operations.pop(("signals_demo", "nosuch"), None)


@pytest.mark.parametrize("receiver", [listen, listen_later, listener.hear])
@pytest.mark.usefixtures("pending")
def test_what_waits_for_its_sender_is_listed(receiver):
    post_save.connect(
        receiver, sender="signals_demo.NoSuch", weak=False, dispatch_uid="x"
    )
    post_save.disconnect(receiver, sender="signals_demo.NoSuch", dispatch_uid="x")
    (found,) = [each for each in data(post_save)["receivers"] if each["waiting"]]
    assert found["name"].startswith(f"{HERE}.")
    assert found["sender"] == "signals_demo.nosuch"
    assert (found["uid"], found["weak"], found["alive"]) == ("x", False, True)
    assert found["async"] is (receiver is listen_later)


@pytest.mark.usefixtures("pending")
def test_some_signals_can_be_listed_alone(connect):
    connect(listen, order_paid)
    post_save.connect(listen, sender="signals_demo.NoSuch")
    (listed,) = inventory.as_data([order_paid])
    assert listed == data()
    (listed,) = inventory.as_data([post_save])
    assert listed == data(post_save)


@pytest.mark.usefixtures("pending")
def test_so_it_is_where_django_connects_by_itself(monkeypatch):
    lazy_method = inspect.unwrap(ModelSignal._lazy_method)
    monkeypatch.setattr(ModelSignal, "_lazy_method", lazy_method)
    post_save.connect(listen, sender="signals_demo.NoSuch")
    (found,) = inventory.waiting()
    assert (found.receiver, found.uid, found.is_weak) == (listen, None, True)


@pytest.mark.usefixtures("pending")
def test_others_may_wait_too():
    apps.lazy_model_operation(lambda model: None, ("signals_demo", "nosuch"))
    apps.lazy_model_operation(partial(print, "x"), ("signals_demo", "nosuch"))
    assert list(inventory.waiting()) == []
