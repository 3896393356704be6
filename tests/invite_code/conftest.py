from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from shutil import copyfile

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.signals import post_migrate
from django.test.utils import CaptureQueriesContext, override_settings

from invite_code.issuing import fill_batch
from invite_code.models import InviteCode
from invite_code.signals import (
    invite_code_redeemed,
    invite_code_refused,
    invite_codes_issued,
)
from tests.factories import InviteBatchFactory

SEED_COUNT = 5


@contextmanager
def database(blocker, name, *, template=None, keep=False, options=None):
    """Make a database as Django makes its test databases; yield its alias.

    Args:
        blocker: pytest-django's, that lets tests reach the databases they name only.
        name: of the database.
        template: the name of one to copy, on PostgreSQL.
        keep: whether to leave it there.
        options: what to add to its OPTIONS.
    """
    alias = "empty"
    settings = deepcopy(connections["default"].settings_dict)
    settings["OPTIONS"] |= options or {}
    settings["TEST"] |= {"NAME": name, "TEMPLATE": template}
    connections.settings[alias] = settings
    creation = connections[alias].creation
    with blocker.unblock():
        copied = template == name  # A file of SQLite.
        settings["NAME"] = (
            name if copied else creation._create_test_db(verbosity=0, autoclobber=True)
        )
        connections[alias].ensure_connection()  # It makes the file of SQLite.
        yield alias
        connections[alias].close()
        if not keep:
            creation._destroy_test_db(name, verbosity=0)
    del connections[alias], connections.settings[alias]


@pytest.fixture
def empty_database(db, django_db_blocker, request, tmp_path):
    """The alias of a database without tables, which no transaction surrounds.

    Each thread has a connection of its own to it. An indirect parameter adds to its
    OPTIONS.
    """
    name = name_of_database(tmp_path, "empty")
    options = getattr(request, "param", {})
    with database(django_db_blocker, name, options=options) as alias:
        yield alias


def name_of_database(folder, suffix):
    if connections["default"].vendor == "sqlite":
        return str(folder / f"{suffix}.sqlite3")
    return f"{connections['default'].settings_dict['NAME']}_{suffix}"


@pytest.fixture
def post_migrate_receivers():
    """Put back what a test connects to post_migrate."""
    receivers = post_migrate.receivers.copy()
    yield
    post_migrate.receivers[:] = receivers
    post_migrate.sender_receivers_cache.clear()


@pytest.fixture
def seed_count(settings):
    """Few codes, where their number does not matter."""
    settings.INVITE_CODE_SEED_COUNT = SEED_COUNT
    return SEED_COUNT


@pytest.fixture
def seeded_database(
    db, seed_count, django_db_blocker, request, tmp_path, seeded_template
):
    """The alias of a database that has all tables and the first codes.

    An indirect parameter adds to its OPTIONS.
    """
    name, template = name_of_database(tmp_path, "empty"), seeded_template
    if connections["default"].vendor == "sqlite":
        template = copyfile(seeded_template, name)
    options = getattr(request, "param", {})
    with database(django_db_blocker, name, template=template, options=options) as alias:
        if template is None:
            make_tables(alias)
        yield alias


@pytest.fixture(scope="session")
def seeded_template(django_db_setup, django_db_blocker, tmp_path_factory):
    """The name of a database to copy for each test; None where that cannot be done."""
    if connections["default"].vendor == "mysql":
        yield None
        return
    name = name_of_database(tmp_path_factory.mktemp("seeded"), "seeded")
    with (
        override_settings(INVITE_CODE_SEED_COUNT=SEED_COUNT),
        database(django_db_blocker, name, keep=True) as alias,
    ):
        make_tables(alias)
        creation = connections[alias].creation
    yield name
    with django_db_blocker.unblock():
        creation._destroy_test_db(name, verbosity=0)


def make_tables(alias):
    """Do what ``migrate`` does, in a fifth of the time.

    The tables are made as they are now, and not by way of all that they have been.
    """
    modules = {app.label: None for app in apps.get_app_configs()}
    with override_settings(MIGRATION_MODULES=modules):
        call_command("migrate", run_syncdb=True, database=alias, verbosity=0)
    recorder = MigrationRecorder(connections[alias])
    recorder.ensure_schema()
    applied = MigrationLoader(None).graph.nodes
    recorder.migration_qs.bulk_create(
        recorder.Migration(app=app, name=name) for app, name in applied
    )


@pytest.fixture
def twins():
    """Two batches with the same primary key: of 3 codes here, of 4 in "other"."""
    batches = []
    for using, count in (("default", 3), ("other", 4)):
        batch = InviteBatchFactory.build(pk=10**6)
        batch.save(using=using)
        fill_batch(InviteCode, batch.pk, count, using=using)
        batches.append(batch)
    return batches


@pytest.fixture
def issued():
    """What was sent with invite_codes_issued since the test began."""
    sent = []

    def receiver(**kwargs):
        sent.append(kwargs)

    invite_codes_issued.connect(receiver)
    yield sent
    invite_codes_issued.disconnect(receiver)


@contextmanager
def heard(signal):
    """Yield what is sent with a signal meanwhile."""
    sent = []

    def receiver(**kwargs):
        sent.append(kwargs)

    signal.connect(receiver)
    yield sent
    signal.disconnect(receiver)


@pytest.fixture
def redeemed():
    """What was sent with invite_code_redeemed since the test began."""
    with heard(invite_code_redeemed) as sent:
        yield sent


@pytest.fixture
def refused():
    """What was sent with invite_code_refused since the test began."""
    with heard(invite_code_refused) as sent:
        yield sent


@pytest.fixture
def statements():
    """A context manager that yields the statements sent, but those of transactions."""

    @contextmanager
    def capture(using="default"):
        sent = []
        with CaptureQueriesContext(connections[using]) as queries:
            yield sent
        words = ("SELECT", "INSERT", "UPDATE", "DELETE")
        stripped = (query["sql"].strip() for query in queries)
        sent += [sql for sql in stripped if sql.startswith(words)]

    return capture


@pytest.fixture
def threads(seeded_database):
    """A function that runs another in a thread of its own, and returns its future."""

    def run(function):
        try:
            return function()
        finally:
            connections[seeded_database].close()

    with ThreadPoolExecutor(16) as pool:
        yield lambda function: pool.submit(run, function)
