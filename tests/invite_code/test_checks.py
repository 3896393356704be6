import re
import string
from datetime import timedelta

import pytest
from django.core.cache.backends.base import BaseCache
from django.core.checks import run_checks
from django.db import IntegrityError, connection, connections
from django.db.transaction import atomic

from invite_code.checks import (
    SETTINGS,
    check_cache,
    check_collation,
    check_settings,
    check_transactions,
)
from invite_code.codes import CROCKFORD
from tests.factories import InviteCodeFactory

LETTERS_AND_DIGITS = string.ascii_uppercase + string.digits


class Nowhere:
    """A router that keeps codes out of every database."""

    def allow_migrate(self, db, app_label, **hints):
        return False


def change(settings, **values):
    for name, value in values.items():
        setattr(settings, f"INVITE_CODE_{name}", value)


def ids(messages):
    return [message.id for message in messages]


@pytest.fixture
def case_sensitive(settings):
    change(settings, ALPHABET=string.ascii_letters, CHECK_SYMBOL=False)


def test_the_defaults_are_fine():
    assert check_settings(None) == []


def test_every_setting_is_checked():
    types = {
        "INVITE_CODE_SEED_COUNT": int,
        "INVITE_CODE_ALPHABET": str,
        "INVITE_CODE_LENGTH": int,
        "INVITE_CODE_CHECK_SYMBOL": bool,
        "INVITE_CODE_GROUP_SIZE": int,
        "INVITE_CODE_HOLD_SECONDS": int,
        "INVITE_CODE_CLIENT_LIMIT": str,
        "INVITE_CODE_TOTAL_LIMIT": str,
        "INVITE_CODE_TRUSTED_PROXIES": int,
        "INVITE_CODE_CACHE": str,
        "INVITE_CODE_ENQUEUE_FROM": int,
    }
    assert types == SETTINGS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SEED_COUNT", "2000"),
        ("SEED_COUNT", 2000.0),
        ("SEED_COUNT", True),
        ("SEED_COUNT", None),
        ("SEED_COUNT", -1),
        ("ALPHABET", list(CROCKFORD)),
        ("ALPHABET", CROCKFORD.encode()),
        ("ALPHABET", None),
        ("LENGTH", "16"),
        ("LENGTH", True),
        ("CHECK_SYMBOL", 1),
        ("CHECK_SYMBOL", "False"),
        ("GROUP_SIZE", 4.5),
        ("GROUP_SIZE", False),
        ("HOLD_SECONDS", 0),
        ("HOLD_SECONDS", -1),
        ("HOLD_SECONDS", 0.5),
        ("HOLD_SECONDS", timedelta(minutes=15)),
        ("CLIENT_LIMIT", None),
        ("CLIENT_LIMIT", 20),
        ("CLIENT_LIMIT", "20"),
        ("CLIENT_LIMIT", "0/hour"),
        ("CLIENT_LIMIT", "20/week"),
        ("TOTAL_LIMIT", None),
        ("TOTAL_LIMIT", "many/hour"),
        ("TOTAL_LIMIT", "-1/hour"),
        ("TRUSTED_PROXIES", -1),
        ("TRUSTED_PROXIES", "1"),
        ("TRUSTED_PROXIES", ["10.0.0.1"]),
        ("CACHE", "nowhere"),
        ("CACHE", ""),
        ("CACHE", None),
        ("ENQUEUE_FROM", 0),
        ("ENQUEUE_FROM", None),
    ],
)
def test_a_value_that_cannot_be_is_an_error(settings, name, value):
    change(settings, **{name: value})
    [message] = check_settings(None)
    assert message.id == "invite_code.E001"
    assert message.msg.startswith(f"INVITE_CODE_{name} must be")
    assert message.hint


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SEED_COUNT", 0),
        ("HOLD_SECONDS", 1),
        ("CLIENT_LIMIT", ""),
        ("CLIENT_LIMIT", "1/second"),
        ("TOTAL_LIMIT", ""),
        ("TRUSTED_PROXIES", 3),
        ("CACHE", "default"),
        ("ENQUEUE_FROM", 1),
    ],
)
def test_a_value_at_the_limit_is_fine(settings, name, value):
    change(settings, **{name: value})
    assert check_settings(None) == []


def test_each_wrong_value_is_named(settings):
    change(settings, LENGTH="16", GROUP_SIZE="4", SEED_COUNT=-1)
    assert ids(check_settings(None)) == ["invite_code.E001"] * 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ALPHABET": "ABCA", "CHECK_SYMBOL": False}, "repeats"),
        ({"ALPHABET": "ÄÖÜ", "CHECK_SYMBOL": False}, "ASCII"),
        ({"ALPHABET": LETTERS_AND_DIGITS}, "check symbol"),
        ({"LENGTH": 0}, "1 to 64"),
        ({"LENGTH": 10**9}, "1 to 64"),
        ({"GROUP_SIZE": -1}, "0 or more"),
    ],
)
def test_a_format_that_no_code_can_have_is_an_error(settings, values, message):
    change(settings, **values)
    [found] = check_settings(None)
    assert found.id == "invite_code.E002"
    assert message in found.msg
    assert found.hint


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"LENGTH": 2, "SEED_COUNT": 33}, True),
        ({"LENGTH": 2, "SEED_COUNT": 32}, False),
        ({"LENGTH": 3, "CHECK_SYMBOL": False, "SEED_COUNT": 32**3 + 1}, True),
        ({"LENGTH": 3, "CHECK_SYMBOL": False, "SEED_COUNT": 32**3}, False),
    ],
)
def test_more_codes_than_are_possible_is_an_error(settings, values, error):
    change(settings, **values)
    assert ("invite_code.E003" in ids(check_settings(None))) == error


@pytest.mark.parametrize(
    ("values", "warning"),
    [
        ({"LENGTH": 14}, False),  # 13 random symbols of 5 bits
        ({"LENGTH": 13}, True),
        ({"LENGTH": 13, "CHECK_SYMBOL": False}, False),
        ({"ALPHABET": "01", "LENGTH": 64, "CHECK_SYMBOL": False}, False),
        ({"ALPHABET": "01", "LENGTH": 63, "CHECK_SYMBOL": False}, True),
    ],
)
def test_codes_below_64_bits_are_warned_of(settings, values, warning):
    change(settings, **values)
    assert ids(check_settings(None)) == ["invite_code.W001"] * warning


@pytest.mark.parametrize(
    ("seed_count", "years"),
    # 36**8 codes, 100 guesses a second, and 3,155,760,000 of them in a year.
    [(2000, "first of 2000 is found after 0.45"), (1, "1 is found after 4.5e+02")],
)
def test_the_warning_says_how_many_years_guessing_takes(settings, seed_count, years):
    change(settings, ALPHABET=LETTERS_AND_DIGITS, LENGTH=8, CHECK_SYMBOL=False)
    change(settings, SEED_COUNT=seed_count)
    [message] = check_settings(None)
    assert message.msg.startswith("Codes of 41 bits can be guessed")
    assert f"{years} years" in message.msg


def test_codes_that_are_not_seeded_are_guessed_too(settings):
    change(settings, LENGTH=8, SEED_COUNT=0)
    [message] = check_settings(None)
    assert "the first of 1 is found" in message.msg


@pytest.mark.parametrize("alphabet", ["01", "0123456789", CROCKFORD])
def test_the_length_in_the_hint_is_the_shortest_that_is_enough(settings, alphabet):
    change(settings, ALPHABET=alphabet, LENGTH=4, CHECK_SYMBOL=alphabet == CROCKFORD)
    change(settings, SEED_COUNT=1)
    [message] = check_settings(None)
    length = int(re.search(r"INVITE_CODE_LENGTH = (\d+)", message.hint)[1])
    change(settings, LENGTH=length)
    assert check_settings(None) == []
    change(settings, LENGTH=length - 1)
    assert ids(check_settings(None)) == ["invite_code.W001"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("INVITE_CODE_SEEDCOUNT", "INVITE_CODE_SEED_COUNT"),
        ("INVITE_CODE_ALPHABETH", "INVITE_CODE_ALPHABET"),
        ("INVITE_CODE_LENGHT", "INVITE_CODE_LENGTH"),
        ("INVITE_CODE_CHECKSYMBOL", "INVITE_CODE_CHECK_SYMBOL"),
    ],
)
def test_an_unknown_setting_is_warned_of_with_what_may_be_meant(settings, name, meant):
    setattr(settings, name, 1)
    [message] = check_settings(None)
    assert message.id == "invite_code.W002"
    assert name in message.msg
    assert message.hint == f"Did you mean {meant}?"
    delattr(settings, name)
    assert check_settings(None) == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"LENGTH": "16"}, "invite_code.E001"),
        ({"LENGTH": 0}, "invite_code.E002"),
        ({"LENGTH": 2}, "invite_code.E003"),
    ],
)
def test_an_unknown_setting_is_told_beside_an_error(settings, values, expected):
    change(settings, LENGHT=16, **values)
    assert ids(check_settings(None))[:2] == ["invite_code.W002", expected]


def test_django_runs_the_checks(settings):
    change(settings, LENGTH=8)
    assert "invite_code.W001" in ids(run_checks(tags=["security"]))


CACHES = "django.core.cache.backends."


def use_cache(settings, backend, alias="default"):
    cache = {"BACKEND": backend if "tests." in backend else CACHES + backend}
    location = "redis://127.0.0.1" if "redis" in backend else "invite_code_checks"
    other = {"BACKEND": CACHES + "dummy.DummyCache"}
    settings.CACHES = {"default": other, alias: {**cache, "LOCATION": location}}


@pytest.mark.parametrize(
    ("backend", "fault"),
    [
        ("dummy.DummyCache", "keeps nothing"),
        ("locmem.LocMemCache", "is that of one process"),
        ("filebased.FileBasedCache", "does not count atomically"),
        ("db.DatabaseCache", "does not count atomically"),
    ],
)
def test_a_cache_that_cannot_count_for_all_is_warned_of(settings, backend, fault):
    use_cache(settings, backend)
    [message] = check_cache(None)
    assert message.id == "invite_code.W004"
    assert "'default'" in message.msg
    assert fault in message.msg
    assert "Redis" in message.hint


@pytest.mark.parametrize("backend", ["redis.RedisCache", f"{__name__}.AtomicCache"])
def test_a_cache_that_counts_atomically_is_fine(settings, backend):
    use_cache(settings, backend)
    assert check_cache(None) == []


class AtomicCache(BaseCache):
    """As Memcached's, whose client need not be installed."""

    def __init__(self, location, params):
        super().__init__(params)

    def incr(self, key, delta=1, version=None):
        raise NotImplementedError


def test_the_cache_that_the_setting_names_is_checked(settings):
    use_cache(settings, "locmem.LocMemCache", alias="counting")
    change(settings, CACHE="counting")
    [message] = check_cache(None)
    assert "'counting'" in message.msg


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ({"CLIENT_LIMIT": ""}, True),
        ({"TOTAL_LIMIT": ""}, True),
        ({"CLIENT_LIMIT": "", "TOTAL_LIMIT": ""}, False),
        ({"CACHE": "nowhere"}, False),  # An error is enough.
    ],
)
def test_without_a_limit_no_cache_is_needed(settings, values, warned):
    change(settings, **values)
    assert ids(check_cache(None)) == ["invite_code.W004"] * warned


def test_only_a_deployment_is_warned_of_the_cache():
    assert "invite_code.W004" not in ids(run_checks(tags=["security"]))
    warned = ids(run_checks(tags=["security"], include_deployment_checks=True))
    assert "invite_code.W004" in warned


@pytest.fixture
def connect(monkeypatch):
    """A function that gives the database settings of which nothing is connected."""

    def connect(engine, *, atomic, mode=None):
        monkeypatch.setattr(connection, "vendor", engine)
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)
        options = {"transaction_mode": mode} if mode else {}
        monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)

    return connect


@pytest.mark.parametrize(
    ("engine", "atomic", "mode", "warned"),
    [
        ("sqlite", True, None, True),
        ("sqlite", True, "DEFERRED", True),
        ("sqlite", True, "deferred", True),
        ("sqlite", True, "IMMEDIATE", False),
        ("sqlite", True, "immediate", False),
        ("sqlite", True, "EXCLUSIVE", False),
        ("sqlite", False, None, False),
        ("postgresql", True, None, False),
        ("mysql", True, None, False),
    ],
)
def test_requests_that_fail_under_load_are_warned_of(
    connect, engine, atomic, mode, warned
):
    connect(engine, atomic=atomic, mode=mode)
    found = check_transactions(None)
    assert ids(found) == ["invite_code.W006"] * warned
    for message in found:
        assert "'default'" in message.msg
        assert "IMMEDIATE" in message.hint
        assert "WAL" in message.hint
    assert ids(run_checks(tags=["compatibility"])) == ids(found)


def test_requests_are_checked_where_there_are_codes(settings, connect):
    connect("sqlite", atomic=True)
    settings.DATABASE_ROUTERS = [Nowhere()]
    assert check_transactions(None) == []


@pytest.mark.django_db
@pytest.mark.usefixtures("case_sensitive")
def test_databases_that_confuse_cases_are_warned_of():
    warned = ids(check_collation(None, databases=["default"]))
    assert warned == ["invite_code.W003"] * (connection.vendor == "mysql")
    InviteCodeFactory(code="a" * 16)
    try:
        with atomic():
            InviteCodeFactory(code="A" * 16)
    except IntegrityError:
        assert warned
    else:
        assert not warned


@pytest.mark.usefixtures("case_sensitive")
@pytest.mark.skipif(connection.vendor != "mysql", reason="The others tell cases apart.")
def test_a_binary_collation_is_fine(seeded_database):
    [message] = check_collation(None, databases=[seeded_database])
    assert f"'{seeded_database}'" in message.msg
    assert "_bin" in message.hint
    with connections[seeded_database].cursor() as cursor:
        cursor.execute(
            "ALTER TABLE invite_code_invitecode"
            " MODIFY code VARCHAR(64) COLLATE utf8mb4_bin NOT NULL"
        )
    assert check_collation(None, databases=[seeded_database]) == []


@pytest.mark.usefixtures("case_sensitive")
def test_before_the_first_migrate_the_collation_of_the_database_counts(empty_database):
    found = ids(check_collation(None, databases=[empty_database]))
    assert found == ["invite_code.W003"] * (connection.vendor == "mysql")
    if found:
        name = connections[empty_database].settings_dict["NAME"]
        with connections[empty_database].cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {name} COLLATE utf8mb4_bin")
        assert check_collation(None, databases=[empty_database]) == []


@pytest.mark.usefixtures("case_sensitive")
def test_databases_are_checked_when_they_are_named(django_assert_num_queries, db):
    with django_assert_num_queries(0):
        assert check_collation(None) == []
        assert check_collation(None, databases=None) == []


@pytest.mark.usefixtures("case_sensitive")
def test_a_database_without_codes_is_not_checked(
    settings, django_assert_num_queries, db
):
    settings.DATABASE_ROUTERS = [Nowhere()]
    with django_assert_num_queries(0):
        assert check_collation(None, databases=["default"]) == []


@pytest.mark.parametrize("values", [{}, {"LENGTH": "16"}, {"ALPHABET": "aAa"}])
def test_one_case_or_wrong_settings_need_no_look_at_the_database(
    settings, django_assert_num_queries, db, values
):
    change(settings, **values)
    with django_assert_num_queries(0):
        assert check_collation(None, databases=["default"]) == []


@pytest.mark.django_db
@pytest.mark.usefixtures("case_sensitive")
def test_django_runs_the_check_of_the_database():
    found = ids(run_checks(tags=["database"], databases=["default"]))
    assert ("invite_code.W003" in found) == (connection.vendor == "mysql")
