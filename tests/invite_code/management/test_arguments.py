from argparse import ArgumentTypeError
from datetime import UTC, date, datetime

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError, InterfaceError, OperationalError, connections
from django.db.transaction import atomic
from django.utils import timezone

from invite_code.codes import CodeFormat
from invite_code.errors import TooFewCodes
from invite_code.management.arguments import (
    add_database,
    add_json,
    address,
    at_most,
    batch_of,
    beginning,
    encodable,
    end,
    explained,
    missing_table,
    positive_integer,
    start_afresh,
    uses,
)
from invite_code.models import InviteBatch
from tests.factories import InviteBatchFactory


class Nowhere:
    def allow_migrate(self, db, app_label, **hints):
        return False


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (positive_integer, "1", 1),
        (positive_integer, "2147483647", 2**31 - 1),
        (positive_integer, "0000000005", 5),
        (uses, "7", 7),
        (uses, "unlimited", None),
        (at_most(256), "256", 256),
        (encodable, "Zoë 名前", "Zoë 名前"),
        (encodable, "", ""),
        (address, "Reader@Example.org", "reader@example.org"),
    ],
)
def test_a_text_is_taken_for_what_it_means(kind, text, value):
    assert kind(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (positive_integer, "0", "'0' is not a whole number from 1 to 2147483647"),
        (positive_integer, "-5", "'-5' is not a whole number"),
        (positive_integer, "many", "'many' is not a whole number"),
        (positive_integer, "1.5", "not a whole number"),
        (positive_integer, "1e3", "not a whole number"),
        (positive_integer, "٣", "not a whole number"),
        (positive_integer, " 3", "not a whole number"),
        (positive_integer, "", "not a whole number"),
        (positive_integer, "2147483648", "not a whole number"),
        (positive_integer, "9" * 100, "not a whole number"),
        (positive_integer, "9" * 5000, "not a whole number"),
        (uses, "0", "'0' is not a whole number"),
        (uses, "none", "'none' is not a whole number"),
        (at_most(256), "257", "'257' is not a whole number from 1 to 256"),
        (at_most(256), "0", "'0' is not a whole number from 1 to 256"),
        (at_most(256), "9" * 5000, "^[^\n]{,120}$"),
        (encodable, "\udcff", "is not text"),
        (address, "", "'' is not an e-mail address"),
        (address, "reader", "'reader' is not an e-mail address"),
        (address, "\0@example.org", "is not an e-mail address"),
        (address, f"{'x' * 250}@example.org", "is not an e-mail address"),
        (address, "x" * 2**20, "^[^\n]{,200}is not an e-mail address"),
        (address, "\udcff@example.org", "is not text"),
        (end, "tomorrow", "'tomorrow' is not a date such as 2030-12-31"),
        (end, "2099-13-01", "not a date"),
        (end, "2099-02-30T10:00", "not a date"),
        (end, "9999-12-31", "not a date"),
        (end, "9999-12-31T23:59-05:00", "not a date"),
        (end, "", "not a date"),
        (end, "2020-01-01", "'2020-01-01' is in the past"),
        (end, "2020-01-01T00:00+01:00", "in the past"),
        (end, "0001-01-01", "in the past"),
        (beginning, "tomorrow", "'tomorrow' is not a date such as"),
        (beginning, "2099-13-01", "not a date"),
    ],
)
def test_what_means_nothing_is_explained(kind, text, message):
    with pytest.raises(ArgumentTypeError, match=message):
        kind(text)


@pytest.mark.parametrize("zeros", [0, 1, 10, 11])
def test_leading_zeros_hide_no_large_number(zeros):
    with pytest.raises(ArgumentTypeError, match="not a whole number"):
        positive_integer("0" * zeros + "1" + "9" * 20)


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("2099-12-31", "UTC", datetime(2100, 1, 1, tzinfo=UTC)),
        ("2099-12-31", "Asia/Tokyo", datetime(2099, 12, 31, 15, tzinfo=UTC)),
        ("2099-12-31T18:00", "Asia/Tokyo", datetime(2099, 12, 31, 9, tzinfo=UTC)),
        ("2099-12-31 18:00+02:00", "UTC", datetime(2099, 12, 31, 16, tzinfo=UTC)),
    ],
)
def test_a_last_day_means_its_end_and_a_time_one_of_the_current_zone(
    text, zone, moment
):
    with timezone.override(zone):
        assert end(text) == moment


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("2099-12-31", "UTC", datetime(2099, 12, 31, tzinfo=UTC)),
        ("2099-12-31", "Asia/Tokyo", datetime(2099, 12, 30, 15, tzinfo=UTC)),
        ("2099-12-31T18:00", "Asia/Tokyo", datetime(2099, 12, 31, 9, tzinfo=UTC)),
        ("2020-01-01", "UTC", datetime(2020, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_first_day_means_its_beginning(text, zone, moment):
    with timezone.override(zone):
        assert beginning(text) == moment


def test_today_has_begun_and_is_not_over_yet():
    today = timezone.localdate().isoformat()
    assert beginning(today) <= timezone.now() < end(today)


def test_without_time_zones_moments_are_naive(settings):
    settings.USE_TZ = False
    assert end("2099-12-31T18:00") == datetime(2099, 12, 31, 18)
    assert end("2099-12-31").date() == date(2100, 1, 1)
    settings.TIME_ZONE = "Asia/Tokyo"
    assert end("2099-12-31T18:00+02:00") == datetime(2100, 1, 1, 1)


def test_a_database_is_one_that_there_is():
    parser = CommandParser(called_from_command_line=False)
    add_database(parser, "The database it is about.")
    add_json(parser)
    assert vars(parser.parse_args([])) == {"database": "default", "json": False}
    given = parser.parse_args(["--database", "other", "--json"])
    assert vars(given) == {"database": "other", "json": True}
    with pytest.raises(CommandError, match="invalid choice: 'nowhere'"):
        parser.parse_args(["--database", "nowhere"])
    shown = " ".join(parser.format_help().split())
    assert "The database it is about. Default: default." in shown


@pytest.mark.django_db(databases=["default", "other"])
def test_a_batch_is_found_in_its_database():
    InviteBatchFactory()
    batch = InviteBatchFactory()
    assert batch_of(batch.pk, "default") == batch
    InviteBatch.objects.using("other").filter(pk=batch.pk).delete()
    with pytest.raises(CommandError, match=f"no batch {batch.pk} in 'other'"):
        batch_of(batch.pk, "other")


@pytest.mark.django_db
def test_a_batch_that_is_not_there_is_explained():
    with pytest.raises(
        CommandError, match=r"no batch 2147483647 .*: invite_code_stats"
    ):
        batch_of(2**31 - 1, "default")


def test_a_missing_table_is_explained(empty_database, settings):
    words = f"no tables in '{empty_database}': run 'manage.py migrate'"
    with pytest.raises(CommandError, match=words):
        batch_of(1, empty_database)
    assert words in missing_table(empty_database)
    settings.DATABASE_ROUTERS = [Nowhere()]
    assert "by a database router" in missing_table(empty_database)


def test_another_error_of_the_database_is_raised(seeded_database):
    with connections[seeded_database].cursor() as cursor:
        cursor.execute("ALTER TABLE invite_code_invitebatch RENAME COLUMN label TO x")
    with pytest.raises(DatabaseError, match="label"):
        batch_of(1, seeded_database)


@pytest.mark.parametrize(
    ("error", "message", "status"),
    [
        (KeyboardInterrupt(), "^Stopped. Nothing was done.$", 130),
        (TooFewCodes("None is left."), "^None is left.$", 1),
        (ValueError("At least one."), "^At least one.$", 1),
        (ValidationError(["Too long.", "Too odd."]), "^Too long. Too odd.$", 1),
        (CommandError("Wrong.", returncode=2), "^Wrong.$", 2),
    ],
    ids=repr,
)
@pytest.mark.django_db
def test_an_error_of_the_user_is_explained(error, message, status):
    explaining = explained("default", "Nothing was done.")
    with pytest.raises(CommandError, match=message) as raised, explaining:
        raise error
    assert raised.value.returncode == status


@pytest.mark.django_db
def test_ctrl_c_is_told_without_more_to_say():
    with pytest.raises(CommandError, match=r"^Stopped\.$"), explained("default"):
        raise KeyboardInterrupt


@pytest.mark.django_db
def test_what_became_of_the_work_may_be_looked_up():
    with (
        pytest.raises(CommandError, match=r"^It was done\.$") as raised,
        explained("default", lambda: "It was done."),
    ):
        raise KeyboardInterrupt
    assert raised.value.returncode == 130


def test_a_transaction_that_was_cut_short_is_taken_back(seeded_database):
    batches = InviteBatch.objects.using(seeded_database)
    atomic(using=seeded_database).__enter__()
    batches.create(key="left")
    start_afresh(seeded_database)
    assert not batches.filter(key="left").exists()


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("import_invite_codes", ["{file}"], "^Stopped: nothing was imported"),
        ("hand_out_invite_codes", ["1", "1"], r"^Stopped\. The ledger says"),
        ("revoke_invite_codes", ["--batch", "1", "--yes"], r"^Stopped\. Run it again"),
    ],
)
def test_ctrl_c_at_the_commit_is_no_error_of_the_database(
    seeded_database, monkeypatch, tmp_path, name, arguments, message
):
    def commit():
        connection.rollback()
        error = InterfaceError("the connection is closed")
        error.__context__ = KeyboardInterrupt()  # As it comes out of PostgreSQL.
        raise error

    file = tmp_path / "codes.txt"
    file.write_text("\n".join(CodeFormat().generate(3)))
    connection = connections[seeded_database]
    connection.ensure_connection()
    monkeypatch.setattr(connection, "commit", commit)
    arguments = [argument.format(file=file) for argument in arguments]
    with pytest.raises(CommandError, match=message) as raised:
        call_command(name, *arguments, "--database", seeded_database)
    assert raised.value.returncode == 130


@pytest.mark.django_db
def test_who_loses_against_others_is_told_to_try_again():
    error = OperationalError("deadlock")
    error.__cause__ = Exception(1213, "deadlock")
    with (
        pytest.raises(CommandError, match="nothing was changed: try again"),
        explained("default"),
    ):
        raise error


def test_an_error_of_the_program_is_raised():
    with pytest.raises(LookupError), explained("default"):
        raise LookupError
