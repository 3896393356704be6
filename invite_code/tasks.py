"""Batches that outgrow a web request, issued by the task queue that the site has."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

import django
from django.core.cache import caches
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import connections, router, transaction
from django.utils.module_loading import import_string

from invite_code.conf import conf
from invite_code.errors import InviteCodeError
from invite_code.issuing import issue, planned
from invite_code.models import InviteBatch

logger = logging.getLogger(__name__)

#: Where tasks come from: Django has them since 6.0, django-tasks brings them to 5.2.
SOURCE = "django.tasks" if django.VERSION >= (6,) else "django_tasks"

#: Seconds for which the cache keeps how far a task is: a day.
KEPT = 24 * 60 * 60

#: Seconds after which a task that says nothing may be dead. At work it has something to
#: say several times a second; it may also wait, or have its cache in the database.
SILENCE = 5 * 60


@dataclass(frozen=True)
class State:
    """How far a batch is that a task issues.

    Attributes:
        batch: the batch, with all its codes; None until it is there.
        done: how many codes there are; 0 if that is not known.
        total: how many there will be; 0 if that is not known.
        error: why the last try failed; empty if it did not, or that is not known.
        noted_at: when that was said, in seconds since the epoch.
        terms: what the codes are to allow, as ``issue_task`` takes it; empty if that is
            not known.
    """

    batch: InviteBatch | None = None
    done: int = 0
    total: int = 0
    error: str = ""
    noted_at: float = field(default=0, compare=False)
    terms: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def is_silent(self) -> bool:
        """Whether nothing was heard for minutes of a task that is not done."""
        is_open = self.total and not (self.batch or self.error)
        return bool(is_open) and time.time() - self.noted_at > SILENCE


@dataclass(frozen=True)
class NoTask:
    """Stands in for a task that no queue would take.

    Attributes:
        why: the reason, and what to do.
    """

    why: str


def as_task(function: Callable[..., Any]) -> Any:
    """Return a function as a task, or a ``NoTask``.

    It does not raise: a site that issues nothing by tasks need not be ready for them.

    Args:
        function: what the task does; on a module's top level.
    """
    try:
        return import_string(f"{SOURCE}.task")(function)
    except ImportError:
        return NoTask(
            "There is no task queue: on Django 5.2, install"
            " 'django-signals-demo[tasks]' and set TASKS; see docs/tasks.md."
        )
    except Exception as error:  # Each queue complains in a way of its own.
        return NoTask(f"The setting TASKS has no queue for invite codes: {error}")


@as_task
def issue_task(
    key: str,
    count: int,
    label: str,
    max_uses: int | None,
    valid_from: str | None,
    expires_at: str | None,
    email: str,
    using: str,
) -> int:
    """Issue the codes of a batch, whose primary key is returned.

    However often it runs, and wherever it was killed, there is one batch in the end,
    with as many codes as asked for.

    Args:
        key: of the batch; by it, a second run knows what a first one did.
        count: as for ``issue()``.
        label: as for ``issue()``.
        max_uses: as for ``issue()``.
        valid_from: as for ``issue()``, but in ISO 8601.
        expires_at: as for ``issue()``, but in ISO 8601.
        email: as for ``issue()``.
        using: alias of the database.

    Raises:
        Exception: as ``issue()`` does, for the queue to note, or to try again.
    """
    terms: dict[str, Any] = {
        "label": label,
        "max_uses": max_uses,
        "valid_from": valid_from,
        "expires_at": expires_at,
        "email": email,
    }
    notes = Notes(key, using, count, terms)
    notes.write(0)
    try:
        batch = issue(
            count, **with_moments(terms), key=key, using=using, progress=notes.write
        )
    except BaseException as error:
        notes.write(0, in_words(error))
        raise
    return batch.pk


def with_moments(terms: dict[str, Any]) -> dict[str, Any]:
    """Return terms as ``issue()`` takes them.

    Args:
        terms: as ``issue_task`` takes them; some may be missing.
    """
    texts = {n: terms[n] for n in ("valid_from", "expires_at") if terms.get(n)}
    return terms | {n: datetime.fromisoformat(text) for n, text in texts.items()}


def issue_later(
    count: int,
    *,
    label: str = "",
    max_uses: int | None = 1,
    valid_from: datetime | None = None,
    expires_at: datetime | None = None,
    email: str = "",
    key: str | None = None,
    using: str | None = None,
) -> str:
    """Leave it to the task queue to issue codes, and return the key of their batch.

    The arguments are those of ``issue()``; without a key, one is made. Within a
    transaction, the queue hears of it after the commit, and never of what is rolled
    back. ``state_of()`` tells how far it is.

    Raises:
        ImproperlyConfigured: there is no queue.
        InviteCodeError: the queue failed; within a transaction, ``state_of()`` tells
            that after the commit.
        ValueError, ValidationError, CodesExhausted: as ``issue()`` does.
    """
    if isinstance(issue_task, NoTask):
        raise ImproperlyConfigured(issue_task.why)
    key = key or uuid4().hex
    moments: dict[str, Any] = {"valid_from": valid_from, "expires_at": expires_at}
    terms: dict[str, Any] = {"label": label, "max_uses": max_uses, "email": email}
    planned(count, key=key, **terms, **moments)
    using = using or router.db_for_write(InviteBatch)
    terms |= {name: moment and moment.isoformat() for name, moment in moments.items()}

    def enqueue() -> None:  # Before Django 6.1 no partial() that fails is logged.
        _enqueue(key=key, count=count, **terms, using=using)

    # After the commit of the caller, an error would hide that all else is done.
    in_transaction = connections[using].in_atomic_block
    transaction.on_commit(enqueue, using=using, robust=in_transaction)
    return key


def available() -> bool:
    """Return whether there is a queue for ``issue_later()``."""
    return not isinstance(issue_task, NoTask)


def state_of(key: str, using: str | None = None) -> State:
    """Return how far a batch is that was left to the task queue.

    What the database has is true, what the cache has is a help: without it, only
    whether the batch is there can be told.

    Args:
        key: what ``issue_later()`` returned.
        using: alias of the database; None leaves it to the router.
    """
    using = using or router.db_for_write(InviteBatch)
    noted = Notes(key, using).read()
    # After the cache: what is committed meanwhile must not look as if it had failed.
    batch = InviteBatch.objects.using(using).filter(key=key).first()
    if batch:
        return State(batch, noted.total, noted.total)
    return noted


class Notes:
    """What a task says about its work, in the cache.

    A cache that fails keeps nobody from issuing codes, and is asked no more.

    Args:
        key: of the batch.
        using: alias of the database that the batch goes to.
        total: how many codes it will have.
        terms: what they are to allow, as ``issue_task`` takes it.
    """

    def __init__(
        self,
        key: str,
        using: str,
        total: int = 0,
        terms: dict[str, Any] | None = None,
    ) -> None:
        """Have nothing to say yet."""
        self._key = f"invite_code:issuing:{key}"
        self._using = using
        self._total = total
        self._terms = terms or {}
        self._is_broken = False

    def write(self, done: int, error: str = "") -> None:
        """Say how far the work is.

        Args:
            done: how many codes there are.
            error: why there will be no more.
        """
        if self._is_broken:
            return
        noted = {
            "done": done,
            "total": self._total,
            "error": error,
            "noted_at": time.time(),
            "terms": self._terms,
        }
        # A cache in the database would be part of the transaction: nobody could read
        # from it, and an error in it would end the work.
        in_transaction = connections[self._using].in_atomic_block
        try:
            cache = caches[conf.INVITE_CODE_CACHE]
            if not (in_transaction and isinstance(cache, BaseDatabaseCache)):
                cache.set(self._key, noted, KEPT)
        except Exception:  # Each cache fails in a way of its own.
            logger.warning("The cache does not keep how far a task is.", exc_info=True)
            self._is_broken = True

    def read(self) -> State:
        """Return what was said, as far as it is known."""
        try:
            noted = caches[conf.INVITE_CODE_CACHE].get(self._key)
            return State(**noted) if noted else State()
        except Exception:  # As above; or another version of this app has written it.
            logger.warning("The cache does not tell how far a task is.", exc_info=True)
            return State()


def in_words(error: BaseException) -> str:
    """Return why issuing failed, for those who asked for the codes.

    Args:
        error: what was raised.
    """
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    if isinstance(error, (InviteCodeError, ValueError)):
        return str(error)
    # What a database complains of may hold a code.
    return f"{type(error).__name__}: see the log of the task's worker."


def _enqueue(key: str, count: int, using: str, **terms: Any) -> None:
    notes = Notes(key, using, count, terms)
    notes.write(0)
    try:
        issue_task.enqueue(key=key, count=count, using=using, **terms)
    except Exception as error:  # Each queue fails in a way of its own.
        refused = "The task queue did not take it: see the log."
        notes.write(0, refused)
        logger.exception("The task queue did not take a batch of invite codes.")
        raise InviteCodeError(refused) from error
