"""A picture of the history of a batch, drawn on the server.

It is an SVG that is put into a page. It has no style and no script, so that it can be
shown under the content security policy ``default-src 'self'``: style sheets give it its
colors by these classes, in light and dark.

- ``invite-code-chart``: the picture.
- ``invite-code-chart-axis``: the lines of the axes.
- ``invite-code-chart-line``: each curve and its sample in the legend, with one of
  ``invite-code-chart-issued``, ``invite-code-chart-handed-out``,
  ``invite-code-chart-held`` and ``invite-code-chart-redeemed``, which set ``stroke``.

Without a style sheet all is drawn in the color of the text around. Who cannot tell the
colors tells the curves by their dashes.
"""

from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from invite_code.counting import Point

#: Of the picture, and of the place where the curves are: a legend is above it, and the
#: axes are to the left and below.
WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 80, 620, 40, 210

#: The curves: a field of ``Point``, what it is called, and its dashes. What is drawn
#: later lies above.
CURVES = (
    ("issued", gettext_lazy("Issued"), "none"),
    ("handed_out", gettext_lazy("Handed out"), "10 4"),
    ("held", gettext_lazy("Held"), "2 3"),
    ("redeemed", gettext_lazy("Redeemed"), "10 3 2 3"),
)


def svg(history: list[Point]) -> SafeString:
    """Return the picture of a history: a curve for each number.

    Args:
        history: what ``invite_code.counting.history()`` returned, or nothing.
    """
    most = max((getattr(p, name) for p in history for name, *_ in CURVES), default=0)
    return format_html(
        '<svg class="invite-code-chart" role="img" viewBox="0 0 {} {}"'
        ' xmlns="http://www.w3.org/2000/svg" font-size="12" fill="currentColor">'
        "<title>{}</title><desc>{}</desc>{}{}{}</svg>",
        WIDTH,
        HEIGHT,
        gettext("Codes over time"),
        _in_words(history),
        _axes(history, most),
        format_html_join("", "{}", ((_sample(place),) for place in range(len(CURVES)))),
        format_html_join("", "{}", ((_curve(c, history, most),) for c in CURVES)),
    )


def _in_words(history: list[Point]) -> str:
    """Return what who cannot see the picture is told."""
    if not history:
        return gettext("There is nothing to show yet.")
    begin, end = _dates(history)
    last = history[-1]
    numbers = (f"{label}: {_number(getattr(last, name))}" for name, label, _ in CURVES)
    period = gettext("From %(begin)s to %(end)s.") % {"begin": begin, "end": end}
    return f"{period} {'; '.join(numbers)}."


def _axes(history: list[Point], most: int) -> SafeString:
    """Return the axes, the highest number beside one, the dates below the other."""
    begin, end = _dates(history) if history else ("", "")
    texts = [
        (LEFT - 8, BOTTOM, "end", _number(0)),
        (LEFT, BOTTOM + 20, "start", begin),
        (RIGHT, BOTTOM + 20, "end", end),
    ]
    if most:
        texts.append((LEFT - 8, TOP + 4, "end", _number(most)))
    line = f"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"
    return format_html(
        '<path class="invite-code-chart-axis" d="{}" fill="none"'
        ' stroke="currentColor" stroke-opacity="0.5"/>{}',
        line,
        format_html_join("", '<text x="{}" y="{}" text-anchor="{}">{}</text>', texts),
    )


def _sample(place: int) -> SafeString:
    """Return the entry of a curve in the legend."""
    name, label, dashes = CURVES[place]
    x, y = LEFT + place * (RIGHT - LEFT) // len(CURVES), TOP // 2
    text = format_html('<text x="{}" y="{}">{}</text>', x + 34, y + 4, label)
    return _line(name, dashes, f"{x},{y} {x + 28},{y}") + text


def _curve(curve: tuple[str, Any, str], history: list[Point], most: int) -> SafeString:
    """Return a curve; its points lie at equal distances."""
    name, _, dashes = curve
    across = (RIGHT - LEFT) / max(len(history) - 1, 1)
    up = (BOTTOM - TOP) / max(most, 1)
    points = (
        f"{LEFT + across * place:.1f},{BOTTOM - up * getattr(point, name):.1f}"
        for place, point in enumerate(history)
    )
    return _line(name, dashes, " ".join(points))


def _line(name: str, dashes: str, points: str) -> SafeString:
    return format_html(
        '<polyline class="invite-code-chart-line invite-code-chart-{}" points="{}"'
        ' fill="none" stroke="currentColor" stroke-width="2" stroke-dasharray="{}"/>',
        name.replace("_", "-"),
        points,
        dashes,
    )


def _number(number: int) -> str:
    return number_format(number, force_grouping=True)


def _dates(history: list[Point]) -> tuple[str, str]:
    """Return the first and the last day; with the time, if that is the same day."""
    begin, end = (_local(history[place].moment) for place in (0, -1))
    same = begin.date() == end.date()
    form = "SHORT_DATETIME_FORMAT" if same else "SHORT_DATE_FORMAT"
    return date_format(begin, form), date_format(end, form)


def _local(moment: datetime) -> datetime:
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment
