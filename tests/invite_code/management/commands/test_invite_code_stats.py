import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from invite_code.counting import Numbers, numbers
from invite_code.handing_out import hand_out
from invite_code.issuing import issue
from invite_code.management.commands.invite_code_stats import WIDTH, in_table
from invite_code.models import InviteBatch, InviteCode
from invite_code.redemption import redeem
from tests.factories import InviteBatchFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(capsys):
    """Run the command; return what it printed."""

    def run(*arguments):
        call_command("invite_code_stats", *map(str, arguments))
        return capsys.readouterr().out

    return run


@pytest.fixture
def no_batches():
    InviteCode.objects.all().delete()
    InviteBatch.objects.all().delete()


def test_batches_are_told_in_a_table_with_totals(run, no_batches):
    news, press = issue(5, label="Newsletter"), issue(3, label="Press")
    hand_out(news, 2)
    redeem(news.codes.order_by("pk").first().code, None)
    batch = InviteBatch.objects.filter(pk=press.pk)
    batch.update(revoked_at=timezone.now())
    heads, *rows = (" ".join(line.split()) for line in run().splitlines())
    assert heads == "batch issued given held used revoked expired unused label"
    assert rows == [
        f"{news.pk} 5 2 0 1 0 0 3 Newsletter",
        f"{press.pk} 3 0 0 0 3 0 0 Press",
        "total 8 2 0 1 3 0 3",
    ]


def test_columns_stand_below_one_another_within_a_terminal():
    batches = [
        InviteBatch(pk=7, label="Ein sehr langer Name, der nicht auf die Zeile passt"),
        InviteBatch(pk=123456, label="Press"),
    ]
    most = Numbers(*[1_000_000] * 9)
    lines = in_table(dict.fromkeys(batches, most))
    assert max(map(len, lines)) == WIDTH
    assert lines[1].endswith("…")
    places = lines[1].index("Ein"), lines[2].index("Press"), lines[0].index("label")
    assert len(set(places)) == 1
    assert lines[-1].split() == ["total", *["2000000"] * 7]


def test_a_label_gets_some_room_whatever_the_numbers():
    huge = Numbers(*[10**15] * 9)
    lines = in_table({InviteBatch(pk=1, label="Newsletter"): huge})
    assert lines[1].endswith("  Newslet…")


def test_what_a_terminal_would_obey_is_not_printed(run):
    issue(1, label="Red\x1b[31m\nalert\u202e")
    assert "Red [31m alert" in run()
    batch = InviteBatchFactory(label="\x1b]0;title\a")
    assert "\x1b" not in run("--batch", batch.pk)


def test_a_batch_without_label_is_named_by_its_key(run):
    batch = issue(1)
    assert f"Batch {batch.pk}" in run()


def test_all_numbers_of_one_batch_are_told_in_lines(run):
    issue(3)
    batch = issue(5, label="Press", max_uses=7)
    hand_out(batch, 2)
    for code in batch.codes.order_by("pk")[:1]:
        redeem(code.code, None)
        redeem(code.code, None)
    assert run("--batch", batch.pk) == (
        f"batch       {batch.pk} Press\n"
        "issued      5\n"
        "handed out  2\n"
        "held        0\n"
        "redeemed    1\n"
        "uses        2\n"
        "used up     0\n"
        "revoked     0\n"
        "expired     0\n"
        "unused      3\n"
    )


def test_json_is_for_programs(run, no_batches):
    moment = timezone.now()
    first, second = issue(2, label="Press"), InviteBatchFactory(revoked_at=moment)
    result = json.loads(run("--json"))
    assert result["database"] == "default"
    assert result["batches"] == [
        {
            "pk": batch.pk,
            "label": batch.label,
            "created_at": batch.created_at.isoformat(),
            "revoked_at": batch.revoked_at and batch.revoked_at.isoformat(),
            **vars(numbers(batch)),
        }
        for batch in (first, second)
    ]
    assert result["total"] == vars(numbers(first))
    [only] = json.loads(run("--json", "--batch", first.pk))["batches"]
    assert only == result["batches"][0]


def test_a_database_without_batches_is_told_so(run, no_batches):
    assert run() == "There are no batches in 'default'.\n"
    assert json.loads(run("--json"))["batches"] == []


@pytest.mark.django_db(databases=["default", "other"])
def test_the_database_can_be_chosen(run):
    batch = issue(3, label="Elsewhere", using="other")
    assert "Elsewhere" in run("--database", "other")
    assert "Elsewhere" not in run()
    assert "issued      3\n" in run("--database", "other", "--batch", batch.pk)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch", "0"], "'0' is not a whole number"),
        (["--batch", "2147483647"], "There is no batch 2147483647 in 'default'"),
        (["--database", "nowhere"], "invalid choice: 'nowhere'"),
    ],
)
def test_bad_input_is_explained(run, arguments, message):
    with pytest.raises(CommandError, match=message):
        run(*arguments)


@pytest.mark.parametrize("arguments", [[], ["--batch", "1"]])
def test_a_missing_table_is_explained(run, empty_database, arguments):
    with pytest.raises(CommandError, match=r"run 'manage\.py migrate'"):
        run(*arguments, "--database", empty_database)
