"""Time the flight recorder beside Django as it is, and beside Sentry's integration.

    python -m pip install sentry-sdk
    python -m benchmarks.recorder [--rounds 15]

The ways take turns in one process, because a machine's speed drifts; what counts is the
median of what they take more than Django as it is, in the same round. One emission is a
``post_save`` of a user, sent by hand. It also counts memory, and looks whether every
nested emission has the parent it should have, with threads and with requests at once.

Exits 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from multiprocessing import get_context
from typing import Any

import django
from django.conf import settings
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.urls import path

#: Emissions in one turn.
COUNT = 5_000
#: The bars: what an emission may take more, in microseconds and beside Sentry's; what
#: one may take when nothing records; what may differ in memory, in MiB.
MOST_MORE, LEAST_BESIDE_SENTRY, MOST_OFF, MOST_EXTRA_MIB = 5.0, 3.0, 1.05, 16
#: What an emission with one receiver takes Django where that many microseconds were
#: asked for. Machines differ by a factor of three, so they count in proportion.
OF_DJANGO = 1.02

THREADS, NESTED, REQUESTS = 8, 10_000, 100

outer, inner = Signal(), Signal()


def receive(sender: object, **kwargs: object) -> None:
    """Do nothing, as quickly as can be."""


def configure() -> None:
    """Set Django up for a project without receivers of its own."""
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": database},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "signals_demo.recorder",
        ],
        ROOT_URLCONF=__name__,
    )
    django.setup()


def turn() -> float:
    """Return the microseconds that one emission takes."""
    from django.contrib.auth import get_user_model

    user = get_user_model()
    instance = user(pk=1)
    gc.collect()
    begun = time.perf_counter()
    for _ in range(COUNT):
        post_save.send(
            user,
            instance=instance,
            created=True,
            update_fields=None,
            raw=False,
            using="default",
        )
    return (time.perf_counter() - begun) / COUNT * 1e6


@contextmanager
def recording() -> Iterator[None]:
    from signals_demo.recorder import record

    with record():
        yield


def with_sentry() -> Callable[[], Any]:
    """Set Sentry up, and return what switches its hook on for a while."""
    import sentry_sdk
    from sentry_sdk.integrations.django import DjangoIntegration

    of_django = Signal._live_receivers
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        traces_sample_rate=0,
        transport=lambda envelope: None,
        integrations=[DjangoIntegration()],
        default_integrations=False,
    )
    of_sentry = Signal._live_receivers
    assert of_sentry is not of_django
    Signal._live_receivers = of_django

    @contextmanager
    def hooked() -> Iterator[None]:
        Signal._live_receivers = of_sentry
        yield
        Signal._live_receivers = of_django

    return hooked


def measure(rounds: int) -> bool:
    """Print what each way takes, and return whether the bars were reached."""
    ways = {"django": nullcontext, "recorder off": nullcontext, "recording": recording}
    try:
        ways["sentry"] = with_sentry()
    except ImportError:
        print("sentry-sdk is not installed: the bar beside it is not measured.")
    reached = "sentry" in ways
    for receivers in (0, 1, 3):
        for number in range(receivers):
            post_save.connect(receive, dispatch_uid=number)
        times: dict[str, list[float]] = {name: [] for name in ways}
        for round_ in range(rounds + 1):
            for name, way in ways.items():
                with way():
                    times[name].append(turn())
            if not round_:
                times = {name: [] for name in ways}  # The first one warms up.
        reached &= report(receivers, times)
    return reached


def report(receivers: int, times: dict[str, list[float]]) -> bool:
    bare = times["django"]
    more = {
        name: statistics.median(
            each - other for each, other in zip(values, bare, strict=True)
        )
        for name, values in times.items()
    }
    off = statistics.median(
        each / other for each, other in zip(times["recorder off"], bare, strict=True)
    )
    print(f"\n{receivers} receivers: {statistics.median(bare):.2f} us as Django is")
    print(f"  off        {off:.2f} x  (at most {MOST_OFF})")
    print(f"  recording {more['recording']:+6.2f} us")
    reached = off <= MOST_OFF
    if receivers == 1:
        scaled = more["recording"] * OF_DJANGO / statistics.median(bare)
        print(f"            {scaled:+6.2f} us where Django takes {OF_DJANGO} us")
        print(f"            (at most {MOST_MORE:+})")
        reached &= scaled <= MOST_MORE
    if "sentry" in more:
        beside = more["sentry"] / more["recording"]
        print(f"  sentry    {more['sentry']:+6.2f} us, {beside:.1f} x the recorder's")
        if receivers == 1:
            print(f"            (at least {LEAST_BESIDE_SENTRY} x)")
            reached &= beside >= LEAST_BESIDE_SENTRY
    return reached


def memory_of(saves: int, results: Any) -> None:
    """Put the peak memory, in MiB, of that many ``save()`` in one recording."""
    configure()
    from django.contrib.auth.models import Group
    from django.core.management import call_command

    from signals_demo.recorder import record

    call_command("migrate", verbosity=0)
    with record(everywhere=True) as recorded:
        for number in range(saves):
            Group(pk=number % 100 + 1, name=f"Group {number % 100}").save()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    results.put((peak, sum(recorded.dropped.values())))


def measure_memory() -> bool:
    peaks = []
    context = get_context("spawn")
    for saves in (10_000, 100_000):
        results = context.Queue()
        process = context.Process(target=memory_of, args=(saves, results))
        process.start()
        peak, dropped = results.get()
        process.join()
        peaks.append(peak)
        print(f"{saves:,} save(): {peak:.0f} MiB, {dropped:,} entries dropped")
    print(f"  {peaks[1] - peaks[0]:+.0f} MiB  (at most {MOST_EXTRA_MIB:+})")
    return peaks[1] - peaks[0] <= MOST_EXTRA_MIB


def send_nested(sender: object, number: int, **kwargs: object) -> None:
    inner.send(sender, number=number)


async def asend_nested(sender: object, number: int, **kwargs: object) -> None:
    await asyncio.sleep(0.001)
    await inner.asend(sender, number=number)


def wrong_parents(recorded: Any) -> int:
    """Return how many nested emissions are not where they belong."""
    from signals_demo.recorder.trace import Emission, walk

    wrong = 0
    for entry, above in walk(recorded):
        if isinstance(entry, Emission) and entry.name == "inner":
            parent = next(each for each in above[::-1] if isinstance(each, Emission))
            wrong += (parent.name, parent.sender, parent.arguments) != (
                "outer",
                entry.sender,
                entry.arguments,
            )
    return wrong


def look_at_threads() -> bool:
    """Send nested signals in threads at once, and look at their parents."""
    from signals_demo.recorder import record

    outer.connect(send_nested)
    sends = THREADS * NESTED

    def work(thread: int) -> None:
        for number in range(NESTED):
            outer.send(f"thread {thread}", number=number)

    with (
        record(everywhere=True, max_entries=3 * sends, max_bytes=10**10) as recorded,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        list(pool.map(work, range(THREADS)))
    outer.disconnect(send_nested)
    seen = sum(1 for _ in recorded.emissions())
    wrong = wrong_parents(recorded)
    print(f"{THREADS} threads x {NESTED:,}: {seen:,} seen, {wrong} wrong parents")
    return seen == 2 * sends and not wrong


async def view(request: HttpRequest, number: int) -> HttpResponse:
    """Send a signal that awaits, and sends another one."""
    await outer.asend(f"request {number}", number=number)
    return HttpResponse()


urlpatterns = [path("<int:number>", view)]


def look_at_requests() -> bool:
    """Answer requests at once, and look at the parents of what they send."""
    from django.test import AsyncClient

    from signals_demo.recorder import record

    outer.connect(asend_nested)
    inner.connect(areceive)

    async def ask() -> None:
        await asyncio.gather(*(AsyncClient().get(f"/{n}") for n in range(REQUESTS)))

    with record() as recorded:
        asyncio.run(ask())
    outer.disconnect(asend_nested)
    inner.disconnect(areceive)
    seen = sum(1 for each in recorded.emissions() if each.name == "inner")
    wrong = wrong_parents(recorded)
    print(f"{REQUESTS} requests at once: {seen} seen, {wrong} wrong parents")
    return seen == REQUESTS and not wrong


async def areceive(sender: object, **kwargs: object) -> None:
    """Await, as receivers do."""
    await asyncio.sleep(0)


def main() -> int:
    parser = argparse.ArgumentParser(description="Time the recorder.")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    configure()
    results = [measure(options.rounds)]
    print()
    results += [measure_memory(), look_at_threads(), look_at_requests()]
    print("\nAll bars reached." if all(results) else "\nA bar was missed.")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
