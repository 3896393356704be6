import os
import signal
import time
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from threading import Thread, get_ident

import pytest
from django.db import connections, transaction
from django.db.models.signals import (
    post_delete,
    post_save,
    pre_delete,
    pre_save,
)
from django.utils import timezone

from invite_code import stressing
from invite_code.errors import CodesExhausted, Exhausted
from invite_code.models import InviteBatch, InviteCode, Redemption
from invite_code.redemption import hold, redeem
from invite_code.retrying import retry
from invite_code.stressing import SURPLUS, redeem_by_driver, stress


def check_then_save(code, user, *, using):
    """Redeem as most do it: read, compare, and write."""
    row = InviteCode.objects.using(using).get(code=code)
    if row.uses >= row.max_uses:
        raise Exhausted
    time.sleep(0.02)  # What a form, a hasher and a mail take easily.
    row.uses += 1
    row.save(using=using)
    Redemption.objects.using(using).create(code=row)


def burn(code, user, *, using):
    """Count a use, and tell that it was refused."""
    redeem(code, user, using=using)
    raise Exhausted


def fail(code, user, *, using):
    raise RuntimeError("No route to host")


def die(code, user, *, using):
    os._exit(1)


def all_rows(alias):
    """Return all that a database holds, table by table."""
    rows = {}
    with connections[alias].cursor() as cursor:
        for table in connections[alias].introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connections[alias].ops.quote_name(table)}")
            rows[table] = sorted(map(repr, cursor.fetchall()))
    return rows


@contextmanager
def listening(*signals):
    """Yield what is sent with some signals meanwhile."""
    sent = []

    def receiver(signal, **kwargs):
        sent.append(signal)

    for each in signals:
        each.connect(receiver)
    yield sent
    for each in signals:
        each.disconnect(receiver)


@pytest.mark.parametrize(("workers", "max_uses"), [(4, 1), (2, 3)])
def test_each_code_is_redeemed_exactly_as_often_as_it_allows(
    seeded_database, workers, max_uses
):
    verdict = stress(
        workers=workers, codes=20, max_uses=max_uses, using=seeded_database
    )
    assert verdict.granted == 20 * max_uses
    assert verdict.refused == 20 * SURPLUS
    assert verdict.tries == verdict.granted + verdict.refused
    assert (verdict.oversold, verdict.lost, verdict.errors) == (0, 0, [])
    assert verdict.driver_errors == []
    assert verdict.wrong == 0
    assert verdict.per_second > 0
    assert verdict.driver_per_second > 0


def test_of_check_then_save_it_finds_what_was_oversold(seeded_database):
    name = f"{__name__}.{check_then_save.__name__}"
    verdict = stress(
        workers=4, codes=20, max_uses=1, using=seeded_database, _redeem=name
    )
    assert verdict.oversold > 0
    assert verdict.wrong > 0


def test_of_uses_that_nobody_got_it_finds_that_they_are_lost(seeded_database):
    name = f"{__name__}.{burn.__name__}"
    verdict = stress(
        workers=2, codes=5, max_uses=2, using=seeded_database, _redeem=name
    )
    assert (verdict.granted, verdict.oversold, verdict.lost) == (0, 0, 10)


def test_errors_are_counted_and_kept(seeded_database):
    name = f"{__name__}.{fail.__name__}"
    verdict = stress(
        workers=2, codes=5, max_uses=1, using=seeded_database, _redeem=name
    )
    assert set(verdict.errors) == {"RuntimeError: No route to host"}
    race, timed = 5 * (1 + SURPLUS), 5 * stressing.TURNS
    assert len(verdict.errors) == race + timed
    assert verdict.wrong == len(verdict.errors) + 5
    assert verdict.per_second == 0
    assert verdict.driver_per_second > 0


def test_a_driver_that_fails_is_nothing_wrong_but_told(seeded_database, monkeypatch):
    monkeypatch.setattr(stressing, "DRIVER", f"{__name__}.{fail.__name__}")
    verdict = stress(workers=2, codes=5, max_uses=1, using=seeded_database)
    tries = 5 * stressing.TURNS
    assert verdict.driver_errors == ["RuntimeError: No route to host"] * tries
    assert verdict.driver_per_second == 0
    assert (verdict.errors, verdict.wrong) == ([], 0)
    assert verdict.per_second > 0


@pytest.fixture
def used_database(seeded_database):
    """The alias of a database in which a code was used, and another one is held."""
    codes = InviteCode.objects.using(seeded_database).values_list("code", flat=True)
    redeem(codes[0], None, using=seeded_database)
    hold(codes[1], "session", timedelta(hours=1), using=seeded_database)
    return seeded_database


def test_other_rows_stay_as_they_are_and_its_own_are_removed(used_database):
    before = all_rows(used_database)
    assert sum(map(len, before.values())) > 5
    with listening(pre_save, post_save, pre_delete, post_delete) as sent:
        stress(workers=2, codes=5, max_uses=1, using=used_database)
    assert all_rows(used_database) == before
    assert sent == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ConnectionError])
def test_when_it_is_stopped_its_rows_are_removed_too(used_database, monkeypatch, error):
    before, fire = all_rows(used_database), stressing._fire

    def fire_once(*args):
        fire(*args)
        assert Redemption.objects.using(used_database).count() == 1 + 5
        raise error

    monkeypatch.setattr(stressing, "_fire", fire_once)
    with pytest.raises(error):
        stress(workers=2, codes=5, max_uses=1, using=used_database)
    assert all_rows(used_database) == before


def test_a_worker_that_dies_ends_it_and_its_rows_are_removed(used_database):
    before, name = all_rows(used_database), f"{__name__}.{die.__name__}"
    with pytest.raises(ChildProcessError, match="ended by itself"):
        stress(workers=2, codes=5, max_uses=1, using=used_database, _redeem=name)
    assert all_rows(used_database) == before


def test_a_transaction_of_a_worker_that_was_ended_is_waited_for(used_database):
    before = all_rows(used_database)
    [code] = stressing._prepare("stress-test", 1, 1, used_database)
    redeemed = []

    def redeem_slowly():
        with transaction.atomic(using=used_database):
            redeem(code, None, using=used_database)
            redeemed.append(code)
            time.sleep(0.5)
        connections[used_database].close()

    thread = Thread(target=redeem_slowly)
    thread.start()
    while not redeemed:
        time.sleep(0.01)
    retry(partial(stressing._remove, "stress-test", used_database), using=used_database)
    thread.join()
    assert all_rows(used_database) == before


def test_control_c_is_put_off_while_workers_are_started():
    started = []

    def start():
        with stressing._interrupts_blocked():
            signal.pthread_kill(get_ident(), signal.SIGINT)
            started.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    with pytest.raises(KeyboardInterrupt):
        start()
    assert started == [{signal.SIGINT}]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


def test_where_signals_cannot_be_blocked_it_works_too(seeded_database, monkeypatch):
    monkeypatch.delattr(signal, "pthread_sigmask")
    verdict = stress(workers=1, codes=1, max_uses=1, using=seeded_database)
    assert (verdict.granted, verdict.wrong) == (1, 0)


def test_without_free_codes_it_does_not_begin(used_database, settings):
    settings.INVITE_CODE_LENGTH = 2
    before = all_rows(used_database)
    with pytest.raises(CodesExhausted):
        stress(workers=2, codes=33, max_uses=1, using=used_database)
    assert all_rows(used_database) == before


def test_the_driver_does_what_the_service_does(seeded_database):
    batch_id = InviteBatch.objects.using(seeded_database).get().pk
    stored = []
    for way in (redeem, redeem_by_driver):
        [code] = stressing._prepare(f"stress-{way.__name__}", 1, 1, seeded_database)
        connections[seeded_database].ensure_connection()
        way(code, None, using=seeded_database)
        with pytest.raises(Exhausted):
            way(code, None, using=seeded_database)
        row = InviteCode.objects.using(seeded_database).get(code=code)
        redemption = row.redemptions.get()
        assert row.batch_id != batch_id
        values = vars(redemption)
        stored.append(
            (row.uses, {n: values[n] for n in ("user_id", "user_pk", "username")})
        )
        assert abs(redemption.redeemed_at.timestamp() - time.time()) < 60
    ours, drivers = stored
    assert ours == drivers
    assert ours[0] == 1


def test_what_the_driver_cannot_do_it_takes_back(seeded_database, monkeypatch):
    [code] = stressing._prepare("stress-test", 1, 1, seeded_database)
    take, record, values = stressing.statements_for_driver(seeded_database)
    broken = (take, record.replace("user_pk", "nobody", 1), values)
    monkeypatch.setattr(stressing, "statements_for_driver", lambda using: broken)
    with pytest.raises(Exception, match="nobody"):
        redeem_by_driver(code, None, using=seeded_database)
    assert InviteCode.objects.using(seeded_database).get(code=code).uses == 0


def test_what_a_killed_one_has_left_is_removed_when_its_codes_have_expired(
    seeded_database,
):
    batches = InviteBatch.objects.using(seeded_database)
    for age in (timedelta(minutes=59), timedelta(minutes=61)):
        created_at = timezone.now() - age
        left = batches.create(key=f"stress-{age}", created_at=created_at)
        InviteCode.objects.using(seeded_database).create(batch=left, code=str(age))
    stress(workers=1, codes=1, max_uses=1, using=seeded_database)
    kept = batches.filter(key__startswith="stress-").values_list("key", flat=True)
    assert list(kept) == ["stress-0:59:00"]
