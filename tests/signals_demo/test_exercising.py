import logging
from dataclasses import replace

import pytest
from django.conf import settings
from django.core import mail
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.test import override_settings
from django.test.utils import setup_test_environment, teardown_test_environment

from signals_demo import catalog, exercising
from signals_demo.builtin import Argument, BuiltinSignal
from signals_demo.models import Pizza, Topping
from signals_demo.scenarios import SCENARIOS, SETTINGS, Scenario
from tests.factories import PizzaFactory, ToppingFactory

#: A signal sent by hand, to stand for one that Django sends wrongly.
probe = Signal()

PROBE = BuiltinSignal(
    group="Probes",
    path=f"{__name__}.probe",
    sender="None",
    when="When a test says so.",
    sent_by=(),
    arguments=(Argument("always", "a value"), Argument("now_and_then", "a value", "x")),
)
WITH_ALL = {"always": 1, "now_and_then": 2}


def sending(*emissions):
    def send():
        for emission in emissions:
            probe.send(None, **emission)

    return Scenario("probe.send()", send)


@pytest.fixture
def exercise_probe(monkeypatch):
    """Exercise the probe, with scenarios that send these emissions."""

    def exercise(*scenarios):
        monkeypatch.setitem(SCENARIOS, "probe", list(scenarios))
        return exercising.exercise_one(PROBE)

    return exercise


def connected(signal, receiver):
    return any(entry[0][0] == id(receiver) for entry in signal.receivers)


@pytest.mark.django_db(databases="__all__")
def test_every_signal_comes_as_the_catalog_says():
    exercises = exercising.exercise(catalog.signals())

    assert [exercise.signal for exercise in exercises] == [*catalog.signals()]
    assert [exercise.problems for exercise in exercises if exercise.problems] == []


@pytest.mark.django_db(databases="__all__")
def test_no_setting_of_the_project_is_in_the_way():
    with override_settings(
        ALLOWED_HOSTS=[],
        AUTHENTICATION_BACKENDS=["missing.Backend"],
        DEBUG=True,
        DEBUG_PROPAGATE_EXCEPTIONS=True,
        MIDDLEWARE=["missing.Middleware"],
        MIGRATION_MODULES={"signals_demo": "missing"},
        ROOT_URLCONF="missing",
        SESSION_ENGINE="missing",
        TASKS={"default": {"BACKEND": "missing.Backend"}},
        TEMPLATES=[],
    ):
        exercises = exercising.exercise(catalog.signals())

    assert [exercise.problems for exercise in exercises if exercise.problems] == []


@pytest.mark.django_db(databases="__all__")
@pytest.mark.parametrize(
    "signal",
    [signal for signal in catalog.signals() if signal.arguments],
    ids=lambda signal: signal.name,
)
def test_a_renamed_argument_is_noticed(signal):
    *others, last = signal.arguments_in()
    renamed = replace(last, name="renamed")

    (exercise,) = exercising.exercise([replace(signal, arguments=(*others, renamed))])

    assert any("renamed" in problem for problem in exercise.problems)
    assert any(last.name in problem for problem in exercise.problems)


@pytest.mark.django_db(databases="__all__")
def test_what_came_is_told(exercise_probe):
    (run,) = exercise_probe(sending(WITH_ALL, {"always": 1})).runs

    assert (run.how, run.times) == ("probe.send()", 2)
    assert run.arguments == ("always", "now_and_then")
    assert run.problems == ()


@pytest.mark.django_db(databases="__all__")
def test_a_signal_that_never_comes_is_noticed(exercise_probe):
    assert exercise_probe(sending(WITH_ALL), sending()).problems == ("never came",)


@pytest.mark.django_db(databases="__all__")
def test_a_signal_without_scenarios_is_noticed(monkeypatch):
    assert "probe" not in SCENARIOS

    problems = exercising.exercise_one(PROBE).problems

    assert problems == ("never came", "never came with now_and_then")


@pytest.mark.django_db(databases="__all__")
def test_an_argument_the_catalog_does_not_know_is_noticed(exercise_probe):
    exercise = exercise_probe(sending(WITH_ALL, {**WITH_ALL, "new": 3}))

    assert exercise.problems == ("came with new, which the catalog does not know",)
    assert exercise.runs[0].arguments == ("always", "now_and_then", "new")


@pytest.mark.django_db(databases="__all__")
def test_an_argument_that_does_not_always_come_is_noticed(exercise_probe):
    exercise = exercise_probe(sending(WITH_ALL, {"now_and_then": 2}))

    assert exercise.problems == ("came without always",)


@pytest.mark.django_db(databases="__all__")
def test_an_argument_that_comes_sometimes_must_come_with_some_scenario(exercise_probe):
    rarely = sending({"always": 1})

    assert exercise_probe(rarely, sending(WITH_ALL)).problems == ()
    assert exercise_probe(rarely).problems == ("never came with now_and_then",)


@pytest.mark.django_db(databases="__all__")
def test_a_scenario_that_raises_is_told_and_the_next_one_runs(exercise_probe):
    def fail():
        probe.send(None, **WITH_ALL)
        raise ValueError("no")

    exercise = exercise_probe(Scenario("fail", fail), sending(WITH_ALL))

    assert [run.times for run in exercise.runs] == [1, 1]
    assert exercise.problems == ("raised ValueError('no')",)
    assert not probe.has_listeners()


@pytest.mark.django_db(databases="__all__")
@pytest.mark.parametrize("error", [None, ZeroDivisionError])
def test_what_is_written_is_rolled_back(error, exercise_probe):
    def write():
        PizzaFactory()
        assert Pizza.objects.count() == 1
        if error:
            raise error

    exercise_probe(Scenario("write", write))

    assert not Pizza.objects.exists()


@pytest.mark.django_db(databases="__all__")
def test_every_database_is_rolled_back_even_one_that_no_router_names():
    with exercising.rolled_back():
        ToppingFactory()
        Pizza.objects.using("other").create(name="margherita")
        assert Pizza.objects.using("other").count() == 1

    assert not Pizza.objects.using("other").exists()
    assert not Topping.objects.exists()


def test_who_listens_is_disconnected_whatever_happens():
    def fail():
        with exercising.listening(probe):
            assert probe.has_listeners()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert not probe.has_listeners()


@pytest.mark.django_db(databases="__all__")
def test_to_look_connects_nothing(exercise_probe):
    heard = []

    def look():
        heard.append(probe.has_listeners())
        probe.send(None, **WITH_ALL)

    (run,) = exercise_probe(Scenario("look", look)).runs

    assert (heard, run.times) == ([False], 1)


@pytest.mark.django_db(databases="__all__")
def test_what_merely_listening_costs_is_told():
    exercises = exercising.exercise(
        [catalog.get("m2m_changed"), catalog.get("pre_save")]
    )

    costs = [[run.more_queries for run in exercise.runs] for exercise in exercises]
    assert costs == [[1, 1, 1], [0, 0, 0]]


def test_the_surroundings_are_left_as_they_were():
    def current():
        return {name: getattr(settings, name, None) for name in SETTINGS}

    def fail():
        with exercising.surroundings():
            assert current() == SETTINGS
            assert not logger.isEnabledFor(logging.CRITICAL)
            request_started.disconnect(close_old_connections)
            request_finished.disconnect(close_old_connections)
            raise ZeroDivisionError

    logger = logging.getLogger("django.request")
    before = current()
    with pytest.raises(ZeroDivisionError):
        fail()

    assert current() == before
    assert logger.isEnabledFor(logging.CRITICAL)
    assert connected(request_started, close_old_connections)
    assert connected(request_finished, close_old_connections)


def test_a_logging_level_that_was_switched_off_stays_so():
    logging.disable(logging.INFO)
    try:
        with exercising.silence():
            pass
        assert logging.root.manager.disable == logging.INFO
    finally:
        logging.disable(logging.NOTSET)


def test_the_test_environment_of_a_test_runner_is_left_alone():
    mail.outbox.append("a letter")

    with exercising.surroundings():
        pass

    assert mail.outbox == ["a letter"]


@pytest.mark.django_db(databases="__all__")
def test_outside_tests_a_test_environment_is_made_for_a_while():
    teardown_test_environment()
    try:
        (exercise,) = exercising.exercise([catalog.get("template_rendered")])
        assert not hasattr(mail, "outbox")
    finally:
        setup_test_environment(debug=False)

    assert exercise.problems == ()


@pytest.mark.django_db(databases="__all__")
def test_receivers_of_the_project_run_and_their_errors_are_told():
    def object_to_basil(instance, **kwargs):
        raise PermissionError

    post_save.connect(object_to_basil, sender="signals_demo.Topping")
    try:
        (exercise,) = exercising.exercise([catalog.get("post_save")])
    finally:
        post_save.disconnect(object_to_basil, sender="signals_demo.Topping")

    assert "raised PermissionError()" in exercise.problems
