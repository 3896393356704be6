import django
import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, connection
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save
from django.db.transaction import atomic
from django.dispatch import Signal

from signals_demo.recorder import record, verdict

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shop")]

pre_order = Signal()
post_order = Signal()
HERE = __name__


def update_stock(sender, **kwargs):
    pass


def send_mail(sender, **kwargs):
    pass


def refuse(sender, **kwargs):
    raise ValidationError("no")


def judge(recording, receiver=update_stock):
    said = recording.why_not(receiver)
    return said.reason, f"{said.text} {said.hint}".strip()


def bulk_create(model):
    model.objects.bulk_create([model(title="Emma")])


def update(model):
    model.objects.update(title="Emma")


def bulk_update(model):
    books = list(model.objects.all())
    model.objects.bulk_update(books, ["title"])


def raw_sql(model):
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {model._meta.db_table} SET title = 'Emma'")


@pytest.mark.parametrize("write", [bulk_create, update, bulk_update, raw_sql])
def test_many_rows_were_written_at_once(shop, write, connect):
    shop.Book.objects.create()
    connect(update_stock, post_save, sender=shop.Book)
    with record() as recording:
        write(shop.Book)
    reason, text = judge(recording)
    assert reason == verdict.BULK_WRITE
    assert text.startswith("shop.Book was changed by ")


@pytest.mark.parametrize("write", [bulk_create, update, bulk_update])
def test_many_rows_were_written_through_a_proxy(shop, write, connect):
    shop.Book.objects.create()
    options = {"sender": shop.PaperBook}
    connect(update_stock, post_save, **options)
    with record() as recording:
        write(shop.PaperBook)
    reason, text = judge(recording)
    assert reason == verdict.BULK_WRITE
    assert text.startswith("shop.PaperBook was changed by ")


def test_many_rows_were_written_in_the_table_of_a_parent(shop, connect):
    shop.Novel.objects.create()
    connect(update_stock, pre_save, sender=shop.Novel)
    with record() as recording:
        update(shop.Novel)
    reason, text = judge(recording)
    assert reason == verdict.BULK_WRITE
    assert text.startswith("shop.Novel was changed by UPDATE")


def test_what_was_not_written_for_a_child_is_no_reason(shop, connect):
    connect(update_stock, post_delete, sender=shop.PaperBook)
    connect(send_mail, post_save, sender=shop.Novel)
    with record() as recording:
        bulk_create(shop.Book)
    assert judge(recording)[0] == verdict.NOT_SENT
    assert judge(recording, send_mail)[0] == verdict.NOT_SENT


def test_a_model_that_django_made_for_a_relation_sends_nothing(shop, connect):
    book, genre = shop.Book.objects.create(), shop.Genre.objects.create()
    connect(update_stock, post_save, sender=shop.Book.genres.through)
    with record() as recording:
        book.genres.add(genre)
    assert judge(recording) == (
        verdict.NOT_SENT,
        "shop.Book_genres sends no post_save: Django made it for a relation. Connect "
        "it to m2m_changed.",
    )


def test_what_others_missed_is_no_reason(shop, connect):
    connect(update_stock, post_save, sender=shop.Shelf)
    connect(send_mail, post_save, sender=shop.Book)
    with record() as recording:
        bulk_create(shop.Book)
    assert judge(recording, send_mail)[0] == verdict.BULK_WRITE
    assert judge(recording)[0] == verdict.NOT_SENT


def raw_delete(model):
    model.objects.all()._raw_delete("default")


def delete_by_sql(model):
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {model._meta.db_table}")


@pytest.mark.parametrize("delete", [raw_delete, delete_by_sql])
def test_rows_were_deleted_at_once(shop, delete, connect):
    shop.Shelf.objects.create()
    connect(update_stock, post_delete, sender=shop.Shelf)
    with record() as recording:
        delete(shop.Shelf)
    assert judge(recording) == (
        verdict.FAST_DELETE,
        "rows of shop.Shelf were deleted at once, which sends no signal. "
        "Call delete() of a queryset or an object.",
    )


@pytest.mark.skipif(django.VERSION < (6, 1), reason="DB_CASCADE came with Django 6.1")
@pytest.mark.parametrize("heard", [False, True])
@pytest.mark.parametrize("name", ["Imprint", "Label"])
def test_the_database_deleted_the_rows(shop, connect, name, heard):
    imprint = shop.Imprint.objects.create(publisher=shop.Publisher.objects.create())
    shop.Label.objects.create(imprint=imprint)
    model = getattr(shop, name)
    connect(update_stock, post_delete, sender=model)
    if heard:
        connect(send_mail, pre_delete, sender=shop.Publisher)
    with record() as recording:
        shop.Publisher.objects.all().delete()
    reason, text = judge(recording)
    assert not model.objects.exists()
    assert reason == verdict.DATABASE_CASCADE
    assert "has DB_CASCADE" in text


def delete_refused(model):
    model.objects.all().delete()


def delete_of_no_column(model):
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {model._meta.db_table} WHERE no_such = 1")


@pytest.mark.skipif(django.VERSION < (6, 1), reason="DB_CASCADE came with Django 6.1")
@pytest.mark.parametrize("delete", [delete_refused, delete_of_no_column])
def test_what_was_not_deleted_takes_no_rows_with_it(shop, connect, delete):
    shop.Publisher.objects.create()
    connect(refuse, pre_delete, sender=shop.Publisher)
    connect(update_stock, post_delete, sender=shop.Imprint)
    fails = pytest.raises((ValidationError, DatabaseError))
    with record() as recording, fails, atomic():
        delete(shop.Publisher)
    assert judge(recording)[0] == verdict.NOT_SENT


def test_no_cascade_of_the_database_is_made_up(shop, connect):
    shop.Author.objects.create()
    connect(update_stock, pre_delete, sender=shop.Book)
    with record() as recording:
        shop.Author.objects.all().delete()
    assert judge(recording)[0] == verdict.OTHER_SENDER


def test_a_receiver_of_the_signal_before_raised(shop, connect):
    connect(send_mail, pre_save)
    connect(refuse, pre_save)
    connect(update_stock, post_save, sender=shop.Book)
    with record() as recording:
        shop.Genre(name="Novel")
        with pytest.raises(ValidationError):
            shop.Book.objects.create(title="Emma")
    assert judge(recording) == (
        verdict.NOT_REACHED,
        f"pre_save came from shop.Book, but {HERE}.refuse raised "
        "django.core.exceptions.ValidationError, and so post_save never came.",
    )


@pytest.mark.parametrize("sender", ["Book", None])
def test_the_statement_before_raised(shop, connect, sender):
    taken = shop.Book.objects.create(title="Emma").pk
    connect(update_stock, post_save, sender=sender and getattr(shop, sender))
    with record() as recording:
        for number in (taken, "none"):
            with pytest.raises((IntegrityError, ValueError)), atomic():
                shop.Book.objects.create(pk=number, title="Emma")
    assert judge(recording) == (
        verdict.NOT_REACHED,
        "pre_save came from shop.Book, but the INSERT raised "
        "django.db.utils.IntegrityError, and so post_save never came.",
    )


def test_what_raised_elsewhere_is_no_reason(shop, connect):
    genre = shop.Genre.objects.create(name="Novel").pk
    connect(update_stock, post_save, sender=shop.Book)
    with record() as recording:
        with pytest.raises(IntegrityError), atomic():
            shop.Genre.objects.create(pk=genre, name="Novel")
        with pytest.raises(ValueError, match="none"):
            shop.Book.objects.create(pk="none", title="Emma")
    assert "INSERT" not in judge(recording)[1]


def save_what_is_no_number(model):
    model(pk="none").save()


def update_a_missing_row(model):
    model(pk=404).save(update_fields=["title"])


@pytest.mark.parametrize("sender", ["Book", None])
@pytest.mark.parametrize("save", [save_what_is_no_number, update_a_missing_row])
def test_something_else_raised_between_the_signals(shop, connect, save, sender):
    connect(update_stock, post_save, sender=sender and getattr(shop, sender))
    with record() as recording:
        with pytest.raises((ValueError, DatabaseError)), atomic():
            save(shop.Book)
        shop.Genre()
    assert judge(recording) == (
        verdict.NOT_REACHED,
        "pre_save came from shop.Book, but something after it raised, and so post_save "
        "never came.",
    )


def test_a_signal_of_the_same_sender_that_came_is_no_reason(shop, connect):
    connect(update_stock, post_save, sender=shop.PaperBook)
    with record() as recording:
        shop.Book.objects.create()
    assert judge(recording)[0] == verdict.OTHER_SENDER


def test_what_comes_between_the_signals_may_not_have_ended(shop, connect):
    verdicts = []

    def ask(sender, **kwargs):
        verdicts.append(judge(recording)[0])

    connect(ask, pre_save)
    connect(update_stock, post_save)
    with record() as recording:
        shop.Book.objects.create()
    assert verdicts == [verdict.NOT_SENT]


def test_signals_of_ones_own_need_not_come_in_pairs(connect):
    connect(update_stock, post_order)
    with record() as recording:
        pre_order.send(None)
    assert judge(recording)[0] == verdict.NOT_SENT
