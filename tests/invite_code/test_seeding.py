from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from threading import Barrier, local
from time import sleep
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.core.management.color import no_style
from django.core.management.sql import emit_post_migrate_signal
from django.db import (
    DatabaseError,
    IntegrityError,
    OperationalError,
    connection,
    connections,
)
from django.db.transaction import atomic, set_rollback
from django.test.utils import CaptureQueriesContext

from invite_code import issuing, seeding
from invite_code.codes import CodeFormat
from invite_code.errors import CodesExhausted
from invite_code.models import InviteBatch, InviteCode
from invite_code.seeding import SEED_KEY, seed
from tests.factories import InviteCodeFactory

#: OPTIONS for the isolation above the default of Django, by vendor.
ISOLATION = {
    "postgresql": [
        {"options": r"-c default_transaction_isolation=repeatable\ read"},
        {"options": "-c default_transaction_isolation=serializable"},
    ],
    "mysql": [
        {"isolation_level": "repeatable read"},
        {"isolation_level": "serializable"},
    ],
    "sqlite": [{"transaction_mode": "IMMEDIATE"}],
}[connection.vendor]


def migrate(alias, *arguments):
    call_command("migrate", *arguments, database=alias, verbosity=0)


def codes_in(alias):
    seeded = InviteCode.objects.using(alias).filter(batch__key=SEED_KEY)
    return list(seeded.order_by("pk").values_list("code", flat=True))


def all_rows(alias):
    # PostgreSQL's xmin is the transaction that wrote the row, even if to the same.
    columns = "xmin::text, *" if connections[alias].vendor == "postgresql" else "*"
    with connections[alias].cursor() as cursor:
        rows = []
        for model in (InviteBatch, InviteCode):
            table = model._meta.db_table
            cursor.execute(f"SELECT {columns} FROM {table} ORDER BY id")
            rows.append(cursor.fetchall())
    return rows


def about_invite_codes(queries):
    return [sql for query in queries if "invite_code_" in (sql := query["sql"])]


def test_migrate_gives_an_empty_database_2000_codes_and_writes_nothing_again(
    empty_database,
):
    migrate(empty_database)
    codes = codes_in(empty_database)
    assert len(codes) == len(set(codes)) == 2000
    assert all(CodeFormat().normalize(code) == code for code in codes)
    assert InviteCode.objects.using(empty_database).count() == 2000
    rows = all_rows(empty_database)
    with CaptureQueriesContext(connections[empty_database]) as queries:
        migrate(empty_database)
    [only] = about_invite_codes(queries)
    assert only.startswith("SELECT")
    assert all_rows(empty_database) == rows


def test_flush_gives_as_many_fresh_codes(seeded_database, seed_count):
    before = codes_in(seeded_database)
    call_command("flush", database=seeded_database, interactive=False, verbosity=0)
    after = codes_in(seeded_database)
    assert len(before) == len(after) == seed_count
    assert not set(before) & set(after)


def test_deleted_codes_never_come_back(seeded_database, seed_count):
    kept = codes_in(seeded_database)[0]
    InviteCode.objects.using(seeded_database).exclude(code=kept).delete()
    migrate(seeded_database)
    assert codes_in(seeded_database) == [kept]


def test_nothing_is_topped_up(seeded_database, settings, seed_count):
    before = codes_in(seeded_database)
    settings.INVITE_CODE_SEED_COUNT = seed_count + 1
    migrate(seeded_database)
    assert codes_in(seeded_database) == before


@pytest.mark.parametrize("batch_too", [False, True])
def test_when_all_codes_are_deleted_there_are_new_ones(
    seeded_database, seed_count, batch_too
):
    before = codes_in(seeded_database)
    InviteCode.objects.using(seeded_database).all().delete()
    if batch_too:
        InviteBatch.objects.using(seeded_database).all().delete()
    migrate(seeded_database)
    assert len(codes_in(seeded_database)) == seed_count
    assert not set(codes_in(seeded_database)) & set(before)


@pytest.mark.django_db
def test_codes_of_other_batches_do_not_count(seed_count):
    InviteCode.objects.all().delete()
    InviteCodeFactory()
    assert seed(InviteBatch, InviteCode, seed_count, using="default")
    assert len(codes_in("default")) == seed_count
    assert InviteCode.objects.count() == seed_count + 1


@pytest.mark.django_db
def test_the_code_table_decides_and_not_the_batch(seed_count):
    InviteCode.objects.all().delete()
    [batch] = InviteBatch.objects.filter(key=SEED_KEY)
    assert seed(InviteBatch, InviteCode, seed_count, using="default")
    assert InviteBatch.objects.get(key=SEED_KEY) == batch
    assert not seed(InviteBatch, InviteCode, seed_count, using="default")
    assert len(codes_in("default")) == seed_count


@pytest.mark.django_db
def test_more_codes_than_are_possible_leave_nothing(settings):
    InviteCode.objects.all().delete()
    InviteBatch.objects.all().delete()
    settings.INVITE_CODE_LENGTH = 2
    with pytest.raises(CodesExhausted):
        seed(InviteBatch, InviteCode, 33, using="default")
    assert not InviteBatch.objects.exists()
    assert seed(InviteBatch, InviteCode, 20, using="default")


@contextmanager
def stopping_half_way():
    generate, sizes = CodeFormat.generate_json, []

    def stopping(self, count):
        sizes.append(count)
        if len(sizes) == 2:
            raise KeyboardInterrupt
        return generate(self, count)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(issuing, "CHUNK_SIZE", 2)
        patch.setattr(CodeFormat, "generate_json", stopping)
        yield


def test_stopped_half_way_it_leaves_nothing_and_begins_anew(
    seeded_database, seed_count
):
    InviteCode.objects.using(seeded_database).all().delete()
    InviteBatch.objects.using(seeded_database).all().delete()
    with stopping_half_way(), pytest.raises(KeyboardInterrupt):
        migrate(seeded_database)
    assert not any(all_rows(seeded_database))
    migrate(seeded_database)
    assert len(codes_in(seeded_database)) == seed_count


def test_without_a_transaction_it_would_leave_a_part(seeded_database, monkeypatch):
    InviteCode.objects.using(seeded_database).all().delete()
    without = SimpleNamespace(atomic=lambda using: nullcontext())
    monkeypatch.setattr(seeding, "transaction", without)
    with stopping_half_way(), pytest.raises(KeyboardInterrupt):
        migrate(seeded_database)
    assert len(codes_in(seeded_database)) == 2


@pytest.mark.skipif(connection.vendor != "sqlite", reason="Only SQLite has such a cap.")
def test_a_full_disk_leaves_nothing_and_room_is_used_later(seeded_database, settings):
    settings.INVITE_CODE_SEED_COUNT = 2000
    alias = seeded_database
    InviteCode.objects.using(alias).all().delete()
    InviteBatch.objects.using(alias).all().delete()
    with connections[alias].cursor() as cursor:
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA page_count")
        (pages,) = cursor.fetchone()
        cursor.execute(f"PRAGMA max_page_count = {pages + 5}")
    with pytest.raises(OperationalError, match="full"):
        call_command("migrate", "invite_code", database=alias, verbosity=0)
    assert not InviteCode.objects.using(alias).exists()
    with connections[alias].cursor() as cursor:
        cursor.execute(f"PRAGMA max_page_count = {pages + 5000}")
    call_command("migrate", "invite_code", database=alias, verbosity=0)
    assert len(codes_in(alias)) == 2000


def test_inside_an_outer_transaction_it_is_part_of_that(seeded_database, seed_count):
    before = codes_in(seeded_database)
    with atomic(using=seeded_database):
        InviteCode.objects.using(seeded_database).all().delete()
        emit_post_migrate_signal(0, False, seeded_database)
        assert len(codes_in(seeded_database)) == seed_count
        set_rollback(True, using=seeded_database)
    assert codes_in(seeded_database) == before


@pytest.mark.parametrize("error", [IntegrityError, OperationalError])
@pytest.mark.parametrize(
    ("in_transaction", "tries"), [(False, seeding.ATTEMPTS), (True, 1)]
)
def test_only_outside_of_a_transaction_it_tries_again(
    seeded_database, monkeypatch, error, in_transaction, tries
):
    tried = []

    def fail(*args):
        tried.append(args)
        raise error

    monkeypatch.setattr(seeding, "_seed", fail)
    outer = atomic(using=seeded_database) if in_transaction else nullcontext()
    with pytest.raises(error), outer:
        emit_post_migrate_signal(0, False, seeded_database)
    assert len(tried) == tries


def test_rows_that_a_test_case_puts_back_are_left_alone(seeded_database, settings):
    # What TransactionTestCase does with serialized_rollback = True.
    class OneDatabase:
        def db_for_write(self, model, **hints):
            return seeded_database

    settings.DATABASE_ROUTERS = [OneDatabase()]
    before = codes_in(seeded_database)
    creation = connections[seeded_database].creation
    contents = creation.serialize_db_to_string()
    call_command(
        "flush",
        database=seeded_database,
        interactive=False,
        verbosity=0,
        inhibit_post_migrate=True,
        reset_sequences=False,
    )
    assert codes_in(seeded_database) == []
    creation.deserialize_db_from_string(contents)
    migrate(seeded_database)
    assert codes_in(seeded_database) == before
    assert issuing.issue(1, using=seeded_database).codes.count() == 1


@pytest.mark.skipif(
    connection.vendor == "postgresql", reason="Its flush is one transaction."
)
@pytest.mark.parametrize("seeded_again", [False, True])
def test_codes_whose_batch_a_killed_flush_took_are_counted(
    seeded_database, seeded_again
):
    if seeded_again:  # Then the new batch would not get the key of the old one.
        InviteCode.objects.using(seeded_database).all().delete()
        InviteBatch.objects.using(seeded_database).all().delete()
        migrate(seeded_database)
    before = set(InviteCode.objects.using(seeded_database).values_list("code"))
    database = connections[seeded_database]
    tables = [InviteBatch._meta.db_table]
    with database.constraint_checks_disabled():
        for sql in database.ops.sql_flush(no_style(), tables, reset_sequences=True):
            database.cursor().execute(sql)
    assert codes_in(seeded_database) == []
    migrate(seeded_database)
    assert len(codes_in(seeded_database)) == len(before)
    assert set(InviteCode.objects.using(seeded_database).values_list("code")) == before


def at_once(alias, *functions):
    """Run each function in a thread with a connection of its own."""

    def run(function):
        try:
            return function()
        finally:
            connections[alias].close()

    with ThreadPoolExecutor(len(functions)) as pool:
        futures = [pool.submit(run, function) for function in functions]
    return [future.exception() or future.result() for future in futures]


@pytest.fixture
def both_look_before_one_writes(seeded_database, monkeypatch):
    """Make two seeders both see that codes are missing: the worst that can be."""
    look, both_looked, seen = seeding._look, Barrier(2, timeout=10), local()

    def looking(*args):
        found = look(*args)
        if not hasattr(seen, "batch"):
            seen.batch = found
            both_looked.wait()
        return found

    monkeypatch.setattr(seeding, "_look", looking)


isolations = pytest.mark.parametrize(
    "seeded_database",
    [{}, *ISOLATION],
    indirect=True,
    ids=["as set", *map(str, ISOLATION)],
)


@isolations
@pytest.mark.parametrize("batch_exists", [True, False])
@pytest.mark.usefixtures("both_look_before_one_writes")
def test_two_at_once_seed_once(seeded_database, seed_count, batch_exists):
    alias = seeded_database
    InviteCode.objects.using(alias).all().delete()
    if not batch_exists:
        InviteBatch.objects.using(alias).all().delete()

    def seeder():
        return seed(InviteBatch, InviteCode, seed_count, using=alias)

    assert sorted(at_once(alias, seeder, seeder), key=str) == [False, True]
    assert len(codes_in(alias)) == seed_count
    assert InviteBatch.objects.using(alias).filter(key=SEED_KEY).count() == 1


@pytest.mark.usefixtures("both_look_before_one_writes")
def test_two_at_once_would_seed_twice_without_the_lock(seeded_database, seed_count):
    alias = seeded_database
    InviteCode.objects.using(alias).all().delete()

    def naive_seeder():
        batch_id, has_codes = seeding._look(InviteBatch, InviteCode, alias)
        with atomic(using=alias):
            if not has_codes:
                issuing.fill_batch(InviteCode, batch_id, seed_count, using=alias)

    assert at_once(alias, naive_seeder, naive_seeder) == [None, None]
    assert len(codes_in(alias)) == 2 * seed_count


@pytest.mark.usefixtures("both_look_before_one_writes")
def test_the_slower_one_would_fail_without_trying_again(seeded_database, seed_count):
    alias = seeded_database
    InviteCode.objects.using(alias).all().delete()
    InviteBatch.objects.using(alias).all().delete()

    def seeder():
        return seeding._seed(InviteBatch, InviteCode, seed_count, alias)

    results = at_once(alias, seeder, seeder)
    assert [type(result) for result in sorted(results, key=str)] in (
        [IntegrityError, bool],
        [bool, IntegrityError],
    )


@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="The others wait and then see the codes."
)
@pytest.mark.parametrize("seeded_database", ISOLATION, indirect=True, ids=str)
@pytest.mark.usefixtures("both_look_before_one_writes")
def test_above_read_committed_the_slower_one_would_fail_too(
    seeded_database, seed_count, monkeypatch
):
    alias = seeded_database
    InviteCode.objects.using(alias).all().delete()
    fill_batch = seeding.fill_batch

    def fill_when_the_other_waits(*args, **kwargs):
        with connections[alias].cursor() as cursor:
            for _ in range(1000):
                cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
                if cursor.fetchone() == (True,):
                    break
                sleep(0.01)
        fill_batch(*args, **kwargs)

    monkeypatch.setattr(seeding, "fill_batch", fill_when_the_other_waits)

    def seeder():
        return seeding._seed(InviteBatch, InviteCode, seed_count, alias)

    results = at_once(alias, seeder, seeder)
    assert {type(result) for result in results} == {bool, OperationalError}
    assert len(codes_in(alias)) == seed_count


@pytest.mark.django_db
def test_a_table_is_found_or_not():
    class Stray(InviteCode):
        class Meta:
            app_label = "stray"
            proxy = True

    assert seeding.table_exists(InviteCode, "default")
    Stray._meta.db_table = "stray_code"
    assert not seeding.table_exists(Stray, "default")
    with pytest.raises(DatabaseError), atomic():
        Stray.objects.exists()
