import gc
import sys
from functools import partial, wraps
from pathlib import Path
from threading import Thread
from unittest.mock import patch

import pytest
from django.apps import apps
from django.contrib import auth
from django.core.exceptions import ValidationError
from django.db.models.signals import (
    m2m_changed,
    post_delete,
    post_save,
    pre_delete,
    pre_save,
)
from django.dispatch import Signal
from factory.django import mute_signals

from signals_demo.recorder import capture, mute, record, verdict
from signals_demo.recorder.connecting import remembered
from signals_demo.recorder.findings.silent import silent_writes
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
    said = recording.why_not(receiver)
    return said.reason, f"{said.text} {said.hint}".strip()


def test_a_receiver_that_ran_is_counted(shop, connect):
    signals = (pre_save, post_save)
    connect(update_stock, *signals, sender=shop.Book)
    with record() as recording:
        shop.Book.objects.create(title="Emma")
        assert judge(recording) == (
            verdict.CALLED,
            "it ran 2 times, for post_save, pre_save.",
        )
        recording.end()
        shop.Book.objects.create(title="Persuasion")
    assert judge(recording)[1].startswith("it ran 2 times")


def test_one_call_is_once(shop, connect):
    connect(update_stock, order_paid)
    with record() as recording:
        order_paid.send(None)
    assert judge(recording) == (verdict.CALLED, "it ran once, for order_paid.")


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
    assert judge(recording, receiver)[0] == verdict.CALLED
    assert judge(recording, name)[0] == verdict.CALLED


lambdas = [
    lambda sender, **kwargs: None,
    lambda sender, **kwargs: None,
]


def test_another_function_of_that_name_ran(shop, connect):
    for each, model in zip(lambdas, (shop.Genre, shop.Book), strict=True):
        connect(each, post_save, sender=model)
    with record() as recording:
        shop.Genre.objects.create()
    reasons = [judge(recording, each)[0] for each in lambdas]
    assert reasons == [verdict.CALLED, verdict.OTHER_SENDER]


def guarded(receiver):
    @wraps(receiver)
    def guard(*args, **kwargs):
        return receiver(*args, **kwargs)

    return guard


@guarded
def send_receipt(sender, **kwargs):
    pass


@pytest.mark.parametrize("receiver", [send_receipt, f"{HERE}.send_receipt"])
def test_what_a_decorator_hides_is_the_receiver_too(connect, receiver):
    connect(send_receipt.__wrapped__, order_paid)
    with record() as recording:
        order_paid.send(None)
    assert judge(recording, receiver)[1] == "it ran once, for order_paid."


def wrapped(receiver):
    def wrapper(*args, **kwargs):
        return receiver(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    "pair",
    [
        (handler.update, Handler().update),
        (partial(update_stock, reason=1), partial(update_stock, reason=2)),
        (wrapped(update_stock), wrapped(send_mail)),
    ],
    ids=["method", "partial", "wrapped"],
)
@pytest.mark.parametrize("both", [True, False])
def test_one_of_those_that_look_the_same_ran(shop, connect, pair, both):
    connect(pair[0], post_save, sender=shop.Genre)
    if both:
        connect(pair[1], post_save, sender=shop.Book)
    with record() as recording:
        shop.Genre.objects.create()
    assert judge(recording, pair[1]) == (
        verdict.CALLED,
        "2 receivers go by that name, and ran once in all, for post_save. Which of "
        "them did is not recorded.",
    )
    if not both:
        assert judge(recording, pair[0])[1] == "it ran once, for post_save."


def test_the_signal_came_from_a_proxy(shop, connect):
    connect(update_stock, post_save, sender=shop.Book)
    with record() as recording:
        shop.PaperBook.objects.create(title="Emma")
    assert judge(recording) == (
        verdict.OTHER_SENDER,
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
    assert reason == verdict.OTHER_SENDER
    assert "shop.PaperBook is a proxy" in text


def test_the_signal_came_from_a_child(shop, connect):
    connect(update_stock, post_save, sender=shop.Book)
    with record() as recording:
        shop.Novel.objects.create(title="Emma")
    reason, text = judge(recording)
    assert reason == verdict.OTHER_SENDER
    assert "waits for shop.Book, its parent" in text


def test_the_signal_came_from_the_parent(shop, connect):
    connect(update_stock, post_save, sender=shop.Novel)
    with record() as recording:
        shop.Book.objects.create(title="Emma")
    reason, text = judge(recording)
    assert reason == verdict.OTHER_SENDER
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
        verdict.OTHER_SENDER,
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
    assert reason == verdict.OTHER_SENDER
    assert "waits for shop.Customer, which is swapped for it" in text


def test_the_signal_came_from_a_model_of_a_migration(shop, connect):
    from django.db.migrations.state import ProjectState

    book = ProjectState.from_apps(apps).apps.get_model("shop", "Book")
    connect(update_stock, post_save, sender=shop.Book)
    with record() as recording:
        book.objects.create(title="Emma")
    reason, text = judge(recording)
    assert reason == verdict.OTHER_SENDER
    assert "from another class that is called shop.Book too" in text


@pytest.mark.parametrize("sender", ["Book", None])
def test_something_had_taken_it_out_of_the_list(shop, connect, sender):
    connect(update_stock, post_save, sender=sender and getattr(shop, sender))
    with record() as recording, mute_signals(post_save):
        shop.Book.objects.create(title="Emma")
    assert judge(recording) == (
        verdict.DISCONNECTED,
        "post_save came from shop.Book while something had taken it out of the list of "
        "receivers. factory_boy's mute_signals() does so, for all receivers of a "
        "signal.",
    )


def equal(text):
    """Return a string that is equal, but another object."""
    return "".join([text[:1], text[1:]])


@pytest.mark.parametrize(
    ("sender", "other"),
    [
        (Handler(), Handler()),
        ("shop.orders", equal("shop.orders")),
        # What Django sends is the name that the module itself holds.
        (equal(auth.__name__), auth.__name__),
    ],
)
def test_the_signal_came_from_another_object_that_looks_the_same(
    connect, sender, other
):
    connect(update_stock, order_paid, sender=sender)
    with record() as recording:
        order_paid.send(other)
    described = capture.sender(sender)
    assert judge(recording) == (
        verdict.OTHER_SENDER,
        f"order_paid came from {described}, but from another object than the one that "
        "it waits for. Senders are the same only if they are one object: connect it "
        "with the very one that is sent.",
    )


def test_an_object_that_looks_the_same_is_no_reason_before_it_was_connected(connect):
    with record() as recording:
        order_paid.send(handler)
    connect(update_stock, order_paid, sender=handler)
    assert judge(recording)[0] == verdict.TOO_LATE


@pytest.mark.parametrize(
    "sender", [Handler, auth.__name__, type(None), apps.get_app_config]
)
def test_other_senders_of_one_name_are_the_same(connect, sender):
    # There is a new one each time that apps are installed.
    sender = sender("auth") if sender == apps.get_app_config else sender
    connect(update_stock, order_paid, sender=sender)
    with record() as recording, mute_signals(order_paid):
        order_paid.send(sender)
    assert judge(recording)[0] == verdict.DISCONNECTED


def test_the_signal_came_from_others(shop, connect):
    connect(update_stock, post_save, sender=shop.Book)
    with record() as recording:
        shop.Genre.objects.create(name="Novel")
        assert judge(recording) == (
            verdict.OTHER_SENDER,
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
    assert reason == verdict.DEAD
    assert f"connected to post_save at {__file__}:" in text


def test_a_receiver_that_is_held_does_not_die(shop, connect):
    connect(handler.update, post_save)
    with record() as recording:
        gc.collect()
        shop.Book.objects.create(title="Emma")
    assert judge(recording, handler.update)[0] == verdict.CALLED


def test_the_receiver_was_muted(shop, connect):
    connect(update_stock, post_save)
    with record() as recording:
        with mute(update_stock):
            shop.Book.objects.create(title="Emma")
        assert judge(recording) == (
            verdict.MUTED,
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
        assert judge(recording)[0] == verdict.MUTED
        assert silent_writes(recording) == []


def test_an_earlier_receiver_raised(shop, connect):
    connect(refuse, post_save)
    connect(update_stock, post_save)
    with record() as recording, pytest.raises(ValidationError):
        shop.Book.objects.create(title="Emma")
    assert judge(recording) == (
        verdict.NOT_REACHED,
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
        (verdict.NOT_REACHED, "order_paid came, but its turn has not come yet.")
    ]


def test_nothing_has_imported_its_module(shop):
    with record() as recording:
        shop.Book.objects.create(title="Emma")
    module = f"{SHOP}.never_imported"
    assert judge(recording, f"{module}.update_stock") == (
        verdict.NOT_IMPORTED,
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
    assert reason == verdict.DISCONNECTED
    assert f"it was connected to post_save at {CONFTEST}:" in text
    assert f", and disconnected at {__file__}:" in text


def test_it_was_disconnected_from_the_signal_that_came(shop, connect):
    connect(update_stock, post_delete, post_save)
    post_save.disconnect(update_stock)
    with record() as recording:
        shop.Book.objects.create(title="Emma")
    assert judge(recording)[0] == verdict.DISCONNECTED


def test_it_was_disconnected_from_the_sender_that_came(shop, connect):
    for model in (shop.Genre, shop.Book):
        connect(update_stock, post_save, sender=model)
    post_save.disconnect(update_stock, sender=shop.Book)
    with record() as book:
        shop.Book.objects.create(title="Emma")
    with record() as shelf:
        shop.Shelf.objects.create()
    reason, text = judge(book)
    assert reason == verdict.DISCONNECTED
    assert f", and disconnected at {__file__}:" in text
    assert judge(shelf)[0] == verdict.OTHER_SENDER


def test_it_was_disconnected_after_the_recording_and_so_for_another_reason(
    shop, connect
):
    connect(update_stock, post_save, sender=shop.Book)
    with record() as bulk:
        shop.Book.objects.bulk_create([shop.Book()])
    with record() as proxy:
        shop.PaperBook.objects.create(title="Emma")
    with record() as nothing, mute(update_stock):
        pass
    with record() as late:
        post_save.disconnect(update_stock, sender=shop.Book)
        shop.Book.objects.create(title="Emma")
    reasons = [judge(each)[0] for each in (bulk, proxy, nothing, late)]
    assert reasons == [
        verdict.BULK_WRITE,
        verdict.OTHER_SENDER,
        verdict.NOT_SENT,
        verdict.DISCONNECTED,
    ]


def test_it_was_muted_and_disconnected_after_the_recording(connect):
    connect(handler.update, post_delete)
    with record() as recording, mute(handler.update):
        assert not post_delete.has_listeners(Handler)
    post_delete.disconnect(handler.update)
    assert judge(recording, handler.update)[0] == verdict.MUTED


def test_its_signal_has_lost_its_receivers(connect):
    connect(update_stock, order_paid)
    with patch.object(order_paid, "receivers", []), record() as recording:
        order_paid.send(None)
        reason, text = judge(recording)
    assert reason == verdict.DISCONNECTED
    assert text.endswith("Something has replaced the list of receivers.")


def test_another_receiver_has_its_dispatch_uid(connect):
    connect(send_mail, order_paid, dispatch_uid="stock")
    connect(update_stock, order_paid, dispatch_uid="stock")
    with record() as recording:
        order_paid.send(None)
    reason, text = judge(recording)
    assert reason == verdict.TAKEN_UID
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
    assert reason == verdict.NEVER_CONNECTED
    assert text.startswith("it exists, but nothing has connected it")


@pytest.fixture
def pending():
    yield
    for name in ("ordr", "shlf"):
        apps._pending_operations.pop(("shop", name))


@pytest.mark.parametrize("receiver", [update_stock, f"{HERE}.update_stock"])
def test_it_waits_for_a_model_that_nothing_defines(pending, receiver):
    post_save.connect(send_mail, sender="shop.Shlf")
    post_save.connect(update_stock, sender="shop.Ordr")
    with record() as recording:
        order_paid.send(None)
    assert judge(recording, receiver) == (
        verdict.NEVER_CONNECTED,
        "it waits for a model shop.ordr, to be connected to its post_save, but nothing "
        "has defined one. Mend the label that connect() or @receiver was given.",
    )


@pytest.mark.parametrize("sender", ["Book", None])
def test_it_was_connected_too_late(shop, connect, sender):
    with record() as recording:
        shop.Book.objects.create(title="Emma")
    connect(update_stock, post_save, sender=sender and getattr(shop, sender))
    reason, text = judge(recording)
    assert reason == verdict.TOO_LATE
    assert text.startswith("post_save came from shop.Book before it was connected")


def test_a_signal_without_sender_came_too_early(connect):
    with record() as recording:
        order_paid.send(None)
    connect(update_stock, order_paid)
    reason, text = judge(recording)
    assert reason == verdict.TOO_LATE
    assert text.startswith("order_paid came before it was connected")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (f"{HERE}.no_such", f"there is no no_such in {HERE}."),
        (f"{SHOP}.no_module.f", f"there is no no_module.f in {SHOP}."),
        ("no_package.signals.f", "there is no such module."),
        ("nonsense.<x>", "there is no such module."),
        ("update_stock", "there is no such module."),
        ("signals_demo", "there is no such module."),
        ("", "there is no such module."),
    ],
)
def test_there_is_no_such_receiver(name, text):
    with record() as recording:
        pass
    reason, said = judge(recording, name)
    assert reason == verdict.NO_SUCH_RECEIVER
    assert said.startswith(text)


def test_nothing_sent_it(connect):
    connect(update_stock, order_paid, post_save)
    with record(everywhere=True) as recording:
        pass
    reason, text = judge(recording)
    assert reason == verdict.NOT_SENT
    assert text.startswith("nothing sent order_paid or post_save. What was recorded")


def test_another_thread_may_have_sent_it(connect):
    ran = []

    def count(sender, **kwargs):
        ran.append(sender)

    connect(count, order_paid)
    with record() as recording:
        thread = Thread(target=order_paid.send, args=(None,))
        thread.start()
        thread.join()
    assert ran == [None]
    assert judge(recording, count) == (
        verdict.NOT_SENT,
        "nothing in this context sent order_paid. What was recorded does not do what "
        "sends it; signals.md says what does. What other threads send, "
        "record(everywhere=True) shows.",
    )


def test_what_a_recording_left_out_is_told(shop, connect):
    connect(update_stock, order_paid)
    with record(signals=["post_save"]) as filtered:
        order_paid.send(None)
    with record(max_entries=1) as full:
        shop.Book(title="Emma")
        order_paid.send(None)
    assert judge(filtered)[1].endswith("but those of a filter.")
    assert judge(full)[1].endswith("no room for all; give it more.")


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"max_entries": 5}, "The recording had no room for all; give it more."),
        (
            {"senders": ["shop.Genre"]},
            "Not all signals were recorded, but those of a filter.",
        ),
    ],
)
def test_of_a_receiver_that_ran_unseen_nothing_is_made_up(shop, connect, options, hint):
    ran = []

    def count(sender, **kwargs):
        ran.append(sender)

    connect(count, post_save, sender=shop.Book)
    with record(**options) as recording:
        for _ in range(5):
            shop.Genre.objects.create()
        shop.Book.objects.create()
    assert ran == [shop.Book]
    assert judge(recording, count) == (
        verdict.NOT_SENT,
        f"nothing that was recorded sent it post_save. {hint}",
    )


def test_what_was_left_out_is_no_reason_where_it_was_another_signal(shop, connect):
    connect(update_stock, post_save, sender=shop.Book)
    with record(signals=["post_save"]) as filtered:
        shop.PaperBook.objects.create()
    with record(max_entries=5) as full:
        shop.PaperBook.objects.create()
        shop.Book()
    assert full.dropped
    assert "django.db.models.signals.post_save" not in full.dropped
    reasons = [judge(each)[0] for each in (filtered, full)]
    assert reasons == [verdict.OTHER_SENDER] * 2


def test_what_was_connected_before_the_app_was_loaded_is_judged_too(connect):
    with record() as recording:
        order_paid.send(None)
    connect(update_stock, order_paid)
    remembered.clear()
    assert judge(recording)[0] == verdict.TOO_LATE
