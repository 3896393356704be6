import gc
import inspect
import weakref

import pytest
from django.apps import apps
from django.core.checks.model_checks import _check_lazy_references
from django.db import models
from django.db.models.signals import ModelSignal, post_save
from django.dispatch import Signal, receiver
from django.test.utils import isolate_apps

from signals_demo.recorder import connecting
from signals_demo.recorder.connecting import remembered, watch

order_paid = Signal()
HERE = __name__
DJANGO = {
    Signal: ("connect", "disconnect"),
    ModelSignal: ("_lazy_method",),
}


@pytest.fixture(autouse=True)
def nothing_remembered(connect):
    remembered.clear()


@pytest.fixture(params=["watched", "as Django is"])
def signal(request, monkeypatch):
    """Return a signal with and without being watched."""
    if request.param != "watched":
        for kind, names in DJANGO.items():
            for name in names:
                method = inspect.unwrap(getattr(kind, name))
                monkeypatch.setattr(kind, name, method)
    return Signal()


def listen(sender, **kwargs):
    return "heard"


class Ordered(models.Model):
    class Meta:
        abstract = True
        app_label = "signals_demo"


class Listener:
    def hear(self, sender, **kwargs):
        return "heard"


def line(below):
    """Return file and number of a line below the one that asks."""
    frame = inspect.currentframe().f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno + below}"


def test_what_is_connected_is_remembered():
    here = line(1)
    order_paid.connect(listen, Listener, weak=False, dispatch_uid="x")
    there = line(1)
    order_paid.disconnect(sender=Listener, dispatch_uid="x")
    (each,) = remembered
    assert each.signal == f"{HERE}.order_paid"
    assert each.receiver == f"{HERE}.listen"
    assert each.place == f"{__file__}:{listen.__code__.co_firstlineno}"
    assert each.sender == f"{HERE}.Listener"
    assert (each.is_weak, each.models_ready, each.is_dead) == (False, True, False)
    assert (each.caller, each.disconnected_at) == (here, there)


def test_the_decorator_tells_its_own_line():
    @receiver(order_paid)
    def decorated(sender, **kwargs):
        pass

    place = f"{__file__}:{decorated.__code__.co_firstlineno}"
    assert [each.caller for each in remembered] == [place]
    order_paid.disconnect(decorated)


def test_only_the_connection_that_ended_is_struck_off():
    listeners = Listener(), Listener()
    for each in listeners:
        order_paid.connect(each.hear)
        order_paid.connect(each.hear, sender=each)
    assert not order_paid.disconnect(listen)
    order_paid.disconnect(listeners[0].hear, sender=listeners[0])
    assert [bool(each.disconnected_at) for each in remembered] == [
        *(False, True, False, False)
    ]
    order_paid.disconnect(listeners[0].hear)
    order_paid.disconnect(listeners[1].hear)
    order_paid.disconnect(listeners[1].hear, sender=listeners[1])
    assert all(each.disconnected_at for each in remembered)


def test_to_connect_looks_for_no_name(monkeypatch):
    signal, gone = Signal(), Signal()
    with monkeypatch.context() as patches:
        patches.setattr(connecting, "signal_name", pytest.fail)
        for each in (signal, gone):
            # Before Django 6.1, a receiver that is held weakly keeps the signal.
            each.connect(listen, weak=False)
        signal.disconnect(listen)
    del gone, each
    gc.collect()
    assert remembered[0].signal.endswith(f"Signal#{id(signal):x}")
    assert remembered[1].signal == "a signal that has gone"
    assert [bool(each.disconnected_at) for each in remembered] == [True, False]


def test_a_uid_need_not_be_hashable():
    uid = ["x"]
    order_paid.connect(listen, dispatch_uid=uid)
    order_paid.disconnect(dispatch_uid=uid)
    assert remembered[0].disconnected_at


def test_what_nobody_holds_dies_and_is_known_to_be_dead():
    order_paid.connect(lambda sender, **kwargs: None)
    order_paid.connect(Listener().hear)
    gc.collect()
    assert [each.is_dead for each in remembered] == [True, True]
    assert order_paid.send(None) == []


def test_the_oldest_are_forgotten(monkeypatch):
    monkeypatch.setattr(connecting, "MAX_REMEMBERED", 2)
    for uid in "abc":
        order_paid.connect(listen, dispatch_uid=uid)
        order_paid.disconnect(dispatch_uid=uid)
    assert len(remembered) == 2


def test_what_was_disconnected_is_forgotten_first(monkeypatch, connect):
    monkeypatch.setattr(connecting, "MAX_REMEMBERED", 2)
    connect(listen, order_paid)
    for uid in "abc":
        order_paid.connect(listen, Listener, dispatch_uid=uid)
        order_paid.disconnect(sender=Listener, dispatch_uid=uid)
    assert [each.sender for each in remembered] == [None, f"{HERE}.Listener"]
    for uid in "de":
        connect(listen, order_paid, dispatch_uid=uid)
    # Where none was, it is the oldest.
    assert [each.key for each in remembered] == [
        connecting._key(listen, None, uid) for uid in "de"
    ]


def test_results_are_those_of_django(signal):
    assert signal.connect(listen) is None
    assert signal.connect(listen, None, True, "x") is None
    assert signal.send(None) == [(listen, "heard"), (listen, "heard")]
    assert signal.connect(listen, dispatch_uid="x") is None
    assert signal.disconnect(listen) is True
    assert signal.disconnect(None, None, "x") is True
    assert signal.disconnect(listen) is False
    assert signal.receivers == []


def test_errors_are_those_of_django(signal, settings):
    settings.DEBUG = True
    with pytest.raises(TypeError, match="must be callable"):
        signal.connect(None)
    with pytest.raises(ValueError, match="must accept keyword arguments"):
        signal.connect(lambda: None)
    with pytest.raises(TypeError):
        signal.connect()
    assert remembered == []


@pytest.mark.parametrize("weak", [True, False])
def test_objects_die_as_they_do_in_django(signal, weak):
    listener, uid, sender = Listener(), Listener(), Listener()
    held = [weakref.ref(each) for each in (listener, uid, sender)]
    signal.connect(listener.hear, sender, weak, uid)
    del sender
    gc.collect()
    assert held[2]() is None
    if not weak:
        signal.disconnect(dispatch_uid=uid, sender=held[2]())
        signal.receivers.clear()
    del listener, uid
    gc.collect()
    signal.has_listeners()
    signal.connect(listen)
    signal.disconnect(listen)
    assert [each() for each in held] == [None, None, None]


def test_signatures_are_those_of_django():
    for kind, names in DJANGO.items():
        for name in names:
            method = vars(kind)[name]
            original = method.__wrapped__
            assert original.__module__.startswith("django.")
            assert inspect.signature(method) == inspect.signature(original)


@isolate_apps("signals_demo")
def test_a_lazy_sender_is_connected_when_it_comes():
    local = models.base.Options.default_apps
    remembered.clear()  # Apps have been loaded for the test.
    here = line(1)
    post_save.connect(listen, sender="signals_demo.Lazy", apps=local)
    assert remembered == []

    class Lazy(models.Model):
        class Meta:
            app_label = "signals_demo"

    assert post_save.has_listeners(Lazy)
    there = line(1)
    assert post_save.disconnect(listen, sender="signals_demo.Lazy", apps=local) is None
    (each,) = remembered
    assert (each.sender, each.caller) == ("signals_demo.Lazy", here)
    assert each.disconnected_at == there


def test_a_lazy_sender_that_never_comes_is_still_found_by_the_check():
    post_save.connect(listen, sender="signals_demo.NoSuch")
    try:
        errors = _check_lazy_references(apps)
        assert [error.id for error in errors] == ["signals.E001"]
        assert "listen' was connected to the 'post_save' signal" in errors[0].msg
    finally:
        apps._pending_operations.pop(("signals_demo", "nosuch"))


@pytest.mark.parametrize("base", [models.Model, Ordered])
@isolate_apps("signals_demo")
def test_a_model_may_connect_while_it_is_being_made(connect, base):
    class Connecting:
        def __init_subclass__(cls, **kwargs):
            super().__init_subclass__(**kwargs)
            connect(listen, post_save, sender=cls)

    remembered.clear()  # Apps have been loaded for the test.

    class Order(Connecting, base):
        class Meta:
            app_label = "signals_demo"

    assert post_save.has_listeners(Order)
    (each,) = remembered
    assert each.sender.startswith(HERE)
    assert each.sender.endswith(".Order")
    assert each.sender_unready


def test_to_watch_twice_is_as_good_as_once():
    before = Signal.connect
    watch()
    assert Signal.connect is before
