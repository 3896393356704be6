import pytest
from django.apps import apps
from django.core.checks.registry import registry
from django.core.management.sql import emit_post_migrate_signal
from django.db.models.signals import post_migrate

from invite_code import seeding
from invite_code.checks import check_collation, check_settings
from invite_code.signals import seed_invite_codes

pytestmark = pytest.mark.usefixtures("post_migrate_receivers")


@pytest.fixture
def seedings(monkeypatch):
    """The aliases that were to be seeded."""
    aliases = []

    def seed(*args, using):
        aliases.append(using)
        return False

    monkeypatch.setattr(seeding, "seed", seed)
    return aliases


@pytest.mark.django_db
def test_the_receiver_runs_once_though_every_app_sends_the_signal(seedings):
    senders = []

    def count(sender, **kwargs):
        senders.append(sender)

    post_migrate.connect(count)
    emit_post_migrate_signal(0, False, "default")
    assert len(senders) > 1
    assert seedings == ["default"]


@pytest.mark.django_db
def test_without_a_sender_it_would_run_for_every_app(seedings):
    post_migrate.connect(seed_invite_codes, dispatch_uid="naive")
    emit_post_migrate_signal(0, False, "default")
    assert len(seedings) > 2


@pytest.mark.django_db
def test_an_app_that_gets_ready_twice_seeds_once(seedings):
    apps.get_app_config("invite_code").ready()
    emit_post_migrate_signal(0, False, "default")
    assert seedings == ["default"]


@pytest.mark.django_db
def test_without_the_receiver_nothing_is_seeded(seedings):
    assert post_migrate.disconnect(
        sender=apps.get_app_config("invite_code"),
        dispatch_uid="invite_code.seed_invite_codes",
    )
    emit_post_migrate_signal(0, False, "default")
    assert seedings == []


def test_the_checks_are_registered_under_their_tags():
    assert check_settings in registry.get_checks()
    assert check_settings.tags == ("security",)
    assert check_collation in registry.get_checks(include_deployment_checks=True)
    assert check_collation.tags == ("database",)


def test_getting_ready_twice_registers_each_check_once():
    apps.get_app_config("invite_code").ready()
    checks = list(registry.get_checks())
    assert checks.count(check_settings) == checks.count(check_collation) == 1


def test_getting_ready_makes_no_query(django_assert_num_queries, db):
    with django_assert_num_queries(0):
        apps.get_app_config("invite_code").ready()
