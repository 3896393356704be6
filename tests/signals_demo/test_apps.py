import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db.models.signals import post_migrate, pre_migrate
from django.test import override_settings

from signals_demo import database, profiles
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forget_dead_senders():
    """Disconnect what other tests' configs connected before they were collected.

    Before Django 6.0 that stays, and hears any object that gets the same id.
    """
    living = id(apps.get_app_config("signals_demo"))
    for signal in (pre_migrate, post_migrate):
        signal.receivers = [
            connected
            for connected in signal.receivers
            if "signals_demo." not in str(connected[0][0]) or connected[0][1] == living
        ]
        signal.sender_receivers_cache.clear()


@pytest.fixture
def calls(monkeypatch):
    """What the receivers of pre_migrate and post_migrate call, in this order."""
    calls = []
    for module, name in [(database, "limit_lock_wait"), (profiles, "backfill")]:
        monkeypatch.setattr(module, name, lambda *args, name=name: calls.append(name))
    return calls


def migrate():
    call_command("migrate", verbosity=0)


def test_ready_may_run_twice(calls, django_assert_num_queries):
    with django_assert_num_queries(0):
        apps.get_app_config("signals_demo").ready()
    migrate()
    assert calls == ["limit_lock_wait", "backfill"]


def test_a_config_made_anew_neither_loses_nor_doubles_a_receiver(calls):
    old = apps.get_app_config("signals_demo")
    with override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS]):
        assert apps.get_app_config("signals_demo") is not old
        migrate()
        assert calls == ["limit_lock_wait", "backfill"]
        UserFactory()
    assert apps.get_app_config("signals_demo") is old
    migrate()
    assert calls == ["limit_lock_wait", "backfill"] * 2
    assert get_user_model().objects.get().signals_demo_profile


def test_without_the_app_its_receivers_are_not_called(calls):
    others = [name for name in settings.INSTALLED_APPS if name != "signals_demo"]
    with override_settings(INSTALLED_APPS=others):
        migrate()
    assert calls == []
