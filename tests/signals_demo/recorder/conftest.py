from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import modify_settings, override_settings

from signals_demo.recorder.connecting import remembered

SHOP = "tests.signals_demo.recorder.shop"


@pytest.fixture(scope="module")
def shop(django_db_setup, django_db_blocker):
    """Return the models of an app that is installed as long as it is asked for."""
    with (
        override_settings(SHOP_CUSTOMER_MODEL="shop.Member"),
        modify_settings(INSTALLED_APPS={"append": SHOP}),
    ):
        models = list(apps.get_app_config("shop").get_models())
        tables = [
            model for model in models if model._meta.managed and not model._meta.proxy
        ]
        with django_db_blocker.unblock(), connection.schema_editor() as editor:
            for model in tables:
                editor.create_model(model)
        yield import_module(f"{SHOP}.models")
        with django_db_blocker.unblock(), connection.schema_editor() as editor:
            for model in reversed(tables):
                editor.delete_model(model)
        # Those that flush has made, after tests with transactions.
        with django_db_blocker.unblock():
            ContentType.objects.filter(app_label="shop").delete()
            ContentType.objects.clear_cache()


@pytest.fixture
def connect():
    """Connect a receiver to signals, until the test ends."""
    before, done = remembered[:], []

    def connect(receiver, *signals, **options):
        for signal in signals:
            signal.connect(receiver, **options)
            done.append((signal, receiver, options))

    yield connect
    for signal, receiver, options in done:
        options.pop("weak", None)
        signal.disconnect(receiver, **options)
    remembered[:] = before
