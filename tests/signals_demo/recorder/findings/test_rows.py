import pytest
from django.db import models
from django.db.models.signals import m2m_changed, post_save

from signals_demo.recorder import record
from signals_demo.recorder.findings import found
from signals_demo.recorder.findings.rows import is_of_instance

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shop")]


def judged(act, instance, signal=post_save):
    """Return of each statement whether it is about the instance of the signal."""
    with record() as recording:
        signal.send(type(instance), instance=instance)
        act()
    emission = next(recording.emissions())
    return [is_of_instance(query, emission) for query in recording.queries()]


def test_one_row_by_its_key_is_the_own_one(shop):
    book = shop.Book.objects.create(title="Emma")
    rows = shop.Book.objects.filter(pk=book.pk)

    def act():
        rows.update(title="A")
        shop.Book.objects.filter(pk__in=[book.pk]).update(title="B")
        rows.first()
        list(rows.select_for_update().order_by("pk").values_list("pk"))
        rows.get()
        rows._raw_delete("default")

    assert judged(act, book) == [True] * 6


def test_so_it_is_with_a_guard(shop):
    book = shop.Book.objects.create(title="Emma")

    def act():
        shop.Book.objects.filter(pk=book.pk, title="Emma").update(title="A")
        rows = shop.Book.objects.filter(pk=book.pk, title="A", shelf=None)
        rows.filter(title__in=["A"]).update(title="B")
        rows.order_by("pk").first()

    assert judged(act, book) == [True] * 3


def test_rows_of_parents_are_the_own_ones_too(shop):
    novel = shop.Novel.objects.create(title="Emma")

    def act():
        shop.Book.objects.filter(pk=novel.pk).update(title="A")
        shop.Novel.objects.filter(pk=novel.pk).update(plot="A")

    assert judged(act, novel) == [True, True]


def test_other_rows_are_not(shop):
    book = shop.Book.objects.create(title="Emma")

    def act():
        shop.Book.objects.update(title="A")
        shop.Book.objects.filter(title="A").update(title="B")
        shop.Book.objects.filter(pk__in=[1, 2]).update(title="B")
        rows = shop.Book.objects.filter(pk=book.pk)
        rows.filter(models.Q(title="A") | models.Q(title="B")).update(title="B")
        (rows | shop.Book.objects.filter(title="A")).update(title="B")
        rows.filter(pk__in=shop.Book.objects.values("pk")).update(title="B")
        shop.Shelf.objects.filter(pk=book.pk).update(name="B")
        list(shop.Shelf.objects.filter(pk=book.pk))
        list(shop.Book.objects.filter(pk=book.pk, shelf__name="A"))
        shop.Shelf.objects.bulk_create([shop.Shelf()])

    assert judged(act, book) == [False] * 10


def test_a_signal_without_an_instance_has_no_row(shop):
    def act():
        shop.Book.objects.filter(pk=1).update(title="A")

    assert judged(act, object()) == [False]


def change(sender, instance, **kwargs):
    type(instance)._default_manager.filter(pk=instance.pk).update(title="changed")


def change_all(sender, instance, **kwargs):
    type(instance)._default_manager.update(title="changed")


@pytest.mark.parametrize(("receiver", "count"), [(change, 0), (change_all, 1)])
def test_a_receiver_may_change_its_own_row(shop, connect, receiver, count):
    connect(receiver, post_save, sender=shop.Book)
    connect(receiver, m2m_changed, sender=shop.Book.genres.through)
    book, genre = shop.Book.objects.create(), shop.Genre.objects.create()
    with record() as recording:
        book.save()
    assert [each.kind for each in found(recording)] == ["silent-write"] * count
    with record() as recording:
        book.genres.add(genre)
    # It runs before and after.
    assert [each.kind for each in found(recording)] == ["silent-write"] * count * 2


@pytest.mark.parametrize(("receiver", "count"), [(change, 0), (change_all, 1)])
def test_even_while_a_fixture_is_loaded(shop, connect, receiver, count):
    connect(receiver, post_save, sender=shop.Book)
    with record() as recording:
        shop.Book(pk=1).save_base(raw=True)
    kinds = [each.kind for each in found(recording)]
    assert kinds.count("raw-ignored") == count
