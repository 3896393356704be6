import pytest

from signals_demo import catalog, examples
from signals_demo.exercising import recorded, surroundings
from signals_demo.pages import is_reference
from signals_demo.scenarios import SCENARIOS

INSTALLED = [pytest.param(signal, id=signal.name) for signal in catalog.signals()]


def heard(signal, scenario):
    """Return which of our receivers a scenario has a signal reach."""
    recording, problem = recorded(scenario)
    assert not problem
    return {
        call.receiver
        for emission in recording.emissions()
        for call in emission.calls
        if emission.signal == signal.path and is_reference(call.receiver)
    }


@pytest.mark.django_db(databases="__all__")
@pytest.mark.parametrize("signal", INSTALLED)
def test_some_scenario_of_each_signal_reaches_a_reference_receiver(signal):
    with surroundings():
        assert any(heard(signal, each) for each in examples.scenarios_of(signal))


@pytest.mark.django_db(databases="__all__")
@pytest.mark.parametrize("name", examples.EXAMPLES)
def test_the_example_is_needed_and_comes_first(name):
    signal = catalog.get(name)
    first, *others = examples.scenarios_of(signal)
    assert others == SCENARIOS[name]
    with surroundings():
        assert heard(signal, first)
        # Of post_save, a fixture reaches one; but it is not what people look for.
        assert name == "post_save" or not any(heard(signal, each) for each in others)


def test_history_has_no_scenario():
    assert examples.scenarios_of(catalog.get("post_syncdb")) == []
