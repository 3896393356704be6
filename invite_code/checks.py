"""System checks: settings that cannot work, and codes that can be guessed."""

import math
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, get_type_hints

from django.apps import AppConfig
from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage, Error, Warning
from django.db import connections, router

from invite_code.codes import CodeFormat
from invite_code.conf import PREFIX, Settings, conf
from invite_code.doors import open_doors
from invite_code.models import InviteCode
from invite_code.throttling import Limit

#: Below it, a secret that is looked up needs a limit on guesses. Source: NIST SP
#: 800-63B, section 5.1.2.2.
MIN_ENTROPY_BITS = 64

#: The guesses an attacker is taken to make: what a small site can answer.
GUESSES_PER_SECOND = 100

SECONDS_PER_YEAR = 365.25 * 24 * 60 * 60

#: What a limit must be. It tells in words what ``Limit.parse()`` takes.
LIMIT = 'a limit such as "20/hour" (per second, minute, hour or day), or "" for none'

#: All settings of this app, with their types.
SETTINGS: dict[str, type] = {
    name: get_type_hints(attribute.fget)["return"]
    for name, attribute in vars(Settings).items()
    if name.startswith(PREFIX)
}


def _is_limit(text: str) -> bool:
    try:
        Limit.parse(text)
    except ValueError:
        return False
    return True


#: What the values of some settings must be, beside of their type.
RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "INVITE_CODE_SEED_COUNT": (
        lambda count: count >= 0,
        "0, which switches seeding off, or more",
    ),
    "INVITE_CODE_HOLD_SECONDS": (lambda seconds: seconds > 0, "1 or more"),
    "INVITE_CODE_ENQUEUE_FROM": (lambda count: count > 0, "1 or more"),
    "INVITE_CODE_TRUSTED_PROXIES": (lambda count: count >= 0, "0 or more"),
    "INVITE_CODE_CLIENT_LIMIT": (_is_limit, LIMIT),
    "INVITE_CODE_TOTAL_LIMIT": (_is_limit, LIMIT),
    "INVITE_CODE_CACHE": (lambda alias: alias in caches, "an alias in CACHES"),
}


def check_settings(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Check the settings: invite_code.E001 to E003, W001 and W002."""
    unknown = list(_unknown_settings())
    if wrong := list(_wrong_values()):
        return [*unknown, *wrong]
    try:
        code_format = conf.code_format
    except ValueError as error:
        hint = "Change the INVITE_CODE_* settings, or remove them for the default."
        return [*unknown, Error(str(error), hint=hint, id="invite_code.E002")]
    return [*unknown, *_too_few_codes(code_format), *_guessable_codes(code_format)]


def check_collation(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Check that the databases tell codes apart by case: invite_code.W003.

    Only MySQL and MariaDB compare without regard to case unless told otherwise.
    """
    if _settings_are_wrong() or not conf.code_format.case_sensitive:
        return []
    return [
        Warning(
            f"The codes in '{alias}' are compared without regard to case,"
            " but INVITE_CODE_ALPHABET has symbols that differ in nothing else.",
            hint="Use one case only, or give the column a collation ending in _bin.",
            obj=InviteCode,
            id="invite_code.W003",
        )
        for alias in databases or ()
        if router.allow_migrate_model(alias, InviteCode) and _ignores_case(alias)
    ]


def check_cache(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Check that the cache can count refused codes: invite_code.W004.

    For ``check --deploy``: the cache that is good enough for development is not.
    """
    if _settings_are_wrong():
        return []
    if not (conf.INVITE_CODE_CLIENT_LIMIT or conf.INVITE_CODE_TOTAL_LIMIT):
        return []
    fault = _fault(caches[conf.INVITE_CODE_CACHE])
    if not fault:
        return []
    return [
        Warning(
            f"The cache '{conf.INVITE_CODE_CACHE}' does not hold the limits on"
            f" guessing: it {fault}.",
            hint="Let INVITE_CODE_CACHE name a cache in Redis or Memcached,"
            " or set both limits to the empty string.",
            id="invite_code.W004",
        )
    ]


def check_transactions(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Check that requests on SQLite can wait for one another: invite_code.W006.

    A transaction that has read cannot begin to write while another one writes, or has
    written since: SQLite says at once that the database is locked, and does not wait.
    """
    return [
        Warning(
            f"With ATOMIC_REQUESTS, requests that redeem codes in '{alias}' at the same"
            ' time fail with "database is locked".',
            hint=f"In DATABASES['{alias}']['OPTIONS'], set transaction_mode to"
            ' "IMMEDIATE", and best init_command to "PRAGMA journal_mode=WAL".',
            obj=InviteCode,
            id="invite_code.W006",
        )
        for alias in connections
        if router.allow_migrate_model(alias, InviteCode) and _reads_first(alias)
    ]


def _settings_are_wrong() -> bool:
    return any(message.is_serious() for message in check_settings(None))


def check_doors(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Check that nobody signs up without a code: invite_code.W005 for each door."""
    return [
        Warning(
            f"Anybody can sign up at {door.route} without an invite code.",
            hint="Put it behind the gate, or in gate.unchecked(): see docs/gate.md.",
            obj=door.view_name,
            id="invite_code.W005",
        )
        for door in open_doors()
    ]


def _unknown_settings() -> Iterator[CheckMessage]:
    for name in dir(settings):
        if name.startswith(PREFIX) and name not in SETTINGS:
            meant = get_close_matches(name, SETTINGS, n=1, cutoff=0)[0]
            yield Warning(
                f"There is no setting {name}.",
                hint=f"Did you mean {meant}?",
                id="invite_code.W002",
            )


def _wrong_values() -> Iterator[CheckMessage]:
    for name, expected in SETTINGS.items():
        value: Any = getattr(conf, name)
        if type(value) is not expected:  # Not isinstance(): True is no length.
            must = f"of type {expected.__name__}"
        elif name in RULES and not RULES[name][0](value):
            must = RULES[name][1]
        else:
            continue
        yield Error(
            f"{name} must be {must}, not {value!r}.",
            hint="See docs/settings.md, or remove it for the default.",
            id="invite_code.E001",
        )


def _too_few_codes(code_format: CodeFormat) -> Iterator[CheckMessage]:
    wanted, possible = conf.INVITE_CODE_SEED_COUNT, code_format.capacity()
    if possible < wanted:
        yield Error(
            f"INVITE_CODE_SEED_COUNT asks for {wanted} codes,"
            f" but only {possible} are possible.",
            hint=_length_hint(code_format),
            id="invite_code.E003",
        )


def _guessable_codes(code_format: CodeFormat) -> Iterator[CheckMessage]:
    bits = code_format.entropy_bits()
    if bits < MIN_ENTROPY_BITS:
        live = max(conf.INVITE_CODE_SEED_COUNT, 1)
        # The mean number of guesses without repetition until one of them hits.
        guesses = (code_format.capacity() + 1) / (live + 1)
        years = guesses / GUESSES_PER_SECOND / SECONDS_PER_YEAR
        yield Warning(
            f"Codes of {bits:.0f} bits can be guessed: at {GUESSES_PER_SECOND} guesses"
            f" a second, the first of {live} is found after {years:.2g} years.",
            hint=_length_hint(code_format),
            id="invite_code.W001",
        )


def _length_hint(code_format: CodeFormat) -> str:
    symbols = math.ceil(MIN_ENTROPY_BITS / math.log2(len(code_format.alphabet)))
    length = symbols + code_format.check_symbol
    return f"INVITE_CODE_LENGTH = {length} gives {MIN_ENTROPY_BITS} bits or more."


def _fault(cache: BaseCache) -> str:
    """Return what keeps a cache from counting for all processes; empty if nothing."""
    if isinstance(cache, DummyCache):
        return "keeps nothing, so there is no limit"
    if isinstance(cache, LocMemCache):
        return "is that of one process, so each process allows as many"
    if type(cache).incr is BaseCache.incr:  # It reads, adds, and writes.
        return "does not count atomically, so tries at the same time count as one"
    return ""


def _reads_first(alias: str) -> bool:
    connection = connections[alias]
    mode = connection.settings_dict["OPTIONS"].get("transaction_mode") or "DEFERRED"
    return bool(
        connection.vendor == "sqlite"
        and connection.settings_dict["ATOMIC_REQUESTS"]
        and mode.upper() == "DEFERRED"
    )


def _ignores_case(alias: str) -> bool:
    # Before the first migrate there is no column yet, which will have the default.
    connection = connections[alias]
    if connection.vendor != "mysql":
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COALESCE((SELECT collation_name FROM information_schema.columns"
            " WHERE table_schema = DATABASE() AND table_name = %s"
            " AND column_name = 'code'), @@collation_database)",
            [InviteCode._meta.db_table],
        )
        (collation,) = cursor.fetchone()
    return bool(collation.endswith("_ci"))
