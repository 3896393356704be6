import gc
import sys
from functools import partial
from pathlib import Path
from unittest.mock import patch

import django
import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models.signals import (
    m2m_changed,
    post_delete,
    post_save,
    pre_delete,
    pre_save,
)
from django.dispatch import Signal

from signals_demo.recorder import explain, mute, record
from signals_demo.recorder.connecting import remembered
from signals_demo.recorder.findings import silent_writes
from tests.signals_demo.recorder.conftest import SHOP

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shop")]

order_paid = Signal()
HERE = __name__
CONFTEST = str(Path(__file__).with_name("conftest.py"))


def update_stock(sender, **kwargs):
    pass


def send_mail(sender, **kwargs):
    pass


def refuse(sender, **kwargs):
    raise ValidationError("no")


class Handler:
    def __call__(self, sender, **kwargs):
        pass

    def update(self, sender, **kwargs):
        pass


handler = Handler()
later = partial(update_stock, reason="later")


def judge(recording, receiver=update_stock):
    verdict = recording.why_not(receiver)
    assert f"{verdict.receiver}: {verdict.text}" in str(verdict)
    return verdict.reason, f"{verdict.text} {verdict.hint}".strip()


def test_a_receiver_that_ran_is_counted(shop, connect):
    signals = (pre_save, post_save)
    connect(update_stock, *signals, sender=shop.Book)
    with record() as recording:
        shop.Book.objects.create(title="Emma")
        assert judge(recording) == (
            explain.CALLED,
            "it ran 2 times, for post_save, pre_save.",
        )
        recording.end()
        shop.Book.objects.create(title="Persuasion")
    assert judge(recording)[1].startswith("it ran 2 times")


def test_one_call_is_once(shop, connect):
    connect(update_stock, order_paid)
    with record() as recording:
        order_paid.send(None)
    assert judge(recording) == (explain.CALLED, "it ran once, for order_paid.")


@pytest.mark.parametrize(
    ("receiver", "name"),
    [
        (later, f"{HERE}.later"),
        (later, f"{HERE}.update_stock"),
        (handler, f"{HERE}.handler"),
        (handler, f"{HERE}.Handler"),
        (handler.update, f"{HERE}.handler.update"),
        (handler.update, f"{HERE}.Handler.update"),
        (update_stock, f"{HERE}.explain_names.update_stock"),
    ],
)
def test_a_receiver_has_many_names(receiver, name, monkeypatch, connect):
    monkeypatch.setitem(sys.modules, f"{HERE}.explain_names", sys.modules[HERE])
    connect(receiver, order_paid)
    with record() as recording:
        order_paid.send(None)
    assert judge(recording, receiver)[0] == explain.CALLED
    assert judge(recording, name)[0] == explain.CALLED


def test_the_signal_came_from_a_proxy(shop, connect):
    connect(update_stock, post_save, sender=shop.Book)
    with record() as recording:
        shop.PaperBook.objects.create(title="Emma")
    assert judge(recording) == (
        explain.OTHER_SENDER,
        "post_save came from shop.PaperBook, but it waits for shop.Book; "
        "shop.PaperBook is a proxy, and a signal has one sender. "
        "Connect it with sender=shop.PaperBook.",
    )


def test_the_receiver_waits_for_a_proxy(shop, connect):
    options = {"sender": shop.PaperBook}
    connect(update_stock, post_save, **options)
    with record() as recording:
        shop.Book.objects.create(title="Emma")
    reason, text = judge(recording)
    assert reason == explain.OTHER_SENDER
    assert "shop.PaperBook is a proxy" in text


def test_the_signal_came_from_a_child(shop, connect):
    connect(update_stock, post_save, sender=shop.Book)
    with record() as recording:
        shop.Novel.objects.create(title="Emma")
    reason, text = judge(recording)
    assert reason == explain.OTHER_SENDER
    assert "waits for shop.Book, its parent" in text


def test_the_signal_came_from_the_parent(shop, connect):
    connect(update_stock, post_save, sender=shop.Novel)
    with record() as recording:
        shop.Book.objects.create(title="Emma")
    reason, text = judge(recording)
    assert reason == explain.OTHER_SENDER
    assert "waits for shop.Novel, which is derived from it" in text


@pytest.mark.parametrize("name", ["Book", "Genre"])
def test_the_signal_came_from_the_model_between(shop, name, connect):
    book, genre = shop.Book.objects.create(), shop.Genre.objects.create()
    options = {"sender": getattr(shop, name)}
    connect(update_stock, m2m_changed, **options)
    with record() as recording:
        book.genres.set([genre])
        book.genres.clear()
    assert judge(recording) == (
        explain.OTHER_SENDER,
        f"m2m_changed came from shop.Book_genres, but it waits for shop.{name}, whose "
        "relation sends from its through model. "
        "Connect it with sender=shop.Book_genres.",
    )


def test_the_signal_came_from_what_a_model_is_swapped_for(shop, connect):
    options = {"sender": shop.Customer}
    connect(update_stock, post_save, **options)
    with record() as recording:
        shop.Member.objects.create(name="Ann")
    reason, text = judge(recording)
    assert reason == explain.OTHER_SENDER
    assert "waits for shop.Customer, which is swapped for it" in text


def test_the_signal_came_from_a_model_of_a_migration(shop, connect):
    from django.db.migrations.state import ProjectState

    book = ProjectState.from_apps(apps).apps.get_model("shop", "Book")
    connect(update_stock, post_save, sender=shop.Book)
    with record() as recording:
        book.objects.create(title="Emma")
    reason, text = judge(recording)
    assert reason == explain.OTHER_SENDER
    assert "from another class that is called shop.Book too" in text


def test_the_signal_came_from_others(shop, connect):
    connect(update_stock, post_save, sender=shop.Book)
    with record() as recording:
        shop.Genre.objects.create(name="Novel")
        assert judge(recording) == (
            explain.OTHER_SENDER,
            "post_save came from shop.Genre, but it waits for shop.Book.",
        )
        shop.Shelf.objects.create(name="A")
    assert judge(recording)[1].startswith("post_save came from shop.Genre and 1 more,")


def test_relations_of_other_signals_are_no_reason(shop, connect):
    book, reader = shop.Book.objects.create(), shop.Reader.objects.create()
    connect(update_stock, post_save, sender=shop.Book)
    with record() as recording:
        shop.Loan.objects.create(book=book, reader=reader)
    assert "through model" not in judge(recording)[1]


def locally_connected():
    def local(sender, **kwargs):
        pass

    post_save.connect(local)
    return f"{HERE}.locally_connected.<locals>.local"


def connected_lambda():
    post_save.connect(lambda sender, **kwargs: None)
    return f"{HERE}.connected_lambda.<locals>.<lambda>"


def connected_method():
    post_save.connect(Handler().update)
    return f"{HERE}.Handler.update"


@pytest.mark.parametrize(
    "forget", [locally_connected, connected_lambda, connected_method]
)
def test_nothing_but_the_signal_held_the_receiver(shop, connect, forget):
    with record() as recording:
        name = forget()
        gc.collect()
        shop.Book.objects.create(title="Emma")
    reason, text = judge(recording, name)
    assert reason == explain.DEAD
    assert f"connected to post_save at {__file__}:" in text


def test_a_receiver_that_is_held_does_not_die(shop, connect):
    connect(handler.update, post_save)
    with record() as recording:
        gc.collect()
        shop.Book.objects.create(title="Emma")
    assert judge(recording, handler.update)[0] == explain.CALLED


def test_the_receiver_was_muted(shop, connect):
    connect(update_stock, post_save)
    with record() as recording:
        with mute(update_stock):
            shop.Book.objects.create(title="Emma")
        assert judge(recording) == (
            explain.MUTED,
            "post_save came, but it is muted.",
        )


def test_the_receiver_was_muted_and_so_nothing_was_sent(shop, connect):
    book, reader = shop.Book.objects.create(), shop.Reader.objects.create()
    shop.Loan.objects.create(book=book, reader=reader)
    connect(update_stock, pre_delete)
    with record() as recording:
        with mute(pre_delete, post_delete):
            shop.Loan.objects.all().delete()
        assert [*recording.emissions()] == []
        assert judge(recording)[0] == explain.MUTED
        assert silent_writes(recording) == []


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
    assert reason == explain.BULK_WRITE
    assert text.startswith("shop.Book was changed by ")


def test_what_others_missed_is_no_reason(shop, connect):
    connect(update_stock, post_save, sender=shop.Shelf)
    connect(send_mail, post_save, sender=shop.Book)
    with record() as recording:
        bulk_create(shop.Book)
    assert judge(recording, send_mail)[0] == explain.BULK_WRITE
    assert judge(recording)[0] == explain.NOT_SENT


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
        explain.FAST_DELETE,
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
    assert reason == explain.DATABASE_CASCADE
    assert "has DB_CASCADE" in text


def test_no_cascade_of_the_database_is_made_up(shop, connect):
    shop.Author.objects.create()
    connect(update_stock, pre_delete, sender=shop.Book)
    with record() as recording:
        shop.Author.objects.all().delete()
    assert judge(recording)[0] == explain.OTHER_SENDER


def test_an_earlier_receiver_raised(shop, connect):
    connect(refuse, post_save)
    connect(update_stock, post_save)
    with record() as recording, pytest.raises(ValidationError):
        shop.Book.objects.create(title="Emma")
    assert judge(recording) == (
        explain.NOT_REACHED,
        f"post_save came, but {HERE}.refuse raised "
        "django.core.exceptions.ValidationError before its turn. send() stops at the "
        "first exception: mend that receiver.",
    )


def test_of_a_signal_of_ones_own_the_sender_may_be_mended_too(connect):
    connect(refuse, order_paid)
    connect(update_stock, order_paid)
    with record() as recording, pytest.raises(ValidationError):
        order_paid.send(None)
    assert judge(recording)[1].endswith(" or send by send_robust().")


def test_its_turn_has_not_come_yet(connect):
    verdicts = []

    def ask(sender, **kwargs):
        verdicts.append(judge(recording))

    connect(ask, order_paid)
    connect(update_stock, order_paid)
    with record() as recording:
        order_paid.send(None)
    assert verdicts == [
        (explain.NOT_REACHED, "order_paid came, but its turn has not come yet.")
    ]


def test_nothing_has_imported_its_module(shop):
    with record() as recording:
        shop.Book.objects.create(title="Emma")
    module = f"{SHOP}.never_imported"
    assert judge(recording, f"{module}.update_stock") == (
        explain.NOT_IMPORTED,
        f"nothing has imported {module}, so nothing in it is connected. "
        f"Import it in ready() of the app's AppConfig: import {module}.",
    )
    assert module not in sys.modules


def test_it_was_disconnected(shop, connect):
    connect(update_stock, post_save)
    post_save.disconnect(update_stock)
    with record() as recording:
        shop.Book.objects.create(title="Emma")
    reason, text = judge(recording)
    assert reason == explain.DISCONNECTED
    assert f"it was connected to post_save at {CONFTEST}:" in text
    assert f", and disconnected at {__file__}:" in text


def test_it_was_disconnected_from_the_signal_that_came(shop, connect):
    connect(update_stock, post_delete, post_save)
    post_save.disconnect(update_stock)
    with record() as recording:
        shop.Book.objects.create(title="Emma")
    assert judge(recording)[0] == explain.DISCONNECTED


def test_its_signal_has_lost_its_receivers(connect):
    connect(update_stock, order_paid)
    with patch.object(order_paid, "receivers", []), record() as recording:
        order_paid.send(None)
        reason, text = judge(recording)
    assert reason == explain.DISCONNECTED
    assert text.endswith("Something has replaced the list of receivers.")


def test_another_receiver_has_its_dispatch_uid(connect):
    connect(send_mail, order_paid, dispatch_uid="stock")
    connect(update_stock, order_paid, dispatch_uid="stock")
    with record() as recording:
        order_paid.send(None)
    reason, text = judge(recording)
    assert reason == explain.TAKEN_UID
    assert f"{HERE}.send_mail had been connected with the same dispatch_uid" in text


def never_connected(sender, **kwargs):
    pass


@pytest.mark.parametrize(
    "receiver",
    [
        never_connected,
        f"{HERE}.never_connected",
        f"{HERE}.nobody.<locals>.knows",
        lambda sender, **kwargs: None,
    ],
)
def test_it_was_never_connected(receiver):
    with record() as recording:
        order_paid.send(None)
    reason, text = judge(recording, receiver)
    assert reason == explain.NEVER_CONNECTED
    assert text.startswith("it exists, but nothing has connected it")


@pytest.mark.parametrize("sender", ["Book", None])
def test_it_was_connected_too_late(shop, connect, sender):
    with record() as recording:
        shop.Book.objects.create(title="Emma")
    connect(update_stock, post_save, sender=sender and getattr(shop, sender))
    reason, text = judge(recording)
    assert reason == explain.TOO_LATE
    assert text.startswith("post_save came from shop.Book before it was connected")


def test_a_signal_without_sender_came_too_early(connect):
    with record() as recording:
        order_paid.send(None)
    connect(update_stock, order_paid)
    reason, text = judge(recording)
    assert reason == explain.TOO_LATE
    assert text.startswith("order_paid came before it was connected")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (f"{HERE}.no_such", f"there is no no_such in {HERE}."),
        (f"{SHOP}.no_module.f", f"there is no no_module.f in {SHOP}."),
        ("no_package.signals.f", "there is no such module."),
        ("update_stock", "there is no such module."),
        ("signals_demo", "there is no such module."),
        ("", "there is no such module."),
    ],
)
def test_there_is_no_such_receiver(name, text):
    with record() as recording:
        pass
    reason, said = judge(recording, name)
    assert reason == explain.NO_SUCH_RECEIVER
    assert said.startswith(text)


def test_nothing_sent_it(connect):
    connect(update_stock, order_paid, post_save)
    with record() as recording:
        pass
    reason, text = judge(recording)
    assert reason == explain.NOT_SENT
    assert text.startswith("nothing sent order_paid or post_save. What was recorded")


def test_what_a_recording_left_out_is_told(shop, connect):
    connect(update_stock, order_paid)
    with record(signals=["post_save"]) as filtered:
        order_paid.send(None)
    with record(max_entries=1) as full:
        shop.Book(title="Emma")
        order_paid.send(None)
    assert judge(filtered)[1].endswith("but those of a filter.")
    assert judge(full)[1].endswith("no room for all; give it more.")


def test_what_was_connected_before_the_app_was_loaded_is_judged_too(connect):
    with record() as recording:
        order_paid.send(None)
    connect(update_stock, order_paid)
    remembered.clear()
    assert judge(recording)[0] == explain.TOO_LATE
