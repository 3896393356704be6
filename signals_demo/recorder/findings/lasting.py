"""What lasts when a transaction does not, and what waits for its end in vain."""

from collections import defaultdict
from collections.abc import Iterator
from math import inf
from typing import Final, TypeAlias, TypeGuard

from signals_demo.recorder.findings.kinds import (
    DOCS,
    EARLY_TASK,
    LOST_HOOK,
    OF_MODELS,
    ROLLED_BACK_HOOK,
    SURVIVED_ROLLBACK,
    Finding,
    Seen,
    around,
    said,
)
from signals_demo.recorder.findings.silent import write_of
from signals_demo.recorder.trace import CommitHook, Emission, Entry, Query, ReceiverCall
from signals_demo.recorder.transaction import COMMITTED, OPEN, ROLLED_BACK
from signals_demo.recorder.translating import gettext as _

_AFTER_COMMIT: Final = f"{DOCS}topics/db/transactions/#performing-actions-after-commit"
_TASKS: Final = (
    "django.tasks.signals.task_enqueued",
    "django_tasks.signals.task_enqueued",
)

#: What is in the names of backends whose tasks are part of the transaction: they are
#: rows of it, or run at once.
_WITHIN: Final = ("Database", "Immediate")

#: Between which order numbers a savepoint stood, by the identity of its transaction.
_Savepoints: TypeAlias = dict[int, list[tuple[int, float]]]


def early_tasks(seen: Seen) -> Iterator[Finding]:
    """Judge tasks that receivers enqueue before what they tell of is committed."""
    hint = _(
        "A worker may begin before the commit, and look for rows in vain: enqueue it "
        "in a function for transaction.on_commit()."
    )
    savepoints = _savepoints(seen)
    for entry, above in seen:
        if not _is_task(entry) or not _was_open(entry, savepoints):
            continue
        pairs = [
            pair
            for pair in around(above)
            if pair[0].signal.startswith(OF_MODELS)
            and _is_of_database(pair[0], entry, savepoints)
        ]
        if pairs:
            message = _(
                "%(receiver)s enqueued a task in %(signal)s of %(sender)s, inside of a "
                "transaction."
            )
            said_of = message % _values(*pairs[0])
            yield said(EARLY_TASK, entry.order, said_of, hint, _AFTER_COMMIT)


def _is_task(entry: Entry) -> TypeGuard[Emission]:
    """Return whether a task was enqueued that may begin before the commit."""
    if not isinstance(entry, Emission) or entry.signal not in _TASKS:
        return False
    backend = str(entry.sender).rpartition(".")[2]
    return not any(word in backend for word in _WITHIN)


def _is_of_database(
    emission: Emission, task: Emission, savepoints: _Savepoints
) -> bool:
    """Return whether a task was enqueued inside of a transaction of the rows.

    A task has no database: what was open may be a transaction of another one.
    """
    using = emission.arguments.get("using")
    alias = getattr(task.transaction, "alias", None)
    return using in (None, alias) or _was_open(emission, savepoints)


def _was_open(emission: Emission, savepoints: _Savepoints) -> bool:
    """Return whether a transaction of the project was open, which is not undone.

    One that has not ended may be that of a test case, but for savepoints inside of it.
    """
    transaction, order = emission.transaction, emission.order
    if transaction is None or emission.fate == ROLLED_BACK:
        return False
    return transaction.state == COMMITTED or any(
        since < order < until for since, until in savepoints[id(transaction)]
    )


def _savepoints(seen: Seen) -> _Savepoints:
    savepoints: _Savepoints = defaultdict(list)
    begun: dict[int, list[int]] = defaultdict(list)
    for entry, _above in seen:
        if not isinstance(entry, Query) or entry.transaction is None:
            continue
        key = id(entry.transaction)
        if entry.sql.startswith("SAVEPOINT"):
            begun[key].append(entry.order)
        elif entry.sql.startswith("RELEASE") and begun[key]:
            savepoints[key].append((begun[key].pop(), entry.order))
    for key, orders in begun.items():
        savepoints[key] += [(order, inf) for order in orders]
    return savepoints


def survivors(seen: Seen) -> Iterator[Finding]:
    """Judge what receivers did outside of the transaction that was rolled back."""
    hint = _(
        "If it should go with the rest, do it in a function for "
        "transaction.on_commit()."
    )
    done: dict[int, list[tuple[Emission, ReceiverCall, int, str]]] = defaultdict(list)
    for entry, above in seen:
        effect = _effect(entry) if above else ""
        if not effect:
            continue
        for emission, call in around(above):
            if emission.fate == ROLLED_BACK:
                done[id(call)].append((emission, call, entry.order, effect))
                break
    for effects in done.values():
        emission, call, number, _first = effects[0]
        message = _(
            "%(signal)s of %(sender)s was rolled back, but not what %(receiver)s did "
            "for it: %(effects)s."
        )
        names = ", ".join(dict.fromkeys(effect for *_others, effect in effects))
        said_of = message % {**_values(emission, call), "effects": names}
        yield said(SURVIVED_ROLLBACK, number, said_of, hint, _AFTER_COMMIT)


def _effect(entry: Entry) -> str:
    """Return what cannot be undone any more, or an empty string."""
    if isinstance(entry, Query):
        write = write_of(entry.sql)
        is_kept = not entry.raised and entry.fate not in (OPEN, ROLLED_BACK)
        return f"{' '.join(write)} ({entry.alias})" if write and is_kept else ""
    if isinstance(entry, CommitHook):
        return f"on_commit {_called(entry)}" if entry.outcome == "ran" else ""
    return entry.name if _is_task(entry) else ""


def hooks(seen: Seen) -> Iterator[Finding]:
    """Judge functions given to ``on_commit()`` that were never called."""
    all_hooks = [entry for entry, _above in seen if isinstance(entry, CommitHook)]
    raised = {id(each.transaction): each for each in all_hooks if each.raised}
    for each in all_hooks:
        transaction = each.transaction
        if each.started is not None or transaction is None:
            continue
        culprit = raised.get(id(transaction))
        if transaction.fate(each.order) == ROLLED_BACK:
            yield _rolled_back(each)
        # That of a test case is never committed: what it ran says nothing of others.
        elif culprit is not None and transaction.state == COMMITTED:
            yield _lost(each, culprit)


def _rolled_back(hook: CommitHook) -> Finding:
    message = _(
        "on_commit() never called %(function)s, because its transaction was rolled "
        "back."
    ) % {"function": _called(hook)}
    hint = _("That is what it is for. What must happen in any case belongs elsewhere.")
    return said(ROLLED_BACK_HOOK, hook.order, message, hint, _AFTER_COMMIT)


def _lost(hook: CommitHook, culprit: CommitHook) -> Finding:
    message = _(
        "on_commit() never called %(function)s, because %(culprit)s raised %(error)s "
        "before."
    ) % {
        "function": _called(hook),
        "culprit": _called(culprit),
        "error": culprit.raised,
    }
    hint = _("Register what may fail with on_commit(..., robust=True).")
    return said(LOST_HOOK, hook.order, message, hint, _AFTER_COMMIT)


def _called(hook: CommitHook) -> str:
    return hook.function.partition(": ")[0]


def _values(emission: Emission, call: ReceiverCall) -> dict[str, object]:
    return {
        "receiver": call.receiver,
        "signal": emission.name,
        "sender": emission.sender,
    }
