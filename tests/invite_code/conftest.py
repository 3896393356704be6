from copy import deepcopy

import pytest
from django.core.management import call_command
from django.db import connections
from django.db.models.signals import post_migrate

from invite_code.signals import invite_codes_issued


@pytest.fixture
def empty_database(db, django_db_blocker, request, tmp_path):
    """The alias of a database without tables, which no transaction surrounds.

    Made as Django makes its test databases. Each thread has a connection of its own
    to it. An indirect parameter adds to its OPTIONS.
    """
    alias = "empty"
    settings = deepcopy(connections["default"].settings_dict)
    settings["OPTIONS"] |= getattr(request, "param", {})
    in_file = connections["default"].vendor == "sqlite"
    name = str(tmp_path / "empty.sqlite3") if in_file else settings["NAME"] + "_empty"
    settings["TEST"]["NAME"] = name
    connections.settings[alias] = settings
    creation = connections[alias].creation
    with django_db_blocker.unblock():  # Tests may reach the databases they name only.
        settings["NAME"] = creation._create_test_db(verbosity=0, autoclobber=True)
        connections[alias].ensure_connection()  # It makes the file of SQLite.
        yield alias
        connections[alias].close()
        creation._destroy_test_db(name, verbosity=0)
    del connections[alias], connections.settings[alias]


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
    settings.INVITE_CODE_SEED_COUNT = 5
    return 5


@pytest.fixture
def seeded_database(seed_count, empty_database):
    """The alias of a database that has all tables and the first codes."""
    call_command("migrate", database=empty_database, verbosity=0)
    return empty_database


@pytest.fixture
def issued():
    """What was sent with invite_codes_issued since the test began."""
    sent = []

    def receiver(**kwargs):
        sent.append(kwargs)

    invite_codes_issued.connect(receiver)
    yield sent
    invite_codes_issued.disconnect(receiver)
