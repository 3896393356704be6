"""Time the admin, and exporting, with a million codes.

    python -m benchmarks.million [--codes 1000000] [sqlite postgresql mariadb]

A page counts from the request to the last byte, the second time it is asked for.
Peak memory is that of a process of its own that exports all codes.

Exits 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.db import connections, transaction
from django.utils import timezone

from example_project import settings as example

NAME = "signals_benchmark_million"
VENDORS = ("sqlite", "postgresql", "mariadb")

#: One of so many codes is redeemed; so many hold a use.
REDEEMED, HELD = 20, 100

#: Bars, in seconds and MiB.
MOST_FOR_PAGE, MOST_FOR_EXPORT, MOST_FOR_REVOKING = 1, 30, 60
MOST_MEMORY_MIB = 100

STATES = ("usable", "used", "held", "not_yet_valid", "expired", "revoked")


def configure(alias: str, directory: str) -> None:
    names = (name for name in dir(example) if name.isupper())
    values = {name: getattr(example, name) for name in names}
    databases = {"default": example.database(alias, NAME)}
    databases["default"]["TEST"] = {"NAME": str(Path(directory) / "test.sqlite3")}
    if alias != "sqlite":
        del databases["default"]["TEST"]
    values |= {"DATABASES": databases, "DEBUG": False, "INVITE_CODE_SEED_COUNT": 0}
    settings.configure(**values | {"ALLOWED_HOSTS": ["*"]})
    django.setup()


def prepare(count: int) -> Any:
    """Return a batch of so many codes, some of them redeemed, some held."""
    from django.contrib.auth.models import User

    from invite_code.handing_out import hand_out
    from invite_code.issuing import issue
    from invite_code.models import Hold, InviteCode, Redemption

    batch = issue(count, label="A million")
    pks = list(batch.codes.order_by("pk").values_list("pk", flat=True)[::REDEEMED])
    User.objects.create_superuser("admin")
    with transaction.atomic():
        for start in range(0, len(pks), 1000):
            some = pks[start : start + 1000]
            InviteCode.objects.filter(pk__in=some).update(uses=1)
            Redemption.objects.bulk_create(
                Redemption(code_id=pk, user_pk=str(pk), username=f"user{pk}")
                for pk in some
            )
        Hold.objects.bulk_create(
            Hold(
                code_id=pk + 1,
                key=str(pk),
                expires_at=timezone.now() + timezone.timedelta(hours=1),
            )
            for pk in pks[:HELD]
        )
    hand_out(batch, count // 1000 or 1, to="A partner")
    if connections["default"].vendor != "mysql":
        connections["default"].cursor().execute("ANALYZE")
    return batch


def timed(action: Callable[[], Any]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def pages(batch: Any) -> dict[str, str]:
    """Return the addresses that are asked for, by what they show."""
    code, line = batch.codes.order_by("pk")[len(STATES)], batch.hand_outs.get()
    codes = "/admin/invite_code/invitecode/"
    batches = "/admin/invite_code/invitebatch/"
    filters = {f"codes, {state}": f"{codes}?state={state}" for state in STATES}
    return {
        "codes": codes,
        **filters,
        "codes of the batch": f"{codes}?batch__id__exact={batch.pk}",
        "codes handed out": f"{codes}?hand_out__isempty=0",
        "codes of a hand-out": f"{codes}?hand_out__id__exact={line.pk}",
        "codes, the last page": f"{codes}?p={batch.codes.count() // 100}",
        "search": f"{codes}?q={code.code}",
        "page of a code": f"{codes}{code.pk}/change/",
        "batches": batches,
        "page of the batch": f"{batches}{batch.pk}/change/",
        "hand-out form": f"{batches}{batch.pk}/hand-out/",
        "export form": f"{batches}{batch.pk}/export/",
        "redemptions": "/admin/invite_code/redemption/",
    }


def browse(batch: Any) -> bool:
    """Ask for each page twice, and return whether each came in time."""
    from django.contrib.auth.models import User
    from django.test import Client

    client, slow = Client(), 0
    client.force_login(User.objects.get())

    def get(address: str) -> None:
        response = client.get(address)
        assert response.status_code == 200, (address, response.status_code)

    for name, address in pages(batch).items():
        get(address)
        elapsed = timed(lambda address=address: get(address))
        slow += elapsed > MOST_FOR_PAGE
        print(f"  {name:24}{elapsed:7.2f} s  (at most {MOST_FOR_PAGE})")
    return not slow


def _export(batch_pk: int, format_: str) -> tuple[float, float, int]:
    from invite_code.exporting import FORMATS
    from invite_code.models import InviteCode

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    codes, start, size = InviteCode.objects.filter(batch=batch_pk), time.time(), 0
    for part in FORMATS[format_](codes):
        size += len(part)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return time.time() - start, (after - before) / 1024, size


def export(batch: Any) -> bool:
    """Export all codes, and return whether that was quick and took little memory."""
    reached = []
    for format_ in ("csv", "jsonl"):
        connections.close_all()
        with get_context("fork").Pool(1) as pool:
            elapsed, mib, size = pool.apply(_export, (batch.pk, format_))
        print(
            f"  export as {format_:5} {elapsed:14.2f} s  (at most {MOST_FOR_EXPORT}),"
            f" {mib:.0f} MiB more memory  (at most {MOST_MEMORY_MIB}),"
            f" {size / 2**20:.0f} MiB"
        )
        reached += [elapsed <= MOST_FOR_EXPORT, mib <= MOST_MEMORY_MIB]
    return all(reached)


def revoke(batch: Any, count: int) -> bool:
    """Revoke all codes by the action of the list, and restore them."""
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.get())
    pk = batch.codes.first().pk
    data = {"_selected_action": pk, "select_across": "1", "index": "0"}
    reached = []
    for action, left in (("revoke", 0), ("restore", count)):
        address = f"/admin/invite_code/invitecode/?batch__id__exact={batch.pk}"
        elapsed = timed(
            lambda action=action, address=address: client.post(
                address, data | {"action": action}
            )
        )
        assert batch.codes.filter(revoked_at=None).count() == left
        print(f"  {action} all {elapsed:19.2f} s  (at most {MOST_FOR_REVOKING})")
        reached.append(elapsed <= MOST_FOR_REVOKING)
    return all(reached)


def run(alias: str, count: int) -> int:
    """Measure in a database of its own; return 1 if a bar was missed."""
    with tempfile.TemporaryDirectory() as directory:
        configure(alias, directory)
        creation = connections["default"].creation
        creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        try:
            print(f"\n{alias}: {count:,} codes")
            batch = prepare(count)
            reached = [browse(batch), export(batch), revoke(batch, count)]
        finally:
            creation.destroy_test_db(NAME, verbosity=0)
    return 0 if all(reached) else 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Time the admin with a million codes.")
    parser.add_argument("vendors", nargs="*", metavar="VENDOR", default=VENDORS)
    parser.add_argument("--codes", type=int, default=1_000_000)
    options = parser.parse_args()
    results = []
    for alias in options.vendors:  # Settings are made once for a process.
        process = get_context("fork").Process(
            target=lambda alias=alias: os._exit(run(alias, options.codes))
        )
        sys.stdout.flush()
        process.start()
        process.join()
        results.append(process.exitcode)
    print("\nA bar was missed." if any(results) else "\nAll bars reached.")
    return int(any(results))


if __name__ == "__main__":
    sys.exit(main())
