import pytest
from django.db import connection, transaction
from django.dispatch import Signal

from signals_demo.recorder import export, record, text
from signals_demo.recorder.live.depth import MAX_DEPTH, everything, shallow

paid = Signal()


@pytest.fixture
def nested(connect):
    """Return a function that returns a recording of so many, inside of one another."""

    def nest(sender, **kwargs):
        if sender > 1:
            paid.send(sender - 1)

    connect(nest, paid)

    def nested(levels):
        with record() as recording:
            paid.send(levels)
        return recording

    return nested


def test_all_is_found_however_deep(nested):
    recording = nested(200)
    depths = [depth for _, depth in everything(recording.entries)]
    assert depths == [*range(1, 201)]


def test_what_is_not_deep_stays_itself(nested):
    recording = nested(MAX_DEPTH)
    assert shallow(recording.entries)[0] is recording.entries[0]


def test_what_is_too_deep_is_left_out_of_a_copy(nested):
    recording = nested(200)
    before = len([*everything(recording.entries)])
    cut = shallow(recording.entries)
    assert len([*everything(cut)]) == MAX_DEPTH
    assert len([*everything(recording.entries)]) == before
    recording.entries = cut
    assert export.as_data(recording)
    assert [*text.tree(recording)]


@pytest.mark.django_db(transaction=True)
def test_all_kinds_of_entries_can_be_deep(connect):
    def nest(sender, **kwargs):
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if sender:
            with transaction.atomic():
                transaction.on_commit(lambda: paid.send(sender - 1))

    connect(nest, paid)
    with record() as recording:
        paid.send(MAX_DEPTH)
    cut = [*everything(shallow(recording.entries))]
    kinds = {type(entry).__name__ for entry, _ in cut}
    assert kinds == {"Emission", "Query", "CommitHook"}
    assert max(depth for _, depth in cut) == MAX_DEPTH
