import json
from argparse import ArgumentTypeError
from datetime import UTC, date, datetime

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, connections
from django.utils import timezone

from invite_code.management.commands.issue_invite_codes import positive_integer
from invite_code.models import InviteBatch, InviteCode

pytestmark = pytest.mark.django_db


def run(*arguments):
    call_command("issue_invite_codes", *arguments)


def newest_batch():
    return InviteBatch.objects.latest("pk")


def number_of_rows():
    return InviteBatch.objects.count(), InviteCode.objects.count()


def test_codes_are_issued_and_it_is_said_without_a_code(capsys):
    run("3")
    batch = newest_batch()
    assert batch.codes.count() == 3
    assert capsys.readouterr().out == (
        f"Batch {batch.pk}: issued 3 codes in 'default', each for one use,"
        " without end.\n"
    )


def test_every_option_is_stored(capsys):
    run(
        *("2", "--label", "Newsletter", "--max-uses", "7"),
        *("--valid-from", "2099-12-01T06:00Z", "--expires", "2099-12-31T18:00Z"),
        *("--email", "Reader@Example.org", "--database", "default"),
    )
    batch = newest_batch()
    assert batch.label == "Newsletter"
    for code in batch.codes.all():
        assert code.max_uses == 7
        assert code.valid_from == datetime(2099, 12, 1, 6, tzinfo=UTC)
        assert code.expires_at == datetime(2099, 12, 31, 18, tzinfo=UTC)
        assert code.email == "reader@example.org"
    assert capsys.readouterr().out == (
        f"Batch {batch.pk}: issued 2 codes in 'default', each for 7 uses,"
        " from 2099-12-01T06:00:00+00:00, until 2099-12-31T18:00:00+00:00,"
        " for reader@example.org alone.\n"
    )


def test_unlimited_uses(capsys):
    run("2", "--max-uses", "unlimited")
    assert {code.max_uses for code in newest_batch().codes.all()} == {None}
    assert "each for any number of uses" in capsys.readouterr().out


@pytest.mark.django_db(databases=["default", "other"])
def test_the_database_can_be_chosen(capsys):
    before = InviteCode.objects.using("other").count()
    run("2", "--database", "other")
    assert InviteCode.objects.using("other").count() == before + 2
    assert "in 'other'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("2099-12-31", "UTC", datetime(2100, 1, 1, tzinfo=UTC)),
        ("2099-12-31", "Asia/Tokyo", datetime(2099, 12, 31, 15, tzinfo=UTC)),
        ("2099-12-31T18:00", "Asia/Tokyo", datetime(2099, 12, 31, 9, tzinfo=UTC)),
        ("2099-12-31 18:00+02:00", "UTC", datetime(2099, 12, 31, 16, tzinfo=UTC)),
    ],
)
def test_a_date_means_the_end_of_that_day_and_a_time_one_of_the_current_zone(
    capsys, text, zone, moment
):
    with timezone.override(zone):
        run("1", "--expires", text)
    assert newest_batch().codes.get().expires_at == moment


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("2099-12-31", "UTC", datetime(2099, 12, 31, tzinfo=UTC)),
        ("2099-12-31", "Asia/Tokyo", datetime(2099, 12, 30, 15, tzinfo=UTC)),
        ("2099-12-31T18:00", "Asia/Tokyo", datetime(2099, 12, 31, 9, tzinfo=UTC)),
        ("2020-01-01", "UTC", datetime(2020, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_date_to_be_valid_from_means_the_beginning_of_that_day(
    capsys, text, zone, moment
):
    with timezone.override(zone):
        run("1", "--valid-from", text)
    assert newest_batch().codes.get().valid_from == moment


def test_today_has_begun_and_is_not_over_yet(capsys):
    today = timezone.localdate().isoformat()
    run("1", "--valid-from", today, "--expires", today)
    code = newest_batch().codes.get()
    assert code.valid_from <= timezone.now() < code.expires_at


def test_without_time_zones_moments_are_naive(settings, capsys):
    settings.USE_TZ = False
    run("1", "--expires", "2099-12-31T18:00")
    assert newest_batch().codes.get().expires_at == datetime(2099, 12, 31, 18)
    run("1", "--expires", "2099-12-31")
    assert newest_batch().codes.get().expires_at.date() == date(2100, 1, 1)
    output = capsys.readouterr().out
    assert "1 code in 'default', each for one use, until 2100-01-01T00:00:00." in output


@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_a_dry_run_writes_and_sends_nothing(
    capsys, issued, django_capture_on_commit_callbacks, extra
):
    before = number_of_rows()
    with django_capture_on_commit_callbacks(execute=True):
        run("3", "--dry-run", *extra)
    assert number_of_rows() == before
    assert issued == []
    assert "Would issue 3 codes" in capsys.readouterr().out or extra
    with django_capture_on_commit_callbacks(execute=True):
        run("3")
    assert number_of_rows() == (before[0] + 1, before[1] + 3)
    assert [sent["count"] for sent in issued] == [3]


def test_json_is_for_programs(capsys):
    run(
        *("2", "--json", "--label", "Press", "--expires", "2099-12-31"),
        *("--valid-from", "2099-12-01", "--email", "Reader@Example.org"),
    )
    assert json.loads(capsys.readouterr().out) == {
        "batch": newest_batch().pk,
        "count": 2,
        "label": "Press",
        "max_uses": 1,
        "valid_from": "2099-12-01T00:00:00+00:00",
        "expires_at": "2100-01-01T00:00:00+00:00",
        "email": "reader@example.org",
        "entropy_bits": 75,
        "database": "default",
        "dry_run": False,
    }


def test_json_of_a_dry_run_names_no_batch(capsys):
    run("2", "--json", "--dry-run", "--max-uses", "unlimited")
    result = json.loads(capsys.readouterr().out)
    for key in ("batch", "valid_from", "expires_at", "email", "max_uses"):
        assert result[key] is None
    assert result["dry_run"] is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: count"),
        (["0"], "'0' is not a whole number from 1 to 2147483647"),
        (["--", "-5"], "'-5' is not a whole number"),
        (["many"], "'many' is not a whole number"),
        (["1.5"], "not a whole number"),
        (["1e3"], "not a whole number"),
        (["٣"], "not a whole number"),
        ([" 3"], "not a whole number"),
        ([""], "not a whole number"),
        (["2147483648"], "not a whole number"),
        (["9" * 100], "not a whole number"),
        (["9" * 5000], "not a whole number"),
        (["1", "--max-uses", "0"], "'0' is not a whole number"),
        (["1", "--max-uses", "none"], "'none' is not a whole number"),
        (["1", "--label", "x" * 201], "at most 200 characters"),
        (["1", "--expires", "tomorrow"], "'tomorrow' is not a date such as 2030-12-31"),
        (["1", "--expires", "2099-13-01"], "not a date"),
        (["1", "--expires", "2099-02-30T10:00"], "not a date"),
        (["1", "--expires", "9999-12-31"], "not a date"),
        (["1", "--expires", ""], "not a date"),
        (["1", "--expires", "2020-01-01"], "'2020-01-01' is in the past"),
        (["1", "--expires", "2020-01-01T00:00+01:00"], "in the past"),
        (["1", "--expires", "0001-01-01"], "in the past"),
        (["1", "--valid-from", "tomorrow"], "'tomorrow' is not a date such as"),
        (["1", "--valid-from", "2099-13-01"], "not a date"),
        (
            ["1", "--valid-from", "2099-01-02", "--expires", "2099-01-01"],
            "cannot expire",
        ),
        (["1", "--email", ""], "'' is not an e-mail address"),
        (["1", "--email", "reader"], "'reader' is not an e-mail address"),
        (["1", "--email", "\0@example.org"], "is not an e-mail address"),
        (["1", "--email", f"{'x' * 250}@example.org"], "is not an e-mail address"),
        (["1", "--email", "x" * 2**20], "^[^\n]{,200}is not an e-mail address"),
        (["1", "--email", "\udcff@example.org"], "is not text"),
        (["1", "--database", "nowhere"], "invalid choice: 'nowhere'"),
        (["1", "--colour", "red"], "unrecognized arguments"),
    ],
)
def test_bad_input_is_explained_and_issues_nothing(arguments, message):
    before = number_of_rows()
    with pytest.raises(CommandError, match=message):
        run(*arguments)
    assert number_of_rows() == before


@pytest.mark.parametrize("zeros", [0, 1, 10, 11])
def test_leading_zeros_hide_no_large_number(zeros):
    # By hand, for the command would be busy for thousands of years.
    with pytest.raises(ArgumentTypeError, match="not a whole number"):
        positive_integer("0" * zeros + "1" + "9" * 20)


def test_a_moment_after_the_last_year_in_utc_is_explained():
    with pytest.raises(CommandError, match="not a date"):
        run("1", "--expires", "9999-12-31T23:59-05:00")


def test_without_time_zones_an_offset_is_reckoned_with(settings, capsys):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Asia/Tokyo"
    run("1", "--expires", "2099-12-31T18:00+02:00")
    assert newest_batch().codes.get().expires_at == datetime(2100, 1, 1, 1)


def test_a_label_that_is_not_text_is_explained():
    with pytest.raises(CommandError, match="is not text"):
        run("1", "--label", "\udcff")


def test_exhausted_codes_are_explained(settings):
    settings.INVITE_CODE_LENGTH = 2
    before = number_of_rows()
    with pytest.raises(CommandError, match="Only 32 codes are possible, 33 were"):
        run("33")
    assert number_of_rows() == before


def test_a_missing_table_is_explained(empty_database, settings):
    class Nowhere:
        def allow_migrate(self, db, app_label, **hints):
            return False

    with pytest.raises(CommandError, match=f"'{empty_database}': run 'manage.py migr"):
        run("1", "--database", empty_database)
    settings.DATABASE_ROUTERS = [Nowhere()]
    with pytest.raises(CommandError, match="by a database router"):
        run("1", "--database", empty_database)


def test_another_error_of_the_database_is_raised(seeded_database):
    with connections[seeded_database].cursor() as cursor:
        cursor.execute("ALTER TABLE invite_code_invitecode RENAME COLUMN uses TO used")
    with pytest.raises(DatabaseError, match="uses"):
        run("1", "--database", seeded_database)


def test_the_help_shows_an_example(capsys):
    with pytest.raises(SystemExit):
        run("--help")
    assert "--label Newsletter --expires 2030-12-31" in capsys.readouterr().out
