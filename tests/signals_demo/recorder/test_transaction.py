from signals_demo.recorder.transaction import COMMITTED, OPEN, ROLLED_BACK, Transaction


def test_what_came_after_a_savepoint_that_was_undone_is_rolled_back():
    transaction = Transaction("default")
    transaction.savepoints["inner"] = 3
    transaction.undo("inner", 6)
    transaction.state = COMMITTED
    fates = [transaction.fate(order) for order in (2, 4, 5, 7)]
    assert fates == [COMMITTED, ROLLED_BACK, ROLLED_BACK, COMMITTED]


def test_a_savepoint_from_before_the_recording_takes_back_all():
    transaction = Transaction("default")
    transaction.undo("unknown", 6)
    assert [transaction.fate(order) for order in (1, 7)] == [ROLLED_BACK, OPEN]


def test_of_many_savepoints_each_is_found():
    transaction = Transaction("default")
    for number in range(10, 50, 10):
        transaction.savepoints["x"] = number
        transaction.undo("x", number + 3)
    rolled_back = [n for n in range(60) if transaction.fate(n) == ROLLED_BACK]
    assert rolled_back == [11, 12, 21, 22, 31, 32, 41, 42]


def test_what_is_undone_twice_is_one():
    transaction = Transaction("default")
    transaction.savepoints |= {"outer": 2, "a": 4, "b": 8}
    transaction.undo("b", 10)
    transaction.undo("a", 12)
    assert transaction.undone == [(4, 12)]
    transaction.savepoints["c"] = 14
    transaction.undo("c", 16)
    assert transaction.undone == [(4, 12), (14, 16)]
    transaction.undo("outer", 18)
    assert transaction.undone == [(2, 18)]
    transaction.take_back(6, 9)
    assert transaction.undone == [(2, 18)]


def test_savepoints_end_with_those_around_them():
    transaction = Transaction("default")
    transaction.savepoints |= {"a": 1, "b": 2, "c": 3, "d": 4}
    transaction.undo("c", 5)
    assert [*transaction.savepoints] == ["a", "b", "c"]
    transaction.release("b")
    assert [*transaction.savepoints] == ["a"]
    transaction.release("unknown")
    assert [*transaction.savepoints] == ["a"]
    transaction.undo("unknown", 6)
    assert transaction.savepoints == {}
