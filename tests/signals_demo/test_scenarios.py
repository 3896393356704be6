import re
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.signals import request_started
from django.db import connections, models, router
from django.db.models.signals import m2m_changed, post_migrate, post_save, pre_save
from django.test import Client, override_settings
from django.utils.connection import ConnectionDoesNotExist

from signals_demo import catalog, compat, scenarios
from signals_demo.exercising import run, surroundings
from signals_demo.models import Pizza, Profile, Topping

INSTALLED = [
    pytest.param(signal, scenario, id=f"{signal.name}-{scenario.how}")
    for signal in catalog.signals()
    for scenario in scenarios.SCENARIOS[signal.name]
]


@pytest.fixture
def received():
    """Connect to signals, and return what came as (signal, arguments)."""
    came = []

    def receiver(signal, **kwargs):
        came.append((signal, kwargs))

    def listen(*signals):
        connected.extend(signals)
        for signal in signals:
            signal.connect(receiver)
        return came

    connected = []
    yield listen
    for signal in connected:
        signal.disconnect(receiver)


@pytest.mark.django_db(databases="__all__")
@pytest.mark.parametrize(("signal", "scenario"), INSTALLED)
def test_the_scenario_makes_django_send_the_signal(signal, scenario):
    with surroundings():
        result = run(signal, scenario)

    assert result.times > 0
    assert result.problems == ()


def test_every_signal_of_every_supported_version_has_scenarios():
    supported = [catalog.signals(version) for version in ((5, 2), (6, 0), (6, 1))]
    names = {signal.name for signals in supported for signal in signals}

    assert set(scenarios.SCENARIOS) == names


def test_nothing_is_sent_by_hand():
    source = Path(scenarios.__file__).read_text(encoding="utf-8")

    assert not re.search(r"send(_robust)?\(", source)


@pytest.mark.django_db(databases="__all__")
def test_fixtures_are_loaded_raw(received):
    came = received(pre_save, post_save, m2m_changed)

    scenarios.load_fixture()

    assert {kwargs["using"] for _, kwargs in came} == {scenarios.THROWAWAY}
    assert [signal for signal, _ in came] == [
        *[pre_save, post_save] * 2,
        *[m2m_changed] * 2,
    ]
    raw = [kwargs.get("raw") for _, kwargs in came]
    assert raw == [True] * 4 + [True if compat.DJANGO_VERSION >= (6, 1) else None] * 2


@pytest.mark.django_db(databases="__all__")
@pytest.mark.parametrize(
    "scenario", [scenarios.migrate, scenarios.flush, scenarios.load_fixture]
)
def test_commands_stay_off_the_databases_of_the_project(
    scenario, django_assert_num_queries
):
    with django_assert_num_queries(0):
        scenario()


@pytest.mark.django_db(databases="__all__")
def test_flushing_a_database_without_tables_sends_nothing(received, monkeypatch):
    monkeypatch.setattr(scenarios, "create_tables", lambda connection: None)
    came = received(post_migrate)

    scenarios.flush()

    assert came == []


@pytest.mark.django_db(databases="__all__")
def test_the_throwaway_database_is_gone_afterwards():
    connected = []

    def fail():
        with scenarios.throwaway_database() as database:
            database.ensure_connection()
            connected.append(database)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert connected[0].connection is None
    with pytest.raises(ConnectionDoesNotExist):
        connections[scenarios.THROWAWAY]


def test_the_throwaway_database_has_few_tables_and_no_migrations():
    def admitted():
        return [
            model
            for model in (Pizza, Topping, Profile, get_user_model())
            if router.allow_migrate_model(scenarios.THROWAWAY, model)
        ]

    with scenarios.throwaway_database():
        assert admitted() == [Pizza, Topping]
        assert set(settings.MIGRATION_MODULES.values()) == {None}

    assert len(admitted()) == 4
    assert settings.MIGRATION_MODULES == {}


def test_other_databases_are_left_to_other_routers():
    assert scenarios.ToppingsOnly().allow_migrate("default", "auth") is None


def test_the_defined_model_stays_out_of_the_registry():
    before = apps.get_models()

    scenarios.define_model()

    assert apps.get_models() == before
    assert "fleeting" not in apps.all_models["signals_demo"]


def test_the_pages_need_nothing_of_the_project(received):
    came = received(request_started)

    with override_settings(ALLOWED_HOSTS=[], **scenarios.SETTINGS):
        assert Client().get("/").content == b"Welcome."
        response = Client(raise_request_exception=False).get("/broken/")

    assert response.status_code == 500
    assert response.content == b""
    assert len(came) == 2


@pytest.mark.django_db(databases="__all__")
def test_every_user_is_a_new_one():
    users = {scenarios.new_user().pk for _ in range(2)}

    assert get_user_model().objects.filter(pk__in=users).count() == 2


@pytest.mark.parametrize(
    "field",
    [
        models.BooleanField(),
        models.CharField(max_length=10),
        models.DateField(),
        models.DateTimeField(),
        models.DecimalField(max_digits=5, decimal_places=2),
        models.EmailField(),
        models.IntegerField(),
        models.TextField(),
        models.UUIDField(),
    ],
    ids=lambda field: type(field).__name__,
)
def test_required_fields_get_what_they_can_store(field):
    field.clean(scenarios.filler(field), None)


def test_a_reloader_that_nobody_answers_ends_the_process_but_for_a_guard(monkeypatch):
    scenarios.touch_watched_file()
    monkeypatch.setattr(scenarios, "suppress", lambda error: nullcontext())
    with pytest.raises(SystemExit):
        scenarios.touch_watched_file()


def test_reloaders_leave_no_thread():
    before = threading.enumerate()

    scenarios.start_reloader()

    assert threading.enumerate() == before


@pytest.mark.django_db(databases="__all__")
def test_relations_are_changed_in_every_way_and_from_both_ends(received):
    came = received(m2m_changed)

    scenarios.change_relation()
    scenarios.achange_relation()

    assert [(kwargs["action"], kwargs["model"]) for _, kwargs in came] == [
        ("pre_add", Topping),
        ("post_add", Topping),
        ("pre_remove", Topping),
        ("post_remove", Topping),
        ("pre_clear", Topping),
        ("post_clear", Topping),
        ("pre_add", Pizza),
        ("post_add", Pizza),
    ]
