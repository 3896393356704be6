import re

import pytest
from django.core.management.color import make_style

from signals_demo.recorder import record
from signals_demo.recorder.text import (
    ASCII_LINES,
    MAX_FINDINGS,
    columns,
    cut,
    duration,
    findings,
    plural,
    short,
    short_sql,
    tree,
    wrapped,
)
from signals_demo.recorder.trace import (
    CommitHook,
    Emission,
    Query,
    ReceiverCall,
    Recording,
)
from signals_demo.recorder.transaction import Transaction
from tests.factories import UserFactory
from tests.signals_demo.recorder.eventful import eventful, sold

HERE = "tests.signals_demo.recorder.eventful"


def parts(line):
    """Return what stands in a line, without the time, which differs."""
    words = line.split()
    return " ".join(words[:-2] if words[-1:] in (["µs"], ["ms"]) else words)


@pytest.fixture(scope="module")
def lines(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        recording = eventful()
        from django.contrib.auth.models import Group

        Group.objects.all().delete()
    return list(tree(recording, everything=True))


def test_no_line_is_wider_than_a_terminal(lines):
    assert max(map(columns, lines)) == 79


@pytest.mark.parametrize(
    "line",
    [
        "sold kept book=Emma",
        f"├─ {HERE}.silent muted",
        f"├─ {HERE}.book_stock 2 SQL",
        "│ ├─ SELECT … FROM auth_group",
        "│ ├─ INSERT INTO auth_group",
        f"└─ {HERE}.write_mail",
        f"└─ on_commit {HERE}.send_mail",
        "sold lost rolled back",
        f"└─ on_commit {HERE}.se… never ran: rolled back",
        f"├─ {HERE}.refuse raised LookupError",
        f"└─ {HERE}.never_reached not reached",
        "sold failing raised LookupError",
        f"├─ {HERE}.pack async",
        "pre_init auth.Group x 4",
    ],
)
def test_the_tree_tells(lines, line):
    assert line in [parts(each) for each in lines]


def test_the_last_line_sums_up(lines):
    last = lines[lines.index("") - 1]
    assert re.match(r"45 signals, 19 receiver calls, \d+ queries in ", last)
    assert last.endswith(" ms; 10 signals rolled back.")


def test_findings_stand_below(lines):
    beginning, *found = lines[lines.index("") + 1 :]
    assert beginning == "Findings:"
    assert found[:3] == [
        "  rolled-back-hook: on_commit() never called",
        f"  {HERE}.send_mail, because its transaction was",
        "  rolled back.",
    ]


def swallowed(times):
    """Return a recording of as many different errors that nobody heard of."""
    emissions = [made(f"shop.signal{index}") for index in range(times)]
    for each in emissions:
        each.method = "send_robust"
        called(each, "shop.\x1b[2Jrefuse").raised = "ValueError"
    return recorded(*emissions)


def test_a_hint_is_given_once_and_only_so_many_findings_are_shown():
    few, many = (list(findings(swallowed(times))) for times in (2, MAX_FINDINGS + 9))
    assert [line for line in few if line.startswith("    ")] == [
        "    Look at the results, or into the log: Django writes it to the logger",
        "    django.dispatch.",
    ]
    assert "\x1b" not in "".join(few)
    assert sum(line.startswith("  swallowed-error: ") for line in many) == MAX_FINDINGS
    assert many[-1] == "  and 9 more"
    assert list(findings(recorded(made()))) == []


def test_findings_are_painted():
    style = make_style("nocolor;warning=yellow")
    lines = list(findings(swallowed(1), style))
    assert lines[2].startswith("  \x1b[33mswallowed-error: ")


def test_text_is_wrapped_by_columns():
    assert list(wrapped("a bc def", 4)) == ["a bc", "def"]
    assert list(wrapped("a bcdefgh i", 4)) == ["a bc", "defg", "h i"]
    assert list(wrapped("中文沒有空格", 5)) == ["中文", "沒有", "空格"]
    assert list(wrapped("abcd efgh", 4)) == ["abcd", "efgh"]
    assert list(wrapped("中文", 1)) == ["中", "文"]
    assert list(wrapped("", 4)) == []


@pytest.mark.django_db
def test_saving_a_user_reads_well():
    with record() as recording:
        UserFactory.create(password="x")

    lines = [parts(line) for line in tree(recording)]

    assert "INSERT INTO auth_user" in lines
    assert any("└─ signals_demo.signals.sync_profile" in line for line in lines)
    found = "├─ SELECT … FROM signals_demo_profile WHERE user_id = %s LIMIT 21"
    assert found in lines
    assert "├─ post_init signals_demo.Profile(None)" in lines
    assert "│ └─ signals_demo.signals.remember_avatar" in lines


def test_folded_emissions_are_counted_and_summed_up():
    emission = made("django.db.models.signals.post_init", sender="shop.Book")
    emission.times, emission.duration = 1000, 2_500_000

    first, last = tree(recorded(emission), everything=True)

    assert first == f"{'post_init shop.Book':62}x 1,000    2.5 ms"
    assert last == "1,000 signals, 0 receiver calls, 0 queries."


def test_what_comes_for_each_row_and_nobody_received_is_only_counted():
    emission = made("django.db.models.signals.post_init", sender="shop.Book")
    emission.times = 1000

    assert list(tree(recorded(emission))) == [
        "1,000 signals, 0 receiver calls, 0 queries.",
        "Nobody received, and not shown: post_init x 1,000.",
    ]


def made(signal="shop.sold", sender="shop", transaction=None, **arguments):
    recording = Recording(1, 1)
    emission = Emission(1, signal, sender, "send", arguments, 1, recording)
    emission.transaction = transaction
    emission.started, emission.duration = 1, 5_000
    return emission


def recorded(*entries):
    recording = Recording(1, 1)
    recording.entries = list(entries)
    return recording


def called(emission, name="shop.stock", started=1, entries=()):
    call = ReceiverCall((name, "", ""), recorded())
    call.started, call.entries = started, entries
    emission.calls = [*emission.calls, call]
    return call


def first_line(emission):
    return parts(next(tree(recorded(emission))))


def test_arguments_that_say_something_are_shown():
    emission = made(
        sender="shop.Book",
        instance="shop.Book(1)",
        created=True,
        raw=False,
        using="default",
        origin="shop.Book(1)",
        update_fields=["a", "b"],
        names={"a": [1]},
        missing=None,
    )

    assert first_line(emission) == (
        "sold shop.Book(1) created update_fields=[a, b] names={a: [1]}"
    )
    assert first_line(made(sender=None, using="other")) == "sold using=other"


def test_what_has_not_run_has_no_time():
    transaction = Transaction("default")
    hook = CommitHook(1, "shop.mail: shop.py:7", transaction, Recording(1, 1))

    for state, told in (
        ("open", "has not run: the transaction is open"),
        ("committed", "never ran: one before it raised"),
    ):
        transaction.state = state
        assert next(tree(recorded(hook))) == f"on_commit shop.mail{told:>60}"


def test_the_rest_is_told_with_what_was_dropped():
    recording = recorded()
    recording.dropped.update({"shop.a": 2, "mart.a": 1000, "query": 5, "b": 4, "c": 1})

    assert list(tree(recording))[1:] == [
        "1,012 more entries found no room (a x 1,002, query x 5, b x 4)."
    ]


def test_long_names_are_cut_and_deep_trees_are_narrow():
    top = parent = made(sender="x" * 200)
    top.raised = "mart." + "Wrong" * 30
    for _ in range(60):
        call = called(parent, "shop." + "receiver" * 20)
        parent = made(sender="中" * 50)
        call.entries = [parent]

    lines = list(tree(recorded(top)))

    assert max(map(columns, lines)) <= 79
    assert len(lines) == 122
    assert lines[-2].startswith("… ")
    assert "└─ sold 中" in lines[-2]
    assert "raised mart.Wrong" in lines[0]


def test_lines_may_be_wider_and_plain():
    emission = made()
    called(emission)
    called(emission)

    lines = list(tree(recorded(emission), width=100, lines=ASCII_LINES))

    assert [len(line) for line in lines[:3]] == [100, 100, 100]
    assert "".join(lines[:3]).replace("µ", "u").isascii()
    assert [line[:3] for line in lines[1:3]] == ["|- ", "`- "]


def test_a_terminal_is_not_steered_by_names():
    emission = made(sender="\x1b[2J", note="\u202e")
    called(emission, "shop.\x1b]0;evil\x07")

    text = "\n".join(tree(recorded(emission)))

    assert text.replace("\n", "").isprintable()
    assert "�[2J" in text


def painted(emission):
    style = make_style(
        "nocolor;error=red;success=green;warning=yellow;notice=blue;migrate_label=cyan"
    )
    return next(tree(recorded(emission), style)), list(tree(recorded(emission), style))


def test_colors_tell_what_became_of_it():
    lost = Transaction("default")
    lost.state = "rolled back"
    emission = made()
    called(emission, "shop.good")
    called(emission, "shop.bad").raised = "ValueError"
    called(emission, "shop.none", started=None)
    call = called(emission, "shop.more")
    query = Query(1, "SELECT 1", "default", 1, False, None)
    failed = Query(1, "SELECT 2", "default", 1, False, None)
    failed.raised = "OperationalError"
    hook = CommitHook(1, "shop.mail", lost, recorded())
    inner, raised = made("shop.lost", transaction=lost), made("shop.error")
    raised.raised = "KeyError"
    call.entries = [query, failed, hook, inner, raised]

    first, lines = painted(emission)

    text = "\n".join(lines)
    assert first.startswith("\x1b[36msold shop\x1b[0m")
    for code, name in (
        (32, "shop.good"),
        (31, "shop.bad"),
        (34, "shop.none"),
        (31, "SELECT 2"),
        (33, "on_commit shop.mail"),
        (33, "lost shop"),
        (31, "error shop"),
    ):
        assert f"\x1b[{code}m{name}\x1b[0m" in text
    assert " SELECT 1 " in text


def test_colors_take_no_columns():
    plain = list(tree(recorded(made())))

    assert painted(made())[0].replace("\x1b[36m", "").replace("\x1b[0m", "") == plain[0]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ('SELECT "a"."b" FROM "a" WHERE "a"."b" = %s', "SELECT … FROM a WHERE b = %s"),
        ('SELECT DISTINCT "b" FROM "a"', "SELECT … FROM a"),
        (
            'SELECT "b" FROM "a", "c" ON "a"."d" = "c"."d"',
            "SELECT … FROM a, c ON d = c.d",
        ),
        ("SELECT `a`.`b` FROM `a` WHERE `a`.`b` = 1", "SELECT … FROM a WHERE b = 1"),
        ('INSERT INTO "a" ("b") VALUES (%s)', "INSERT INTO a"),
        ('UPDATE "a" SET "b" = %s', "UPDATE a SET"),
        ('UPDATE "a" SET "b" = %s WHERE "a"."c" = 1', "UPDATE a SET … WHERE c = 1"),
        ('DELETE FROM "a" WHERE "a"."b" IN (%s)', "DELETE FROM a WHERE b IN (%s)"),
        ('SELECT 1 FROM "odd name"', 'SELECT … FROM "odd name"'),
        ("BEGIN", "BEGIN"),
    ],
)
def test_statements_are_told_without_what_is_known(sql, expected):
    assert short_sql(sql) == expected


@pytest.mark.parametrize(
    ("nanoseconds", "expected"),
    [
        (0, "0 µs"),
        (999_499, "999 µs"),
        (1_000_000, "1.0 ms"),
        (99_940_000, "99.9 ms"),
        (100_000_000, "100 ms"),
        (61_000_000_000, "61,000 ms"),
    ],
)
def test_durations_have_the_unit_that_suits_them(nanoseconds, expected):
    assert duration(nanoseconds) == expected


def test_words_are_plural_where_they_should_be():
    assert plural(1, "query", "queries") == "1 query"
    assert plural(1000, "query", "queries") == "1,000 queries"
    assert plural(0, "signal") == "0 signals"


def test_wide_characters_take_two_columns():
    assert columns("中 a") == 4
    assert cut("中中中", 6) == "中中中"
    assert cut("中中中", 5) == "中中…"
    assert cut("abc", 0) == "…"


def test_values_are_written_as_people_would():
    assert short([1, None, {"a": "b"}]) == "[1, None, {a: b}]"


def test_a_loop_through_sold_leaves_nothing_connected():
    assert not sold.has_listeners()
