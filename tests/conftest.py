"""What is asked of all tests together: that none leaves a receiver connected."""

import gc
import signal
import weakref
from collections.abc import Iterator

import pytest
from django.dispatch import Signal

from invite_code import signals as invite_code
from signals_demo import catalog


def pytest_collection_finish() -> None:
    # Of a million objects of the tests themselves, none is ever garbage; but to search
    # for garbage, or for signals, would go through them thousands of times.
    gc.freeze()


def pytest_sessionfinish() -> None:
    gc.unfreeze()


def connected() -> set[str]:
    """Return the names of the living receivers of all signals, with their signals."""
    signals = {signal.name: signal.load() for signal in catalog.signals()}
    names_in_app = vars(invite_code).items()
    signals |= {name: own for name, own in names_in_app if type(own) is Signal}
    names = set()
    for name, each in signals.items():
        for _, receiver, *_ in each.receivers:
            if isinstance(receiver, weakref.ReferenceType):
                receiver = receiver()
            if receiver is not None:
                described = getattr(receiver, "__qualname__", repr(receiver))
                names.add(f"{name}: {receiver.__module__}.{described}")
    return names


@pytest.fixture(autouse=True, scope="module")
def what_is_left_is_frozen() -> Iterator[None]:
    """Freeze what pytest keeps of the tests of a module, too."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def control_c_is_heard() -> Iterator[None]:
    # A shell that runs the tests in the background has it ignored, in them and in the
    # processes that they start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True, scope="session")
def no_receiver_stays_connected() -> Iterator[None]:
    before = connected()
    yield
    # Parts of Django that a test imported first have connected receivers for good.
    left = {name for name in connected() - before if ": django." not in name}
    assert not left
