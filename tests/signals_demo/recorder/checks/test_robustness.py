import linecache
import sys
from types import ModuleType

import pytest
from django.db.models.signals import post_save
from django.dispatch import Signal

from signals_demo.recorder.checks.robustness import sent_robustly

HOME = "shop_signals"
NAME = f"{HOME}.order_paid"


@pytest.fixture
def module(monkeypatch):
    """Return what puts a source into a module; nothing runs it."""

    def make(name, source, **attributes):
        new = ModuleType(name)
        path = f"/shop/{name}.py"
        vars(new).update(attributes, __file__=path)
        monkeypatch.setitem(sys.modules, name, new)
        lines = source.splitlines(keepends=True)
        monkeypatch.setitem(linecache.cache, path, (len(source), None, lines, path))
        return new

    return make


@pytest.fixture
def order_paid(module):
    """Return a signal of a module that defines it."""
    signal = Signal()
    module(HOME, "order_paid = Signal()", order_paid=signal)
    return signal


@pytest.mark.parametrize("method", ["send_robust", "asend_robust"])
def test_a_module_that_has_the_signal_says_so(module, order_paid, method):
    assert not sent_robustly(NAME)
    module("shop", f"order_paid.{method}(None)", order_paid=order_paid)
    assert sent_robustly(NAME)


def test_it_may_have_another_name_there(module, order_paid):
    module("shop", "paid.send_robust(None)", paid=order_paid)
    assert sent_robustly(NAME)


def test_the_module_of_the_signal_may_be_what_it_has(module, order_paid):
    module("shop", "signals.order_paid.send_robust(None)", signals=sys.modules[HOME])
    assert sent_robustly(NAME)


@pytest.mark.parametrize(
    "source", ["order_paid.send(None)", "unorder_paid.send_robust(None)", ""]
)
def test_others_do_not(module, order_paid, source):
    module("shop", source, order_paid=order_paid)
    assert not sent_robustly(NAME)


def test_one_that_does_not_know_the_signal_means_another_one(module, order_paid):
    module("shop", "order_paid.send_robust(None)", order_paid=Signal())
    assert not sent_robustly(NAME)


def test_django_sends_one_of_its_own_so():
    assert sent_robustly("django.core.signals.setting_changed")
    assert not sent_robustly("django.db.models.signals.post_save")


def test_one_that_no_module_holds_is_not_found():
    assert not sent_robustly("django.dispatch.dispatcher.Signal#7f")


def test_no_source_is_read_for_what_django_sends(module):
    module("shop", "post_save.send_robust(None)", post_save=post_save)
    assert not sent_robustly("django.db.models.signals.post_save")
