"""The tree of a recording, for a terminal of 80 columns."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias
from unicodedata import east_asian_width

from django.core.management.color import Style, no_style

from signals_demo.recorder.findings import found
from signals_demo.recorder.masking import clean
from signals_demo.recorder.trace import (
    CommitHook,
    Described,
    Emission,
    Entry,
    Query,
    ReceiverCall,
    Recording,
)
from signals_demo.recorder.transaction import ROLLED_BACK
from signals_demo.recorder.translating import gettext as _

#: Columns that the tree takes: those of the narrowest terminal, but one for the cursor.
WIDTH: Final = 79
#: How many findings are shown.
MAX_FINDINGS: Final = 15

#: What branches are drawn with: before a child, before the last one, and below both.
LINES: Final = ("├─ ", "└─ ", "│  ", "   ")
ASCII_LINES: Final = ("|- ", "`- ", "|  ", "   ")

Paint: TypeAlias = Callable[[str], str]
Node: TypeAlias = Entry | ReceiverCall

#: What the reader knows without being told.
_EXPECTED: Final[Mapping[str, object]] = {"using": "default"}
#: Sent for each row that is read, and for each model that is made.
_FLOODS: Final = frozenset({"pre_init", "post_init", "class_prepared"})
#: What says little of a row that is read.
_OF_INIT: Final = frozenset({"args", "kwargs"})

_COLUMNS: Final = re.compile(
    r"^(SELECT)(?: DISTINCT)? .+? (FROM .*)$"
    r"|^(INSERT INTO \S+) \(.*$"
    r"|^(UPDATE \S+ SET) .*?(?: (WHERE .*))?$",
    re.DOTALL,
)
_TABLE: Final = re.compile(r" (?:FROM|UPDATE) ([\"`])(\w+)\1")
_QUOTED: Final = re.compile(r"([\"`])(\w+)\1")


def tree(
    recording: Recording,
    style: Style | None = None,
    *,
    width: int = WIDTH,
    lines: tuple[str, str, str, str] = LINES,
    everything: bool = False,
) -> Iterator[str]:
    """Yield the lines of the tree, of what found no room, and of what was found.

    Args:
        recording: one that has ended, or goes on.
        style: ``self.style`` of a management command; none paints nothing.
        width: how many columns to take.
        lines: what to draw branches with.
        everything: whether to show what Django sends for each row or model, and nobody
            received.
    """
    painter = _Painter(style or no_style(), width)
    outline = Outline(lines, everything)
    for before, node in outline.rows(recording.entries):
        yield painter.line(node, before)
    yield summary(recording)
    yield from outline.left_out()
    yield from dropped(recording)
    yield from findings(recording, style, width=width)


def summary(recording: Recording) -> str:
    """Return one sentence: how much was seen."""
    emissions = list(recording.emissions())
    queries = sum(1 for _query in recording.queries())
    parts = [
        plural(sent(recording), "signal"),
        plural(called(recording), "receiver call"),
        plural(queries, "query", "queries"),
    ]
    undone = sum(each.times for each in emissions if each.fate == ROLLED_BACK)
    took = f" in {duration(recording.duration)}" if recording.duration else ""
    note = f"; {plural(undone, 'signal')} rolled back" if undone else ""
    return f"{', '.join(parts)}{took}{note}."


def sent(recording: Recording) -> int:
    """Return how many signals were sent."""
    return sum(emission.times for emission in recording.emissions())


def called(recording: Recording) -> int:
    """Return how many calls of receivers there were."""
    return sum(
        call.times
        for emission in recording.emissions()
        for call in emission.calls
        if call.started is not None
    )


def dropped(recording: Recording) -> Iterator[str]:
    """Yield what there was no room for, if anything."""
    if recording.dropped:
        count = sum(recording.dropped.values())
        names: Counter[str] = Counter()
        for name, times in recording.dropped.items():
            names[name.rpartition(".")[2]] += times
        most = ", ".join(f"{name} x {times:,}" for name, times in names.most_common(3))
        yield f"{plural(count, 'more entry', 'more entries')} found no room ({most})."


def findings(
    recording: Recording, style: Style | None = None, *, width: int = WIDTH
) -> Iterator[str]:
    """Yield what there is to say of a recording, below a title, if there is anything.

    Args:
        recording: one that has ended, or goes on.
        style: ``self.style`` of a management command; none paints nothing.
        width: how many columns to take.
    """
    all_of_them, hint = found(recording), ""
    if all_of_them:
        yield ""
        yield _("Findings:")
    for each in all_of_them[:MAX_FINDINGS]:
        for line in wrapped(f"{each.kind}: {each.message}", width - 2):
            yield f"  {(style or no_style()).WARNING(line)}"
        if each.hint != hint:
            yield from (f"    {line}" for line in wrapped(each.hint, width - 4))
        hint = each.hint
    more = len(all_of_them) - MAX_FINDINGS
    if more > 0:
        said = _("and %(count)s more") % {"count": f"{more:,}"}
        yield f"  {said}"


def wrapped(text: str, room: int) -> Iterator[str]:
    """Yield the lines of a text, each of which takes no more columns than that."""
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if columns(longer) <= room:
            line = longer
            continue
        if line and columns(word) <= room:
            yield line
            line = word
            continue
        # A dotted name may be longer than a line, and Chinese has no spaces.
        line = longer
        while columns(line) > room:
            beginning = _beginning(line, room)
            yield beginning.rstrip()
            line = line[len(beginning) :]
    if line:
        yield line


def _beginning(text: str, room: int) -> str:
    """Return as many characters as there is room for, but at least one."""
    end = len(text)
    while end > 1 and columns(text[:end]) > room:
        end -= 1
    return text[:end]


def plural(count: int, one: str, many: str = "") -> str:
    """Return ``1 query`` or ``1,000 queries``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def duration(nanoseconds: int) -> str:
    """Return a duration in the unit that suits it."""
    if nanoseconds < 1_000_000:
        return f"{nanoseconds / 1_000:.0f} µs"
    digits = 1 if nanoseconds < 100_000_000 else 0
    return f"{nanoseconds / 1_000_000:,.{digits}f} ms"


def short_sql(sql: str) -> str:
    """Return a statement without its columns, and its names without decoration."""
    found = _COLUMNS.match(sql)
    if found:
        sql = " … ".join(filter(None, found.groups()))
    table = _TABLE.search(f" {sql}")
    if table:
        quote, name = table.groups()
        sql = sql.replace(f"{quote}{name}{quote}.", "")
    return _QUOTED.sub(r"\2", sql)


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return len(text) + sum(east_asian_width(each) in "WF" for each in text)


def cut(text: str, room: int) -> str:
    """Return as much of a text as there is room for, in columns."""
    if columns(text) <= room:
        return text
    while text and columns(text) >= room:
        text = text[: min(len(text) - 1, room)]
    return f"{text}…"


class Outline:
    """The nodes that are worth a line each, with the branches before them."""

    def __init__(
        self,
        lines: tuple[str, str, str, str] = LINES,
        everything: bool = False,
    ) -> None:
        """Take what to draw branches with, and whether to leave nothing out."""
        self.lines = lines
        self.everything = everything
        self.not_shown: Counter[str] = Counter()

    def rows(
        self, nodes: Sequence[Node], below: str | None = None
    ) -> Iterator[tuple[str, Node]]:
        """Yield each node, and all that is inside of it, with the branch before it.

        Args:
            nodes: what to begin with.
            below: what stands before all of them; None is for those at the top.
        """
        shown = self._shown(nodes)
        child, last, beside, under = self.lines
        for index, each in enumerate(shown):
            is_last = index == len(shown) - 1
            if below is None:
                yield "", each
                yield from self.rows(inside(each), "")
            else:
                yield below + (last if is_last else child), each
                yield from self.rows(
                    inside(each), below + (under if is_last else beside)
                )

    def left_out(self) -> Iterator[str]:
        """Yield what was left out of the rows, if anything was."""
        if self.not_shown:
            names = [f"{name} x {count:,}" for name, count in self.not_shown.items()]
            yield f"Nobody received, and not shown: {', '.join(names)}."

    def _shown(self, nodes: Sequence[Node]) -> list[Node]:
        """Return the nodes that are worth a line, and count the others."""
        shown = []
        for node in nodes:
            if (
                self.everything
                or not isinstance(node, Emission)
                or node.name not in _FLOODS
                or node.calls
            ):
                shown.append(node)
            else:
                self.not_shown[node.name] += node.times
        return shown


class _Painter:
    def __init__(self, style: Style, width: int) -> None:
        self.style = style
        self.width = width

    def line(self, node: Node, before: str) -> str:
        """Return the line of a node: its branch, its label, and the right column."""
        most = self.width // 2
        if len(before) > most:  # Deeper than there is room for.
            before = f"…{before[-most + 1 :]}"
        right = cut(self.right(node), most - 2)
        label = cut(
            clean(label_of(node)), self.width - len(before) - columns(right) - 1
        )
        gap = self.width - len(before) - columns(label) - columns(right)
        return f"{before}{self.paint(node)(label)}{' ' * gap}{right}".rstrip()

    def paint(self, node: Node) -> Paint:
        """Return how the label of a node is painted."""
        style = self.style
        if isinstance(node, Emission):
            plain = style.ERROR if node.raised else style.MIGRATE_LABEL
            return style.WARNING if node.fate == ROLLED_BACK else plain
        if isinstance(node, Query):
            return style.ERROR if node.raised else str
        if isinstance(node, CommitHook):
            return style.WARNING if node.raised or node.started is None else str
        paint = style.ERROR if node.raised else style.SUCCESS
        return paint if node.started is not None else style.NOTICE

    def right(self, node: Node) -> str:
        """Return the column on the right: marks and the time it took."""
        marks = [mark for mark in marks_of(node) if mark]
        if node.started is not None:
            marks.append(f"{duration(node.duration):>8}")
        return clean("  ".join(marks))


def label_of(node: Node) -> str:
    """Return what a node is called."""
    if isinstance(node, Emission):
        return emission_label(node)
    if isinstance(node, Query):
        return short_sql(node.sql)
    if isinstance(node, CommitHook):
        return f"on_commit {node.function.partition(': ')[0]}"
    return node.receiver


def inside(node: Node) -> Sequence[Node]:
    """Return what is drawn below a node."""
    if isinstance(node, Emission):
        return node.calls
    return () if isinstance(node, Query) else node.entries


def marks_of(node: Node) -> Iterator[str]:
    """Yield what a reader must know of a node, in a word or two each."""
    if isinstance(node, CommitHook):
        yield "" if node.outcome == "ran" else node.outcome
        return
    if not isinstance(node, Query):
        yield f"x {node.times:,}" if node.times > 1 else ""
    if isinstance(node, ReceiverCall):
        queries = sum(1 for entry in node.entries if isinstance(entry, Query))
        yield f"{queries} SQL" if queries else ""
        yield "async" if node.is_async else ""
        yield "" if node.outcome == "returned" else node.outcome
        return
    yield f"raised {node.raised}" if node.raised else ""
    yield ROLLED_BACK if node.fate == ROLLED_BACK else ""


def emission_label(emission: Emission) -> str:
    """Return the name of a signal with what says most about this emission."""
    arguments = dict(emission.arguments)
    subject = arguments.pop("instance", None) or emission.sender
    shown = [
        name if value is True else f"{name}={short(value)}"
        for name, value in arguments.items()
        if not (value is None or value is False or value in ([], {}, subject))
        and _EXPECTED.get(name) != value
        and name not in _OF_INIT
    ]
    return " ".join([emission.name, *([str(subject)] if subject else []), *shown])


def short(value: Described) -> str:
    """Return a described argument as people would write it."""
    if isinstance(value, list):
        return f"[{', '.join(short(item) for item in value)}]"
    if isinstance(value, dict):
        return (
            f"{{{', '.join(f'{key}: {short(item)}' for key, item in value.items())}}}"
        )
    return str(value)
