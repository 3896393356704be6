import pytest
from django.apps import apps
from django.db import connection
from django.db.models.signals import (
    m2m_changed,
    post_delete,
    post_init,
    post_save,
    pre_delete,
    pre_init,
)
from django.test.utils import CaptureQueriesContext

from signals_demo.models import Pizza, Topping
from signals_demo.recorder.checks.costs import _Deaf, slow_deletes, slow_reads

HERE = __name__
LISTEN = f"{HERE}.listen"

pytestmark = pytest.mark.django_db


def listen(sender, **kwargs):
    pass


def listen_too(sender, **kwargs):
    pass


@pytest.mark.parametrize("signal", [pre_delete, post_delete])
def test_W008_a_receiver_for_all_costs_fast_deletes(shop, connect, judged, signal):
    connect(listen, signal)
    (found,) = judged(slow_deletes)
    assert (found.id, found.obj) == ("signals_demo.W008", LISTEN)
    assert "calls it for all senders, so rows are read before" in found.msg
    assert "more would do without" in found.msg


def test_W008_models_that_lose_nothing_are_not_named(shop, connect, judged):
    connect(listen, post_delete)
    # They are all that would be named, but for one.
    for model in apps.get_models(include_auto_created=True):
        if model is not shop.Loan:
            connect(listen_too, post_delete, sender=model)
    (found,) = judged(slow_deletes)
    assert "before they are deleted: shop.Loan would do without" in found.msg
    connect(listen_too, post_delete, sender=shop.Loan)
    assert judged(slow_deletes) == []


def count(action):
    with CaptureQueriesContext(
        connection,
    ) as captured:
        action()
    return len(captured)


def test_W008_django_agrees(shop, connect):
    # Books have loans, which point to them.
    deaf = _Deaf("default")
    assert deaf.can_fast_delete(shop.Loan)
    assert not deaf.can_fast_delete(shop.Book)
    before = count(shop.Loan.objects.all().delete)
    shop.Loan.objects.create(
        book=shop.Book.objects.create(), reader=shop.Reader.objects.create()
    )
    connect(listen, post_delete)
    assert deaf.can_fast_delete(shop.Loan)
    assert count(shop.Loan.objects.all().delete) > before


def test_W008_a_receiver_for_all_costs_fast_relations(connect, judged):
    connect(listen, m2m_changed)
    (found,) = judged(slow_deletes)
    assert (found.id, found.obj) == ("signals_demo.W008", LISTEN)
    assert "so add() asks first which ones are new: auth.Group_perm" in found.msg
    # It has a receiver of its own.
    assert "signals_demo.Pizza_toppings" not in found.msg


def test_W008_django_asks_indeed(shop, connect):
    book, genre = shop.Book.objects.create(), shop.Genre.objects.create()
    before = count(lambda: book.genres.add(genre))
    connect(listen, m2m_changed)
    book.genres.clear()
    assert count(lambda: book.genres.add(genre)) == before + 1


def test_W008_receivers_of_some_are_fine(connect, ids):
    connect(listen, post_delete, pre_delete, sender=Topping)
    connect(listen, m2m_changed, sender=Pizza.toppings.through)
    connect(listen_too, post_save)
    assert ids(slow_deletes) == []


@pytest.mark.parametrize("signal", [pre_init, post_init])
def test_W011_a_receiver_for_all_is_called_for_each_row(connect, ids, signal):
    connect(listen, signal)
    assert ids(slow_reads) == [("signals_demo.W011", LISTEN)]


def test_W011_receivers_of_some_are_fine(connect, ids):
    connect(listen, pre_init, post_init, sender=Topping)
    connect(listen, post_save)
    assert ids(slow_reads) == []
