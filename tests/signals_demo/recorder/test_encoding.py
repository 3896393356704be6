from io import BytesIO, StringIO, TextIOWrapper

import pytest

from signals_demo.recorder.encoding import lines, printable
from signals_demo.recorder.text import ASCII_LINES, LINES

TEXT = "└─ café … 12 µs"


def stream(encoding):
    return TextIOWrapper(BytesIO(), encoding=encoding)


@pytest.mark.parametrize("taker", [stream("utf-8"), StringIO(), object()])
def test_most_streams_take_all(taker):
    assert lines(taker) == LINES
    assert printable(TEXT, taker) == TEXT


def test_others_are_given_what_they_can_take():
    assert lines(stream("ascii")) == lines(stream("latin-1")) == ASCII_LINES
    assert printable(TEXT, stream("ascii")) == r"\u2514\u2500 caf\xe9 ~ 12 us"
    assert printable("café", stream("latin-1")) == "café"
