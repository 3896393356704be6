"""Assertions about signals, for pytest and unittest alike."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from difflib import get_close_matches
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, ClassVar, Final

from django.apps import apps
from django.dispatch import Signal
from django.utils.module_loading import import_string

from signals_demo.recorder import capture, text
from signals_demo.recorder.findings import KINDS, MISTAKES, found, swallowed_errors
from signals_demo.recorder.findings.kinds import SILENT_WRITE
from signals_demo.recorder.inventory import signal_name, signals
from signals_demo.recorder.muting import mute
from signals_demo.recorder.recording import LiveRecording, record
from signals_demo.recorder.trace import Above, Described, Emission, ReceiverCall, walk

#: Columns of the tree in a failure: pytest puts "E   " in front of each line.
WIDTH: Final = text.WIDTH - 4
#: How many lines of the tree a failure shows, from its beginning and its end each.
MAX_LINES: Final = 100
#: How many different things that came instead a failure lists.
MAX_INSTEAD: Final = 5

# Tracebacks end where the test asked, and not in here: with pytest and unittest.
__tracebackhide__ = True
__unittest = True


class Signals:
    """What was sent since the test began, and what may be asked of it.

    Each question that is answered with no is an ``AssertionError``. A signal is given
    as itself or by its name, such as ``post_save`` or ``shop.signals.order_paid``. What
    can never be answered, such as a name that no signal has, is a ``ValueError``.

    Attributes:
        recording: the whole of it.
    """

    def __init__(self, recording: LiveRecording) -> None:
        """Ask about that recording, which may go on."""
        self.recording = recording

    @property
    def tree(self) -> str:
        """The tree, as text; of a long one its beginning and its end."""
        lines = list(text.tree(self.recording, width=WIDTH))
        left_out = len(lines) - 2 * MAX_LINES
        if left_out > 0:
            lines[MAX_LINES:-MAX_LINES] = [f"… {text.plural(left_out, 'line')} …"]
        return "\n".join(lines)

    def add_tree(self, error: BaseException) -> None:
        """Let an exception show the tree, unless it does so already."""
        note = f"\nRecorded signals:\n\n{self.tree}"
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)

    def mute(self, *targets: Any) -> AbstractContextManager[None]:
        """Keep receivers from being called, inside of a ``with`` block: ``mute()``."""
        return mute(*targets)

    def sent(
        self, signal: Signal | str, sender: Any = None, **arguments: object
    ) -> list[Emission]:
        """Assert that a signal was sent, and return its emissions.

        Args:
            signal: which one.
            sender: whose; any, if None. A model may be given by its label.
            arguments: what it was sent with, at that moment; compared as the tree
                describes it, so objects other than models by their class.

        Raises:
            ValueError: there is no such signal, model or argument, or the argument is
                masked as a secret.
        """
        asked = _Question(signal, sender, arguments)
        found = self._find(asked)
        if not found:
            self._fail(f"{asked} was not sent.", *_came(asked, self._instead(asked)))
        return found

    def not_sent(
        self, signal: Signal | str, sender: Any = None, **arguments: object
    ) -> None:
        """Assert that a signal was not sent; the arguments are those of ``sent()``."""
        asked = _Question(signal, sender, arguments)
        found = self._find(asked)
        if found:
            self._fail(
                f"{asked} was sent {_times(found)}.", *_came(asked, _places(found))
            )
        self._assert_complete()

    def times(
        self,
        signal: Signal | str,
        count: int,
        /,
        sender: Any = None,
        **arguments: object,
    ) -> None:
        """Assert how often a signal was sent; the rest is that of ``sent()``."""
        asked = _Question(signal, sender, arguments)
        found = self._find(asked)
        if sum(each.times for each in found) != count:
            came = _places(found) if found else self._instead(asked)
            self._fail(
                f"{asked} was sent {_times(found)}, not {count:,}.", *_came(asked, came)
            )
        self._assert_complete()

    def in_order(self, *signals: Signal | str) -> None:
        """Assert that these were sent in this order, whatever came between them."""
        asked = [_Question(signal, None, {}) for signal in signals]
        emissions = sorted(self.recording.emissions(), key=lambda each: each.order)
        rest = iter(emissions)
        for index, each in enumerate(asked):
            if not any(each.fits(emission) for emission in rest):
                before = ", ".join(map(str, asked[:index]))
                came = any(each.fits(emission) for emission in emissions)
                self._fail(
                    f"{each} was not sent{' after ' if before else ''}{before}.",
                    f"It came {'before' if came else 'at no time'}.",
                )

    def caused_by(self, signal: Signal | str, cause: Any) -> None:
        """Assert that a signal was sent inside of a receiver, or of another signal.

        Args:
            signal: which one; one such emission is enough.
            cause: the other signal, or the receiver or commit hook, or the name of one.
        """
        asked, name = _Question(signal, None, {}), _cause(cause)
        chains = [
            [_called(each) for each in above]
            for entry, above in walk(self.recording)
            if isinstance(entry, Emission) and asked.fits(entry)
        ]
        if any(_is_named(each, name) for chain in chains for each in chain):
            return
        came = Counter(
            f"inside of {' > '.join(map(_last, chain))}" if chain else "by itself"
            for chain in chains
        )
        self._fail(
            f"{asked} was not sent inside of {_last(name)}.", *_came(asked, came)
        )

    def no_silent_writes(self) -> None:
        """Assert that no bulk write passed by the receivers of its model."""
        self._assert_none(
            each.message for each in found(self.recording) if each.kind == SILENT_WRITE
        )

    def no_swallowed_errors(self) -> None:
        """Assert that ``send_robust()`` kept no exception of a receiver to itself."""
        self._assert_none(swallowed_errors(self.recording))

    def no_findings(self, *kinds: str) -> None:
        """Assert that there is nothing to say of what happened.

        Args:
            kinds: of findings; all but notes, if there are none.

        Raises:
            ValueError: there is no such kind.
        """
        for kind in kinds:
            if kind not in KINDS:
                near = _near(kind, KINDS)
                raise ValueError(f"There is no kind of finding {kind!r}.{near}")
        wanted = kinds or MISTAKES
        self._assert_none(
            f"{each.kind}: {each.message}"
            for each in found(self.recording)
            if each.kind in wanted
        )

    def _find(self, asked: "_Question") -> list[Emission]:
        return [each for each in self.recording.emissions() if asked.fits(each)]

    def _instead(self, asked: "_Question") -> Counter[str]:
        """Return how a signal came that did not come as it was asked for."""
        emissions = [
            each for each in self.recording.emissions() if each.signal in asked.names
        ]
        near = [each for each in emissions if asked.sender in (None, each.sender)]
        came: Counter[str] = Counter()
        for each in near or emissions:
            known = {
                name: value
                for name, value in each.arguments.items()
                if name in asked.arguments
            }
            came[_details(each.sender, known) or "from no sender"] += each.times
        return came

    def _assert_none(self, findings: Iterable[object]) -> None:
        found = Counter(map(str, findings))
        if found:
            self._fail(*(f"{each}{_count(found[each])}" for each in found))
        self._assert_complete()

    def _assert_complete(self) -> None:
        """Assert that what was not found cannot be what found no room."""
        if self.recording.dropped:
            self._fail("The recording is full, so it cannot tell: raise max_entries.")

    def _fail(self, *lines: str) -> None:
        error = AssertionError("\n".join(lines))
        self.add_tree(error)
        raise error


class _Question:
    """Which emissions are asked for.

    Raises:
        ValueError: no emission could ever fit.
    """

    def __init__(
        self, signal: Signal | str, sender: Any, arguments: Mapping[str, object]
    ) -> None:
        self.names = _names(signal)
        self.sender = _label(sender)
        self.arguments = arguments
        allowed = capture.ALLOWED.get(self.names[0].rpartition(".")[0])
        for name in arguments:
            if allowed is not None and name not in allowed:
                near = _near(name, allowed)
                raise ValueError(f"{self.name} has no argument {name!r}.{near}")
            if capture.MASK in str(self._described(self.names[0])[name]):
                raise ValueError(
                    f"{name} of {self.name} is masked in recordings, as a secret: it "
                    "cannot be compared."
                )

    @property
    def name(self) -> str:
        return _last(self.names[0])

    def __str__(self) -> str:
        details = _details(self.sender, self._described(self.names[0]))
        return f"{self.name} {details}".rstrip()

    def fits(self, emission: Emission) -> bool:
        return (
            emission.signal in self.names
            and self.sender in (None, emission.sender)
            and self._described(emission.signal).items() <= emission.arguments.items()
        )

    def _described(self, signal: str) -> dict[str, Described]:
        return {
            name: capture.argument(signal, name, value)
            for name, value in self.arguments.items()
        }


def _names(signal: object) -> tuple[str, ...]:
    """Return the dotted names of the signals that are meant."""
    if isinstance(signal, Signal):
        return (signal_name(signal),)
    if not isinstance(signal, str):
        raise ValueError(f"{signal!r} is no signal.")
    known = sorted({signal_name(each) for each in signals()})
    names = tuple(each for each in known if _is_named(each, signal))
    if names:
        return names
    try:
        found = import_string(signal)
    except ImportError:
        found = None
    if isinstance(found, Signal):
        return (signal_name(found),)
    near = _near(signal, [*known, *map(_last, known)])
    raise ValueError(f"There is no signal {signal!r}.{near}")


def _label(sender: Any) -> str | None:
    if isinstance(sender, str) and sender.partition(".")[0] in apps.app_configs:
        try:
            return str(apps.get_model(sender)._meta.label)
        except LookupError as error:
            raise ValueError(f"There is no sender {sender!r}: {error}") from error
    return capture.sender(sender)


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, sorted(set(known)))
    return f" Is it {' or '.join(near)}?" if near else ""


def _cause(cause: Any) -> str:
    if isinstance(cause, str):
        return cause
    if isinstance(cause, Signal):
        return signal_name(cause)
    return capture.function(cause)[0]


def _called(above: Above) -> str:
    if isinstance(above, Emission):
        return above.signal
    if isinstance(above, ReceiverCall):
        return above.receiver
    return above.function.partition(": ")[0]


def _is_named(dotted: str, name: str) -> bool:
    return name in (dotted, _last(dotted))


def _last(dotted: str) -> str:
    return dotted.rpartition(".")[2]


def _details(sender: str | None, arguments: Mapping[str, Described]) -> str:
    values = [f"{name}={text.short(value)}" for name, value in arguments.items()]
    return " ".join(
        [
            *([f"from {sender}"] if sender else []),
            *([f"with {', '.join(values)}"] if values else []),
        ]
    )


def _places(found: Iterable[Emission]) -> Counter[str]:
    """Return where emissions came from, short for what is below this folder."""
    places: Counter[str] = Counter()
    for each in found:
        place = each.caller or "no code of the project"
        places[f"from {place.removeprefix(os.getcwd() + os.sep)}"] += each.times
    return places


def _came(asked: _Question, came: Counter[str]) -> Iterator[str]:
    yield "It came:" if came else f"No {asked.name} was sent at all."
    for each, count in came.most_common(MAX_INSTEAD):
        yield f"  {each}{_count(count)}"
    if len(came) > MAX_INSTEAD:
        yield f"  and {text.plural(len(came) - MAX_INSTEAD, 'other')}"


def _count(count: int) -> str:
    return f" (x {count:,})" if count > 1 else ""


def _times(found: Iterable[Emission]) -> str:
    return text.plural(sum(each.times for each in found), "time")


@contextmanager
def recorded_signals(**options: Any) -> Iterator[Signals]:
    """Yield the assertions about what is sent meanwhile.

    An exception that leaves the block shows the tree.

    Args:
        options: those of ``record()``.
    """
    with record(**options) as recording:
        recorded = Signals(recording)
        try:
            yield recorded
        except Exception as error:
            recorded.add_tree(error)
            raise


class SignalsMixin:
    """For test cases of unittest: ``self.signals`` knows what the test has sent.

    What ``setUp()`` sends is not recorded.

    Attributes:
        signals: the assertions.
        signals_options: those of ``record()``.
    """

    signals: Signals
    signals_options: ClassVar[Mapping[str, Any]] = {}
    _testMethodName: str

    def run(self, result: Any = None) -> Any:
        """Run the test with its signals recorded."""
        method = getattr(self, self._testMethodName)
        # IsolatedAsyncioTestCase has a context of its own: only the method is in it.
        setattr(self, self._testMethodName, self._recorded(method))
        try:
            return super().run(result)  # type: ignore[misc] # TestCase has it.
        finally:
            setattr(self, self._testMethodName, method)

    def _recorded(self, method: Callable[[], Any]) -> Callable[[], Any]:
        @wraps(method)
        def run() -> Any:
            with recorded_signals(**self.signals_options) as self.signals:
                return method()

        @wraps(method)
        async def run_async() -> Any:
            with recorded_signals(**self.signals_options) as self.signals:
                return await method()

        return run_async if iscoroutinefunction(method) else run
