"""What a recording saw: plain data, free of the objects that it tells of.

A ``Recording`` holds entries. An entry is an ``Emission``, a ``Query`` or a
``CommitHook``; an emission holds its ``ReceiverCall``s, and these hold entries again.
All times are nanoseconds of ``time.perf_counter_ns()``.

What an object has from the beginning stands in its class: there are many objects, and
setting it for each one would double the cost of recording.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from types import CodeType
from typing import TypeAlias, Union

from signals_demo.recorder.transaction import COMMITTED, OPEN, ROLLED_BACK, Transaction

#: What ``json.dumps()`` takes, and what a described object is.
Described: TypeAlias = (
    bool | int | float | str | list["Described"] | dict[str, "Described"] | None
)
#: A name without its module, file and line or the code, and the module; it is empty if
#: the name is whole. To put them together is left to who looks at them.
FunctionParts: TypeAlias = tuple[str, str | CodeType, str]
Entry: TypeAlias = Union["Emission", "Query", "CommitHook"]
#: What happened inside of something; most receivers never need a list.
Entries: TypeAlias = list[Entry] | tuple[()]
#: What an entry may happen inside of, but for a recording.
Above: TypeAlias = Union["Emission", "ReceiverCall", "CommitHook"]


class Query:
    """One statement sent to a database.

    Attributes:
        order: its place among all that was recorded in the process.
        sql: the statement without its parameters, and without literals.
        alias: of the database.
        started: when it was sent.
        duration: how long it took.
        many: whether it was sent with many sets of parameters.
        raised: the class of the exception that came of it, or None.
        transaction: inside which it was sent, or None.
        holders: the recordings that hold it.
    """

    duration = 0
    raised: str | None = None
    holders: tuple[Recording, ...] = ()

    def __init__(
        self,
        order: int,
        sql: str,
        alias: str,
        started: int | None,
        many: bool,
        transaction: Transaction | None,
    ) -> None:
        """Note what is known before it is sent."""
        self.order = order
        self.sql = sql
        self.alias = alias
        self.started = started
        self.many = many
        self.transaction = transaction

    @property
    def fate(self) -> str | None:
        """What became of its transaction, or None outside of one."""
        return self.transaction.fate(self.order) if self.transaction else None


class CommitHook:
    """A function given to ``transaction.on_commit()``.

    Attributes:
        order: its place among all that was recorded in the process.
        function: its name and place.
        started: when it ran, or None if it did not.
        duration: how long it ran.
        raised: the class of the exception that it raised, or None.
        entries: what happened while it ran.
        transaction: for whose end it waits, or None if it ran at once.
        holders: the recordings that hold it.
    """

    started: int | None = None
    duration = 0
    raised: str | None = None
    entries: Entries = ()
    holders: tuple[Recording, ...] = ()

    def __init__(
        self,
        order: int,
        function: str,
        transaction: Transaction | None,
        root: Root,
    ) -> None:
        """Note who registered what."""
        self.order = order
        self.function = function
        self.transaction = transaction
        self.root = root

    @property
    def outcome(self) -> str:
        """What became of it, in a few words."""
        if self.raised:
            return f"raised {self.raised}"
        if self.started is not None:
            return "ran"
        fate = self.transaction.fate(self.order) if self.transaction else OPEN
        if fate == ROLLED_BACK:
            return "never ran: rolled back"
        if fate == COMMITTED:
            return "never ran: one before it raised"
        return "has not run: the transaction is open"


class ReceiverCall:
    """One receiver that an emission reached, or should have reached.

    Attributes:
        parts: what it is called, in parts.
        is_async: whether Django awaits it.
        started: when it was called, or None.
        duration: from its call to its end, waiting included.
        running: how long it ran itself; less than the duration if it awaited.
        times: how many calls are folded into this one.
        raised: the class of the exception that left it, or None.
        muted: whether it was not called because it is muted.
        entries: what happened while it ran.
        holders: the recordings that hold it.
    """

    started: int | None = None
    duration = 0
    running = 0
    times = 1
    raised: str | None = None
    muted = False
    is_async = False
    entries: Entries = ()

    def __init__(
        self, parts: FunctionParts, root: Root, holders: tuple[Recording, ...] = ()
    ) -> None:
        """Note who is about to be called.

        Args:
            parts: of the receiver.
            root: the recording that it happens in.
            holders: the recordings that hold it.
        """
        self.parts = parts
        self.root = root
        self.holders = holders

    @property
    def receiver(self) -> str:
        """Its dotted name."""
        name, _, module = self.parts
        return f"{module}.{name}" if module else name

    @property
    def place(self) -> str:
        """Its file and line, or an empty string."""
        code = self.parts[1]
        if isinstance(code, str):
            return code
        return f"{code.co_filename}:{code.co_firstlineno}"

    @property
    def outcome(self) -> str:
        """``returned``, ``raised ...``, ``muted`` or ``not reached``."""
        if self.muted:
            return "muted"
        if self.started is None:
            return "not reached"
        return f"raised {self.raised}" if self.raised else "returned"


class Emission:
    """One signal, sent once, or folded with others of its kind.

    Attributes:
        order: its place among all that was recorded in the process.
        signal: its name, that of the module attribute that holds it.
        sender: described.
        method: ``send``, ``send_robust``, ``asend`` or ``asend_robust``.
        arguments: the others that it was sent with, described.
        started: when it was sent.
        duration: until the last receiver had ended.
        times: how many emissions are folded into this one.
        thread: the number that the system gave to the thread.
        task: the name of the asyncio task, or None outside of one.
        call_site: the code of the project that made it come, or its file and line.
        instruction: the one of that code which ran.
        calls: its receivers, in the order in which Django calls them.
        transaction: inside which it was sent, or None.
        raised: the class of the exception that left it, or None.
        holders: the recordings that hold it.
    """

    started: int | None = None
    duration = 0
    times = 1
    task: str | None = None
    raised: str | None = None
    calls: Sequence[ReceiverCall] = ()
    transaction: Transaction | None = None
    holders: tuple[Recording, ...] = ()
    call_site: CodeType | str | None = None
    instruction = 0
    #: The signal itself, while Django's method runs and its receivers are not known.
    pending: object = None

    def __init__(
        self,
        order: int,
        signal: str,
        sender: str | None,
        method: str,
        arguments: dict[str, Described],
        thread: int,
        parent: Parent,
    ) -> None:
        """Note what is known of all before the first receiver is called.

        The parent is what it happens inside of.
        """
        self.order = order
        self.signal = signal
        self.sender = sender
        self.method = method
        self.arguments = arguments
        self.thread = thread
        self.parent = parent

    @property
    def name(self) -> str:
        """The last part of the name of the signal."""
        return self.signal.rpartition(".")[2]

    @property
    def caller(self) -> str | None:
        """File and line of the project's code that made it come, or None."""
        code = self.call_site
        if code is None or isinstance(code, str):
            return code
        for start, end, line in code.co_lines():
            if start <= self.instruction < end and line is not None:
                return f"{code.co_filename}:{line}"
        return f"{code.co_filename}:{code.co_firstlineno}"

    @property
    def fate(self) -> str | None:
        """What became of its transaction, or None outside of one."""
        return self.transaction.fate(self.order) if self.transaction else None


class Root:
    """Where entries without a receiver above them go.

    Attributes:
        root: itself.
        outer: what the recording began inside of: another recording, or a receiver
            or commit hook that another one saw; or None.
        looking: the recordings of the context that see what happens in it: this one
            and those that it began inside of.
        holders: itself, if it is a recording.
    """

    __slots__ = ("entries", "holders", "looking", "outer", "root")

    def __init__(self) -> None:
        """Begin without entries."""
        self.root: Root = self
        self.holders: tuple[Recording, ...] = ()
        self.outer: Parent | None = None
        self.looking: tuple[Recording, ...] = ()
        self.entries: Entries = []


#: What an entry may happen inside of.
Parent: TypeAlias = Root | ReceiverCall | CommitHook


class Recording(Root):
    """What was seen from its beginning to its end, as far as there was room.

    Attributes:
        entries: what happened, in order.
        started: when it began.
        duration: how long it took, or 0 as long as it has not ended.
        dropped: how many emissions, queries and hooks found no room, by name.
        max_entries: how many entries there is room for.
        max_bytes: how many bytes they may take, by estimate.
        muted: names of receivers that were muted when Django asked whether anybody
            listens.
        wanted: says by signal and sender what to keep; None wants all.
    """

    __slots__ = (
        "_bytes",
        "_count",
        "dropped",
        "duration",
        "max_bytes",
        "max_entries",
        "muted",
        "started",
        "wanted",
    )

    def __init__(
        self,
        max_entries: int,
        max_bytes: int,
        wanted: Callable[[str, str | None], bool] | None = None,
    ) -> None:
        """Begin without entries."""
        super().__init__()
        self.holders = (self,)
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self.wanted = wanted
        self.started = 0
        self.duration = 0
        self.dropped: Counter[str] = Counter()
        self.muted: set[str] = set()
        self._count = 0
        self._bytes = 0

    def takes(self, name: str, size: int, sender: str | None, parent: Parent) -> bool:
        """Take the room for one entry, or count it as dropped.

        Args:
            name: of the signal, or what kind of entry it is.
            size: how many bytes it takes, by estimate.
            sender: of the signal, described.
            parent: what it happens inside of; what happens inside of a receiver that
                was kept is wanted too.
        """
        if self.duration:  # It has ended; a task that began in it goes on.
            return False
        if (
            self.wanted is not None
            and (self is parent or self not in parent.holders)
            and not self.wanted(name, sender)
        ):
            return False
        count, taken = self._count + 1, self._bytes + size
        # What comes after the first that is dropped might belong inside of it.
        if count > self.max_entries or taken > self.max_bytes or self.dropped:
            self.dropped[name] += 1
            return False
        self._count, self._bytes = count, taken
        return True

    def grow(self, size: int) -> None:
        """Count bytes that an entry takes since it was kept.

        Args:
            size: how many, by estimate.
        """
        self._bytes += size

    def emissions(self) -> Iterator[Emission]:
        """Yield every emission, each before those that happened inside of it."""
        return (entry for entry, _ in walk(self) if isinstance(entry, Emission))

    def queries(self) -> Iterator[Query]:
        """Yield every statement."""
        return (entry for entry, _ in walk(self) if isinstance(entry, Query))


def walk(
    parent: Parent, above: tuple[Above, ...] = ()
) -> Iterator[tuple[Entry, tuple[Above, ...]]]:
    """Yield each entry inside of the parent, with all that it happened inside of.

    Args:
        parent: where to begin.
        above: what the parent happened inside of, the outermost first.
    """
    for entry in list(parent.entries):
        yield entry, above
        if isinstance(entry, Emission):
            for call in list(entry.calls):
                yield from walk(call, (*above, entry, call))
        elif isinstance(entry, CommitHook):
            yield from walk(entry, (*above, entry))
