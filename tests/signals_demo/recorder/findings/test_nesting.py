from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.db.models.signals import (
    m2m_changed,
    post_init,
    post_save,
    pre_delete,
    pre_save,
)
from django.dispatch import Signal

from signals_demo.recorder import record
from signals_demo.recorder.findings import found

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shop")]

HERE = __name__
asked = Signal()


def named(recording, *kinds):
    return [each for each in found(recording) if each.kind in kinds]


def label(sender, instance, created, **kwargs):
    if created:
        instance.title = f"Book {instance.pk}"
        instance.save()


def test_a_second_save_that_is_guarded_is_a_note(shop, connect):
    connect(label, post_save, sender=shop.Book)
    with record() as recording:
        book = shop.Book.objects.create()
    (finding,) = found(recording)
    assert finding.kind == "sent-again"
    assert finding.message == (
        f"{HERE}.label made post_save of shop.Book({book.pk}) come once more, inside "
        "of itself."
    )
    (outer, *_) = [each for each in recording.emissions() if each.calls]
    assert finding.number == outer.order
    assert finding.documentation.endswith("#django.db.models.signals.post_save")


def test_two_more_saves_are_one_note(shop, connect):
    def label_twice(sender, instance, created, **kwargs):
        if created:
            instance.save()
            instance.save()

    connect(label_twice, post_save, sender=shop.Book)
    with record() as recording:
        shop.Book.objects.create()
    assert [each.kind for each in found(recording)] == ["sent-again"]


def test_a_receiver_that_calls_itself_is_found_with_its_depth(shop, connect):
    def fill(sender, instance, **kwargs):
        if len(instance.title) < 5:
            instance.title += "x"
            instance.save()

    connect(fill, post_save, sender=shop.Book)
    with record() as recording:
        shop.Book.objects.create()
    (finding,) = found(recording)
    assert finding.kind == "recursion"
    assert finding.message.endswith("and that one again: 5 deep.")


def test_recursion_without_an_end_is_found(shop, connect):
    def forever(sender, instance, **kwargs):
        instance.save()

    connect(forever, pre_save, sender=shop.Book)
    with record() as recording, pytest.raises(RecursionError):
        shop.Book(pk=1).save()
    assert named(recording, "recursion", "sent-again")[0].kind == "recursion"


def test_two_that_call_each_other_are_found(shop, connect):
    def ping(sender, instance, **kwargs):
        if instance.title != "xx":
            instance.title += "x"
            instance.author.save()

    def pong(sender, instance, **kwargs):
        for book in instance.book_set.all():
            book.title += "x"
            book.save()

    connect(ping, post_save, sender=shop.Book)
    connect(pong, post_save, sender=shop.Author)
    book = shop.Book.objects.create(title="xx", author=shop.Author.objects.create())
    book.title = ""
    with record() as recording:
        book.save()
    assert f"{HERE}.test_two_that_call_each_other_are_found.<locals>.ping" in str(
        named(recording, "recursion", "sent-again")[0].message
    )


def test_relations_and_deletions_nest_too(shop, connect):
    def more(sender, instance, action, **kwargs):
        if action == "post_add" and instance.genres.count() < 3:
            instance.genres.add(shop.Genre.objects.create())

    heard = []

    def once_more(sender, instance, **kwargs):
        if not heard:
            heard.append(instance)
            sender.objects.get().delete()

    connect(more, m2m_changed, sender=shop.Book.genres.through)
    connect(once_more, pre_delete, sender=shop.Shelf)
    book, shelf = shop.Book.objects.create(), shop.Shelf.objects.create()
    with record() as recording:
        book.genres.add(shop.Genre.objects.create())
        shelf.delete()
    told = [each.message.split(" made ")[1] for each in named(recording, "sent-again")]
    assert "pre_delete of shop.Shelf" in told[-1]
    told = [each.message.split(" made ")[1] for each in named(recording, "recursion")]
    assert f"m2m_changed of shop.Book({book.pk})" in told[0]


def test_other_rows_of_the_same_model_are_no_recursion(shop, connect):
    def sequel(sender, instance, **kwargs):
        if len(instance.title) < 4:
            shop.Book.objects.create(title=f"{instance.title}x")

    # Before they are saved, rows have no key to tell them apart by.
    connect(sequel, pre_save, post_save, sender=shop.Book)
    with record() as recording:
        shop.Book.objects.create()
    assert found(recording) == []


@pytest.mark.parametrize(
    "keys",
    [
        ("01HZY3K8Q2V9X7N5M4R6T8W0A1", "01HZY3K8Q2V9X7N5M4R6T8W0B2"),
        (Decimal(1), Decimal(2)),
    ],
    ids=["masked", "described by its type"],
)
def test_keys_that_are_not_kept_tell_no_rows_apart(shop, connect, keys):
    def ask(sender, instance, **kwargs):
        if instance.pk == keys[0]:
            asked.send(None, instance=shop.Book(pk=keys[1]))

    connect(ask, asked)
    with record() as recording:
        asked.send(None, instance=shop.Book(pk=keys[0]))
    rows = [each.arguments.get("instance") for each in recording.emissions()]
    assert len(rows) > len(set(rows) - {None}) == 1
    assert found(recording) == []


@pytest.mark.django_db(databases=["default", "other"])
def test_a_row_of_another_database_is_another_row(connect):
    def copy(sender, instance, using, **kwargs):
        if using == "default":
            instance.save(using="other", force_insert=True)

    connect(copy, post_save, sender=Group)
    with record() as recording:
        Group.objects.create(name="readers")
    assert found(recording) == []


def test_what_is_saved_twice_but_not_nested_is_no_recursion(shop, connect):
    connect(label, post_save, sender=shop.Author)
    book = shop.Book.objects.create()
    with record() as recording:
        book.save()
        book.save()
    assert found(recording) == []


def test_what_is_folded_tells_of_the_first_alone(shop, connect):
    first = shop.Book.objects.create()
    shop.Book.objects.create()

    def look_at_the_first(sender, instance, **kwargs):
        if instance.pk != first.pk:
            list(shop.Book.objects.filter(pk=first.pk))

    connect(look_at_the_first, post_init, sender=shop.Book)
    with record() as recording:
        list(shop.Book.objects.order_by("pk"))
    assert [each.kind for each in found(recording)] == ["init-query"]


def test_a_signal_without_a_row_may_nest(connect):
    def ask(sender, number, **kwargs):
        if number:
            asked.send(None, number=number - 1, instance=object())

    connect(ask, asked)
    with record() as recording:
        asked.send(None, number=3, instance=object())
    assert found(recording) == []


def test_a_signal_of_the_project_has_no_page(shop, connect):
    def ask(sender, instance, **kwargs):
        if len(list(recording.emissions())) < 2:
            asked.send(None, instance=instance)

    connect(ask, asked)
    book = shop.Book(pk=1)
    with record() as recording:
        asked.send(None, instance=book)
    assert [each.documentation for each in found(recording)] == [""]
