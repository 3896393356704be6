from types import SimpleNamespace

import pytest
from django.dispatch import Signal

from signals_demo.recorder import record
from signals_demo.recorder.trace import (
    CommitHook,
    Emission,
    Query,
    ReceiverCall,
    Recording,
    walk,
)
from signals_demo.recorder.transaction import COMMITTED, OPEN, ROLLED_BACK, Transaction


def emission(order=1, *, call_site=None, instruction=0, transaction=None, parent=None):
    made = Emission(order, "shop.signals.sold", None, "send", {}, 1, parent)
    made.call_site, made.instruction = call_site, instruction
    made.transaction = transaction
    return made


def query(order=1, transaction=None):
    return Query(order, "SELECT 1", "default", 1, False, transaction)


def test_what_is_recorded_lacks_nothing_that_is_set_when_it_is_made():
    sold = Signal()
    sold.connect(receiver := lambda **kwargs: None)
    with record() as recording:
        sold.send(None)
    del receiver
    seen = recording.entries[0]
    made = Emission(1, "", None, "send", {}, 1, recording)
    call = ReceiverCall(("", "", ""), recording)
    assert vars(made).keys() <= vars(seen).keys()
    assert vars(call).keys() <= vars(seen.calls[0]).keys()


@pytest.mark.parametrize("make", [emission, query])
def test_fate_is_that_of_the_transaction(make):
    assert make().fate is None
    assert make(transaction=Transaction("default")).fate == OPEN


@pytest.mark.parametrize(
    ("state", "ran", "raised", "outcome"),
    [
        (OPEN, None, None, "has not run: the transaction is open"),
        (None, None, None, "has not run: the transaction is open"),
        (ROLLED_BACK, None, None, "never ran: rolled back"),
        (COMMITTED, None, None, "never ran: one before it raised"),
        (COMMITTED, 5, None, "ran"),
        (COMMITTED, 5, "KeyError", "raised KeyError"),
    ],
)
def test_a_hook_says_what_became_of_it(state, ran, raised, outcome):
    transaction = None
    if state:
        transaction = Transaction("default")
        transaction.state = state
    hook = CommitHook(1, "shop.mail", transaction, Recording(1, 1))
    hook.started, hook.raised = ran, raised
    assert hook.outcome == outcome


@pytest.mark.parametrize(
    ("attributes", "outcome"),
    [
        ({}, "not reached"),
        ({"started": 1}, "returned"),
        ({"started": 1, "raised": "KeyError"}, "raised KeyError"),
        ({"muted": True}, "muted"),
    ],
)
def test_a_call_says_what_became_of_it(attributes, outcome):
    call = ReceiverCall(("shop.receiver", "", ""), Recording(1, 1))
    for name, value in attributes.items():
        setattr(call, name, value)
    assert call.outcome == outcome


def test_a_receiver_is_named_by_text_or_by_its_code():
    code = test_a_receiver_is_named_by_text_or_by_its_code.__code__
    root = Recording(1, 1)
    read = ReceiverCall(("shop.receiver", "shop.py:3", ""), root)
    made = ReceiverCall(("receiver", code, "shop"), root)
    assert (read.receiver, read.place) == ("shop.receiver", "shop.py:3")
    assert made.receiver == "shop.receiver"
    assert made.place == f"{__file__}:{code.co_firstlineno}"


def test_the_caller_is_text_or_the_line_of_an_instruction():
    lines = SimpleNamespace(
        co_filename="shop.py",
        co_firstlineno=1,
        co_lines=lambda: [(0, 2, None), (2, 8, 5), (8, 9, 6)],
    )
    callers = [
        emission(call_site=lines, instruction=instruction).caller
        for instruction in (4, 8, 0)
    ]
    assert callers == ["shop.py:5", "shop.py:6", "shop.py:1"]
    assert emission(call_site="shop.py:3").caller == "shop.py:3"
    assert emission(call_site=None).caller is None


def test_an_emission_is_named_by_the_last_part():
    assert emission().name == "sold"


def test_a_recording_counts_what_grows():
    recording = Recording(max_entries=5, max_bytes=100)
    assert recording.takes("query", 50, None, recording)
    recording.grow(51)
    assert not recording.takes("query", 0, None, recording)
    assert recording.dropped == {"query": 1}


def test_everything_is_walked_through_with_what_is_around_it():
    inner = Signal()
    hook = CommitHook(3, "hook", None, Recording(1, 1))
    hook.entries = [query(4)]

    def receiver(**named):
        inner.send(None)

    signal = Signal()
    signal.connect(receiver)
    with record() as recording:
        signal.send(None)
    recording.entries += [hook]
    (outer, nothing), (nested, above), (_, none), (statement, around) = walk(recording)
    assert (nothing, above, none) == ((), (outer, outer.calls[0]), ())
    assert around == (hook,)
    assert list(recording.queries()) == [statement]
    assert list(recording.emissions()) == [outer, nested]
