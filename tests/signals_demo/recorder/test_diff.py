import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.dispatch import Signal

from signals_demo.recorder import record
from signals_demo.recorder.diff import Difference, diff, name_of, outline
from signals_demo.recorder.export import dumps, loads
from signals_demo.recorder.trace import Emission, Query, ReceiverCall, Recording
from tests.signals_demo.recorder.eventful import eventful, sold


def nested(*trees, slow=()):
    """Return a recording of signals; what is inside of one follows in a list."""
    recording = Recording(1, 1)
    recording.entries = [entry_of(tree, slow) for tree in trees]
    return recording


def entry_of(tree, slow):
    name, *inner = tree if isinstance(tree, list) else [tree]
    emission = Emission(1, f"shop.{name}", None, "send", {}, 1, Recording(1, 1))
    emission.started, emission.duration = 1, 5_000_000 if name in slow else 1_000_000
    if inner:
        call = ReceiverCall((f"of_{name}", "", ""), Recording(1, 1))
        call.started = 1
        call.entries = [entry_of(each, slow) for each in inner]
        emission.calls = [call]
    return emission


WITHIN = "a > of_a returned"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("abc", "abc", []),
        ("abc", "ac", ["lost   b"]),
        ("ac", "abc", ["new    b"]),
        ("abc", "bca", ["moved  a"]),
        ("abc", "xbc", ["lost   a", "new    x"]),
        ("aab", "aba", ["moved  b"]),
        (["a"], [["a", "b"]], [f"new    {WITHIN}"]),
        (
            [["a", "b"]],
            [["a", "c"]],
            [f"lost   {WITHIN} > b", f"new    {WITHIN} > c"],
        ),
        (
            [["a", "b"], "c"],
            [["a", "d"], "c", "b"],
            [f"new    {WITHIN} > d", f"moved  b (from {WITHIN})"],
        ),
        (["b", ["a", "c"]], [["a", "c", "b"]], [f"moved  {WITHIN} > b (from the top)"]),
    ],
)
def test_differences_are_named(before, after, expected):
    assert [str(each) for each in diff(nested(*before), nested(*after))] == expected


def test_what_takes_longer_is_slower():
    before, after = nested(["a", "b"]), nested(["a", "b"], slow="b")

    assert diff(before, after) == [
        Difference("slower", ("a", "of_a returned", "b"), "1.0 ms, then 5.0 ms")
    ]
    assert diff(after, before) == []
    assert diff(before, before) == []


@pytest.mark.django_db(transaction=True)
def test_two_runs_of_the_same_code_have_the_same_outline():
    first = eventful()
    Group.objects.all().delete()
    second = eventful()

    assert outline(first) == outline(second)
    assert outline(first, queries=True) == outline(second, queries=True)
    assert [each for each in diff(first, second) if each.kind != "slower"] == []


@pytest.mark.django_db(transaction=True)
def test_an_outline_is_a_snapshot():
    recording = eventful()

    lines = outline(recording)

    here = "tests.signals_demo.recorder.eventful"
    assert lines[:10] == [
        "sold kept",
        f"  {here}.silent muted",
        f"  {here}.book_stock returned",
        "    pre_init auth.Group",
        "    post_init auth.Group",
        "    pre_save auth.Group",
        "    post_save auth.Group created",
        f"  {here}.write_mail returned",
        f"    on_commit {here}.send_mail ran",
        "      shipped mail",
    ]
    assert "sold failing raised LookupError" in lines
    assert f"    on_commit {here}.send_mail never ran: rolled back" in lines
    assert "SELECT COUNT(*) AS" not in "".join(lines)
    assert "SELECT COUNT(*) AS" in "".join(outline(recording, queries=True))


@pytest.mark.django_db(transaction=True)
def test_what_differs_in_every_run_is_left_out():
    with record() as recording, transaction.atomic(), transaction.atomic():
        Signal().send("a")
        sold.send("a", action="post_add", raw=True)

    names = outline(recording, queries=True)

    assert "SAVEPOINT …" in "".join(names).replace('"', "").replace("`", "")
    assert "Signal a" in names
    assert "sold a post_add raw" in names


@pytest.mark.django_db(transaction=True)
def test_one_django_is_compared_with_another_by_way_of_files(tmp_path):
    saved = tmp_path / "before.json"
    saved.write_text(dumps(eventful()))
    Group.objects.all().delete()

    after = eventful()
    after.entries = [each for each in after.entries if not is_of(each, "robust")]
    found = [
        each for each in diff(loads(saved.read_text()), after) if each.kind == "lost"
    ]

    assert [str(each) for each in found] == ["lost   sold robust"]


def is_of(entry, sender):
    return isinstance(entry, Emission) and entry.sender == sender


def test_many_of_the_same_are_compared_quickly():
    before, after = nested(*"ab" * 10_000), nested(*"ab" * 10_000, "c")
    changed = nested("c", *"ab" * 10_000)

    assert [str(each) for each in diff(before, after)] == ["new    c"]
    assert "new    c" in [str(each) for each in diff(nested(*"ab" * 2_000), changed)]


def test_a_statement_is_its_own_name():
    query = Query(1, 'RELEASE SAVEPOINT "s123_x4"', "default", 1, False, None)

    assert name_of(query) == 'RELEASE SAVEPOINT "…"'
