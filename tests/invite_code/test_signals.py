from datetime import timedelta

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.core.management.sql import emit_post_migrate_signal
from django.db import DatabaseError, connections
from django.db.models.signals import post_migrate
from django.db.transaction import atomic
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from invite_code import errors, seeding
from invite_code.codes import CodeFormat
from invite_code.models import InviteBatch, InviteCode, Redemption
from invite_code.redemption import hold, redeem
from invite_code.seeding import seed
from invite_code.signals import (
    invite_code_redeemed,
    invite_code_refused,
    seed_invite_codes,
)
from tests.factories import InviteCodeFactory, UserFactory

HOUR = timedelta(hours=1)


def migrate(alias, *arguments, **options):
    call_command("migrate", *arguments, database=alias, **{"verbosity": 0} | options)


def flush(alias, **options):
    call_command("flush", database=alias, interactive=False, **options)


def count_codes(alias):
    return InviteCode.objects.using(alias).count()


def empty(alias):
    InviteCode.objects.using(alias).all().delete()


def about_invite_codes(queries):
    return [sql for query in queries if "invite_code_" in (sql := query["sql"])]


class Nowhere:
    def allow_migrate(self, db, app_label, **hints):
        return False if app_label == "invite_code" else None


def test_0_switches_seeding_off(seeded_database, settings):
    empty(seeded_database)
    settings.INVITE_CODE_SEED_COUNT = 0
    with CaptureQueriesContext(connections[seeded_database]) as queries:
        migrate(seeded_database)
    assert about_invite_codes(queries) == []
    settings.INVITE_CODE_SEED_COUNT = 1
    migrate(seeded_database)
    assert count_codes(seeded_database) == 1


def test_a_router_that_denies_costs_no_query(seeded_database, seed_count, settings):
    empty(seeded_database)
    settings.DATABASE_ROUTERS = [Nowhere()]
    with CaptureQueriesContext(connections[seeded_database]) as queries:
        migrate(seeded_database)
    assert about_invite_codes(queries) == []
    settings.DATABASE_ROUTERS = []
    migrate(seeded_database)
    assert count_codes(seeded_database) == seed_count


@pytest.mark.django_db(databases=["default", "other"])
def test_each_database_gets_its_own_codes(seed_count):
    for alias in ("default", "other"):
        empty(alias)
    migrate("default")
    assert (count_codes("default"), count_codes("other")) == (seed_count, 0)
    migrate("other")
    assert count_codes("other") == seed_count
    codes = InviteCode.objects.values_list("code", flat=True)
    assert not set(codes.using("default")) & set(codes.using("other"))


def test_migrating_another_app_first_is_silent(empty_database, seed_count):
    migrate(empty_database, "auth")
    with pytest.raises(DatabaseError):
        seed(InviteBatch, InviteCode, seed_count, using=empty_database)
    assert not seeding.table_exists(InviteCode, empty_database)
    migrate(empty_database, "invite_code")
    assert count_codes(empty_database) == seed_count


def test_migrating_to_zero_is_silent_and_back_it_is_seeded_anew(
    empty_database, seed_count
):
    migrate(empty_database, "invite_code")
    before = set(InviteCode.objects.using(empty_database).values_list("code"))
    migrate(empty_database, "invite_code", "zero")
    assert not seeding.table_exists(InviteCode, empty_database)
    migrate(empty_database, "invite_code")
    after = set(InviteCode.objects.using(empty_database).values_list("code"))
    assert len(after) == seed_count
    assert not before & after


def test_each_migration_can_be_taken_back_and_keeps_the_codes(
    empty_database, seed_count
):
    for target in ("0001", "0002", "0003", "0002", "0001", "0003"):
        migrate(empty_database, "invite_code", target)
        assert count_codes(empty_database) == seed_count


def test_a_table_that_a_faked_migration_did_not_make_is_missed_in_silence(
    empty_database, seed_count, capsys
):
    migrate(empty_database, "auth")
    migrate(empty_database, "invite_code", fake=True)
    migrate(empty_database, "invite_code", verbosity=1)
    assert "Seeded" not in capsys.readouterr().out
    with pytest.raises(DatabaseError):
        seed(InviteBatch, InviteCode, seed_count, using=empty_database)


def test_inside_a_transaction_a_missing_table_is_an_error(empty_database, seed_count):
    migrate(empty_database, "auth")
    with pytest.raises(DatabaseError, match="invite_code"), atomic(empty_database):
        emit_post_migrate_signal(0, False, empty_database)


def test_an_error_of_a_table_that_exists_is_raised(seeded_database):
    empty(seeded_database)
    with connections[seeded_database].cursor() as cursor:
        cursor.execute("ALTER TABLE invite_code_invitecode RENAME COLUMN uses TO used")
    with pytest.raises(DatabaseError, match="uses"):
        emit_post_migrate_signal(0, False, seeded_database)


def test_tables_made_without_migrations_are_seeded(
    empty_database, seed_count, settings
):
    settings.MIGRATION_MODULES = {app.label: None for app in apps.get_app_configs()}
    migrate(empty_database, run_syncdb=True)
    assert count_codes(empty_database) == seed_count


def test_models_with_fewer_or_more_columns_than_today_are_seeded(
    empty_database, seed_count, settings
):
    settings.MIGRATION_MODULES = {"invite_code": "tests.invite_code.other_versions"}
    migrate(empty_database, "invite_code", "0001")
    assert count_codes(empty_database) == seed_count
    with connections[empty_database].cursor() as cursor:
        cursor.execute("DELETE FROM invite_code_invitecode")
        with pytest.raises(DatabaseError):  # Today's models have columns it has not.
            seed(InviteBatch, InviteCode, seed_count, using=empty_database)
        migrate(empty_database, "invite_code", "0002")
        columns = f"color, {cursor.db.ops.quote_name('Remark')}"
        cursor.execute(f"SELECT {columns} FROM invite_code_invitecode")
        assert list(cursor.fetchall()) == [("blue", None)] * seed_count


@pytest.mark.django_db
@pytest.mark.parametrize(("verbosity", "lines"), [(0, 0), (1, 1), (2, 1), (3, 1)])
def test_what_was_seeded_is_said_in_one_line_without_a_code(
    seed_count, verbosity, lines, tmp_path, capsys
):
    empty("default")
    with (tmp_path / "output").open("w+") as stdout:
        migrate("default", verbosity=verbosity, stdout=stdout)
        migrate("default", verbosity=verbosity, stdout=stdout)
        stdout.seek(0)
        output = stdout.read()
    said = [line for line in output.splitlines() if line.startswith("Seeded")]
    assert said == ["Seeded 5 invite codes in 'default'."] * lines
    for code in InviteCode.objects.values_list("code", flat=True):
        assert code not in output
    assert count_codes("default") == seed_count
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("verbosity", "said"), [(0, ""), (1, "Seeded 5 invite codes")])
def test_flush_passes_no_stdout_and_all_is_said_where_print_says_it(
    seeded_database, capsys, verbosity, said
):
    flush(seeded_database, verbosity=verbosity)
    output = capsys.readouterr().out
    assert output.startswith(said)
    assert output.count("\n") == verbosity
    for code in InviteCode.objects.using(seeded_database).values_list(
        "code", flat=True
    ):
        assert code not in output


@pytest.mark.django_db
def test_all_arguments_but_the_sender_may_be_missing(seed_count, capsys):
    empty("default")
    seed_invite_codes(apps.get_app_config("invite_code"))
    assert count_codes("default") == seed_count
    assert capsys.readouterr().out == "Seeded 5 invite codes in 'default'.\n"


def test_the_signal_of_this_app_is_sent_for_seeded_codes(
    seeded_database, seed_count, issued
):
    migrate(seeded_database)
    assert issued == []
    flush(seeded_database, verbosity=0)
    [sent] = issued
    assert (sent["count"], sent["using"]) == (seed_count, seeded_database)


@pytest.mark.django_db
@pytest.mark.usefixtures("post_migrate_receivers")
def test_an_app_config_made_anew_neither_loses_nor_doubles_seeding(
    seed_count, monkeypatch
):
    aliases = []

    def counted(*args, using):
        aliases.append(using)
        return seed(*args, using=using)

    monkeypatch.setattr(seeding, "seed", counted)
    before = apps.get_app_config("invite_code")
    installed = [app for app in django_settings.INSTALLED_APPS if app != "signals_demo"]
    with override_settings(INSTALLED_APPS=installed):
        assert apps.get_app_config("invite_code") is not before
        empty("default")
        migrate("default")
        assert aliases == ["default"]
    empty("default")
    migrate("default")
    assert aliases == ["default"] * 2
    assert count_codes("default") == seed_count


@pytest.mark.usefixtures("post_migrate_receivers")
def test_receivers_of_other_apps_run_as_before(seeded_database, seed_count):
    counts = []

    def count(using, **kwargs):
        counts.append(count_codes(using))

    for label in ("contenttypes", "invite_code"):
        sender = apps.get_app_config(label)
        post_migrate.connect(count, sender=sender, dispatch_uid=label)
    flush(seeded_database, verbosity=0)
    assert counts == [seed_count, seed_count]
    types = ContentType.objects.using(seeded_database).filter(app_label="invite_code")
    assert types.count() == 5


@pytest.mark.django_db(transaction=True)
def test_a_redemption_is_told_after_its_commit(redeemed):
    code, user = InviteCodeFactory(), UserFactory()
    with atomic():
        made = redeem(code.code, user)
        assert redeemed == []
    [sent] = redeemed
    assert sent.pop("signal") is invite_code_redeemed
    assert sent == {"sender": Redemption, "redemption": made, "using": "default"}


@pytest.mark.django_db(transaction=True)
def test_a_redemption_is_told_at_once_where_no_transaction_surrounds_it(redeemed):
    redeem(InviteCodeFactory().code, UserFactory())
    assert len(redeemed) == 1


@pytest.mark.django_db
def test_a_redemption_is_told_with_its_user(
    redeemed, django_capture_on_commit_callbacks, django_assert_num_queries
):
    user = UserFactory()
    with django_capture_on_commit_callbacks(execute=True):
        redeem(InviteCodeFactory().code, user)
    with django_assert_num_queries(0):
        assert redeemed[0]["redemption"].user.username == user.username


@pytest.mark.django_db
def test_a_redemption_that_is_rolled_back_is_not_told(
    redeemed, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        with pytest.raises(ZeroDivisionError), atomic():
            redeem(InviteCodeFactory().code, UserFactory()) and 1 / 0
        redeem(InviteCodeFactory().code, UserFactory())
    assert len(redeemed) == 1


@pytest.mark.django_db
def test_a_redemption_is_told_once(
    redeemed, refused, django_capture_on_commit_callbacks
):
    code, user = InviteCodeFactory(), UserFactory()
    with django_capture_on_commit_callbacks(execute=True):
        assert redeem(code.code, user) == redeem(code.code, user)
    assert len(redeemed) == 1
    assert refused == []


@pytest.fixture
def failing_receiver(request):
    def fail(**kwargs):
        raise RuntimeError("This receiver always fails.")

    request.param.connect(fail)
    yield
    request.param.disconnect(fail)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("failing_receiver", [invite_code_redeemed], indirect=True)
def test_a_redemption_stays_whatever_its_receivers_do(
    failing_receiver, redeemed, caplog
):
    redemption = redeem(InviteCodeFactory().code, UserFactory())
    assert Redemption.objects.get() == redemption
    assert len(redeemed) == 1
    assert "This receiver always fails." in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize("failing_receiver", [invite_code_refused], indirect=True)
def test_a_refusal_is_the_same_whatever_its_receivers_do(
    failing_receiver, refused, caplog
):
    with pytest.raises(errors.Exhausted):
        redeem(InviteCodeFactory(uses=1).code, UserFactory())
    assert len(refused) == 1
    assert "This receiver always fails." in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"revoked_at": timezone.now()}, "revoked"),
        ({"valid_from": timezone.now() + HOUR}, "not_yet_valid"),
        ({"expires_at": timezone.now()}, "expired"),
        ({"email": "ann@example.com"}, "wrong_email"),
        ({"uses": 1}, "exhausted"),
        (None, "unknown"),
    ],
    ids=str,
)
def test_a_refusal_is_told_at_once_without_the_code(values, reason, held, refused):
    code = CodeFormat().generate(1)[0]
    pk = None if values is None else InviteCodeFactory(code=code, **values).pk
    with pytest.raises(errors.Refused):
        hold(code, "key", HOUR, email="") if held else redeem(code, None)
    [sent] = refused
    assert code not in str(sent)
    assert sent.pop("signal") is invite_code_refused
    assert sent == {
        "sender": InviteCode,
        "reason": reason,
        "code_id": pk,
        "using": "default",
    }


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["", "no code", "0000-0000-0000-0001"])
def test_what_is_no_code_is_not_told(text, refused):
    with pytest.raises(errors.Malformed):
        redeem(text, None)
    with pytest.raises(errors.Malformed):
        hold(text, "key", HOUR)
    assert refused == []
