import pytest

from signals_demo.recorder.checks.wording import about, at, listed, short
from signals_demo.recorder.inventory import Connection


def listen(sender, **kwargs):
    pass


def connection(receiver):
    return Connection("x.y", receiver, None, None, False, True, None, 0)


def test_it_says_who_and_where():
    line = listen.__code__.co_firstlineno
    assert about(connection(listen)) == f"{__name__}.listen"
    assert at(connection(listen)) == f" ({__file__}:{line})"
    assert at(connection(print)) == ""


def test_names_are_harmless(monkeypatch):
    monkeypatch.setattr(listen, "__qualname__", "a\x1b[31mb")
    assert "\x1b" not in about(connection(listen))


def test_a_signal_has_its_last_name():
    assert short("django.db.models.signals.post_save") == "post_save"


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ("a", "a"),
        ("ba", "a and b"),
        ("abcb", "a, b and c"),
        ("abcde", "a, b, c, d and e"),
        ("abcdefg", "a, b, c, d, e and 2 more"),
    ],
)
def test_names_are_listed_in_order_and_not_all(names, text):
    assert listed(names) == text
