import json
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import IntegrityError
from django.db.transaction import atomic

from invite_code import issuing, tasks
from invite_code.errors import CodesExhausted, InviteCodeError
from invite_code.models import InviteBatch, InviteCode
from invite_code.tasks import (
    NoTask,
    State,
    as_task,
    available,
    issue_later,
    issue_task,
    state_of,
)
from tests.factories import InviteBatchFactory

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        not available() and "CI" not in os.environ,
        reason=f"{tasks.SOURCE} is not installed.",
    ),
]

NOW = datetime.now(UTC)


class WatchedCache(LocMemCache):
    """It keeps a list of all that was set."""

    def set(self, key, value, *args, **kwargs):
        super().set(key, value, *args, **kwargs)
        self._cache.setdefault("all", []).append(value)

    @property
    def written(self):
        return [(note["done"], note["error"]) for note in self._cache.get("all", [])]


class BrokenCache(LocMemCache):
    asked = 0

    def set(self, *args, **kwargs):
        type(self).asked += 1
        raise ConnectionError("Nobody is there.")

    get = set


class CacheInDatabase(BaseDatabaseCache):
    """It would be in the database of the codes, were it not watched."""

    def __init__(self, table, params):
        super().__init__(table, params)
        self.kept = []

    def set(self, key, value, *args):
        self.kept.append(value)

    def get(self, key):
        return self.kept[-1]


@pytest.fixture
def cache_of(settings):
    """A function that lets a class keep the notes, and returns its object."""
    from django.core.cache import caches

    def use(class_):
        backend = {
            "BACKEND": f"{__name__}.{class_.__name__}",
            "LOCATION": uuid4().hex,
        }
        settings.CACHES = {**settings.CACHES, "notes": backend}
        settings.INVITE_CODE_CACHE = "notes"
        return caches["notes"]

    return use


@pytest.fixture
def cache(cache_of):
    return cache_of(WatchedCache)


@pytest.fixture
def run(django_capture_on_commit_callbacks):
    """A function that leaves codes to the queue, and commits."""

    def issue_and_commit(count, **terms):
        with django_capture_on_commit_callbacks(execute=True):
            return issue_later(count, **terms)

    return issue_and_commit


@pytest.fixture
def enqueued(monkeypatch):
    """What was left to a queue that does nothing."""
    arguments = []
    idle = SimpleNamespace(enqueue=lambda **named: arguments.append(named))
    monkeypatch.setattr(tasks, "issue_task", idle)
    return arguments


def call(**changes):
    """Do the task as a worker does."""
    arguments = {
        "key": "launch",
        "count": 3,
        "label": "",
        "max_uses": 1,
        "valid_from": None,
        "expires_at": None,
        "email": "",
        "using": "default",
    }
    return issue_task.call(**arguments | changes)


def test_codes_are_issued_by_the_queue(run):
    key = run(3)
    batch = InviteBatch.objects.get(key=key)
    assert batch.codes.count() == 3
    assert batch.label == ""
    assert len(key) == 32


def test_what_is_said_is_stored(run):
    window = {
        "valid_from": datetime(2020, 1, 1, tzinfo=UTC),
        "expires_at": datetime(2099, 12, 31, 18, 30, tzinfo=UTC),
    }
    email = "Reader@Example.org"
    key = run(3, label="Letter", max_uses=None, email=email, key="mine", **window)
    assert key == "mine"
    batch = InviteBatch.objects.get(key="mine")
    assert batch.label == "Letter"
    for code in batch.codes.all():
        assert (code.max_uses, code.email) == (None, "reader@example.org")
        assert {name: getattr(code, name) for name in window} == window


def test_without_time_zones_moments_are_naive(settings, run):
    settings.USE_TZ = False
    expires_at = datetime(2099, 12, 31, 18)
    key = run(1, expires_at=expires_at)
    assert InviteCode.objects.get(batch__key=key).expires_at == expires_at


def test_the_queue_gets_what_json_can_say(enqueued, seeded_database):
    window = {"valid_from": NOW, "expires_at": None}
    key = issue_later(
        3, label="Letter", email="a@b.org", using=seeded_database, **window
    )
    [arguments] = enqueued
    assert json.loads(json.dumps(arguments)) == arguments
    assert arguments == {
        "key": key,
        "count": 3,
        "label": "Letter",
        "max_uses": 1,
        "valid_from": NOW.isoformat(),
        "expires_at": None,
        "email": "a@b.org",
        "using": seeded_database,
    }


def test_the_queue_hears_of_it_after_the_commit(enqueued, seeded_database):
    with atomic(using=seeded_database):
        issue_later(3, using=seeded_database)
        assert enqueued == []
    assert len(enqueued) == 1


def test_the_queue_never_hears_of_what_is_rolled_back(enqueued, seeded_database):
    with suppress(MemoryError), atomic(using=seeded_database):
        issue_later(3, using=seeded_database)
        raise MemoryError
    assert enqueued == []


@pytest.mark.django_db(databases=["default", "other"])
def test_the_router_says_which_database(settings, enqueued):
    class ToOther:
        def db_for_write(self, model, **hints):
            return "other"

    settings.DATABASE_ROUTERS = [ToOther()]
    with atomic(using="other"):
        batch = InviteBatchFactory.build(key="launch")
        batch.save(using="other")
    assert state_of("launch").batch == batch
    assert state_of("launch", using="default").batch is None


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"count": 0}, ValueError, "1 or more"),
        ({"count": 1, "max_uses": 0}, ValueError, "1 or more"),
        ({"count": 1, "valid_from": NOW, "expires_at": NOW}, ValueError, "expire"),
        ({"count": 1, "label": "x" * 201}, ValidationError, "at most 200"),
        ({"count": 1, "email": "reader"}, ValidationError, "valid email address"),
        ({"count": 1, "key": "x" * 51}, ValidationError, "at most 50"),
        ({"count": 32**15 + 1}, CodesExhausted, "codes are possible"),
    ],
)
def test_impossible_arguments_are_refused_at_once(
    enqueued, django_capture_on_commit_callbacks, arguments, error, message
):
    with (
        django_capture_on_commit_callbacks() as callbacks,
        pytest.raises(error, match=message),
    ):
        issue_later(**arguments)
    assert callbacks == []


def test_a_task_that_is_done_twice_issues_one_batch():
    first, second = call(), call()
    assert first == second == InviteBatch.objects.get(key="launch").pk
    assert InviteCode.objects.filter(batch=first).count() == 3


def test_a_task_says_how_far_it_is(cache, monkeypatch):
    monkeypatch.setattr(issuing, "CHUNK_SIZE", 10)
    call(count=25)
    assert cache.written == [(0, ""), (10, ""), (20, ""), (25, "")]


def test_state_of_a_task_that_nobody_does_yet(cache, run, enqueued):
    assert state_of(run(3)) == State(None, done=0, total=3, error="")


def test_state_of_a_task_at_work(cache, monkeypatch):
    monkeypatch.setattr(issuing, "CHUNK_SIZE", 10)
    notes, seen = tasks.Notes.write, []

    def write(self, *args):
        notes(self, *args)
        seen.append(self.read())

    monkeypatch.setattr(tasks.Notes, "write", write)
    call(count=25)
    assert seen[1] == State(None, done=10, total=25, error="")


def test_state_of_a_task_that_is_done(cache):
    call()
    batch = InviteBatch.objects.get(key="launch")
    assert state_of("launch") == State(batch, done=3, total=3, error="")


def test_a_task_that_is_not_heard_of_for_minutes_is_silent(cache, monkeypatch):
    notes, now = tasks.Notes("launch", "default", 3), time.time()
    notes.write(1)
    monkeypatch.setattr(time, "time", lambda: now + tasks.SILENCE - 1)
    assert not state_of("launch").is_silent
    monkeypatch.setattr(time, "time", lambda: now + tasks.SILENCE + 60)
    assert state_of("launch").is_silent
    notes.write(2)
    assert not state_of("launch").is_silent


def test_what_is_done_or_failed_or_unknown_is_not_silent(cache, monkeypatch):
    monkeypatch.setattr(tasks, "SILENCE", -1)
    tasks.Notes("failed", "default", 3).write(0, "No.")
    call()
    assert not any(state_of(key).is_silent for key in ("launch", "failed", "nobody"))


def test_the_database_is_believed_and_the_cache_is_not(cache):
    call()
    tasks.Notes("launch", "default", 3).write(0, "A second worker failed.")
    assert state_of("launch").batch
    assert state_of("launch").error == ""
    InviteBatch.objects.get(key="launch").codes.all().delete()
    InviteBatch.objects.get(key="launch").delete()
    assert state_of("launch").batch is None


def test_state_of_what_nobody_knows(cache):
    assert state_of("nobody") == State(None, 0, 0, "")


def test_what_the_cache_has_forgotten_is_not_known(cache):
    call()
    cache.clear()
    batch = InviteBatch.objects.get(key="launch")
    assert state_of("launch") == State(batch, 0, 0, "")


def test_notes_of_another_version_are_not_known(cache):
    cache.set("invite_code:issuing:launch", {"done": 0, "color": "red"})
    assert state_of("launch") == State()


def fail_with(monkeypatch, error):
    def failing(*args, **kwargs):
        raise error

    monkeypatch.setattr(tasks, "issue", failing)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (CodesExhausted("Hardly a free code is left."), "Hardly a free code is left."),
        (ValueError("Not that one."), "Not that one."),
        (ValidationError(["Too long.", "Too dark."]), "Too long. Too dark."),
        (
            IntegrityError("Key (code)=(ABCD) already exists."),
            "IntegrityError: see the log of the task's worker.",
        ),
        (SystemExit(1), "SystemExit: see the log of the task's worker."),
    ],
)
def test_why_a_task_failed_is_known(cache, monkeypatch, error, words):
    fail_with(monkeypatch, error)
    with pytest.raises(type(error)):
        call()
    assert state_of("launch") == State(None, done=0, total=3, error=words)


def test_a_task_that_is_tried_again_has_not_failed(cache, monkeypatch):
    with monkeypatch.context() as patch:
        fail_with(patch, ValueError("No."))
        with pytest.raises(ValueError, match="No"):
            call()
    call()
    assert cache.written == [(0, ""), (0, "No."), (0, ""), (3, "")]


def test_codes_that_run_out_in_the_worker_are_told(run, cache, settings, enqueued):
    key = run(33)
    settings.INVITE_CODE_LENGTH = 2
    with pytest.raises(CodesExhausted):
        issue_task.call(**enqueued[0])
    assert state_of(key).error.startswith("Only 32 codes are possible, 33 were")


@pytest.fixture
def broken_queue(monkeypatch):
    def enqueue(**arguments):
        raise ConnectionError("Nobody is there.")

    monkeypatch.setattr(tasks, "issue_task", SimpleNamespace(enqueue=enqueue))


def test_a_queue_that_does_not_take_it_is_told(cache, broken_queue, seeded_database):
    with pytest.raises(InviteCodeError, match="did not take it"):
        issue_later(3, key="launch", using=seeded_database)
    error = state_of("launch", seeded_database).error
    assert error == "The task queue did not take it: see the log."


def test_a_queue_that_fails_after_the_commit_is_told_by_the_state(
    cache, broken_queue, seeded_database, caplog
):
    batches = InviteBatch.objects.using(seeded_database)
    with atomic(using=seeded_database):
        batches.create(key="other")
        issue_later(3, key="launch", using=seeded_database)
    assert batches.filter(key="other").exists()
    error = state_of("launch", seeded_database).error
    assert error == "The task queue did not take it: see the log."
    assert "Nobody is there." in caplog.text


def test_a_broken_cache_is_asked_once_and_stops_no_task(cache_of, monkeypatch, caplog):
    monkeypatch.setattr(BrokenCache, "asked", 0)
    monkeypatch.setattr(issuing, "CHUNK_SIZE", 10)
    cache_of(BrokenCache)
    call(count=25)
    assert BrokenCache.asked == 1
    assert InviteBatch.objects.get(key="launch").codes.count() == 25
    assert state_of("launch").batch
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2


def test_a_cache_that_does_not_exist_stops_no_task(settings, caplog):
    settings.INVITE_CODE_CACHE = "nowhere"
    call()
    assert state_of("launch").batch
    assert "The cache does not keep" in caplog.text
    assert "The cache does not tell" in caplog.text


def test_a_cache_in_the_database_is_left_out_of_the_transaction(
    cache_of, seeded_database
):
    cache = cache_of(CacheInDatabase)
    call(using=seeded_database)
    assert [note["done"] for note in cache.kept] == [0]
    assert state_of("launch", seeded_database).done == 3


def test_there_is_a_queue():
    assert available()


def work():
    """Stand for a function that could be a task."""


def test_without_a_queue_it_is_said_what_to_do(monkeypatch):
    monkeypatch.setattr(tasks, "SOURCE", "package_that_is_missing")
    missing = as_task(work)
    assert isinstance(missing, NoTask)
    monkeypatch.setattr(tasks, "issue_task", missing)
    assert not available()
    with pytest.raises(ImproperlyConfigured, match="install 'django-signals-demo"):
        issue_later(3)


def test_a_queue_that_takes_no_such_task_says_why(settings):
    assert not isinstance(as_task(work), NoTask)
    backend = f"{tasks.SOURCE}.backends.immediate.ImmediateBackend"
    settings.TASKS = {"default": {"BACKEND": backend, "QUEUES": ["mail"]}}
    assert "Queue 'default' is not valid" in as_task(work).why
    settings.TASKS = {"default": {"BACKEND": "nowhere.Backend"}}
    assert "Could not find backend 'nowhere.Backend'" in as_task(work).why
