import gc
import inspect
from functools import partial

import pytest
from django.db.models.signals import post_save
from django.dispatch import Signal

from signals_demo.models import Topping
from signals_demo.recorder.checks import weakness
from signals_demo.recorder.checks.weakness import dying
from signals_demo.recorder.connecting import remembered
from signals_demo.recorder.inventory import connections

HERE = __name__
order_paid = Signal()


def listen(sender, **kwargs):
    pass


class Listener:
    def __call__(self, sender, **kwargs):
        pass

    def hear(self, sender, **kwargs):
        pass


class Registry:
    """An app that holds its receivers itself."""

    def __init__(self):
        self.listener = Listener()
        self.receivers = [
            lambda sender, **kwargs: None,
            partial(listen),
            self.listener,
            self.listener.hear,
        ]

    def connect(self, signal):
        for receiver in self.receivers:
            signal.connect(receiver)


def connect_local(signal, **options):
    def local(sender, **kwargs):
        pass

    signal.connect(local, **options)


def names():
    return [message.obj for message in dying() if HERE in message.obj]


@pytest.fixture(autouse=True)
def nothing_remembered(connect):
    remembered.clear()
    order_paid.receivers = []
    yield
    order_paid.receivers = []


@pytest.fixture(params=[True, False], ids=["DEBUG", "not DEBUG"])
def debug(request, settings):
    settings.DEBUG = request.param
    return request.param


def test_a_local_function_is_found(debug):
    connect_local(order_paid)
    line = connect_local.__code__.co_firstlineno
    assert order_paid.has_listeners() is debug
    (found,) = [message for message in dying() if HERE in message.obj]
    assert found.id == "signals_demo.W001"
    assert found.obj == f"{HERE}.connect_local.<locals>.local"
    assert ("while DEBUG is on" in found.msg) is debug
    assert ("it has died" in found.msg) is not debug
    assert f"({__file__}:{line + 1})" in found.msg
    assert f"It was connected at {__file__}:{line + 4}." in found.msg
    assert not order_paid.has_listeners()


def test_one_line_is_said_once():
    order_paid.connect(lambda sender, **kwargs: None)
    (found,) = [message for message in dying() if HERE in message.obj]
    assert found.msg.count(__file__) == 1


def test_it_is_found_by_each_check(debug):
    connect_local(order_paid)
    assert names() == names() == [f"{HERE}.connect_local.<locals>.local"]


def test_one_that_is_held_is_fine(debug):
    registry = Registry()
    order_paid.connect(listen)
    connect_local(order_paid, weak=False)
    registry.connect(order_paid)
    assert names() == []
    assert len(order_paid.receivers) == 6
    assert all(each.is_alive for each in connections() if HERE in each.signal)


@pytest.mark.parametrize(
    "make",
    [
        lambda: lambda sender, **kwargs: None,
        lambda: partial(listen),
        Listener,
        lambda: Listener().hear,
    ],
    ids=["lambda", "partial", "instance", "method"],
)
def test_so_is_what_else_may_be_made_on_the_way(debug, make):
    order_paid.connect(make())
    assert len(names()) == 1


@pytest.mark.parametrize("disconnected", [True, False])
def test_one_that_was_disconnected_has_done_its_duty(debug, disconnected):
    listener = Listener()
    order_paid.connect(listener.hear)
    if disconnected:
        order_paid.disconnect(listener.hear)
    del listener
    assert bool(names()) is not disconnected


def test_one_whose_signal_has_gone_too_is_not_missed(debug):
    connect_local(Signal())
    gc.collect()
    assert names() == []


def test_what_connected_before_we_looked_is_found_too(settings):
    settings.DEBUG = True
    connect_local(order_paid)
    remembered.clear()
    (found,) = [message for message in dying() if HERE in message.obj]
    assert "It was connected at" not in found.msg


def test_django_knows_what_it_does(debug, monkeypatch):
    def local(sender, **kwargs):
        pass

    local.__module__ = "django.shop"
    order_paid.connect(local)
    del local
    assert [message for message in dying() if "django.shop" in message.obj] == []


@pytest.mark.parametrize("doubtful", [True, False])
def test_nothing_is_cleared_without_need(settings, monkeypatch, doubtful):
    cleared = []
    monkeypatch.setattr(weakness, "_forget_signatures", lambda: cleared.append(1))
    ours = [each for each in connections() if HERE in each.signal]
    monkeypatch.setattr(weakness, "connections", lambda: ours)
    order_paid.connect(listen)
    connect_local(order_paid, weak=False)
    if doubtful:
        registry = Registry()
        registry.connect(order_paid)
    ours += [each for each in connections() if HERE in each.signal]
    list(dying())
    assert bool(cleared) is doubtful


def test_django_reads_signatures_again(settings):
    settings.DEBUG = True
    connect_local(post_save, sender=Topping)
    assert names()
    post_save.connect(listen, sender=Topping)
    post_save.disconnect(listen, sender=Topping)
    assert inspect.signature(listen).parameters
