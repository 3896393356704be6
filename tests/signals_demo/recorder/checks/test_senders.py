import django
import pytest
from django.apps import AppConfig, apps
from django.contrib import auth
from django.contrib.auth.models import User
from django.db import models
from django.db.migrations.state import ProjectState
from django.db.models.signals import (
    class_prepared,
    m2m_changed,
    post_delete,
    post_init,
    post_migrate,
    post_save,
    pre_delete,
    pre_migrate,
    pre_save,
)
from django.dispatch import Signal
from django.test.utils import isolate_apps

from signals_demo.models import Pizza, Topping
from signals_demo.recorder import connecting
from signals_demo.recorder.checks.senders import (
    deleted_by_database,
    migrated,
    prepared,
    relatives,
    through,
    without_instances,
)
from signals_demo.recorder.inventory import Connection

HERE = __name__
LISTEN = f"{HERE}.listen"
order_paid = Signal()

pytestmark = pytest.mark.django_db


def listen(sender, **kwargs):
    pass


def listen_too(sender, **kwargs):
    pass


class Listener:
    def hear(self, **kwargs):
        pass


class Base(models.Model):
    class Meta:
        abstract = True
        app_label = "signals_demo"


@pytest.mark.parametrize("signal", [pre_migrate, post_migrate])
@pytest.mark.parametrize(
    ("sender", "name"),
    [
        ("signals_demo", "signals_demo"),
        (auth, "<module>"),
        (type(apps.get_app_config("auth")), "django.contrib.auth.apps.AuthConfig"),
        (User, "auth.User"),
        ("django.contrib.auth", "django.contrib.auth"),
    ],
    ids=["label", "module", "class", "model", "name"],
)
def test_E002_migrations_come_from_configurations(
    connect, judged, signal, sender, name
):
    connect(listen, signal, sender=sender)
    (found,) = judged(migrated)
    assert (found.id, found.obj) == ("signals_demo.E002", LISTEN)
    assert f"_migrate never comes from {name}: it comes" in found.msg


def test_E002_such_senders_are_fine(connect, ids):
    connect(listen, post_migrate, sender=apps.get_app_config("auth"))
    connect(listen, post_migrate)
    connect(listen, order_paid, sender="signals_demo")
    assert ids(migrated) == []


def test_E002_a_configuration_of_other_settings_is_fine(connect, ids):
    config = AppConfig.create("django.contrib.auth")
    connect(listen, post_migrate, sender=config)
    assert ids(migrated) == []


def test_E002_nor_is_anything_said_of_what_nobody_remembers(connect, ids):
    connect(listen, post_migrate, sender=object())  # Django cannot refer to it.
    assert ids(migrated) == [("signals_demo.E002", LISTEN)]
    connecting.remembered.clear()
    assert ids(migrated) == []


def test_W004_an_app_without_models_is_not_migrated(connect, judged):
    config = apps.get_app_config("signals_demo_recorder")
    connect(listen, post_migrate, sender=config)
    (found,) = judged(migrated)
    assert (found.id, found.obj) == ("signals_demo.W004", LISTEN)
    assert "Add an empty signals_demo.recorder.models" in found.hint


@pytest.mark.parametrize("sender", [Pizza, "signals_demo.Pizza", Pizza.toppings])
def test_E003_relations_send_from_between(connect, judged, sender):
    connect(listen, m2m_changed, sender=sender)
    (found,) = judged(through)
    assert (found.id, found.obj) == ("signals_demo.E003", LISTEN)
    assert found.hint == "Connect it with sender=Pizza.toppings.through."


def test_E003_there_may_be_more_than_one_relation_or_none(shop, connect, judged):
    connect(listen, m2m_changed, sender=shop.Book)
    connect(listen, m2m_changed, sender=Topping)
    hints = [each.hint for each in judged(through)]
    assert hints == [
        "Connect it with sender=Book.genres.through or Book.readers.through.",
        "Connect it with sender=the through model of a relation.",
    ]


def test_E003_such_senders_are_fine(shop, connect, ids):
    connect(listen, m2m_changed, sender=Pizza.toppings.through)
    connect(listen, m2m_changed, sender=shop.Loan)
    connect(listen, post_save, sender=Pizza)
    connect(listen_too, m2m_changed)
    assert ids(through) == []


def test_E003_models_of_migrations_are_fine(connect, ids):
    state = ProjectState.from_apps(apps).apps
    pizza = state.get_model("signals_demo", "Pizza")
    connect(listen, m2m_changed, sender=pizza.toppings.through)
    connect(listen, m2m_changed, sender=pizza)
    assert ids(through) == []


@pytest.mark.parametrize("signal", [post_save, pre_delete, post_init])
def test_E004_abstract_models_send_nothing(connect, judged, signal):
    connect(listen, signal, sender=Base)
    (found,) = judged(without_instances)
    assert (found.id, found.obj) == ("signals_demo.E004", LISTEN)
    assert "never comes from signals_demo.Base, which is abstract" in found.msg


def test_E004_nor_does_the_class_of_all_models():
    sender = "django.db.models.base.Model", id(models.Model)
    name = "django.db.models.signals.post_save"
    connected = Connection(name, listen, *sender, False, True, None, 0)
    (found,) = without_instances([connected])
    assert found.id == "signals_demo.E004"


@pytest.mark.parametrize("signal", [post_save, pre_delete])
def test_W007_nor_do_those_that_another_is_swapped_for(shop, connect, judged, signal):
    connect(listen, signal, sender=shop.Customer)
    (found,) = judged(without_instances)
    assert (found.id, found.obj) == ("signals_demo.W007", LISTEN)
    assert "shop.Customer, for which shop.Member is swapped" in found.msg
    assert found.hint == "Connect it with sender=settings.SHOP_CUSTOMER_MODEL."


def test_E004_and_W007_such_senders_are_fine(shop, connect, ids):
    connect(listen, pre_save, post_save, sender=shop.Member)
    connect(listen, post_init, sender=shop.Customer)
    connect(listen, order_paid, sender=Base)
    assert ids(without_instances) == []


def test_W002_class_prepared_is_not_waited_for_in_ready(connect, judged):
    connect(listen, class_prepared)
    (found,) = judged(prepared)
    assert (found.id, found.obj) == ("signals_demo.W002", LISTEN)
    assert "for all installed models by then, at /" in found.msg


def test_W002_nor_of_a_model_that_is_there(connect, judged):
    connect(listen, class_prepared, sender=Topping)
    (found,) = judged(prepared)
    assert "class_prepared of signals_demo.Topping had been sent before" in found.msg


def test_W002_before_models_are_loaded_is_fine(connect, ids, monkeypatch):
    monkeypatch.setattr(connecting.apps, "models_ready", False)
    connect(listen, class_prepared)
    monkeypatch.undo()
    connect(listen, post_save)
    assert ids(prepared) == []


@isolate_apps()
def test_W002_a_field_may_wait_for_the_model_that_it_is_put_into(connect, ids):
    # As StatusField of django-model-utils does.
    class Status(models.CharField):
        def contribute_to_class(self, cls, name, **kwargs):
            connect(self.prepare, class_prepared, sender=cls)
            super().contribute_to_class(cls, name, **kwargs)

        def prepare(self, sender, **kwargs):
            sender.prepared = True

    class Ordered(models.Model):
        status = Status(max_length=9)

        class Meta:
            abstract = True
            app_label = "shop"

    class Order(Ordered):
        class Meta(Ordered.Meta):
            pass

    assert Order.prepared
    assert ids(prepared) == []


@isolate_apps()
def test_W002_so_may_one_that_connects_while_it_is_being_made(connect, ids):
    class Connecting:
        def __init_subclass__(cls, **kwargs):
            super().__init_subclass__(**kwargs)
            connect(listen, class_prepared, sender=cls)

    class Order(Connecting, models.Model):
        class Meta:
            app_label = "shop"

    assert class_prepared.has_listeners(Order)
    assert ids(prepared) == []


@pytest.mark.parametrize("sender", ["signals_demo.Topping", models.Model, Listener])
def test_W002_others_are_no_senders_of_it(connect, judged, sender):
    connect(listen, class_prepared, sender=sender)
    (found,) = judged(prepared)
    assert (found.id, found.obj) == ("signals_demo.W002", LISTEN)


@pytest.mark.parametrize("sender", [None, Topping])
def test_W002_what_was_connected_before_we_looked_was_early(connect, ids, sender):
    connect(listen, class_prepared, sender=sender)
    connecting.remembered.clear()
    assert ids(prepared) == []


@pytest.mark.parametrize("signal", [pre_save, post_save])
def test_I001_what_is_saved_as_a_child_is_not_saved_as_a_parent(
    shop, connect, judged, signal
):
    connect(listen, signal, sender=shop.Book)
    (found,) = judged(relatives)
    assert (found.id, found.obj) == ("signals_demo.I001", LISTEN)
    derived = "shop.Novel and shop.PaperBook, derived from shop.Book, does not reach"
    assert f"_save of {derived}" in found.msg


def test_I001_a_method_may_hear_all_of_them(shop, connect, judged):
    listener = Listener()
    for model in (shop.Book, shop.Novel):
        connect(listener.hear, post_save, sender=model)
    (found,) = judged(relatives)
    assert "post_save of shop.PaperBook, derived from shop.Book" in found.msg
    connect(listener.hear, post_save, sender=shop.PaperBook)
    assert judged(relatives) == []


@pytest.mark.parametrize("signal", [pre_delete, post_delete])
def test_I001_what_is_deleted_as_a_child_is_deleted_as_a_parent_too(
    shop, connect, judged, signal
):
    connect(listen, signal, sender=shop.Book)
    (found,) = judged(relatives)
    assert "_delete of shop.PaperBook, derived from shop.Book" in found.msg


@pytest.mark.parametrize("name", ["Book", "Novel", "PaperBook"])
def test_I001_django_agrees(shop, connect, judged, name):
    heard = []

    def hear(sender, signal, **kwargs):
        heard.append(signal)

    connect(hear, post_save, post_delete, sender=shop.Book)
    getattr(shop, name).objects.create().delete()
    said = "".join(each.msg for each in judged(relatives))
    for signal, text in (post_save, "post_save of"), (post_delete, "post_delete of"):
        missed = f"shop.{name}" in said.partition(text)[2].partition("derived")[0]
        assert missed is (signal not in heard)


def test_I001_it_may_be_connected_with_some_of_them(shop, connect, judged):
    connect(listen, post_save, sender=shop.Book)
    connect(listen, post_save, sender=shop.Novel)
    connect(listen_too, post_save, sender=shop.PaperBook)
    (found,) = judged(relatives)
    assert "post_save of shop.PaperBook, derived from shop.Book," in found.msg


def test_I001_it_is_fine(shop, connect, ids):
    for sender in (shop.Book, shop.Novel, shop.PaperBook):
        connect(listen, post_save, sender=sender)
    connect(listen_too, pre_save)
    connect(listen_too, pre_save, sender=shop.Book)
    connect(listen, post_init, sender=shop.Book)
    connect(listen, pre_delete, sender=shop.Author)
    connect(listen, pre_delete, sender=Base)
    assert ids(relatives) == []


needs_cascade = pytest.mark.skipif(
    django.VERSION < (6, 1), reason="DB_CASCADE came with Django 6.1"
)


@needs_cascade
def test_W009_databases_send_no_signals(shop, connect, judged):
    connect(listen, post_delete, sender=shop.Label)
    (found,) = judged(deleted_by_database)
    assert (found.id, found.obj) == ("signals_demo.W009", LISTEN)
    assert "shop.Label when rows go with those of shop.Imprint: imprint" in found.msg
    assert found.hint == "Use CASCADE for shop.Label.imprint."


@needs_cascade
def test_W009_it_is_said_once_of_a_receiver(shop, connect, judged):
    connect(listen, post_delete)
    (found,) = judged(deleted_by_database)
    assert (found.id, found.obj) == ("signals_demo.W009", LISTEN)
    assert "from shop.Imprint and shop.Label when rows go with" in found.msg
    assert (
        "those of shop.Imprint and shop.Publisher: imprint and publisher" in found.msg
    )
    assert (
        found.hint == "Use CASCADE for shop.Imprint.publisher and shop.Label.imprint."
    )


def test_W009_it_is_fine(shop, connect, ids):
    connect(listen, post_delete, pre_delete, sender=shop.Loan)
    connect(listen, post_delete, sender=shop.Publisher)
    connect(listen, post_save, sender=shop.Label)
    assert ids(deleted_by_database) == []
