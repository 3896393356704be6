"""Codes live any life: a plain model of each says what the database must answer."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from django.db import transaction
from django.db.models import ProtectedError
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from invite_code import errors, redemption
from invite_code.explaining import explain
from invite_code.models import Hold, InviteBatch, InviteCode, Redemption
from tests.factories import InviteBatchFactory, InviteCodeFactory, UserFactory

START = datetime(2030, 1, 1, tzinfo=UTC)


def seldom(strategy):
    """Return None but for once in five times, or most codes would let nobody in."""
    return st.integers(0, 4).flatmap(lambda n: strategy if n == 4 else st.none())


SECOND = timedelta(seconds=1)
SECONDS = st.integers(1, 9).map(SECOND.__mul__)
KEYS = st.sampled_from(["one", "two", "three"])
PEOPLE = st.integers(0, 3)


@dataclass
class Model:
    """What a code is, without a database."""

    text: str
    batch: int
    max_uses: int | None
    email: str
    valid_from: datetime | None
    expires_at: datetime | None
    revoked: bool = False
    users: list[int] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)

    def live(self, now, key=""):
        return [
            hold for hold in self.holds if hold.expires_at > now and hold.key != key
        ]

    def refusal(self, now, batch_revoked, email, key=""):
        taken = len(self.users) + len(self.live(now, key))
        reasons = {
            errors.Revoked: self.revoked or batch_revoked,
            errors.NotYetValid: self.valid_from and now < self.valid_from,
            errors.Expired: self.expires_at and self.expires_at <= now,
            errors.WrongEmail: email is not None and self.email not in ("", email),
            errors.Exhausted: self.max_uses is not None and taken >= self.max_uses,
        }
        return next((reason for reason, holds in reasons.items() if holds), None)


class Lives(RuleBasedStateMachine):
    codes = Bundle("codes")
    holds = Bundle("holds")

    def __init__(self):
        super().__init__()
        self.now = START
        self.clock = mock.patch("django.utils.timezone.now", self.tell_time)
        self.clock.start()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.batches = [InviteBatchFactory().pk for _ in range(2)]
        self.revoked_batches = set()
        self.people = [self.somebody(number) for number in range(4)]
        self.models = {}

    def teardown(self):
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)
        self.clock.stop()

    def tell_time(self):
        return self.now

    def somebody(self, number):
        return UserFactory(email=f"Person{number}@example.com")

    def email(self, person):
        return self.people[person].email.lower()

    def refusal(self, model, email, key=""):
        revoked = model.batch in self.revoked_batches
        return model.refusal(self.now, revoked, email, key)

    @precondition(lambda self: len(self.models) < 3)
    @rule(
        target=codes,
        batch=st.integers(0, 1),
        max_uses=st.sampled_from([None, 1, 1, 2, 3]),
        bound_to=seldom(PEOPLE),
        wait=seldom(SECONDS),
        life=seldom(SECONDS),
    )
    def issue(self, batch, max_uses, bound_to, wait, life):
        email = "" if bound_to is None else self.email(bound_to)
        window = {
            "valid_from": wait and self.now + wait,
            "expires_at": life and self.now + life,
        }
        values = {"max_uses": max_uses, "email": email, **window}
        code = InviteCodeFactory(batch_id=self.batches[batch], **values)
        self.models[code.pk] = Model(code.code, self.batches[batch], **values)
        return code.pk

    @rule(target=holds, pk=codes, key=KEYS, ttl=SECONDS, known=seldom(PEOPLE))
    def hold(self, pk, key, ttl, known):
        if (model := self.models.get(pk)) is None:
            return multiple()
        email = None if known is None else self.email(known)
        reason = self.refusal(model, email, key)
        if reason:
            with pytest.raises(reason):
                redemption.hold(model.text, key, ttl, email=email)
            return multiple()
        hold = redemption.hold(model.text, key, ttl, email=email)
        model.holds = [*model.live(self.now, key), hold]
        return pk, hold

    @rule(held=consumes(holds))
    def release(self, held):
        if held[0] not in self.models:
            return
        pk, hold = held
        redemption.release(hold)
        if hold in self.models[pk].holds:
            self.models[pk].holds.remove(hold)

    @rule(pk=codes, person=PEOPLE)
    def redeem(self, pk, person):
        if pk in self.models:
            self.try_to_redeem(pk, person)

    @rule(held=holds, person=PEOPLE)
    def redeem_what_is_held(self, held, person):
        if held[0] in self.models:
            self.try_to_redeem(held[0], person, held[1])

    def try_to_redeem(self, pk, person, hold=None):
        model, user = self.models[pk], self.people[person]
        key = hold.key if hold else ""
        reason = self.refusal(model, self.email(person), key)
        if user.pk in model.users:
            redeemed = redemption.redeem(model.text, user, hold=hold)
            assert redeemed == Redemption.objects.get(code=pk, user=user)
            model.holds = [other for other in model.holds if other != hold]
        elif reason:
            with pytest.raises(reason):
                redemption.redeem(model.text, user, hold=hold)
        else:
            assert redemption.redeem(model.text, user, hold=hold).user == user
            model.users.append(user.pk)
            if hold:
                model.holds = model.live(self.now, key)

    @rule(pk=codes, revoked=seldom(st.just(True)))
    def revoke(self, pk, revoked):
        if pk in self.models:
            self.models[pk].revoked = bool(revoked)
            moment = self.now if revoked else None
            InviteCode.objects.filter(pk=pk).update(revoked_at=moment)

    @rule(batch=st.integers(0, 1), revoked=seldom(st.just(True)))
    def revoke_batch(self, batch, revoked):
        pk = self.batches[batch]
        (self.revoked_batches.add if revoked else self.revoked_batches.discard)(pk)
        moment = self.now if revoked else None
        InviteBatch.objects.filter(pk=pk).update(revoked_at=moment)

    @rule(pk=codes, really=seldom(st.just(True)))
    def expire(self, pk, really):
        if really and pk in self.models:
            self.models[pk].expires_at = self.now
            InviteCode.objects.filter(pk=pk).update(expires_at=self.now)

    @rule(time=st.sampled_from([1, 2, 5]).map(SECOND.__mul__))
    def wait(self, time):
        self.now += time

    @rule(person=PEOPLE)
    def delete_user(self, person):
        self.people[person].delete()
        self.people[person] = self.somebody(person)

    @rule(pk=codes, really=seldom(st.just(True)))
    def delete_code(self, pk, really):
        if not really or pk not in self.models:
            return
        code = InviteCode.objects.get(pk=pk)
        if self.models[pk].users:
            with pytest.raises(ProtectedError):
                code.delete()
        else:
            code.delete()
            del self.models[pk]

    @invariant()
    def database_says_what_the_models_say(self):
        codes = InviteCode.objects.prefetch_related("redemptions", "holds")
        for code in codes:
            model = self.models[code.pk]
            redeemers = [redemption.user_pk for redemption in code.redemptions.all()]
            assert sorted(redeemers) == sorted(map(str, model.users))
            assert code.uses == len(model.users)
            assert code.max_uses is None or code.uses <= code.max_uses
            live = [hold for hold in code.holds.all() if hold.expires_at > self.now]
            assert set(live) == set(model.live(self.now))
        assert len(codes) == len(self.models)

    @rule(pk=codes)
    def explain(self, pk):
        if pk in self.models:
            reason = self.refusal(self.models[pk], None)
            refusal = explain(self.models[pk].text).refusal
            assert (refusal and type(refusal)) == reason


@pytest.mark.django_db
def test_no_life_of_a_code_breaks_what_holds_for_all():
    InviteCode.objects.all().delete()  # Those that migrate has seeded.
    run_state_machine_as_test(
        Lives,
        settings=settings(
            deadline=None,
            max_examples=20,
            stateful_step_count=50,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
