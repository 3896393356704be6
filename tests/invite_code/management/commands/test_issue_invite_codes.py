import json
import os
import re
import signal
from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, OperationalError, connections, transaction
from django.utils import timezone

from invite_code import issuing, progress, tasks
from invite_code.errors import CodesExhausted
from invite_code.models import InviteBatch, InviteCode
from invite_code.signals import invite_codes_issued

pytestmark = pytest.mark.django_db
needs_queue = pytest.mark.skipif(
    not tasks.available() and "CI" not in os.environ,
    reason=f"{tasks.SOURCE} is not installed.",
)


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
        "key": newest_batch().key,
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
    for key in ("batch", "key", "valid_from", "expires_at", "email", "max_uses"):
        assert result[key] is None
    assert result["dry_run"] is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: count"),
        (["0"], "'0' is not a whole number from 1 to 2147483647"),
        (["--", "-5"], "'-5' is not a whole number"),
        (["2147483648"], "not a whole number"),
        (["1", "--max-uses", "0"], "'0' is not a whole number"),
        (["1", "--label", "x" * 201], "at most 200 characters"),
        (["1", "--expires", "tomorrow"], "'tomorrow' is not a date such as 2030-12-31"),
        (["1", "--expires", "2020-01-01"], "'2020-01-01' is in the past"),
        (["1", "--valid-from", "tomorrow"], "'tomorrow' is not a date such as"),
        (
            ["1", "--valid-from", "2099-01-02", "--expires", "2099-01-01"],
            "cannot expire",
        ),
        (["1", "--email", ""], "'' is not an e-mail address"),
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


def test_a_label_that_is_not_text_is_explained():
    with pytest.raises(CommandError, match="is not text"):
        run("1", "--label", "\udcff")


@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_long_work_says_how_far_it_is(capsys, monkeypatch, extra):
    monkeypatch.setattr(progress, "LOG", (0, 0))
    monkeypatch.setattr(issuing, "CHUNK_SIZE", 2)
    run("5", *extra)
    output, errors = capsys.readouterr()
    lines = [line.partition(" %")[0] for line in errors.splitlines()]
    assert lines == ["2 of 5 codes, 40", "4 of 5 codes, 80", "5 of 5 codes, 100"]
    assert len(output.splitlines()) == 1
    run("5", "-v0", *extra)
    assert capsys.readouterr().err == ""


def test_who_loses_against_others_begins_anew(seeded_database, monkeypatch):
    fill, losses = issuing.fill_batch, [OperationalError("deadlock")] * 2

    def losing(*args, **kwargs):
        fill(*args, **kwargs)
        if losses:
            raise losses.pop()

    monkeypatch.setattr("invite_code.retrying.is_contention", lambda error: True)
    monkeypatch.setattr(issuing, "fill_batch", losing)
    run("3", "--database", seeded_database)
    codes = InviteCode.objects.using(seeded_database)
    assert codes.exclude(batch__key="seed").count() == 3


@pytest.fixture(params=["default", "seeded_database"])
def database(request):
    """The alias of a database: in a transaction of the test, and in none."""
    if request.param == "default":
        return "default"
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("extra", [[], ["--dry-run"]])
def test_control_c_leaves_nothing_and_says_so(database, monkeypatch, extra):
    def rows():
        models = InviteBatch, InviteCode
        return [model.objects.using(database).count() for model in models]

    def interrupted(*args, **kwargs):
        fill(*args, **kwargs)
        assert rows() == [before[0] + 1, before[1] + 3]
        signal.raise_signal(signal.SIGINT)

    before, fill = rows(), issuing.fill_batch
    monkeypatch.setattr(issuing, "fill_batch", interrupted)
    with pytest.raises(
        CommandError, match=r"^Stopped: no code was issued\.$"
    ) as caught:
        run("3", "--database", database, *extra)
    assert caught.value.returncode == 130
    assert rows() == before


def test_control_c_after_the_commit_takes_nothing_back_and_says_so(seeded_database):
    def interrupt(**kwargs):
        raise KeyboardInterrupt

    invite_codes_issued.connect(interrupt)
    try:
        with pytest.raises(CommandError, match=r"^Stopped too late") as caught:
            run("3", "--database", seeded_database)
    finally:
        invite_codes_issued.disconnect(interrupt)
    batch = InviteBatch.objects.using(seeded_database).latest("pk")
    assert f"batch {batch.pk} was issued" in str(caught.value)
    assert caught.value.returncode == 130
    assert batch.codes.count() == 3


@pytest.mark.parametrize(
    ("is_late", "message", "count"),
    [(False, "Stopped: no code was issued.", 0), (True, "Stopped too late", 3)],
)
def test_control_c_at_the_commit_is_told_truly(
    seeded_database, monkeypatch, is_late, message, count
):
    def commit():
        if is_late:
            type(connection).commit(connection)
        elif connection.vendor != "postgresql":
            # Others commit whatever is under way when Django ends the transaction.
            connection.rollback()
        raise KeyboardInterrupt

    connection = connections[seeded_database]
    connection.ensure_connection()
    before = InviteCode.objects.using(seeded_database).count()
    monkeypatch.setattr(connection, "commit", commit)
    with pytest.raises(CommandError, match=message) as caught:
        run("3", "--database", seeded_database)
    assert caught.value.returncode == 130
    assert InviteCode.objects.using(seeded_database).count() == before + count


@needs_queue
def test_codes_can_be_left_to_the_task_queue(
    capsys, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        run("3", "--enqueue", "--label", "Letter", "--expires", "2099-12-31")
        assert not InviteBatch.objects.filter(label="Letter").exists()
    batch = newest_batch()
    assert (batch.label, batch.codes.count()) == ("Letter", 3)
    assert capsys.readouterr().out == (
        f"Enqueued under the key {batch.key}: 3 codes in 'default', each for one use,"
        " until 2100-01-01T00:00:00+00:00.\n"
    )


@needs_queue
def test_a_queue_that_works_at_once_has_issued_them(capsys, seeded_database):
    run("3", "--enqueue", "--json", "--database", seeded_database)
    result = json.loads(capsys.readouterr().out)
    batch = InviteBatch.objects.using(seeded_database).latest("pk")
    assert (result["batch"], result["key"]) == (batch.pk, batch.key)
    assert batch.codes.count() == 3


@needs_queue
def test_a_queue_that_fails_at_once_says_why(monkeypatch, seeded_database):
    def failing(*args, **kwargs):
        raise CodesExhausted("Hardly a free code is left.")

    monkeypatch.setattr(tasks, "issue", failing)
    with pytest.raises(CommandError, match="Hardly a free code is left"):
        run("3", "--enqueue", "--database", seeded_database)


def test_nothing_is_enqueued_for_a_missing_table(empty_database, monkeypatch):
    queue = SimpleNamespace(enqueue=lambda **arguments: pytest.fail("It was."))
    monkeypatch.setattr(tasks, "issue_task", queue)
    with pytest.raises(CommandError, match=f"'{empty_database}': run 'manage.py migr"):
        run("1", "--database", empty_database, "--enqueue")


@needs_queue
def test_impossible_codes_are_not_enqueued(settings):
    settings.INVITE_CODE_LENGTH = 2
    with pytest.raises(CommandError, match="Only 32 codes are possible, 33 were"):
        run("33", "--enqueue")


def test_a_missing_queue_is_explained(monkeypatch):
    monkeypatch.setattr(tasks, "issue_task", tasks.NoTask("There is no task queue."))
    with pytest.raises(CommandError, match=r"^There is no task queue\.$"):
        run("3", "--enqueue")


def test_what_is_enqueued_cannot_be_tried_dry():
    with pytest.raises(CommandError, match="--enqueue: not allowed with argument"):
        run("3", "--dry-run", "--enqueue")


@needs_queue
def test_control_c_after_enqueueing_tells_the_key(monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(transaction, "on_commit", interrupt)
    with pytest.raises(CommandError, match=r"so far\. If the task queue") as caught:
        run("3", "--enqueue")
    assert re.search(r"under the key [0-9a-f]{32}\.$", str(caught.value))
    assert caught.value.returncode == 130


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
