import io

import pytest
from django.core.management.base import BaseCommand

from invite_code import progress
from invite_code.progress import Progress, duration, progress_for


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    """Stands still until it is told how late it is."""

    now = 1000.0

    def __call__(self):
        return self.now

    def after(self, seconds):
        self.now = 1000.0 + seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock)
    return clock


@pytest.fixture(params=[io.StringIO, Terminal])
def stream(request):
    return request.param()


def test_a_terminal_shows_one_line_that_changes_and_is_cleared(clock):
    terminal = Terminal()
    with Progress(terminal, 1_000_000) as watched:
        clock.after(2)
        watched(100_000)
        first = "100,000 of 1,000,000 codes, 10 %, about 18 s left"
        assert terminal.getvalue() == f"\r{first}"
        clock.after(19)
        watched(950_000)
        second = "950,000 of 1,000,000 codes, 95 %, about 1 s left"
        assert terminal.getvalue() == f"\r{first}\r{second} "
        clock.after(20)
        watched(1_000_000)
        third = "1,000,000 of 1,000,000 codes, 100 %"
        assert terminal.getvalue() == f"\r{first}\r{second} \r{third:48}"
    assert terminal.getvalue().endswith(f"\r{'':35}\r")
    assert "\n" not in terminal.getvalue()


def test_the_line_on_a_terminal_changes_ten_times_a_second_at_most(clock):
    terminal = Terminal()
    watched = Progress(terminal, 1000)
    for done in range(1000):
        clock.after(1 + done / 1000)
        watched(done)
    assert 9 <= terminal.getvalue().count("\r") <= 10


def test_anything_else_gets_a_line_every_ten_seconds_at_most(clock):
    log = io.StringIO()
    with Progress(log, 400) as watched:
        for second in range(40):
            clock.after(second)
            watched(second * 10)
    assert log.getvalue().splitlines() == [
        "100 of 400 codes, 25 %, about 30 s left",
        "200 of 400 codes, 50 %, about 20 s left",
        "300 of 400 codes, 75 %, about 10 s left",
    ]


def test_work_shorter_than_a_second_is_not_spoken_of(clock, stream):
    with Progress(stream, 10) as watched:
        for done in range(11):
            clock.after(done * 0.099)
            watched(done)
    assert stream.getvalue() == ""


def fail_half_way(stream, error):
    with Progress(stream, 10) as watched:
        watched(5)
        raise error


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_after_an_error_the_line_ends_and_can_be_read(clock, monkeypatch, error):
    monkeypatch.setattr(progress, "TERMINAL", (0, 0))
    terminal = Terminal()
    with pytest.raises(error):
        fail_half_way(terminal, error)
    assert terminal.getvalue() == "\r5 of 10 codes, 50 %, about 1 s left\n"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_after_an_error_there_is_no_line_to_end_where_none_was_begun(
    clock, stream, error
):
    with pytest.raises(error):
        fail_half_way(stream, error)
    assert stream.getvalue() == ""


@pytest.mark.parametrize("total", [None, 0])
def test_without_a_total_only_what_is_done_is_told(clock, total):
    log = io.StringIO()
    watched = Progress(log, total, what="lines")
    clock.after(10)
    watched(12_345)
    assert log.getvalue() == "12,345 lines\n"


@pytest.mark.parametrize(
    ("done", "line"),
    [
        (0, "0 of 10 codes, 0 %"),
        (1, "1 of 10 codes, 10 %, about 2 min left"),
        (10, "10 of 10 codes, 100 %"),
        (11, "11 of 10 codes, 100 %"),
    ],
)
def test_nothing_is_estimated_without_anything_to_go_by(clock, done, line):
    log = io.StringIO()
    watched = Progress(log, 10)
    clock.after(10)
    watched(done)
    assert log.getvalue() == f"{line}\n"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"),
        (1, "1 s"),
        (45.4, "45 s"),
        (89.9, "90 s"),
        (90, "2 min"),
        (720, "12 min"),
        (3_540, "59 min"),
        (3_600, "1 h 0 min"),
        (12_000, "3 h 20 min"),
    ],
)
def test_a_duration_is_told_in_words(seconds, words):
    assert duration(seconds) == words


def test_a_terminal_that_is_gone_stops_no_work(clock):
    terminal = Terminal()
    with Progress(terminal, 10) as watched:
        clock.after(1)
        watched(5)
        terminal.close()
        clock.after(2)
        watched(6)


def test_a_command_tells_it_to_its_standard_error_without_color(clock):
    terminal = Terminal()
    command = BaseCommand(stderr=terminal, force_color=True)
    with progress_for(command, {"verbosity": 1}, 4, what="lines") as watched:
        clock.after(2)
        watched(1)
    assert terminal.getvalue().startswith("\r1 of 4 lines, 25 %, about 6 s left\r")


def test_a_command_that_is_to_be_silent_is(clock, capsys):
    command = BaseCommand(stderr=Terminal())
    with progress_for(command, {"verbosity": 0}, 4) as watched:
        assert watched is None
    assert command.stderr.getvalue() == ""
