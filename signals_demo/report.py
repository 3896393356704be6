"""Show what came of exercising the signals: to people, and to programs."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from textwrap import wrap
from typing import Any

from django.core.management.color import Style

from signals_demo.exercising import Exercise

WIDTH = 79
NAME_WIDTH = 23
HOW_WIDTH = 42

#: Of a scenario that takes more statements because somebody listens.
MORE = "{:+} SQL by merely listening"


def table(exercises: Iterable[Exercise], style: Style) -> Iterator[str]:
    """Yield the lines of a table that fits into 80 columns.

    Args:
        exercises: in the order of the catalog.
        style: ``self.style`` of a management command.
    """
    heading = f"{'Signal':{NAME_WIDTH}}{'Provoked by':{HOW_WIDTH}} Sent  Verdict"
    yield style.HTTP_INFO(heading)
    for group, members in groupby(exercises, lambda exercise: exercise.signal.group):
        yield ""
        yield style.MIGRATE_HEADING(group)
        for exercise in members:
            yield from rows(exercise, style)


def rows(exercise: Exercise, style: Style) -> Iterator[str]:
    """Yield the lines of one signal: its runs, what came, what should have come."""
    name = style.MIGRATE_LABEL(f"{exercise.signal.name:{NAME_WIDTH}}")
    for arguments, runs in groupby(exercise.runs, lambda run: run.arguments):
        for run in runs:
            verdict = style.ERROR("FAILED") if run.problems else style.SUCCESS("ok")
            yield f"{name}{run.how:{HOW_WIDTH}}{run.times:5}  {verdict}"
            name = " " * NAME_WIDTH
            yield from notes(run.problems, style.ERROR)
            if run.more_queries:
                yield from notes([MORE.format(run.more_queries)], style.WARNING)
        if arguments:
            yield from notes([f"with {', '.join(arguments)}"], str)
    yield from notes(exercise.missing, style.ERROR)


def notes(texts: Iterable[str], style: Callable[[str], str]) -> Iterator[str]:
    """Yield the texts, wrapped and indented below what they belong to."""
    indent = " " * (NAME_WIDTH + 2)
    for text in texts:
        for line in wrap(text, WIDTH - len(indent)):
            yield indent + style(line)


def summary(exercises: Sequence[Exercise]) -> str:
    """Return one sentence: how many held, and the names of those that did not."""
    failed = [exercise.signal.name for exercise in exercises if exercise.problems]
    held = f"{len(exercises) - len(failed)} of {len(exercises)}"
    but = f", all but {', '.join(failed)}" if failed else ""
    return f"{held} signals came as the catalog says{but}."


def as_data(exercises: Iterable[Exercise]) -> list[dict[str, Any]]:
    """Return what ``json.dumps()`` takes, one dictionary for each signal."""
    return [
        {
            "signal": exercise.signal.name,
            "group": exercise.signal.group,
            "problems": exercise.problems,
            "runs": [asdict(run) for run in exercise.runs],
        }
        for exercise in exercises
    ]
