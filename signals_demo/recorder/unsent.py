"""Why a signal did not come: something broke off, or rows changed without it."""

from collections.abc import Iterator

from signals_demo.recorder.dotted import last
from signals_demo.recorder.findings.silent import (
    models_by_table,
    signals_of,
    tables_of,
    unannounced,
    write_of,
)
from signals_demo.recorder.inventory import Connection, is_builtin
from signals_demo.recorder.related import cascading, model_of
from signals_demo.recorder.trace import Emission, Query, Recording
from signals_demo.recorder.verdict import (
    BULK_WRITE,
    DATABASE_CASCADE,
    FAST_DELETE,
    NOT_REACHED,
    NOT_SENT,
    Verdict,
)


def broken_off(
    recording: Recording, name: str, connected: Connection
) -> Iterator[Verdict]:
    """Judge a post_ signal that never came, because something before it raised.

    Args:
        recording: what happened.
        name: the dotted name of the receiver.
        connected: what the receiver waits for.
    """
    before, after = connected.signal.replace(".post_", ".pre_"), connected.signal
    failed = [each for each in recording.queries() if each.raised]
    for emission in recording.emissions():
        if emission.signal == before and connected.sender in (None, emission.sender):
            for culprit in _culprits(emission, failed):
                yield Verdict(
                    name,
                    NOT_REACHED,
                    f"{emission.name} came from {emission.sender}, but {culprit}, and "
                    f"so {last(after)} never came.",
                )


def _culprits(announcing: Emission, failed: list[Query]) -> Iterator[str]:
    """Yield what raised, of the receivers of a pre_ signal and what it announced."""
    for call in announcing.calls:
        if call.raised:
            yield f"{call.receiver} raised {call.raised}"
    tables = tables_of(announcing.sender)
    for query in failed:
        verb, table = write_of(query.sql) or ("", "")
        if table in tables and query.order > announcing.order:
            yield f"the {verb} raised {query.raised}"
    # It has a duration as soon as it has ended.
    if is_builtin(announcing.signal) and announcing.duration:
        yield "something after it raised"


def without_signal(
    recording: Recording, name: str, connected: Connection
) -> Iterator[Verdict]:
    """Judge rows that changed without the signal.

    Args:
        recording: what happened.
        name: the dotted name of the receiver.
        connected: what the receiver waits for.
    """
    model = model_of(connected.sender)
    if model is not None and model._meta.auto_created and _is_of_rows(connected):
        text = f"{connected.sender} sends no {last(connected.signal)}: Django made it"
        hint = "Connect it to m2m_changed."
        yield Verdict(name, NOT_SENT, f"{text} for a relation.", hint)
    yield from _silent_writes(recording, name, connected)
    if connected.signal.endswith(("pre_delete", "post_delete")):
        yield from _cascades(recording, name, connected)


def _is_of_rows(connected: Connection) -> bool:
    return connected.signal in signals_of("UPDATE") | signals_of("DELETE")


def _silent_writes(
    recording: Recording, name: str, connected: Connection
) -> Iterator[Verdict]:
    """Judge statements that changed rows of the sender, which may be a proxy."""
    models = models_by_table()
    for query, verb, table in unannounced(recording):
        model = model_of(connected.sender) if connected.sender else models.get(table)
        is_its = connected.signal in signals_of(verb) and query.raised is None
        if model is None or not is_its:
            continue
        label, tables = model._meta.label, [model._meta.db_table]
        # What is new in the table of a parent, or has gone, need not be of this model.
        if table in (tables_of(label) if verb == "UPDATE" else tables):
            yield _silent_verdict(name, label, verb)


def _silent_verdict(name: str, label: str, verb: str) -> Verdict:
    if verb == "DELETE":
        return Verdict(
            name,
            FAST_DELETE,
            f"rows of {label} were deleted at once, which sends no signal.",
            "Call delete() of a queryset or an object.",
        )
    return Verdict(
        name,
        BULK_WRITE,
        f"{label} was changed by {verb} without signals, as bulk_create(), "
        "bulk_update(), update() and SQL do.",
        "Call save() for each object, or what the receiver does.",
    )


def _cascades(
    recording: Recording, name: str, connected: Connection
) -> Iterator[Verdict]:
    """Judge rows that the database deleted with those they point to (Django 6.1)."""
    deleted = {
        table
        for query, verb, table in unannounced(recording)
        if verb == "DELETE" and query.raised is None
    }
    for emission in recording.emissions():
        # After pre_delete, the deletion may fail.
        if emission.name == "post_delete" and not emission.raised:
            deleted.update(tables_of(emission.sender))
    field = cascading(model_of(connected.sender), deleted)
    if field is not None:
        yield Verdict(
            name,
            DATABASE_CASCADE,
            f"rows of {connected.sender} go with those of "
            f"{field.related_model._meta.label}: {field.name} has DB_CASCADE, and the "
            "database sends no signals.",
            "Use CASCADE where receivers must hear of it.",
        )
