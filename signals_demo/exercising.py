"""Run the scenarios, and compare what Django sends with the catalog."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.db import connections as databases
from django.db.models.signals import ModelSignal
from django.dispatch import Signal
from django.test import override_settings
from django.test.utils import setup_test_environment, teardown_test_environment

from signals_demo.builtin import BuiltinSignal
from signals_demo.recorder import Recording, mute, record
from signals_demo.recorder.inventory import connections
from signals_demo.scenarios import SCENARIOS, SETTINGS, Scenario

#: Stands in for a scenario nobody wrote, so that its signal is seen never to come.
NO_SCENARIO = Scenario("no scenario", lambda: None)


@dataclass(frozen=True)
class Run:
    """What came of one scenario.

    Attributes:
        how: what the scenario does.
        times: how often the signal was sent.
        arguments: names of the arguments that came, in the order of the catalog.
        problems: what is not as the catalog says.
        more_queries: how many statements more it takes because somebody listens.
    """

    how: str
    times: int
    arguments: tuple[str, ...]
    problems: tuple[str, ...]
    more_queries: int = 0


@dataclass(frozen=True)
class Exercise:
    """What came of all the scenarios of one signal."""

    signal: BuiltinSignal
    runs: tuple[Run, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """What the catalog says comes sometimes, and no scenario has shown."""
        came = {name for run in self.runs for name in run.arguments}
        return tuple(
            f"never came with {argument.name}"
            for argument in self.signal.arguments_in()
            if argument.sometimes and argument.name not in came
        )

    @property
    def problems(self) -> tuple[str, ...]:
        """All that is not as the catalog says; empty if all is well."""
        of_runs = (problem for run in self.runs for problem in run.problems)
        return (*of_runs, *self.missing)


def exercise(signals: Iterable[BuiltinSignal]) -> list[Exercise]:
    """Make Django send each signal, and leave everything as it was.

    Receivers of the project run too. What they write to a database is rolled back,
    their mail stays in memory, their logging is not heard. Only the counters from
    which PostgreSQL and MariaDB take new keys move on.

    Args:
        signals: entries of the catalog that the installed Django has.
    """
    with surroundings():
        return [exercise_one(signal) for signal in signals]


def exercise_one(signal: BuiltinSignal) -> Exercise:
    """Run the scenarios of one signal; to be called inside ``surroundings()``."""
    scenarios = SCENARIOS.get(signal.name, [NO_SCENARIO])
    return Exercise(signal, tuple(run(signal, scenario) for scenario in scenarios))


def run(signal: BuiltinSignal, scenario: Scenario) -> Run:
    """Run one scenario and look at every emission of the signal."""
    recording, problem = recorded(scenario)
    emissions = [each for each in recording.emissions() if each.signal == signal.path]
    names = [frozenset(emission.arguments) for emission in emissions]
    problems = (problem,) if problem else tuple(differences(signal, names))
    known = [argument.name for argument in signal.arguments_in()]
    came = frozenset[str]().union(*names)
    arguments = (*filter(came.__contains__, known), *sorted(came.difference(known)))
    times = sum(emission.times for emission in emissions)
    more = cost_of_listening(signal, scenario) if not problems else 0
    return Run(scenario.how, times, arguments, problems, more)


def cost_of_listening(signal: BuiltinSignal, scenario: Scenario) -> int:
    """Return how many statements more a scenario takes if anybody listens at all.

    Django asks that of the signals of models, and spares itself work if nobody does.
    """
    itself = signal.load()
    if not isinstance(itself, ModelSignal):
        return 0
    connected = connections([itself])
    with mute(*(each.receiver for each in connected if each.is_alive)):
        alone, _ = recorded(scenario)
        with listening(itself):
            heard, _ = recorded(scenario)
    return len([*heard.queries()]) - len([*alone.queries()])


def recorded(scenario: Scenario) -> tuple[Recording, str]:
    """Return what a scenario sent, and what it raised, or an empty string."""
    problem = ""
    with rolled_back(), record(everywhere=True) as recording:
        try:
            scenario.run()
        except Exception as error:
            problem = f"raised {error!r}"
    return recording, problem


def differences(
    signal: BuiltinSignal, emissions: list[frozenset[str]]
) -> Iterator[str]:
    """Yield what in the emissions of one scenario is not as the catalog says."""
    if not emissions:
        yield "never came"
        return
    arguments = signal.arguments_in()
    known = {argument.name for argument in arguments}
    always = {argument.name for argument in arguments if not argument.sometimes}
    for name in sorted(frozenset.union(*emissions) - known):
        yield f"came with {name}, which the catalog does not know"
    for name in sorted(always - frozenset.intersection(*emissions)):
        yield f"came without {name}"


@contextmanager
def listening(signal: Signal) -> Iterator[None]:
    """Connect a receiver for all senders, as a tool that listens would."""

    def receiver(sender: object, **kwargs: object) -> None:
        pass

    signal.connect(receiver)
    try:
        yield
    finally:
        signal.disconnect(receiver)


@contextmanager
def rolled_back() -> Iterator[None]:
    """Undo what is written to any database of the project."""
    aliases = list(databases)
    with ExitStack() as stack:
        for alias in aliases:
            stack.enter_context(transaction.atomic(using=alias))
        yield
        for alias in aliases:
            transaction.set_rollback(True, using=alias)


@contextmanager
def surroundings() -> Iterator[None]:
    """Provide the settings, the test environment and the silence scenarios need."""
    with silence(), as_in_tests(), override_settings(**SETTINGS):
        try:
            yield
        finally:
            # Test clients leave it disconnected if another receiver raises.
            request_started.connect(close_old_connections)
            request_finished.connect(close_old_connections)


@contextmanager
def silence() -> Iterator[None]:
    """Switch all logging off: provoked errors are no news."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def as_in_tests() -> Iterator[None]:
    """Have templates tell when they are rendered, and mail stay in memory."""
    with ExitStack() as stack:
        with suppress(RuntimeError):  # A test runner has done it, and will undo it.
            setup_test_environment()
            stack.callback(teardown_test_environment)
        yield
