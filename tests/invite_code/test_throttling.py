import logging
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier
from time import sleep
from uuid import uuid4

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache

from invite_code import throttling
from invite_code.errors import Exhausted, Malformed, Throttled, Unknown
from invite_code.throttling import PAUSE, Limit, client, limited

THREADS = 64

LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
REDIS = "django.core.cache.backends.redis.RedisCache"
REDIS_SERVER = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/11")


class NotAtomicCache(LocMemCache):
    """It counts as the caches in files and in the database do, and takes its time."""

    def incr(self, key, delta=1, version=None):
        count = self.get(key, version=version) + delta
        sleep(0.05)
        self.set(key, count, version=version)
        return count


class BrokenCache(LocMemCache):
    def incr(self, key, delta=1, version=None):
        raise ConnectionError("Nobody is there.")


class UnreachableCache(BrokenCache):
    def add(self, key, value, timeout=None, version=None):
        raise ConnectionError("Nobody is there.")


class CacheThatBreaksLater(LocMemCache):
    def decr(self, key, delta=1, version=None):
        raise ConnectionError("Nobody is there any more.")


@pytest.fixture(autouse=True)
def clock(monkeypatch, settings):
    """A clock that stands still at the beginning of an hour, and counts from zero."""
    use_cache(settings, LOCMEM)

    class Clock:
        now = 1_000_000 * 3600

        def time(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(throttling, "time", clock)
    return clock


@pytest.fixture
def limits(settings):
    def set_limits(client="", total=""):
        settings.INVITE_CODE_CLIENT_LIMIT = client
        settings.INVITE_CODE_TOTAL_LIMIT = total

    return set_limits


def use_cache(settings, backend, location=None):
    settings.CACHES = {
        "default": {
            "BACKEND": backend if "." in backend else f"{__name__}.{backend}",
            "LOCATION": location or uuid4().hex,
            "KEY_PREFIX": uuid4().hex,
        }
    }


def request_from(rf, address="192.0.2.1", **headers):
    return rf.get("/", REMOTE_ADDR=address, headers=headers)


def outcome(request, error=Unknown):
    """Return what comes of a try, which the error refuses if it is judged."""
    try:
        with suppress(error or ()), limited(request):
            if error:
                raise error
    except Throttled:
        return "throttled"
    return "judged"


def outcomes(request, count, error=Unknown):
    return [outcome(request, error) for _ in range(count)]


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("20/hour", (20, 3600)),
        ("1/second", (1, 1)),
        ("5/minute", (5, 60)),
        ("999999999/day", (999999999, 86400)),
        ("", None),
    ],
)
def test_a_limit_is_tries_in_a_period(text, limit):
    assert Limit.parse(text) == limit


@pytest.mark.parametrize(
    "text",
    [
        *(
            "0/hour",
            "00/hour",
            "-1/hour",
            "+1/hour",
            "1.5/hour",
            "1_0/hour",
            "9" * 5000,
        ),
        *("20", "/", "20/", "/hour", "20/week", "20/hours", "20/Hour", "20 /hour"),
        *("20/hour ", " ", "20/60", "20/hour/hour", "²/hour", "٢/hour", "twenty/hour"),
        *("20/hour\n", "none", "0"),
    ],
)
def test_what_is_no_limit_is_said(text):
    with pytest.raises(ValueError, match="is not a limit such as 20/hour"):
        Limit.parse(text)


def test_refused_codes_of_a_client_are_limited(rf, limits):
    limits(client="3/hour")
    request = request_from(rf)
    assert outcomes(request, 5) == ["judged"] * 3 + ["throttled"] * 2
    assert outcome(request_from(rf, "192.0.2.2")) == "judged"


def test_refused_codes_of_all_are_limited_together(rf, limits):
    limits(total="3/hour")
    requests = [request_from(rf, f"192.0.2.{i}") for i in range(5)]
    assert [outcome(request) for request in requests] == [
        *("judged", "judged", "judged", "throttled", "throttled")
    ]


def test_who_is_limited_alone_does_not_use_up_what_all_may_try(rf, limits):
    limits(client="2/hour", total="3/hour")
    assert outcomes(request_from(rf), 10).count("judged") == 2
    assert outcome(request_from(rf, "192.0.2.2")) == "judged"
    assert outcome(request_from(rf, "192.0.2.3")) == "throttled"


def test_what_all_may_try_does_not_use_up_what_a_client_may(rf, limits, clock):
    limits(client="2/day", total="1/hour")
    request = request_from(rf)
    assert outcomes(request, 5).count("judged") == 1
    clock.now += 3600
    assert outcomes(request, 5).count("judged") == 1
    clock.now += 3600
    assert outcome(request) == "throttled"


def test_without_limits_nothing_is_counted(rf, limits, settings):
    limits()
    use_cache(settings, "BrokenCache")
    assert outcomes(request_from(rf), 100) == ["judged"] * 100


@pytest.mark.parametrize("error", [None, Malformed, ZeroDivisionError])
def test_what_is_not_refused_is_not_counted(rf, limits, error):
    limits(client="1/hour", total="1/hour")
    request = request_from(rf)
    assert outcomes(request, 5, error) == ["judged"] * 5
    assert outcomes(request, 2, Exhausted) == ["judged", "throttled"]


def test_the_error_of_a_try_goes_on(rf, limits):
    limits(client="1/hour")
    error = Unknown()
    with pytest.raises(Unknown) as raised, limited(request_from(rf)):
        raise error
    assert raised.value is error


def test_tries_that_were_throttled_do_not_prolong_it(rf, limits, clock):
    limits(client="2/minute")
    request = request_from(rf)
    for _ in range(3):
        assert outcomes(request, 50).count("judged") == 2
        clock.now += 60


@pytest.mark.parametrize(
    ("period", "seconds"),
    [("second", 1), ("minute", 60), ("hour", 3600), ("day", 86400)],
)
def test_a_new_period_begins_by_the_clock(rf, limits, clock, period, seconds):
    limits(client=f"1/{period}")
    clock.now = 20_000 * 86400 + seconds - 1
    request = request_from(rf)
    assert outcomes(request, 2) == ["judged", "throttled"]
    clock.now += 1
    assert outcomes(request, 2) == ["judged", "throttled"]


@pytest.mark.parametrize(("passed", "left"), [(0, 3600), (0.9, 3600), (3599.9, 1)])
def test_it_is_said_when_to_try_again(rf, limits, clock, passed, left):
    limits(client="1/hour")
    request = request_from(rf)
    clock.now += passed
    outcome(request)
    with pytest.raises(Throttled) as throttled, limited(request):
        pytest.fail("It was judged.")
    assert throttled.value.retry_after == left


def test_a_try_is_given_back_to_the_period_it_was_counted_in(rf, limits, clock):
    limits(client="1/minute")
    request = request_from(rf)
    with limited(request):
        clock.now += 60
    assert outcomes(request, 2) == ["judged", "throttled"]


def parallel(request, error, count=THREADS):
    """Return how many of many tries at the same time are judged."""
    barrier = Barrier(count)

    def attempt(_):
        barrier.wait()
        try:
            return outcome(request, error)
        finally:
            close(caches["default"])

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(attempt, range(count))).count("judged")


def close(cache):
    """Close the connections to Redis, which Django leaves to the collector."""
    for pool in getattr(getattr(cache, "_cache", None), "_pools", {}).values():
        pool.disconnect()


@pytest.fixture(params=["locmem", "redis"])
def atomic_cache(request, settings):
    if request.param == "locmem":
        use_cache(settings, LOCMEM)
        yield
        return
    redis = pytest.importorskip("redis", reason="The package redis is not installed.")
    with redis.Redis.from_url(REDIS_SERVER) as server:
        try:
            server.ping()
        except redis.ConnectionError:
            pytest.skip("There is no Redis at 127.0.0.1:6379.")
        use_cache(settings, REDIS, REDIS_SERVER)
        yield
        close(caches["default"])
        server.delete(*server.keys(settings.CACHES["default"]["KEY_PREFIX"] + "*"))


@pytest.mark.usefixtures("atomic_cache")
@pytest.mark.parametrize("limit", [{"client": "20/day"}, {"total": "20/day"}])
def test_parallel_tries_are_counted_exactly(rf, limits, limit):
    limits(**limit)
    request = request_from(rf)
    assert parallel(request, Unknown) == 20
    assert parallel(request, Unknown) == 0


@pytest.mark.usefixtures("atomic_cache")
def test_parallel_tries_that_are_not_refused_leave_nothing_behind(rf, limits):
    limits(client=f"{THREADS}/day", total=f"{THREADS}/day")
    request = request_from(rf)
    assert parallel(request, None) == THREADS
    assert outcomes(request, THREADS + 1).count("judged") == THREADS


def test_a_cache_that_does_not_count_atomically_lets_through_more(rf, limits, settings):
    use_cache(settings, "NotAtomicCache")
    limits(client="20/day")
    assert parallel(request_from(rf), Unknown) > 20


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
        (None, ""),
        ("unix:", ""),
        ("192.0.2.256", ""),
        ("192.0.2.1, 192.0.2.2", ""),
        ("\0", ""),
        ("1" * 100_000, ""),
    ],
)
def test_a_client_is_an_address_or_a_network_of_version_6(rf, address, expected):
    request = request_from(rf)
    request.META["REMOTE_ADDR"] = address
    assert client(request) == expected


def test_a_server_that_tells_no_address_has_one_client(rf):
    request = request_from(rf)
    del request.META["REMOTE_ADDR"]
    assert client(request) == ""


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "198.51.100.1", "192.0.2.1"),
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "203.0.113.66, 198.51.100.1", "198.51.100.1"),
        (1, "203.0.113.66,198.51.100.1", "198.51.100.1"),
        (2, "203.0.113.66, 198.51.100.1, 10.0.0.1", "198.51.100.1"),
        (2, "198.51.100.1, 10.0.0.1", "198.51.100.1"),
        (2, "198.51.100.1", "198.51.100.1"),
        (1, "", "192.0.2.1"),
        (1, "198.51.100.1,", "192.0.2.1"),
        (1, "2001:db8::1", "2001:db8::/64"),
        (1, "unknown", ""),
        (1, "198.51.100.1:50123", "198.51.100.1"),
        (1, "[2001:db8::1]:50123", "2001:db8::/64"),
        (1, "for=198.51.100.1", ""),
        (1, "\u0661.2.3.4", ""),
        (1, ",".join(["203.0.113.66"] * 10_000), "203.0.113.66"),
    ],
)
def test_forwarded_addresses_count_as_far_as_proxies_are_trusted(
    rf, settings, proxies, forwarded, expected
):
    settings.INVITE_CODE_TRUSTED_PROXIES = proxies
    request = request_from(rf)
    request.META["HTTP_X_FORWARDED_FOR"] = forwarded
    assert client(request) == expected


def test_without_the_header_a_trusted_proxy_is_the_client(rf, settings):
    settings.INVITE_CODE_TRUSTED_PROXIES = 1
    assert client(request_from(rf)) == "192.0.2.1"


@pytest.mark.parametrize(("proxies", "judged"), [(0, 2), (1, 10)])
def test_a_forged_header_makes_no_new_client(rf, limits, settings, proxies, judged):
    settings.INVITE_CODE_TRUSTED_PROXIES = proxies
    limits(client="2/hour")
    forged = [
        request_from(rf, **{"X-Forwarded-For": f"203.0.113.{i}"}) for i in range(10)
    ]
    assert [outcome(request) for request in forged].count("judged") == judged


def test_what_is_left_of_the_trusted_proxies_makes_no_new_client(rf, limits, settings):
    settings.INVITE_CODE_TRUSTED_PROXIES = 1
    limits(client="2/hour")
    header = "203.0.113.{}, 198.51.100.1"
    forged = [
        request_from(rf, **{"X-Forwarded-For": header.format(i)}) for i in range(10)
    ]
    assert [outcome(request) for request in forged].count("judged") == 2


@pytest.mark.parametrize(
    "limit", [{"client": "20/hour"}, {"total": "20/hour"}, {"client": "1/second"}]
)
@pytest.mark.parametrize("cache", ["BrokenCache", "UnreachableCache"])
def test_a_broken_cache_is_a_limit_that_is_reached(
    rf, limits, settings, caplog, limit, cache
):
    limits(**limit)
    use_cache(settings, cache)
    with pytest.raises(Throttled) as throttled, limited(request_from(rf)):
        pytest.fail("It was judged.")
    assert throttled.value.retry_after == PAUSE
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "no code is judged" in record.getMessage()
    assert "Nobody is there." in caplog.text


def test_a_cache_that_breaks_in_between_is_too_strict_by_one(
    rf, limits, settings, caplog
):
    caplog.set_level(logging.DEBUG, logger=throttling.__name__)
    limits(client="2/hour")
    use_cache(settings, "CacheThatBreaksLater")
    request = request_from(rf)
    assert outcome(request, error=None) == "judged"
    assert "could not be taken back" in caplog.text
    assert outcomes(request, 2) == ["judged", "throttled"]


def test_a_try_that_the_cache_could_not_count_is_not_given_back(
    rf, limits, monkeypatch
):
    limits(client="2/hour")
    request = request_from(rf)
    incr = LocMemCache.incr

    def break_when_counting(self, key, delta=1, version=None):
        if delta > 0:
            raise ConnectionError("Nobody is there.")
        return incr(self, key, delta, version)

    with monkeypatch.context() as patch:
        patch.setattr(LocMemCache, "incr", break_when_counting)
        assert outcome(request) == "throttled"
    assert outcomes(request, 3) == ["judged", "judged", "throttled"]


def test_a_dummy_cache_limits_nothing_and_is_not_broken(rf, limits, settings, caplog):
    limits(client="1/hour", total="1/hour")
    use_cache(settings, "django.core.cache.backends.dummy.DummyCache")
    assert outcomes(request_from(rf), 10) == ["judged"] * 10
    assert not caplog.records


def test_the_setting_names_the_cache(rf, limits, settings):
    limits(client="1/hour")
    settings.CACHES = {
        "default": {"BACKEND": f"{__name__}.BrokenCache"},
        "counting": {"BACKEND": LOCMEM, "LOCATION": uuid4().hex},
    }
    settings.INVITE_CODE_CACHE = "counting"
    assert outcomes(request_from(rf), 2) == ["judged", "throttled"]
