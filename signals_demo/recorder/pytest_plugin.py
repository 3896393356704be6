"""The fixture ``signals`` for pytest.

pytest loads this module in every project of the environment. So it imports neither
Django nor the rest of the recorder, until a test asks for the fixture.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from signals_demo.recorder.testing import Signals

_recorded = pytest.StashKey["Signals"]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "signals(**options): options of record() for the fixture of that name, such "
        "as everywhere=True for what other threads send.",
    )


@pytest.fixture
def signals(request: pytest.FixtureRequest) -> "Iterator[Signals]":
    """What the test has sent, and what may be asked of it."""
    from signals_demo.recorder.testing import recorded_signals

    # The first test that wants a database creates it, which sends thousands.
    for name in ("transactional_db", "db"):
        if name in request.fixturenames:
            request.getfixturevalue(name)
    marker = request.node.get_closest_marker("signals")
    args, options = (marker.args, marker.kwargs) if marker else ((), {})
    with recorded_signals(*args, **options) as recorded:
        request.node.stash[_recorded] = recorded
        yield recorded
        del request.node.stash[_recorded]


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Let whatever fails the test show the tree."""
    recorded = item.stash.get(_recorded, None)
    error = call.excinfo.value if call.excinfo else None
    if recorded and error and not isinstance(error, pytest.skip.Exception):
        recorded.add_tree(error)
