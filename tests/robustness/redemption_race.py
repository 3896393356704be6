"""Let processes redeem the same codes at the same time.

    python -m tests.robustness.redemption_race [--clients 64] [--codes 2000] [--naive]

The database is that of ``DATABASE_VENDOR``, in a database of its own. A mode is a way
to call the service, on a connection with some settings. In each mode as many are
granted as there are uses, redemptions and users; no code lets in more people than it
may, or fewer while enough tried; no client sees another error than a refusal. Exits 1
if it ever was not so. ``--naive`` redeems as people write it at first, look and then
save: it shows that the clients do meet.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from tests.robustness.seeding_faults import database_of_its_own, finish, fork

#: How many clients try to redeem a code, and how often each tries the hot one.
RIVALS, HOT_TRIES = 5, 3

#: Seconds until a client counts as hanging.
TIMEOUT = 600

#: How long a hold keeps a use that is redeemed, and one that is left to its time.
LONG, SHORT = timedelta(minutes=10), timedelta(milliseconds=20)


class Mode(NamedTuple):
    """How clients call the service, and what they connect with."""

    settings: str
    options: dict[str, Any]
    way: Callable[..., Any]
    holds: bool

    @property
    def name(self) -> str:
        prefix = "hold, " if self.holds else ""
        return f"{prefix}{self.way.__name__}, {self.settings}"

    @property
    def attempt(self) -> Callable[..., Any]:
        return partial(hold_first, self.way) if self.holds else self.way


class Result(NamedTuple):
    """What came of a mode; its fields are the columns of the table."""

    mode: str
    tries: int
    granted: int
    uses: int
    redeemed: int
    users: int
    refused: int
    given_up: int
    double: int
    lost: int
    errors: int
    seconds: float

    @property
    def is_right(self) -> bool:
        counts = {self.granted, self.uses, self.redeemed, self.users}
        return len(counts) == 1 and not (self.double or self.lost or self.errors)

    def __str__(self) -> str:
        numbers = "".join(f"{number:>9}" for number in self[1:-1])
        return f"{self.mode:<42}{numbers}{self.seconds:>9.1f}"


def service(*args: Any, **options: Any) -> Any:
    """Do what is put to the test."""
    from invite_code.redemption import redeem

    return redeem(*args, **options)


def naive(code: str, user: Any, *, hold: Any = None) -> Any:
    """Do what comes to mind first: look whether a use is left, then save."""
    from invite_code.errors import Exhausted
    from invite_code.models import InviteCode, Redemption

    stored = InviteCode.objects.get(code=code)
    if stored.uses >= stored.max_uses:
        raise Exhausted
    redemption = Redemption.objects.create(code=stored, user=user)
    stored.uses += 1
    stored.save()
    return redemption


redeem = service  # Or naive(), if asked for.


def sign_up(code: str, name: str, **options: Any) -> Any:
    """Redeem as a view would: in the transaction that makes the user."""
    from django.contrib.auth import get_user_model
    from django.db import transaction

    with transaction.atomic():
        user = get_user_model()(username=name)
        user.save()
        return redeem(code, user, **options)


def request(code: str, name: str, **options: Any) -> Any:
    """Redeem as under ATOMIC_REQUESTS: the transaction begins with a look."""
    from django.contrib.auth import get_user_model
    from django.db import transaction

    with transaction.atomic():
        assert not get_user_model().objects.filter(username=name).exists()
        return sign_up(code, name, **options)


def retried_request(code: str, name: str, **options: Any) -> Any:
    """Begin the whole transaction anew when it loses, which only its owner can."""
    from invite_code.retrying import retry

    return retry(partial(request, code, name, **options), using="default")


def retried_sign_up(code: str, name: str, **options: Any) -> Any:
    """As above, for who writes first."""
    from invite_code.retrying import retry

    return retry(partial(sign_up, code, name, **options), using="default")


def member(code: str, name: str, **options: Any) -> Any:
    """Redeem for a user there is: the service owns the transaction."""
    from django.contrib.auth import get_user_model

    user = get_user_model().objects.get(username=name)
    return redeem(code, user, **options)


def hold_first(let_in: Callable[..., Any], code: str, name: str) -> Any:
    """Hold a use and redeem it, or give it back, or forget it; or do not hold one."""
    from invite_code.errors import Refused
    from invite_code.redemption import hold, release

    fate = random.choice(["redeem", "redeem", "release", "forget", "walk in"])
    if fate == "walk in":
        return let_in(code, name)
    kept = hold(code, name, SHORT if fate == "forget" else LONG)
    if fate == "release":
        release(kept)
    if fate != "redeem":
        return None
    try:
        return let_in(code, name, hold=kept)
    except Refused as error:
        raise AssertionError("A use that was held was refused.") from error


#: The defaults of Django, and of SQLite.
DEFAULTS = {
    "init_command": "PRAGMA journal_mode = delete; PRAGMA synchronous = full",
    "transaction_mode": "DEFERRED",
    "timeout": 5,
}
WAL = DEFAULTS | {"init_command": "PRAGMA journal_mode = wal"}
IMMEDIATE = WAL | {"transaction_mode": "IMMEDIATE"}

#: SQLite lets those who wait for it in by chance: of 64 some are out of luck for longer
#: than the 5 seconds after which it gives up.
PATIENT = {"timeout": 60}

#: The ways to call the service that go with settings of a connection. A transaction
#: that reads before it writes may be too late then, and only its owner can begin it
#: anew: IMMEDIATE spares SQLite that, and retry() does it.
WAYS = {
    "sqlite": [
        ("WAL, IMMEDIATE, 60 s", IMMEDIATE | PATIENT, (sign_up, request, member)),
        ("WAL", WAL, (member, retried_sign_up)),
        ("WAL, 60 s", WAL | PATIENT, (sign_up,)),
        ("rollback journal", DEFAULTS, (member, retried_sign_up)),
        ("rollback journal, 60 s", DEFAULTS | PATIENT, (sign_up,)),
    ],
    "postgresql": [
        ("READ COMMITTED", {}, (sign_up, request, member)),
        ("REPEATABLE READ", {"isolation_level": 3}, (member, retried_request)),
        ("SERIALIZABLE", {"isolation_level": 4}, (member, retried_sign_up)),
    ],
    "mysql": [
        ("READ COMMITTED", {}, (sign_up, request, member)),
        (
            "REPEATABLE READ",
            {"isolation_level": "repeatable read"},
            (sign_up, request, member, retried_request),
        ),
    ],
}


def modes(vendor: str) -> Iterator[Mode]:
    for name, options, ways in WAYS[vendor]:
        for way in ways:
            yield Mode(name, options, way, holds=False)
            # Holds of neighbors have common gaps, for which MariaDB has locks then.
            if way not in (sign_up, request) or "isolation_level" not in options:
                yield Mode(name, options, way, holds=True)


def make_codes(count: int, clients: int, holds: bool) -> dict[str, int]:
    """Make codes, and return how many times each is to be tried, the hot one first."""
    from invite_code.conf import conf
    from invite_code.models import InviteBatch, InviteCode

    limits = [clients, *([5] * (count // 20) if holds else [1, 3] * (count // 2))]
    rivals = clients if holds else RIVALS
    codes = conf.code_format.generate(len(limits))
    batch = InviteBatch.objects.create(label="race")
    InviteCode.objects.bulk_create(
        InviteCode(batch=batch, code=code, max_uses=limit)
        for code, limit in zip(codes, limits, strict=True)
    )
    return dict.fromkeys(codes, rivals) | {codes[0]: clients * HOT_TRIES}


def share_out(tries: dict[str, int], clients: int) -> list[list[str]]:
    """Return what each client tries: all in the same order, so that they meet.

    The hot code comes in at the start, where all are there, and now and then later.
    """
    shares: list[list[str]] = [[] for _ in range(clients)]
    hot, *others = tries
    for code in others:
        for share in random.sample(shares, min(tries[code], clients)):
            share.append(code)
    for share in shares:
        for part in range(HOT_TRIES):
            share.insert(len(share) * part // HOT_TRIES, hot)
    return shares


def work(mode: Mode, tries: list[tuple[str, str]], barrier: Any, results: Any) -> None:
    """Be one client: try one code after the other, and tell what came of it."""
    from django.db import connection

    from invite_code.errors import Refused

    outcomes: Counter[str] = Counter()
    connection.ensure_connection()
    barrier.wait()
    for code, name in tries:
        try:
            outcomes["granted" if mode.attempt(code, name) else "given up"] += 1
        except Refused:
            outcomes["refused"] += 1
        except Exception as error:
            said = " ".join(str(error).split())
            outcomes[f"{type(error).__name__}: {said}"[:120]] += 1
    results.put(outcomes)


def run_clients(mode: Mode, shares: list[list[tuple[str, str]]]) -> Counter[str]:
    """Let all clients work at once, and return what came of it for all of them."""
    from django.db import connections

    connections.close_all()  # A connection must not be shared with a child.
    barrier, results = fork.Barrier(len(shares)), fork.SimpleQueue()
    children = [
        fork.Process(target=work, args=(mode, share, barrier, results))
        for share in shares
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(TIMEOUT)
    dead = sum(finish(child) != 0 for child in children)
    outcomes = Counter({"A client hung or died.": dead} if dead else {})
    for _ in range(len(children) - dead):
        outcomes += results.get()
    return outcomes


def use_up(codes: Iterable[str]) -> int:
    """Redeem what is left of the codes, and return how many uses that was."""
    from invite_code.errors import Exhausted

    time.sleep(SHORT.total_seconds())
    left = 0
    for code in codes:
        with suppress(Exhausted):
            while service(code, None):
                left += 1
    return left


def run(mode: Mode, count: int, clients: int) -> tuple[Result, Counter[str]]:
    """Run a mode on new codes, and return what came of it, and the errors seen."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    call_command("flush", interactive=False, verbosity=0, inhibit_post_migrate=True)
    tried = make_codes(count, clients, mode.holds)
    shares = [
        [(code, f"{client}-{number}") for number, code in enumerate(share)]
        for client, share in enumerate(share_out(tried, clients))
    ]
    if mode.way is member:
        users = get_user_model()
        names = [name for share in shares for _, name in share]
        users.objects.bulk_create(users(username=name) for name in names)
    begun = time.monotonic()
    outcomes = run_clients(mode, shares)
    seconds = time.monotonic() - begun
    if mode.holds:
        outcomes["granted"] += use_up(tried)
    return judge(mode, tried, outcomes, seconds), outcomes


def judge(
    mode: Mode, tried: dict[str, int], outcomes: Counter[str], seconds: float
) -> Result:
    """Compare what clients were told with what the database has."""
    from django.contrib.auth import get_user_model
    from django.db.models import Count

    from invite_code.models import InviteCode, Redemption

    codes = InviteCode.objects.annotate(people=Count("redemptions"))
    rows = codes.values_list("code", "max_uses", "uses", "people")
    users = get_user_model().objects.count()
    nameless = Redemption.objects.filter(user=None).count()
    if mode.way is member:
        users = Redemption.objects.exclude(user=None).values("user").distinct().count()
    return Result(
        mode=mode.name,
        tries=sum(tried.values()),
        granted=outcomes.pop("granted", 0),
        uses=sum(uses for _, _, uses, _ in rows),
        redeemed=sum(people for _, _, _, people in rows),
        users=users + nameless,
        refused=outcomes.pop("refused", 0),
        double=sum(max(people - limit, 0) for _, limit, _, people in rows),
        lost=sum(
            max(min(limit, tried[code]) - people, 0) for code, limit, _, people in rows
        ),
        given_up=outcomes.pop("given up", 0),
        errors=sum(outcomes.values()),
        seconds=seconds,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Race for invite codes.")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--codes", type=int, default=2000)
    parser.add_argument("--only", default="", help="modes with this in their names")
    parser.add_argument("--naive", action="store_true", help="look, and then save")
    options = parser.parse_args()
    if options.naive:
        global redeem
        redeem = naive
    well = True
    with database_of_its_own(count=0):
        from django.db import connection

        print(f"{'mode':<42}" + "".join(f"{name:>9}" for name in Result._fields[1:]))
        own_options = connection.settings_dict["OPTIONS"]
        for mode in modes(connection.vendor):
            if options.only in mode.name:
                connection.close()
                connection.settings_dict["OPTIONS"] = own_options | mode.options
                result, errors = run(mode, options.codes, options.clients)
                well &= result.is_right
                print(result, *errors.most_common(3), sep="\n    ", flush=True)
    print("All was right." if well else "Something was wrong.")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
