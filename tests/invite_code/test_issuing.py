import json
import logging
import time
from datetime import UTC, datetime
from itertools import product
from threading import Barrier

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import (
    DatabaseError,
    IntegrityError,
    OperationalError,
    connection,
    connections,
)
from django.db.migrations.loader import MigrationLoader
from django.db.transaction import atomic, set_rollback
from django.utils import timezone

from invite_code import issuing, retrying
from invite_code.codes import IN_ORDER, CodeFormat
from invite_code.errors import CodesExhausted
from invite_code.issuing import as_json, fill_batch, issue, planned
from invite_code.models import InviteBatch, InviteCode
from invite_code.signals import invite_codes_issued
from tests.factories import InviteBatchFactory, InviteCodeFactory

pytestmark = pytest.mark.django_db

NOW = timezone.now()


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(issuing, "CHUNK_SIZE", 10)


@pytest.fixture
def a_hundred_codes(settings, monkeypatch):
    """All codes there can be: 00 to 99."""
    settings.INVITE_CODE_ALPHABET = "0123456789"
    settings.INVITE_CODE_LENGTH = 2
    settings.INVITE_CODE_CHECK_SYMBOL = False
    return ["".join(pair) for pair in product("0123456789", repeat=2)]


@pytest.fixture
def inserts():
    """The parameters of each statement that inserts codes."""
    executed = []

    def wrapper(execute, sql, params, many, context):
        if sql.startswith("INSERT INTO") and "invite_code_invitecode" in sql:
            executed.append(params)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield executed


def generate_first(monkeypatch, *codes):
    """Make the first code that is generated for each chunk be one of `codes`."""
    generate, generate_json = CodeFormat.generate, CodeFormat.generate_json
    planned = iter(codes)

    def planning(self, count):
        code = next(planned, None)
        return generate(self, count) if code is None else [code] * count

    def planning_json(self, count):
        code = next(planned, None)
        return generate_json(self, count) if code is None else as_json([code] * count)

    monkeypatch.setattr(CodeFormat, "generate", planning)
    monkeypatch.setattr(CodeFormat, "generate_json", planning_json)


def well_formed(codes):
    return all(CodeFormat().normalize(code) == code for code in codes)


@pytest.mark.parametrize("count", [1, 9, 10, 11, 20, 25])
def test_exactly_as_many_codes_are_issued_as_asked(small_chunks, count):
    batch = issue(count)
    codes = set(batch.codes.values_list("code", flat=True))
    assert len(codes) == batch.codes.count() == count
    assert well_formed(codes)


def test_each_chunk_is_one_statement_with_its_codes_in_one_parameter(
    small_chunks, inserts
):
    batch = issue(25)
    chunks = [json.loads(parameters[-1]) for parameters in inserts]
    assert [len(chunk) for chunk in chunks] == [10, 10, 5]
    for chunk in chunks:
        first_symbols = [code[:IN_ORDER] for code in chunk]
        assert first_symbols == sorted(first_symbols)
    inserted = {code for chunk in chunks for code in chunk}
    assert inserted == set(batch.codes.values_list("code", flat=True))


def test_codes_take_few_statements(small_chunks, django_assert_num_queries):
    issue(1)  # Some backends ask what they can do the first time.
    # A savepoint around all, and around each chunk where it takes one to go on.
    for_each_chunk = 3 if connection.vendor == "postgresql" else 1
    with django_assert_num_queries(2 + 1 + 3 * for_each_chunk):
        issue(25)


def test_what_is_not_said_takes_its_default():
    before = timezone.now()
    batch = issue(3)
    assert (batch.label, batch.key) == ("", None)
    for code in batch.codes.all():
        assert (code.max_uses, code.uses) == (1, 0)
        assert code.valid_from is code.expires_at is code.revoked_at is None
        assert code.email == ""
        assert before <= code.created_at <= timezone.now()


@pytest.mark.parametrize("max_uses", [7, 2**31 - 1, None])
def test_what_is_said_is_stored(max_uses):
    window = {
        "valid_from": datetime(2020, 1, 1, tzinfo=UTC),
        "expires_at": datetime(2099, 12, 31, 18, 30, tzinfo=UTC),
    }
    email = "Reader@Example.org"
    batch = issue(3, label="Newsletter", max_uses=max_uses, email=email, **window)
    batch.refresh_from_db()
    assert batch.label == "Newsletter"
    for code in batch.codes.all():
        assert (code.max_uses, code.email) == (max_uses, "reader@example.org")
        assert {name: getattr(code, name) for name in window} == window


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"count": 0}, ValueError, "1 or more"),
        ({"count": -1}, ValueError, "1 or more"),
        ({"count": 1, "max_uses": 0}, ValueError, "1 or more"),
        ({"count": 1, "label": "x" * 201}, ValidationError, "at most 200"),
        ({"count": 1, "label": "\0"}, ValidationError, "Null characters"),
        ({"count": 1, "key": "x" * 51}, ValidationError, "at most 50"),
        ({"count": 1, "key": "\0"}, ValidationError, "Null characters"),
        ({"count": 32**15 + 1}, CodesExhausted, "codes are possible"),
        ({"count": 1, "email": "reader"}, ValidationError, "valid email address"),
        ({"count": 1, "email": None}, ValidationError, "cannot be null"),
        (
            {"count": 1, "valid_from": NOW, "expires_at": NOW},
            ValueError,
            "cannot expire before",
        ),
    ],
)
def test_impossible_arguments_are_refused_before_any_query(
    django_assert_num_queries, arguments, error, message
):
    for function in (issue, planned):
        with django_assert_num_queries(0), pytest.raises(error, match=message):
            function(**arguments)


def test_a_label_of_200_characters_fits():
    assert len(issue(1, label="x" * 200).label) == 200


def test_a_code_that_clashes_is_drawn_anew(monkeypatch, small_chunks):
    taken = InviteCodeFactory().code
    generate_first(monkeypatch, None, taken, taken)
    batch = issue(25)
    assert batch.codes.count() == 25
    assert InviteCode.objects.filter(code=taken).count() == 1


def test_a_code_drawn_twice_is_drawn_anew(monkeypatch):
    generate_first(monkeypatch, "0" * 16)
    assert issue(5).codes.count() == 5


def test_the_clash_would_be_an_error(monkeypatch):
    taken = InviteCodeFactory().code
    generate_first(monkeypatch, taken, taken)
    monkeypatch.setattr(issuing, "draw_free", lambda *args: [taken])
    with pytest.raises(IntegrityError), atomic():
        issue(1)


def test_a_code_that_is_taken_meanwhile_is_drawn_anew(monkeypatch):
    taken = InviteCodeFactory().code
    draw_free, found_free = issuing.draw_free, iter([[taken], [taken]])
    monkeypatch.setattr(
        issuing, "draw_free", lambda *args: next(found_free, None) or draw_free(*args)
    )
    generate_first(monkeypatch, taken)
    assert issue(1).codes.count() == 1


def test_another_error_than_a_clash_is_raised_after_a_few_tries(inserts):
    batch = InviteBatchFactory()
    with pytest.raises(IntegrityError), atomic():
        fill_batch(InviteCode, batch.pk, 3, using="default", max_uses=0)
    assert len(inserts) == issuing.MAX_CLASHES + 1
    assert not batch.codes.exists()


def test_most_codes_there_can_be_are_issued(a_hundred_codes):
    first, second = issue(90), issue(5)
    codes = {code.code for batch in (first, second) for code in batch.codes.all()}
    assert len(codes) == 95
    assert codes <= set(a_hundred_codes)


@pytest.mark.parametrize(
    ("taken", "count", "message"),
    [
        (0, 101, "Only 100 codes are possible, 101 were asked for"),
        (95, 6, "Hardly a free code is left"),
        (100, 1, "Hardly a free code is left"),
    ],
)
def test_more_codes_than_are_left_raise_and_leave_nothing(
    a_hundred_codes, monkeypatch, taken, count, message
):
    batch = InviteBatchFactory()
    for code in a_hundred_codes[:taken]:
        InviteCodeFactory(batch=batch, code=code)
    batches, codes = InviteBatch.objects.count(), InviteCode.objects.count()
    with pytest.raises(CodesExhausted, match=f"{message}.*raise INVITE_CODE_LENGTH"):
        issue(count)
    assert InviteBatch.objects.count() == batches
    assert InviteCode.objects.count() == codes


def test_only_draws_in_a_row_without_a_free_code_count(monkeypatch):
    taken, *free = CodeFormat().generate(4)
    InviteCodeFactory(code=taken)
    monkeypatch.setattr(issuing, "MAX_FRUITLESS_DRAWS", 2)
    draws = [taken, taken, free[0], taken, free[1], taken, free[2]]
    generate_first(monkeypatch, *draws)
    assert issue(3).codes.filter(code__in=free).count() == 3
    generate_first(monkeypatch, taken, taken, free[0])
    with pytest.raises(CodesExhausted):
        issue(1)


def test_a_failure_in_a_later_chunk_leaves_nothing(
    monkeypatch, small_chunks, django_capture_on_commit_callbacks
):
    generate, sizes = CodeFormat.generate_json, []
    before = InviteBatch.objects.count(), InviteCode.objects.count()

    def failing(self, count):
        sizes.append(count)
        if len(sizes) == 3:
            assert InviteCode.objects.count() == before[1] + 20
            raise MemoryError
        return generate(self, count)

    monkeypatch.setattr(CodeFormat, "generate_json", failing)
    with django_capture_on_commit_callbacks() as callbacks, pytest.raises(MemoryError):
        issue(25)
    assert sizes == [10, 10, 5]
    assert (InviteBatch.objects.count(), InviteCode.objects.count()) == before
    assert callbacks == []


def test_the_signal_is_sent_when_the_codes_are_committed(seeded_database, issued):
    with atomic(using=seeded_database):
        batch = issue(3, using=seeded_database)
        assert issued == []
    [sent] = issued
    assert sent.pop("signal") is invite_codes_issued
    assert sent == {
        "sender": InviteBatch,
        "batch_id": batch.pk,
        "count": 3,
        "using": seeded_database,
    }


def test_the_signal_is_not_sent_for_what_is_rolled_back(seeded_database, issued):
    with atomic(using=seeded_database):
        issue(3, using=seeded_database)
        set_rollback(True, using=seeded_database)
    assert issued == []


def test_a_receiver_that_raises_takes_nothing_back(seeded_database, issued, caplog):
    def broken(**kwargs):
        raise RuntimeError("The mail server is gone.")

    invite_codes_issued.connect(broken)
    try:
        with caplog.at_level(logging.ERROR, "django.dispatch"):
            batch = issue(3, using=seeded_database)
    finally:
        invite_codes_issued.disconnect(broken)
    assert batch.codes.using(seeded_database).count() == 3
    assert "The mail server is gone." in caplog.text
    assert [sent["count"] for sent in issued] == [3]


@pytest.mark.django_db(databases=["default", "other"])
def test_the_router_or_the_caller_says_which_database(settings):
    class ToOther:
        def db_for_write(self, model, **hints):
            return "other"

    assert issue(2).codes.db == "default"
    settings.DATABASE_ROUTERS = [ToOther()]
    routed, named = issue(3), issue(4, using="default")
    assert InviteCode.objects.using("other").filter(batch=routed.pk).count() == 3
    assert InviteCode.objects.using("default").filter(batch=named.pk).count() == 4


def test_progress_is_told_after_each_chunk(small_chunks):
    before = InviteCode.objects.count()
    told = []

    def progress(done):
        told.append((done, InviteCode.objects.count() - before))

    issue(25, progress=progress)
    assert told == [(10, 10), (20, 20), (25, 25)]


def test_with_a_key_it_may_be_repeated(issued, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        first = issue(3, key="launch", label="Launch")
        second = issue(3, key="launch", label="Launch")
    assert (first.key, first.codes.count()) == ("launch", 3)
    assert second == first
    assert second.codes.count() == 3
    assert InviteBatch.objects.filter(label="Launch").count() == 1
    assert [sent["batch_id"] for sent in issued] == [first.pk]


@pytest.mark.parametrize("key", ["", None])
def test_without_a_key_it_may_not(key):
    first, second = issue(3, key=key), issue(3, key=key)
    assert first != second
    assert first.key is second.key is None


@pytest.mark.parametrize("key", ["launch", None])
def test_another_error_of_integrity_is_raised_with_a_key_too(monkeypatch, key):
    def failing(*args, **kwargs):
        raise IntegrityError("Something else is wrong.")

    monkeypatch.setattr(issuing, "fill_batch", failing)
    with pytest.raises(IntegrityError, match="Something else"):
        issue(3, key=key)
    assert not InviteBatch.objects.filter(key="launch").exists()


def test_those_who_issue_with_one_key_at_once_get_one_batch(seeded_database, threads):
    barrier = Barrier(8)

    def work():
        barrier.wait(30)
        return issue(100, key="launch", using=seeded_database)

    found = [threads(work) for _ in range(8)]
    assert len({future.result(60).pk for future in found}) == 1
    batch = InviteBatch.objects.using(seeded_database).get(key="launch")
    assert batch.codes.count() == 100


def test_who_waited_for_one_that_failed_issues_the_codes(seeded_database, threads):
    waiting = []

    def failing(done):
        # The others meet at the key, for which at least MySQL makes them fight.
        waiting.extend(threads(work) for _ in range(4))
        time.sleep(0.5)
        raise MemoryError

    def work():
        return issue(100, key="launch", using=seeded_database)

    with pytest.raises(MemoryError):
        issue(100, key="launch", using=seeded_database, progress=failing)
    assert len({future.result(60).pk for future in waiting}) == 1
    batch = InviteBatch.objects.using(seeded_database).get(key="launch")
    assert batch.codes.count() == 100


def test_who_lost_against_others_tries_again_and_leaves_theirs(
    seeded_database, monkeypatch
):
    fill, lost = fill_batch, []

    def losing(*args, **kwargs):
        fill(*args, **kwargs)
        if not lost:
            lost.append(OperationalError("Deadlock found"))
            raise lost[0]

    def others_issue(seconds):
        InviteBatch.objects.using(seeded_database).create(label="b")

    monkeypatch.setattr(issuing, "fill_batch", losing)
    monkeypatch.setattr(retrying, "is_contention", lambda error: error in lost)
    monkeypatch.setattr(retrying.time, "sleep", others_issue)
    batch = issue(3, label="a", using=seeded_database)
    assert lost
    assert batch.codes.using(seeded_database).count() == 3
    batches = InviteBatch.objects.using(seeded_database).filter(key=None)
    assert set(batches.values_list("label", flat=True)) == {"a", "b"}


def test_historical_models_will_do(issued, django_capture_on_commit_callbacks):
    apps = MigrationLoader(connection).project_state().apps
    model = apps.get_model("invite_code", "InviteCode")
    batch = apps.get_model("invite_code", "InviteBatch").objects.create()
    assert model is not InviteCode
    with django_capture_on_commit_callbacks(execute=True):
        fill_batch(model, batch.pk, 3, using="default", max_uses=None)
    assert [sent["batch_id"] for sent in issued] == [batch.pk]
    codes = InviteCode.objects.filter(batch=batch.pk)
    assert [code.max_uses for code in codes] == [None] * 3


def other_backend(monkeypatch):
    monkeypatch.delitem(issuing.ROWS, connection.vendor)


def backend_without_json(monkeypatch):
    monkeypatch.setattr(connection, "mysql_is_mariadb", False, raising=False)
    monkeypatch.setattr(connection.features, "supports_json_field", False)


def mariadb_10_5(monkeypatch):
    monkeypatch.setattr(connection, "mysql_is_mariadb", True, raising=False)
    monkeypatch.setattr(connection, "get_database_version", lambda: (10, 5, 29))


@pytest.mark.parametrize(
    "make_backend", [other_backend, backend_without_json, mariadb_10_5]
)
def test_a_backend_that_makes_no_rows_of_json_gets_codes_in_bulk(
    monkeypatch, small_chunks, inserts, make_backend
):
    make_backend(monkeypatch)
    if make_backend is other_backend:
        monkeypatch.setattr(connection, "mysql_is_mariadb", False, raising=False)
    expires_at = datetime(2099, 12, 31, tzinfo=UTC)
    email = "Reader@Example.org"
    batch = issue(25, max_uses=None, expires_at=expires_at, email=email)
    codes = batch.codes.all()
    assert len({code.code for code in codes}) == 25
    assert well_formed(code.code for code in codes)
    assert {(c.max_uses, c.uses, c.expires_at, c.email) for c in codes} == {
        (None, 0, expires_at, email.lower())
    }
    assert len({code.created_at for code in codes}) == 1
    assert not any('["' in str(parameters) for parameters in inserts)


def test_a_clash_in_bulk_is_drawn_anew(monkeypatch, small_chunks):
    mariadb_10_5(monkeypatch)
    taken = InviteCodeFactory().code
    generate_first(monkeypatch, taken, taken)
    assert issue(3).codes.count() == 3


def test_a_clash_in_a_later_statement_takes_back_those_before_it(monkeypatch):
    backend_without_json(monkeypatch)
    codes = iter([as_json([*CodeFormat().generate(1000), InviteCodeFactory().code])])
    monkeypatch.setattr(CodeFormat, "generate_json", lambda self, count: next(codes))
    assert issue(1001).codes.count() == 1001


@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="Only psycopg has the option."
)
@pytest.mark.parametrize("max_uses", [None, 3])
@pytest.mark.parametrize(
    "seeded_database", [{"server_side_binding": True}], indirect=True, ids=["binding"]
)
def test_parameters_bound_by_the_server_will_do(seeded_database, max_uses):
    assert connections[seeded_database].features.uses_server_side_binding
    batch = issue(3, max_uses=max_uses, using=seeded_database)
    codes = InviteCode.objects.using(seeded_database).filter(batch=batch.pk)
    assert [code.max_uses for code in codes] == [max_uses] * 3


def test_a_missing_table_is_an_error_of_the_database(empty_database):
    with pytest.raises(DatabaseError):
        issue(1, using=empty_database)
    call_command("migrate", "invite_code", database=empty_database, verbosity=0)
    assert issue(1, using=empty_database).codes.count() == 1
