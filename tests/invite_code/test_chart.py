import re
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from html import unescape
from xml.etree import ElementTree

import pytest
from django.utils import timezone, translation

from invite_code import chart
from invite_code.chart import CURVES, svg
from invite_code.counting import Point, history
from invite_code.issuing import issue

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SVG = "{http://www.w3.org/2000/svg}"

HISTORY = [
    Point(NOW - 2 * DAY, issued=20_000, handed_out=0, held=0, redeemed=0),
    Point(NOW - DAY, issued=20_000, handed_out=5_000, held=0, redeemed=100),
    Point(NOW, issued=20_000, handed_out=5_000, held=7, redeemed=20_000),
]
NOTHING = [Point(NOW - day * DAY, 0, 0, 0, 0) for day in (1, 0)]


def drawn(history):
    return ElementTree.fromstring(svg(history))


def texts(picture):
    return [text.text for text in picture.iter(f"{SVG}text")]


def curve(picture, name):
    """Return the points of a curve, which is drawn after its sample."""
    name = f"invite-code-chart-{name}"
    lines = [
        line for line in picture.iter(f"{SVG}polyline") if name in line.get("class")
    ]
    return [
        tuple(map(float, point.split(","))) for point in lines[-1].get("points").split()
    ]


def test_every_number_has_a_curve():
    names = [field.name for field in fields(Point)]
    assert [name for name, *_ in CURVES] == names[1:]


def test_a_curve_goes_from_the_lower_left_to_the_upper_right():
    picture = drawn(HISTORY)
    middle = (chart.LEFT + chart.RIGHT) / 2
    assert curve(picture, "redeemed") == [
        (chart.LEFT, chart.BOTTOM),
        (middle, pytest.approx(chart.BOTTOM - 0.85, abs=0.1)),
        (chart.RIGHT, chart.TOP),
    ]
    assert {y for _, y in curve(picture, "issued")} == {chart.TOP}


def test_the_axes_tell_days_and_the_highest_number():
    assert {"0", "20,000", "01/29/2030", "01/31/2030"} <= set(texts(drawn(HISTORY)))


def test_the_axes_tell_the_time_of_a_single_day():
    history = [Point(NOW, 1, 0, 0, 0), Point(NOW + DAY / 4, 1, 0, 0, 0)]
    told = texts(drawn(history))
    assert any(text.startswith("01/31/2030 noon") for text in told)
    assert any(text.startswith("01/31/2030 6 p.m.") for text in told)


def test_days_are_those_of_the_current_time_zone():
    with timezone.override("Pacific/Kiritimati"):
        assert "02/01/2030" in texts(drawn(HISTORY))


def test_without_time_zones_moments_are_told_as_they_are(settings):
    settings.USE_TZ = False
    naive = [Point(datetime(2030, 1, day), 1, 0, 0, 0) for day in (1, 2)]
    assert {"01/01/2030", "01/02/2030"} <= set(texts(drawn(naive)))


def test_who_does_not_see_it_is_told_the_numbers():
    picture = drawn(HISTORY)
    assert picture.get("role") == "img"
    title, description = list(picture)[:2]
    assert (title.tag, title.text) == (f"{SVG}title", "Codes over time")
    assert description.tag == f"{SVG}desc"
    assert description.text == (
        "From 01/29/2030 to 01/31/2030."
        " Issued: 20,000; Handed out: 5,000; Held: 7; Redeemed: 20,000."
    )


def test_curves_differ_in_form_and_have_a_class_for_their_color():
    lines = list(drawn(HISTORY).iter(f"{SVG}polyline"))
    by_class = {}
    for line in lines:
        by_class.setdefault(line.get("class"), set()).add(line.get("stroke-dasharray"))
    assert len(lines) == 2 * len(CURVES)
    assert len(by_class) == len(CURVES)
    assert all(len(dashes) == 1 for dashes in by_class.values())
    assert len(set.union(*by_class.values())) == len(CURVES)


def test_the_documentation_names_every_class():
    used = set(" ".join(re.findall(r'class="([^"]*)"', svg(HISTORY))).split())
    assert used == set(re.findall(r"``(invite-code-chart[\w-]*)``", chart.__doc__))


@pytest.mark.parametrize("history", [[], NOTHING, NOTHING[:1], HISTORY, HISTORY[:1]])
def test_nothing_in_it_needs_more_than_the_strictest_policy(history):
    for element in drawn(history).iter():
        assert element.tag.removeprefix(SVG) in {
            *("svg", "title", "desc", "path", "text", "polyline")
        }
        for name, value in element.items():
            assert name != "style"
            assert not name.startswith("on")
            assert "url(" not in value


def test_without_a_history_it_says_so():
    picture = drawn([])
    assert picture.find(f"{SVG}desc").text == "There is nothing to show yet."
    assert {line.get("points") for line in picture.iter(f"{SVG}polyline")} >= {""}


def test_a_history_of_nothing_lies_on_the_axis():
    picture = drawn(NOTHING)
    assert {y for _, y in curve(picture, "issued")} == {chart.BOTTOM}
    assert texts(picture).count("0") == 1


def test_a_history_of_no_time_is_drawn():
    moment = [Point(NOW, 5, 1, 0, 0)] * 2
    assert curve(drawn(moment), "issued") == [(80, chart.TOP), (620, chart.TOP)]
    assert curve(drawn(moment[:1]), "issued") == [(80, chart.TOP)]


def test_what_a_translation_says_is_escaped(monkeypatch):
    evil = '</svg><script>alert("1")</script>'
    monkeypatch.setattr(chart, "gettext", lambda text: evil + text)
    curves = [(name, evil, dashes) for name, _, dashes in CURVES]
    monkeypatch.setattr(chart, "CURVES", curves)
    assert "<script" not in svg(HISTORY)
    assert unescape(svg(HISTORY)).count(evil) > 5
    assert ElementTree.fromstring(svg(HISTORY)).tag == f"{SVG}svg"


def test_dates_and_numbers_are_written_as_readers_write_them():
    with translation.override("de"):
        told = texts(drawn(HISTORY))
    assert {"31.01.2030", "20.000"} <= set(told)


@pytest.mark.django_db
def test_the_history_of_a_batch_is_drawn():
    batch = issue(3)
    assert "Issued: 3;" in drawn(history(batch)).find(f"{SVG}desc").text
