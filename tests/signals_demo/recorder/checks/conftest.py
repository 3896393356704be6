import pytest

from signals_demo.recorder.inventory import connections


@pytest.fixture
def judged(connect):
    """Return the messages of a check, of the receivers that are connected now."""

    def judged(check):
        return list(check([each for each in connections() if each.is_alive]))

    return judged


@pytest.fixture
def ids(judged):
    """Return the ids, and what they are about."""

    def ids(check):
        return [(message.id, message.obj) for message in judged(check)]

    return ids
