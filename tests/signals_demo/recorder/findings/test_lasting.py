from contextlib import suppress
from importlib import import_module

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models.signals import post_delete, post_save, pre_save
from django.dispatch import Signal
from django.test import TestCase, override_settings

from signals_demo.recorder import record
from signals_demo.recorder.findings import found

try:
    from django import tasks
except ImportError:  # Before Django 6.0.
    tasks = pytest.importorskip("django_tasks")

dummy = import_module(f"{tasks.__name__}.backends.dummy")
pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("shop"),
]

HERE = __name__
bill_paid = Signal()


class Rollback(Exception):
    pass


@tasks.task
def double(number):
    return number * 2


def warehouse(**settings):
    return {"default": {"BACKEND": f"{dummy.__name__}.DummyBackend", **settings}}


@pytest.fixture(autouse=True)
def queue():
    with override_settings(TASKS=warehouse()):
        yield


def enqueue(sender, **kwargs):
    double.enqueue(2)


def enqueue_after_commit(sender, **kwargs):
    transaction.on_commit(later)


def later():
    double.enqueue(2)


def fail():
    raise ValueError("no")


def told(recording):
    return [(each.kind, each.message) for each in found(recording)]


EARLY = (
    "early-task",
    f"{HERE}.enqueue enqueued a task in post_save of shop.Book, inside of a "
    "transaction.",
)
SURVIVED = (
    "survived-rollback",
    f"post_save of shop.Book was rolled back, but not what {HERE}.enqueue did for it: "
    "task_enqueued.",
)


def test_a_task_before_the_commit_is_found(shop, connect):
    connect(enqueue, post_save, sender=shop.Book)
    with record() as recording, transaction.atomic():
        shop.Book.objects.create()
    assert told(recording) == [EARLY]
    (finding,) = found(recording)
    (task,) = [each for each in recording.emissions() if each.name == "task_enqueued"]
    assert finding.number == task.order


def test_a_transaction_of_another_database_is_none_of_these_rows(shop, connect):
    connect(enqueue, post_save, sender=shop.Book)
    with record() as recording, transaction.atomic("other"):
        shop.Book.objects.create()
    assert told(recording) == []
    with record() as recording, transaction.atomic("other"), transaction.atomic():
        shop.Book.objects.create()
    assert told(recording) == [EARLY]


def test_a_receiver_may_begin_the_transaction(shop, connect):
    def enqueue_and_write(sender, **kwargs):
        with transaction.atomic():
            shop.Shelf.objects.create()
            double.enqueue(2)

    connect(enqueue_and_write, post_save, sender=shop.Book)
    with record() as recording:
        shop.Book.objects.create()
    assert [each.kind for each in found(recording)] == ["early-task"]


def test_django_deletes_in_a_transaction(shop, connect):
    connect(enqueue, post_delete, sender=shop.Book)
    book = shop.Book.objects.create()
    with record() as recording:
        book.delete()
    assert [each.kind for each in found(recording)] == ["early-task"]


def test_a_task_without_a_transaction_is_no_finding(shop, connect):
    connect(enqueue, post_save, sender=shop.Book)
    connect(enqueue_after_commit, post_save, sender=shop.Author)
    connect(enqueue, bill_paid)
    with record() as recording:
        shop.Book.objects.create()
        with transaction.atomic():
            shop.Author.objects.create()
            later()
            bill_paid.send(None)
    names = [each.name for each in recording.emissions()]
    assert names.count("task_enqueued") == 4
    assert told(recording) == []


@pytest.mark.parametrize("backend", ["ShopDatabaseBackend", "ShopImmediateBackend"])
def test_some_backends_make_a_task_part_of_the_transaction(backend, shop, connect):
    connect(enqueue, post_save, sender=shop.Book)
    settings = warehouse(BACKEND=f"{HERE}.{backend}")
    with override_settings(TASKS=settings), record() as recording:
        with transaction.atomic():
            shop.Book.objects.create()
        with suppress(Rollback), transaction.atomic():
            shop.Book.objects.create()
            raise Rollback
    assert "task_enqueued" in {each.name for each in recording.emissions()}
    assert told(recording) == []


class ShopDatabaseBackend(dummy.DummyBackend):
    """Stand for a queue that is a table."""


class ShopImmediateBackend(dummy.DummyBackend):
    """Stand for what runs a task when it is enqueued."""


@pytest.mark.django_db(transaction=False)
def test_the_transaction_of_a_test_is_none_of_the_project(shop, connect):
    connect(enqueue, post_save, sender=shop.Book)
    with record() as recording:
        with transaction.atomic():
            shop.Genre.objects.create()
        shop.Book.objects.create()
    assert told(recording) == []
    with record() as recording, transaction.atomic(), transaction.atomic():
        shop.Book.objects.create()
    assert told(recording) == [EARLY]
    with record() as recording, transaction.atomic():
        shop.Book.objects.create()
        assert told(recording) == [EARLY]


def test_a_task_for_what_was_rolled_back_is_found(shop, connect):
    connect(enqueue, post_save, sender=shop.Book)
    with record() as recording, suppress(Rollback), transaction.atomic():
        shop.Book.objects.create()
        raise Rollback
    assert told(recording) == [SURVIVED]


def test_a_savepoint_may_be_rolled_back_alone(shop, connect):
    connect(enqueue, post_save, sender=shop.Book)
    with record() as recording, transaction.atomic():
        with suppress(Rollback), transaction.atomic():
            shop.Book.objects.create()
            raise Rollback
        shop.Book.objects.create()
    assert told(recording) == [SURVIVED, EARLY]


def audit(sender, using, **kwargs):
    Group.objects.using("other").create(name="audit")
    Group.objects.using("other").update(name="changed")
    transaction.on_commit(send_mail, using="other")


def send_mail():
    Group.objects.using("other").count()


def test_what_was_written_elsewhere_stays(shop, connect):
    connect(audit, post_save, sender=shop.Book)
    with record() as recording, suppress(Rollback), transaction.atomic():
        shop.Book.objects.create()
        raise Rollback
    assert told(recording) == [
        (
            "survived-rollback",
            f"post_save of shop.Book was rolled back, but not what {HERE}.audit did "
            "for it: INSERT auth_group (other), UPDATE auth_group (other), on_commit "
            f"{HERE}.send_mail.",
        )
    ]


def test_what_is_rolled_back_with_it_does_not_stay(shop, connect):
    def write(sender, **kwargs):
        shop.Shelf.objects.create()
        transaction.on_commit(send_mail)
        with suppress(Rollback), transaction.atomic("other"):
            Group.objects.using("other").create(name="a")
            raise Rollback

    connect(write, pre_save, sender=shop.Book)
    with record() as recording, suppress(Rollback), transaction.atomic():
        shop.Book.objects.create()
        raise Rollback
    assert [each.kind for each in found(recording)] == ["rolled-back-hook"]


def test_what_was_committed_may_have_done_what_it_liked(shop, connect):
    connect(audit, post_save, sender=shop.Book)
    with record() as recording, transaction.atomic():
        shop.Book.objects.create()
    assert told(recording) == []


def test_a_commit_that_is_still_open_is_not_known(shop, connect):
    connect(audit, post_save, sender=shop.Book)
    with record() as recording, suppress(Rollback), transaction.atomic("other"):
        with suppress(Rollback), transaction.atomic():
            shop.Book.objects.create()
            raise Rollback
        while_open = told(recording)
    assert while_open == []
    assert [each.kind for each in found(recording)] == ["survived-rollback"]


def test_a_thread_has_a_transaction_of_its_own(shop, connect):
    async def write(sender, **kwargs):
        await Group.objects.using("other").acreate(name="a")

    connect(write, bill_paid)
    with record() as recording, suppress(Rollback), transaction.atomic():
        bill_paid.send(None)
        raise Rollback
    kinds = [each.kind for each in found(recording)]
    assert kinds == ["async-cost", "survived-rollback"]


def test_hooks_after_one_that_raises_are_found(shop):
    with record() as recording, suppress(ValueError), transaction.atomic():
        for each in (send_mail, fail, later, send_mail):
            transaction.on_commit(each)
    message = f"never called {HERE}.%s, because {HERE}.fail raised ValueError before."
    assert told(recording) == [
        ("lost-hook", f"on_commit() {message % name}")
        for name in ("later", "send_mail")
    ]


def test_a_robust_hook_leaves_the_others_alone(shop):
    with record() as recording, transaction.atomic():
        transaction.on_commit(fail, robust=True)
        transaction.on_commit(send_mail)
    assert told(recording) == []


@pytest.mark.django_db(transaction=False)
def test_hooks_of_a_test_case_are_not_lost_but_wait(shop):
    with record() as recording:
        with (
            pytest.raises(ValueError, match="no"),
            TestCase.captureOnCommitCallbacks(execute=True),
        ):
            transaction.on_commit(fail)
        transaction.on_commit(send_mail)
    assert told(recording) == []


def test_hooks_of_what_is_rolled_back_are_a_note(shop):
    with record() as recording, suppress(Rollback), transaction.atomic():
        transaction.on_commit(send_mail)
        raise Rollback
    assert told(recording) == [
        (
            "rolled-back-hook",
            f"on_commit() never called {HERE}.send_mail, because its transaction was "
            "rolled back.",
        )
    ]


def test_hooks_that_wait_are_no_finding(shop):
    with record() as recording, transaction.atomic():
        transaction.on_commit(send_mail)
        assert told(recording) == []
    transaction.on_commit(send_mail)
    assert told(recording) == []
