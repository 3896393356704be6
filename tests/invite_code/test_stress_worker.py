import pytest
from django.db import connections

from invite_code import stress_worker
from invite_code.errors import Exhausted
from invite_code.models import InviteCode, Redemption
from invite_code.redemption import redeem
from invite_code.signals import invite_code_redeemed, invite_code_refused
from invite_code.stress_worker import silence, try_all, work
from tests.factories import InviteCodeFactory


@pytest.fixture
def receivers_come_back():
    signals = (invite_code_redeemed, invite_code_refused)
    before = [sent.receivers.copy() for sent in signals]
    yield
    for sent, receivers in zip(signals, before, strict=True):
        sent.receivers[:] = receivers


def grant_refuse_or_fail(code, user, *, using):
    if code == "full":
        raise Exhausted
    if code == "broken":
        raise RuntimeError("No route to host")


def test_each_try_is_counted_once_and_errors_are_kept():
    codes = ["free", "full", "free", "broken", "other", "full"]
    tally = try_all(grant_refuse_or_fail, codes, "default")
    assert tally.granted == {"free": 2, "other": 1}
    assert (tally.refused, tally.tries) == (2, 6)
    assert tally.errors == ["RuntimeError: No route to host"]
    assert 0 < tally.started < tally.ended


@pytest.mark.django_db
def test_once_silenced_nobody_hears(receivers_come_back, redeemed, refused):
    code = InviteCodeFactory(max_uses=2)
    try_all(redeem, [code.code], "default")
    try_all(redeem, ["4" * 16], "default")
    before = len(redeemed), len(refused)
    silence()
    tally = try_all(redeem, [code.code, "4" * 16], "default")
    assert (tally.granted.total(), tally.refused) == (1, 1)
    assert (len(redeemed), len(refused)) == before


class OtherEnd:
    """A pipe that brings some messages, then ends, and keeps the answers."""

    def __init__(self, *messages):
        self.messages, self.answers = [*messages], []
        self.send = self.answers.append

    def recv(self):
        if not self.messages:
            raise EOFError
        return self.messages.pop(0)


def test_a_worker_tries_what_comes_through_the_pipe_until_it_ends(
    receivers_come_back, monkeypatch, seeded_database, redeemed, refused
):
    monkeypatch.setattr(stress_worker.django, "setup", lambda: None)  # It is.
    code = InviteCode.objects.using(seeded_database).first()
    pipe = OtherEnd(
        ("invite_code.redemption.redeem", [code.code, code.code]),
        "go",
        (f"{__name__}.grant_refuse_or_fail", ["full"]),
        "go",
    )
    work(pipe, seeded_database, connections[seeded_database].settings_dict)
    ready, first, also_ready, second = pipe.answers
    assert ready == also_ready == "ready"
    assert (first.granted, first.refused, first.errors) == ({code.code: 1}, 1, [])
    assert (second.granted, second.refused) == ({}, 1)
    assert Redemption.objects.using(seeded_database).get().code_id == code.pk
    assert redeemed == refused == []
