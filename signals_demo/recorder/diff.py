"""Two recordings side by side: what came, went, moved or became slower."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Final

from signals_demo.recorder.text import Node, inside
from signals_demo.recorder.trace import CommitHook, Emission, Query, Recording

#: How many times as long something must take to be slower.
SLOWER: Final = 2.0
#: And by how many nanoseconds: less is noise.
SLOWER_BY: Final = 1_000_000

#: More pairs than this are compared roughly: exactly would take minutes.
_MANY: Final = 1_000_000
#: What differs in every run: the number of a signal without a name, of a savepoint.
_ADDRESS: Final = re.compile(r"#[0-9a-f]+$")
_SAVEPOINT: Final = re.compile(r"\bs\d+_x\d+")

LOST, NEW, MOVED, SLOW = "lost", "new", "moved", "slower"


@dataclass(frozen=True)
class Difference:
    """One thing that differs.

    Attributes:
        kind: LOST, NEW, MOVED or SLOW.
        path: what it happened inside of, and itself, each as a text.
        note: more about it, such as both durations.
    """

    kind: str
    path: tuple[str, ...]
    note: str = ""

    def __str__(self) -> str:
        """Return one line, which begins with what happened to it."""
        note = f" ({self.note})" if self.note else ""
        return f"{self.kind:7}{' > '.join(self.path)}{note}"


def outline(recording: Recording, *, queries: bool = False) -> list[str]:
    """Return the lines of a tree that is the same in every run of the same code.

    It is what a snapshot test compares: signals, senders, receivers and outcomes, but
    no keys, times, addresses, or how many rows were read.

    Args:
        recording: one that has ended.
        queries: whether to keep the statements, which differ between databases.
    """
    return [f"{'  ' * depth}{text}" for depth, text in _outline(recording, 0, queries)]


def _outline(
    parent: Recording | Node, depth: int, queries: bool
) -> Iterator[tuple[int, str]]:
    children = parent.entries if isinstance(parent, Recording) else inside(parent)
    for node in children:
        if queries or not isinstance(node, Query):
            yield depth, name_of(node)
            yield from _outline(node, depth + 1, queries)


def name_of(node: Node) -> str:
    """Return what a node has in common with its like in another run."""
    if isinstance(node, Emission):
        flags = [
            name for name in ("created", "raw") if node.arguments.get(name) is True
        ]
        action = node.arguments.get("action")
        details = [*([str(action)] if action else []), *flags]
        failed = [f"raised {node.raised}"] if node.raised else []
        parts = [_ADDRESS.sub("", node.name), node.sender, *details, *failed]
        return " ".join(filter(None, parts))
    if isinstance(node, Query):
        return _SAVEPOINT.sub("…", node.sql)
    if isinstance(node, CommitHook):
        return f"on_commit {node.function.partition(': ')[0]} {node.outcome}"
    return f"{node.receiver} {node.outcome}"


def diff(before: Recording, after: Recording) -> list[Difference]:
    """Return what differs between two recordings, in the order of the second.

    Args:
        before: one that has ended, or was opened again.
        after: another one.
    """
    return _settled(list(_diff(before.entries, after.entries, ())))


def _diff(
    before: Sequence[Node], after: Sequence[Node], path: tuple[str, ...]
) -> Iterator[Difference]:
    names = [name_of(node) for node in before], [name_of(node) for node in after]
    for tag, old, old_end, new, new_end in _opcodes(*names):
        if tag == "equal":
            pairs = zip(before[old:old_end], after[new:new_end], strict=True)
            for one, other in pairs:
                below = (*path, name_of(one))
                yield from _slower(one, other, below)
                yield from _diff(inside(one), inside(other), below)
        else:
            for name in names[0][old:old_end]:
                yield Difference(LOST, (*path, name))
            for name in names[1][new:new_end]:
                yield Difference(NEW, (*path, name))


def _opcodes(
    before: list[str], after: list[str]
) -> Iterator[tuple[str, int, int, int, int]]:
    """Yield those of ``SequenceMatcher``, which is slow where much is the same."""
    same = 0
    for one, other in zip(before, after, strict=False):
        if one != other:
            break
        same += 1
    yield "equal", 0, same, 0, same
    old_rest, new_rest = before[same:], after[same:]
    roughly = len(old_rest) * len(new_rest) > _MANY
    for tag, *where in SequenceMatcher(None, old_rest, new_rest, roughly).get_opcodes():
        old, old_end, new, new_end = (same + index for index in where)
        yield tag, old, old_end, new, new_end


def _slower(one: Node, other: Node, path: tuple[str, ...]) -> Iterator[Difference]:
    longer = other.duration - one.duration
    if longer > SLOWER_BY and other.duration > one.duration * SLOWER:
        note = f"{one.duration / 1e6:.1f} ms, then {other.duration / 1e6:.1f} ms"
        yield Difference(SLOW, path, note)


def _settled(differences: list[Difference]) -> list[Difference]:
    """Call moved what was lost in one place and is new in another one."""
    lost = defaultdict(list)
    for each in reversed(differences):
        if each.kind == LOST:
            lost[each.path[-1]].append(each)
    settled, moved = [], set()
    for each in differences:
        if each.kind == NEW and lost[each.path[-1]]:
            other = lost[each.path[-1]].pop()
            moved.add(id(other))
            where = " > ".join(other.path[:-1]) or "the top"
            note = "" if other.path == each.path else f"from {where}"
            each = replace(each, kind=MOVED, note=note)
        settled.append(each)
    return [each for each in settled if id(each) not in moved]
