import json
from textwrap import dedent

import pytest
from django.core.management.color import make_style, no_style

from signals_demo import catalog, report
from signals_demo.exercising import Exercise, Run
from signals_demo.scenarios import SCENARIOS

HELD = Exercise(
    catalog.get("post_migrate"),
    (
        Run("migrate", 3, ("using", "stdout", "apps", "plan"), ()),
        Run("flush", 10, ("using",), ()),
    ),
)
FAILED = Exercise(catalog.get("request_started"), (Run("get", 0, (), ("never came",)),))


def lines(text):
    return dedent(text).strip().splitlines()


def plain(*exercises):
    return [line.rstrip() for line in report.table(exercises, no_style())]


def test_the_table_shows_groups_runs_and_what_came():
    assert plain(HELD) == lines("""
    Signal                 Provoked by                                Sent  Verdict

    Management signals
    post_migrate           migrate                                       3  ok
                             with using, stdout, apps, plan
                           flush                                        10  ok
                             with using
    """)


def test_the_table_shows_what_failed_and_what_is_missing():
    assert plain(FAILED)[3:] == lines("""
    request_started        get                                           0  FAILED
                             never came
                             never came with environ
                             never came with scope
    """)


def test_runs_with_the_same_arguments_share_a_line():
    twice = Exercise(catalog.get("pre_init"), (Run("a", 1, ("args",), ()),) * 2)

    assert [line for line in plain(twice) if "with" in line] == [" " * 25 + "with args"]


def test_what_listening_costs_is_told():
    dear = Exercise(catalog.get("pre_init"), (Run("a", 1, ("args",), (), 2),))

    assert " " * 25 + "+2 SQL by merely listening" in plain(dear)


def test_a_group_has_one_heading():
    assert plain(HELD, HELD).count("Management signals") == 1


def test_failures_are_red_and_success_is_green():
    style = make_style("nocolor;success=green;error=red")

    output = "\n".join(report.table([HELD, FAILED], style))

    assert "\x1b[32mok\x1b[0m" in output
    assert "\x1b[31mFAILED\x1b[0m" in output
    assert "\x1b[31mnever came\x1b[0m" in output


@pytest.mark.parametrize("signal", catalog.signals(), ids=lambda signal: signal.name)
def test_everything_fits_into_80_columns(signal):
    names = tuple(argument.name for argument in signal.arguments)
    runs = [Run(each.how, 9999, names, names) for each in SCENARIOS[signal.name]]

    assert max(map(len, plain(Exercise(signal, tuple(runs))))) < 80
    assert all(len(run.how) <= report.HOW_WIDTH for run in runs)
    assert len(signal.name) < report.NAME_WIDTH


def test_the_summary_counts_and_names():
    assert report.summary([HELD]) == "1 of 1 signals came as the catalog says."
    assert report.summary([HELD, FAILED]) == (
        "1 of 2 signals came as the catalog says, all but request_started."
    )


def test_the_data_says_the_same_and_is_json():
    assert json.loads(json.dumps(report.as_data([FAILED]))) == [
        {
            "signal": "request_started",
            "group": "Request/response signals",
            "problems": [
                "never came",
                "never came with environ",
                "never came with scope",
            ],
            "runs": [
                {
                    "how": "get",
                    "times": 0,
                    "arguments": [],
                    "problems": ["never came"],
                    "more_queries": 0,
                }
            ],
        }
    ]
