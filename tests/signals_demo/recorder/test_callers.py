import asyncio
import json
import sys
from pathlib import Path

import django
import pytest
from django.dispatch import Signal

from signals_demo.recorder import callers, record
from signals_demo.recorder.callers import project_frame


def through_a_library(function):
    """Call it from the standard library."""
    json.loads("{}", object_hook=function)


def test_the_frame_of_the_project_is_found_above_those_of_libraries():
    found = []
    through_a_library(lambda _: found.append(project_frame(sys._getframe())))
    through_a_library(lambda _: found.append(project_frame(sys._getframe(1))))
    assert found[0].f_code.co_name == "<lambda>"
    assert found[1].f_code.co_name == "through_a_library"


def test_without_a_frame_of_the_project_there_is_none():
    assert project_frame(None) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (callers.__file__, True),
        (django.dispatch.__file__, True),
        (asyncio.tasks.__file__, True),
        (json.__file__, True),
        ("<frozen importlib._bootstrap>", True),
        (pytest.__file__, False),
        (__file__, False),
        ("<string>", False),
        (str(Path(json.__file__).parents[1] / "site-packages" / "shop.py"), False),
    ],
)
def test_libraries_are_told_from_projects(name, expected):
    assert callers._is_library(name) is expected


def test_an_emission_names_the_line_that_sent_it():
    signal = Signal()
    with record() as recording:
        line = sys._getframe().f_lineno + 1
        signal.send(None)
        through_a_library(lambda _: signal.send(None))
    first, second = recording.entries
    assert first.caller == f"{__file__}:{line}"
    assert second.caller == f"{__file__}:{line + 1}"


def test_an_awaited_emission_names_the_line_that_awaits_it():
    signal = Signal()

    async def send():
        await signal.asend(None)

    with record() as recording:
        asyncio.run(send())
    assert (
        recording.entries[0].caller == f"{__file__}:{send.__code__.co_firstlineno + 1}"
    )
