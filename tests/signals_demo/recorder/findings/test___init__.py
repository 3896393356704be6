import asyncio

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import Signal

from signals_demo.recorder import mute, record
from signals_demo.recorder.findings import (
    KnownRecording,
    found,
    swallowed_errors,
)
from tests.signals_demo.recorder.eventful import eventful

order_paid = Signal()
HERE = __name__


def listen(sender, **kwargs):
    pass


def refuse(sender, **kwargs):
    raise ValueError("no")


async def wait(sender, **kwargs):
    await asyncio.sleep(0.002)


def told(recording):
    return [(each.kind, each.message) for each in found(recording)]


def test_errors_that_nobody_heard_of_are_found(connect):
    connect(refuse, order_paid)
    connect(listen, order_paid)
    with record() as recording:
        order_paid.send_robust(None)
        with pytest.raises(ValueError, match="no"):
            order_paid.send(None)
    assert [str(each) for each in swallowed_errors(recording)] == [
        f"{HERE}.refuse raised ValueError, which send_robust() of order_paid kept to "
        "itself."
    ]
    kinds = [each.kind for each in found(recording)]
    assert kinds == ["swallowed-error", "not-reached"]


def test_errors_that_somebody_heard_of_are_no_finding(connect):
    connect(listen, order_paid)
    connect(refuse, order_paid)
    with record() as recording:
        order_paid.send_robust("nobody raises")
        with pytest.raises(ValueError, match="no"):
            order_paid.send(None)
    # All were called, and the exception was raised.
    assert told(recording)[1:] == []
    assert told(recording)[0][0] == "swallowed-error"


def others(count):
    receivers = []
    for index in range(count):

        def other(sender, **kwargs):
            pass

        other.__qualname__ = f"other{index}"
        receivers.append(other)
    return receivers


def test_receivers_after_one_that_raises_are_found(connect):
    connect(listen, order_paid)
    connect(refuse, order_paid)
    rest = others(4)
    for each in rest[:1]:
        connect(each, order_paid)
    with record() as recording, pytest.raises(ValueError, match="no"):
        order_paid.send(None)
    for each in rest[1:]:
        connect(each, order_paid)
    with record() as more, mute(listen), pytest.raises(ValueError, match="no"):
        order_paid.send(None)
    assert told(recording) == [
        (
            "not-reached",
            f"{HERE}.refuse raised ValueError: 1 of 3 receivers of order_paid was not "
            f"called ({HERE}.other0).",
        )
    ]
    assert told(more) == [
        (
            "not-reached",
            f"{HERE}.refuse raised ValueError: 4 of 5 receivers of order_paid were not "
            f"called ({HERE}.other0, {HERE}.other1, {HERE}.other2, …).",
        )
    ]
    assert "send_robust()" in found(recording)[0].hint


@pytest.mark.django_db
def test_what_django_sends_cannot_be_sent_robustly(connect):
    from django.contrib.auth.models import Group

    connect(refuse, post_save, sender=Group)
    connect(listen, post_save, sender=Group)
    with record() as recording, pytest.raises(ValueError, match="no"):
        Group.objects.create(name="a")
    (finding,) = found(recording)
    assert finding.kind == "not-reached"
    assert "send_robust()" not in finding.hint


def test_the_last_receiver_keeps_nobody_from_being_called(connect):
    connect(refuse, order_paid)
    with record() as recording, pytest.raises(ValueError, match="no"):
        order_paid.send(None)
    assert told(recording) == []


def test_asynchronous_receivers_of_a_synchronous_send_are_a_note(connect):
    connect(wait, order_paid)
    connect(listen, order_paid)
    with record() as recording:
        for _ in range(3):
            order_paid.send(None)
    (finding,) = found(recording)
    assert finding.kind == "async-cost"
    start, took, end = finding.message.rpartition(" in ")
    assert start + took == (
        f"send() of order_paid waited for {HERE}.wait, which is asynchronous: 3 times, "
        "in "
    )
    assert end.endswith(" ms altogether.")
    assert float(end.split()[0]) >= 6


def test_one_time_is_told_of_as_one(connect):
    connect(wait, order_paid)
    with record() as recording:
        order_paid.send_robust(None)
    ((_, message),) = told(recording)
    assert message.startswith("send_robust() of order_paid waited ")
    assert ": 1 time, in " in message


def test_asynchronous_receivers_of_an_asynchronous_send_cost_nothing(connect):
    connect(wait, order_paid)

    async def main():
        await order_paid.asend(None)

    with record() as recording:
        asyncio.run(main())
        with mute(wait):
            order_paid.send(None)
    assert told(recording) == []


def test_a_few_of_the_same_are_told_of_each(connect):
    connect(refuse, order_paid)
    for times in (3, 4):
        with record() as recording:
            for _ in range(times):
                order_paid.send_robust(None)
        findings = found(recording)
        assert len(findings) == (3 if times == 3 else 1)
        assert findings[0].message.endswith(" (x 4)") == (times == 4)
        assert findings[0].number == recording.entries[0].order


@pytest.mark.django_db(transaction=True)
def test_findings_are_in_the_order_of_what_they_tell_of():
    findings = found(eventful())
    numbers = [each.number for each in findings]
    assert numbers == sorted(numbers)
    kinds = {each.kind for each in findings}
    assert kinds == {"swallowed-error", "not-reached", "rolled-back-hook"}


@pytest.mark.django_db
def test_ordinary_work_has_no_findings():
    from django.contrib.auth.models import Permission, User

    with record(everywhere=True) as recording:
        call_command("migrate", verbosity=0)
        with transaction.atomic():
            user = User.objects.create_user("emma", password="x")
            user.user_permissions.add(Permission.objects.first())
        user.save(update_fields=["last_login"])
        user.delete()
    assert [*recording.queries()]
    assert told(recording) == []


def test_what_is_known_of_a_recording_is_not_asked_again(connect):
    connect(refuse, order_paid)
    with record() as recording:
        order_paid.send_robust(None)
    known = KnownRecording(1, 1)
    known.entries, known.findings = recording.entries, []
    assert found(recording)
    assert found(known) == []
