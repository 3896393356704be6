import sys
import threading
from contextlib import ExitStack, nullcontext
from functools import partial
from types import SimpleNamespace

import pytest
from django.db import (
    DatabaseError,
    OperationalError,
    connection,
    connections,
    transaction,
)
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.test import TestCase

from signals_demo.models import Question
from signals_demo.recorder import database, mute, record
from signals_demo.recorder.database import open_
from signals_demo.recorder.trace import CommitHook, Query, walk
from signals_demo.recorder.transaction import COMMITTED, OPEN, ROLLED_BACK
from tests.factories import QuestionFactory

pytestmark = pytest.mark.django_db
commits = pytest.mark.django_db(transaction=True)

SENT = Signal()
connected = []


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    assert open_ == {}
    for receiver in connected:
        post_save.disconnect(receiver)
    connected.clear()
    SENT.receivers.clear()


def on_save(function):
    connected.append(function)
    post_save.connect(function, sender=None)
    return function


def fail():
    raise KeyError("hook")


def saves(recording):
    return [each.fate for each in recording.emissions() if each.name == "post_save"]


def hooks(recording):
    return [each for each, _ in walk(recording) if isinstance(each, CommitHook)]


def outcomes(recording):
    return [hook.outcome for hook in hooks(recording)]


def undo():
    transaction.set_rollback(True)


@commits
def test_a_committed_save_is_committed():
    with record() as recording:
        with transaction.atomic():
            QuestionFactory()
            assert saves(recording) == [OPEN]
        SENT.send(None)
    assert saves(recording) == [COMMITTED]
    assert recording.entries[-1].fate is None


@commits
def test_a_save_that_is_rolled_back_is_shown_as_such():
    with record() as recording, transaction.atomic():
        QuestionFactory()
        undo()
    assert saves(recording) == [ROLLED_BACK]
    assert not Question.objects.exists()


@commits
def test_a_nested_savepoint_takes_back_only_what_came_in_it():
    with record() as recording, transaction.atomic():
        QuestionFactory()
        with transaction.atomic():
            QuestionFactory()
            undo()
        QuestionFactory()
    assert saves(recording) == [COMMITTED, ROLLED_BACK, COMMITTED]
    fates = {each.sql.split()[0]: each.fate for each in recording.queries()}
    assert fates["SAVEPOINT"] == fates["ROLLBACK"] == COMMITTED
    assert Question.objects.count() == 2


@commits
def test_a_savepoint_that_is_kept_is_committed_with_all():
    with record() as recording, transaction.atomic(), transaction.atomic():
        QuestionFactory()
    assert saves(recording) == [COMMITTED]


@commits
def test_savepoints_are_forgotten_when_they_end():
    with record(), transaction.atomic():
        for failing in (False, True, False):
            with transaction.atomic():
                transaction.set_rollback(failing)
        (known,) = open_.values()
        assert known.savepoints == {}


def test_a_recording_that_begins_in_a_transaction_knows_it():
    with transaction.atomic():
        with transaction.atomic(), record() as recording:
            QuestionFactory()
            with record() as second:
                QuestionFactory()
        assert saves(recording) == [OPEN, OPEN]
        assert saves(second) == [OPEN]


def test_a_savepoint_from_before_the_recording_is_seen_undone():
    with transaction.atomic(), ExitStack() as stack:
        stack.enter_context(transaction.atomic())
        with record() as recording:
            QuestionFactory()
            undo()
            stack.close()
            QuestionFactory()
    assert saves(recording) == [ROLLED_BACK, OPEN]


@commits
def test_a_transaction_that_nobody_saw_begin_ends_as_it_would():
    stack = ExitStack()
    with transaction.atomic():
        stack.enter_context(mute(SENT))
        with transaction.atomic():
            QuestionFactory()
            undo()
        transaction.on_commit(QuestionFactory)
    stack.close()
    assert Question.objects.count() == 1


@commits
def test_a_hook_belongs_to_the_receiver_that_registered_it():
    def mail(**named):
        transaction.on_commit(later)

    def later():
        SENT.send(None)
        Question.objects.count()

    on_save(mail)
    with record() as recording, transaction.atomic():
        QuestionFactory()
        assert outcomes(recording) == ["has not run: the transaction is open"]
    ((hook, above),) = [
        (each, above) for each, above in walk(recording) if isinstance(each, CommitHook)
    ]
    assert (hook.outcome, hook.function.split(":")[0]) == (
        "ran",
        f"{__name__}.{later.__qualname__}",
    )
    assert above[-1].receiver == f"{__name__}.{mail.__qualname__}"
    sent, counted = hook.entries
    assert (sent.name, sent.fate) == ("SENT", None)
    assert (counted.sql.startswith("SELECT COUNT"), counted.fate) == (True, None)
    assert hook.duration > counted.duration > 0


@commits
def test_a_hook_that_was_rolled_back_never_ran():
    with record() as recording, transaction.atomic():
        transaction.on_commit(fail)
        undo()
    assert outcomes(recording) == ["never ran: rolled back"]


@commits
def test_a_hook_after_one_that_raised_never_ran():
    @transaction.atomic
    def save():
        QuestionFactory()
        transaction.on_commit(fail)
        transaction.on_commit(QuestionFactory)

    with record() as recording, pytest.raises(KeyError):
        save()
    assert outcomes(recording) == ["raised KeyError", "never ran: one before it raised"]
    assert saves(recording) == [COMMITTED]


@commits
def test_a_function_that_waits_twice_is_told_apart():
    ran = []

    def hook():
        ran.append(len(ran))

    with record() as recording:
        with transaction.atomic():
            transaction.on_commit(hook)
            undo()
        with transaction.atomic():
            with transaction.atomic():
                transaction.on_commit(hook)
                undo()
            transaction.on_commit(hook)
    assert ran == [0]
    rolled_back = "never ran: rolled back"
    assert outcomes(recording) == [rolled_back, rolled_back, "ran"]


@commits
def test_waiting_hooks_are_gone_through_once_for_all():
    walks = []

    class Waiting(list):
        def __iter__(self):
            walks.append(len(self))
            return super().__iter__()

    wrapper = connections["default"]
    with record() as recording, transaction.atomic():
        transaction.on_commit(int)
        database._waiting[wrapper] = Waiting(database._waiting[wrapper])
        for _ in range(3):
            transaction.on_commit(int)
    assert walks == [4]
    assert set(outcomes(recording)) == {"ran"}


@commits
def test_hooks_from_before_the_recording_run_as_they_are():
    ran = []
    with record() as recording, transaction.atomic():
        with mute(SENT):
            transaction.on_commit(partial(ran.append, 1))
        connection.run_on_commit.append((set(), partial(ran.append, 2), False))
    assert ran == [1, 2]
    assert outcomes(recording) == ["ran"]


def test_the_list_of_hooks_holds_the_functions_themselves():
    with record(), transaction.atomic():
        transaction.on_commit(QuestionFactory)
        assert [each[1] for each in connection.run_on_commit] == [QuestionFactory]
        undo()


def captured(*callbacks, **options):
    """Return what a test case captures while it registers functions."""
    with TestCase.captureOnCommitCallbacks(**options) as found:
        for each in callbacks:
            transaction.on_commit(each)
    return found


def test_hooks_that_a_test_case_runs_are_seen_to_run():
    def register():
        transaction.on_commit(QuestionFactory)

    def ask():
        return SENT.send(None)

    with mute(SENT):
        transaction.on_commit(fail)  # Nobody looks, and the test case skips it.
    with record() as recording:
        found = captured(register, ask, execute=True)
        assert [each for _, each, _ in connection.run_on_commit[1:]] == found
    assert found == [register, ask, QuestionFactory]
    assert {type(each) for each in found[:2]} == {type(register)}
    assert type(connection.run_on_commit) is list
    assert outcomes(recording) == ["ran", "ran", "ran"]
    registered, asked = (
        each for each in recording.entries if isinstance(each, CommitHook)
    )
    assert [each.name for each in asked.entries] == ["SENT"]
    assert registered.entries[0].entries


def test_a_hook_that_raises_in_a_test_case_is_told_of():
    with record() as recording, pytest.raises(KeyError):
        captured(fail, execute=True)
    assert outcomes(recording) == ["raised KeyError"]
    assert type(connection.run_on_commit) is list


def test_hooks_that_a_test_case_does_not_run_have_not_run():
    with record() as recording:
        assert captured(fail) == [fail]
    assert outcomes(recording) == ["has not run: the transaction is open"]


def test_test_cases_are_as_before_and_need_not_be_loaded(monkeypatch):
    before = vars(TestCase)["captureOnCommitCallbacks"]
    with record():
        assert vars(TestCase)["captureOnCommitCallbacks"] is not before
    assert vars(TestCase)["captureOnCommitCallbacks"] is before
    monkeypatch.delitem(sys.modules, "django.test.testcases")
    with record():
        assert vars(TestCase)["captureOnCommitCallbacks"] is before


@commits
def test_without_a_transaction_a_hook_runs_at_once():
    with record() as recording:
        transaction.on_commit(QuestionFactory)
        with pytest.raises(KeyError):
            transaction.on_commit(fail)
    assert outcomes(recording) == ["ran", "raised KeyError"]
    assert hooks(recording)[0].entries


def test_what_is_no_function_is_refused_as_django_does():
    with record() as recording, pytest.raises(TypeError, match="must be a callable"):
        transaction.on_commit("mail")
    assert outcomes(recording) == []


@commits
@pytest.mark.parametrize("hook", [fail, partial(fail)], ids=["function", "partial"])
@pytest.mark.parametrize("inside", [False, True], ids=["at once", "later"])
def test_django_logs_a_robust_hook_as_without_the_recorder(hook, inside, caplog):
    def register():
        with transaction.atomic() if inside else nullcontext():
            transaction.on_commit(hook, robust=True)

    def logged():
        caplog.clear()
        error = None
        try:
            register()
        except AttributeError as raised:  # Before 6.1, a hook needs a name.
            error = str(raised)
        return error, [
            (each.name, each.levelname, each.getMessage()) for each in caplog.records
        ]

    bare = logged()
    with record() as recording:
        assert logged() == bare
    assert any(bare)
    assert outcomes(recording) == ["raised KeyError"]


@commits
def test_what_finds_no_room_happens_all_the_same():
    with record(max_entries=1) as recording, transaction.atomic():
        QuestionFactory()
        transaction.on_commit(QuestionFactory)
    assert Question.objects.count() == 2
    assert recording.dropped["on_commit"] == 1
    assert recording.dropped["query"] >= 2


def test_statements_are_kept_with_their_time():
    with record() as recording, connection.cursor() as cursor:
        cursor.execute("SELECT 1 + %s", [1])
        table = Question._meta.db_table
        cursor.executemany(f"DELETE FROM {table} WHERE id = %s", [[1], [2]])
        with pytest.raises(DatabaseError):
            cursor.execute("SELECT nonsense FROM nowhere")
    one, many, wrong = recording.queries()
    assert (one.sql, one.many, one.alias) == ("SELECT 1 + %s", False, "default")
    assert one.started > recording.started
    assert 0 < one.duration < recording.duration
    assert many.many
    assert wrong.raised.startswith("django.db.utils.")


def test_statements_that_are_no_text_are_named_by_their_class(monkeypatch):
    class Composed:
        pass

    def execute(self, *args):
        pass

    monkeypatch.setattr(CursorWrapper, "_execute", execute)
    with record() as recording, connection.cursor() as cursor:
        cursor.execute(Composed())
    assert [each.sql for each in recording.queries()] == ["Composed"]


def test_statements_of_a_receiver_belong_to_it():
    def count(**named):
        Question.objects.count()

    on_save(count)
    with record() as recording:
        QuestionFactory()
    ((statement, above),) = [
        (each, above)
        for each, above in walk(recording)
        if isinstance(each, Query) and each.sql.startswith("SELECT COUNT")
    ]
    assert above[-1].receiver.endswith("count")
    assert statement.transaction is above[0].transaction


@commits
def test_transactions_without_autocommit_follow_one_another():
    transaction.set_autocommit(False)
    try:
        with record() as recording:
            QuestionFactory()
            transaction.commit()
            QuestionFactory()
            transaction.rollback()
            QuestionFactory()
            transaction.rollback()
    finally:
        transaction.set_autocommit(True)
    assert saves(recording) == [COMMITTED, ROLLED_BACK, ROLLED_BACK]


@commits
def test_hooks_without_autocommit_are_refused_as_django_does():
    transaction.set_autocommit(False)
    try:
        with record(), pytest.raises(transaction.TransactionManagementError):
            transaction.on_commit(fail)
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


@commits
def test_a_closed_connection_takes_its_transaction_back():
    def work():
        mine = connections["default"]
        with transaction.atomic():
            QuestionFactory()
            BaseDatabaseWrapper.close(mine)  # That of SQLite keeps what is in memory.
        mine.close()

    with record(everywhere=True) as recording:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert saves(recording) == [ROLLED_BACK]
    assert not Question.objects.exists()


@commits
def test_a_failing_commit_is_a_rollback(monkeypatch):
    def commit():
        raise OperationalError

    @transaction.atomic
    def save():
        QuestionFactory()
        monkeypatch.setattr(connection, "commit", commit)

    with record() as recording, pytest.raises(OperationalError):
        save()
    monkeypatch.undo()
    assert saves(recording) == [ROLLED_BACK]


@commits
def test_each_database_has_its_own_transaction():
    with record() as recording, transaction.atomic():
        SENT.send(None)
        SENT.send(None, using="other")
        SENT.send(None, using="default")
    anywhere, other, default = recording.entries[-3:]
    assert [each.fate for each in (anywhere, other, default)] == [
        COMMITTED,
        None,
        COMMITTED,
    ]


@commits
def test_a_copy_of_a_connection_has_a_transaction_of_its_own():
    connection.ensure_connection()
    with record() as recording:
        with transaction.atomic():
            copied = connection.copy()
            copied.set_autocommit(False)
            with copied.cursor() as cursor:
                cursor.execute("SELECT 1")
            SENT.send(None, using="default")
            copied.rollback()
            copied.set_autocommit(True)
            SENT.send(None, using="default")
        BaseDatabaseWrapper.close(copied)  # That of SQLite keeps what is in memory.
    fates = {each.sql: each.fate for each in recording.queries()}
    assert fates["SELECT 1"] == ROLLED_BACK
    sent = [each.fate for each in recording.emissions() if each.name == "SENT"]
    assert sent == [COMMITTED, COMMITTED]


@commits
def test_a_thread_that_shares_a_connection_is_in_its_transaction():
    def work():
        connections["default"] = shared
        with record() as recording:
            SENT.send(None)
            Question.objects.exists()
        seen.extend([each.transaction for each in recording.entries])

    seen: list[object] = []
    shared = connections["default"]
    shared.inc_thread_sharing()
    try:
        with record(), transaction.atomic():
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            assert seen == [*open_.values()][:1] * 2
    finally:
        shared.dec_thread_sharing()


@pytest.mark.django_db
@pytest.mark.parametrize("configured", [True, False])
def test_a_settings_file_may_begin_to_record(monkeypatch, configured):
    known = SimpleNamespace(configured=configured)
    monkeypatch.setattr("signals_demo.recorder.database.settings", known)
    with record():
        assert bool(open_) == configured
