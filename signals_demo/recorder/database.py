"""See statements, transactions and commit hooks, on any connection of the process."""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from time import perf_counter_ns as clock
from typing import Any, Final

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from signals_demo.recorder import capture, scope
from signals_demo.recorder.patching import Replacing
from signals_demo.recorder.scope import position
from signals_demo.recorder.trace import CommitHook, Query
from signals_demo.recorder.transaction import COMMITTED, ROLLED_BACK, Transaction

#: What an entry takes beside its text, in bytes: measured, rounded up.
ENTRY_SIZE: Final = 500

#: The transactions under way.
_transactions: Final[weakref.WeakKeyDictionary[BaseDatabaseWrapper, Transaction]] = (
    weakref.WeakKeyDictionary()
)
#: The same by thread and alias, which is quick to look up: those of the connections
#: that the thread means by their aliases.
open_: Final[dict[tuple[int, object], Transaction]] = {}

#: The hooks that wait, by connection. Known by the very set of savepoints that Django
#: keeps with each one: the same function may wait more than once.
_waiting: Final[
    weakref.WeakKeyDictionary[BaseDatabaseWrapper, list[tuple[set[str], CommitHook]]]
] = weakref.WeakKeyDictionary()


def transaction_of(thread: int, alias: object) -> Transaction | None:
    """Return the transaction inside which a thread is.

    Args:
        thread: its number.
        alias: of the database; any if it is no text.
    """
    if type(alias) is str:
        return open_.get((thread, alias))
    return next((found for key, found in list(open_.items()) if key[0] == thread), None)


def look_around() -> None:
    """Note the transactions that this thread has begun before anybody looked."""
    if not settings.configured:  # A settings file may begin to record.
        return
    for connection in connections.all(initialized_only=True):
        if connection.connection is not None and not connection.autocommit:
            _began(connection)


def _began(connection: BaseDatabaseWrapper) -> None:
    """Note that a connection is in a transaction; another thread may know it."""
    transaction = _transactions.get(connection)
    if transaction is None:
        transaction = _transactions[connection] = Transaction(connection.alias)
    # There may be a copy of the connection, or one that was made by hand.
    known = connections.all(initialized_only=True) if settings.configured else []
    if any(each is connection for each in known):
        open_[get_ident(), connection.alias] = transaction


def _ended(connection: BaseDatabaseWrapper) -> Transaction | None:
    """Note that a connection is in no transaction, and return the one that was."""
    transaction = _transactions.pop(connection, None)
    for key, each in list(open_.items()):
        if each is transaction:
            open_.pop(key, None)
    return transaction


def forget() -> None:
    """Forget the transactions under way, because nobody looks any more."""
    _transactions.clear()
    open_.clear()
    _waiting.clear()


def _execute(original: Callable[..., Any]) -> Callable[..., Any]:
    def execute_with_wrappers(
        self: Any, sql: Any, params: Any, many: bool, executor: Any
    ) -> Any:
        parent = scope.current()
        if parent is None:
            return original(self, sql, params, many, executor)
        text = (
            capture.statement(sql, self.db.vendor)
            if type(sql) is str
            else str(type(sql).__name__)
        )
        holders = scope.room(parent, "query", ENTRY_SIZE + len(text))
        if not holders:
            return original(self, sql, params, many, executor)
        transaction = _transactions.get(self.db)
        number, started = next(scope.numbers), clock()
        query = Query(number, text, self.db.alias, started, many, transaction)
        scope.keep(parent, query, holders)
        try:
            return original(self, sql, params, many, executor)
        except BaseException as error:
            query.raised = capture.type_name(type(error))
            raise
        finally:
            query.duration = clock() - started

    return execute_with_wrappers


def _set_autocommit(original: Callable[..., Any]) -> Callable[..., Any]:
    def set_autocommit(
        self: BaseDatabaseWrapper, autocommit: bool, *args: Any, **kwargs: Any
    ) -> Any:
        if autocommit:  # Before the hooks, which run outside of any transaction.
            _ended(self)
        result = original(self, autocommit, *args, **kwargs)
        if not autocommit:
            _began(self)
        return result

    return set_autocommit


def _ending(state: str, *, goes_on: bool = True) -> Replacing:
    def replace(original: Callable[..., Any]) -> Callable[..., Any]:
        def end(self: BaseDatabaseWrapper, *args: Any, **kwargs: Any) -> Any:
            result = original(self, *args, **kwargs)
            transaction = _ended(self)
            if transaction is not None:
                transaction.state = state
                if goes_on and not self.autocommit:  # The next one begins by itself.
                    _began(self)
            return result

        return end

    return replace


def _savepoint(original: Callable[..., Any]) -> Callable[..., Any]:
    def savepoint(self: BaseDatabaseWrapper, sid: str) -> Any:
        result = original(self, sid)
        transaction = _transactions.get(self)
        if transaction is not None:
            transaction.savepoints[sid] = next(scope.numbers)
        return result

    return savepoint


def _savepoint_commit(original: Callable[..., Any]) -> Callable[..., Any]:
    def savepoint_commit(self: BaseDatabaseWrapper, sid: str) -> Any:
        result = original(self, sid)
        transaction = _transactions.get(self)
        if transaction is not None:
            transaction.release(sid)
        return result

    return savepoint_commit


def _savepoint_rollback(original: Callable[..., Any]) -> Callable[..., Any]:
    def savepoint_rollback(self: BaseDatabaseWrapper, sid: str) -> Any:
        until = next(scope.numbers)
        result = original(self, sid)
        transaction = _transactions.get(self)
        if transaction is not None:
            transaction.undo(sid, until)
        return result

    return savepoint_rollback


def _on_commit(original: Callable[..., Any]) -> Callable[..., Any]:
    def on_commit(self: BaseDatabaseWrapper, func: Any, robust: bool = False) -> Any:
        parent = scope.current()
        if parent is None or not callable(func):
            return original(self, func, robust)
        name = ": ".join(filter(None, capture.function(func)))
        holders = scope.room(parent, "on_commit", ENTRY_SIZE + len(name))
        if not holders:
            return original(self, func, robust)
        transaction = _transactions.get(self)
        hook = CommitHook(next(scope.numbers), name, transaction, parent.root)
        scope.keep(parent, hook, holders)
        if not self.in_atomic_block:
            return original(self, _Hooked(func, hook), robust)
        result = original(self, func, robust)
        _waiting.setdefault(self, []).append((self.run_on_commit[-1][0], hook))
        return result

    return on_commit


def _run_hooks(original: Callable[..., Any]) -> Callable[..., Any]:
    def run_and_clear_commit_hooks(self: Any) -> Any:
        waiting = None if self.in_atomic_block else _waiting.pop(self, None)
        if waiting:
            self.run_on_commit = _noting(self.run_on_commit, waiting)
        return original(self)

    return run_and_clear_commit_hooks


def _noting(hooks: list[Any], waiting: list[tuple[set[str], CommitHook]]) -> list[Any]:
    """Return the hooks, of which those are wrapped that were seen to be registered."""
    seen = {id(sids): hook for sids, hook in waiting}
    return [
        (sids, _Hooked(func, hook) if (hook := seen.get(id(sids))) else func, robust)
        for sids, func, robust in hooks
    ]


def _capture(original: Callable[..., Any]) -> Callable[..., Any]:
    @contextmanager
    def captureOnCommitCallbacks(
        cls: type, *, using: str = DEFAULT_DB_ALIAS, execute: bool = False
    ) -> Iterator[list[Any]]:
        connection: Any = connections[using]
        callbacks: list[Any] = []
        try:
            with original(cls, using=using, execute=execute) as callbacks:
                try:
                    yield callbacks
                finally:
                    connection.run_on_commit = _Captured(connection)
        finally:
            connection.run_on_commit = [*connection.run_on_commit]
            callbacks[:] = [
                each.func if type(each) is _Hooked else each for each in callbacks
            ]

    return captureOnCommitCallbacks


class _Captured(list[Any]):
    """The hooks of a connection while a test case runs them, by slices of the list."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection.run_on_commit)
        self.connection = connection

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        if not isinstance(index, slice):
            return found
        return _noting(found, _waiting.get(self.connection, []))


class _Hooked:
    """A commit hook whose run is noted. To all else it is the function itself."""

    __slots__ = ("func", "hook")

    def __init__(self, func: Any, hook: CommitHook) -> None:
        self.func = func
        self.hook = hook

    def __getattr__(self, name: str) -> Any:  # Django logs its __qualname__,
        return getattr(self.func, name)

    def __str__(self) -> str:  # or itself, if it has none.
        return str(self.func)

    def __call__(self) -> Any:
        hook = self.hook
        token = position.set(hook)
        hook.started = started = clock()
        try:
            return self.func()
        except BaseException as error:
            hook.raised = capture.type_name(type(error))
            raise
        finally:
            hook.duration = clock() - started
            position.reset(token)


#: What takes the place of methods of ``CursorWrapper``.
REPLACING_CURSOR: Final[dict[str, Replacing]] = {"_execute_with_wrappers": _execute}

#: What takes the place of methods of ``BaseDatabaseWrapper``.
REPLACING: Final[dict[str, Replacing]] = {
    "set_autocommit": _set_autocommit,
    "_commit": _ending(COMMITTED),
    "_rollback": _ending(ROLLED_BACK),
    "_close": _ending(ROLLED_BACK, goes_on=False),
    "_savepoint": _savepoint,
    "_savepoint_commit": _savepoint_commit,
    "_savepoint_rollback": _savepoint_rollback,
    "on_commit": _on_commit,
    "run_and_clear_commit_hooks": _run_hooks,
}

#: What takes the place of methods of ``TestCase``.
REPLACING_TEST_CASE: Final[dict[str, Replacing]] = {
    "captureOnCommitCallbacks": _capture
}
