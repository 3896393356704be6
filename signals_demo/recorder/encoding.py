"""What a stream can take: not every terminal has branches and Greek letters."""

from typing import Final

from signals_demo.recorder.text import ASCII_LINES, LINES

_PLAIN: Final = str.maketrans({"µ": "u", "…": "~"})


def lines(stream: object) -> tuple[str, str, str, str]:
    """Return what to draw branches with."""
    branches = "".join(LINES)
    return LINES if _encoded(branches, stream) == branches else ASCII_LINES


def printable(text: str, stream: object) -> str:
    """Return the text, without what the stream would fail to encode."""
    if _encoded(text, stream) == text:
        return text
    return _encoded(text.translate(_PLAIN), stream)


def _encoded(text: str, stream: object) -> str:
    encoding = getattr(stream, "encoding", None) or "utf-8"  # StringIO takes all.
    return text.encode(encoding, "backslashreplace").decode(encoding)
