"""What stands in for receivers, so that their calls are noted."""

from collections.abc import Awaitable, Callable, Coroutine, Generator
from time import perf_counter_ns as clock
from typing import Any, cast

from signals_demo.recorder import capture
from signals_demo.recorder.scope import position
from signals_demo.recorder.trace import Emission, Parent, ReceiverCall


class Receiver:
    """A receiver whose call is noted. To all else it is the receiver itself."""

    __slots__ = ("call", "receiver")

    def __init__(self, receiver: Any, call: ReceiverCall) -> None:
        """Stand in for a receiver.

        Args:
            receiver: itself.
            call: what its call is noted in.
        """
        self.receiver = receiver
        self.call = call

    def __getattr__(self, name: str) -> Any:  # Django logs its __qualname__.
        return getattr(self.receiver, name)


class Sync(Receiver):
    """One that is called, and has returned then."""

    __slots__ = ()

    def __call__(self, **named: object) -> Any:
        """Call the receiver, and return what it does."""
        call = self.call
        token = position.set(call)
        call.started = started = clock()
        try:
            return self.receiver(**named)
        except BaseException as error:
            call.raised = capture.type_name(type(error))
            raise
        finally:
            took = clock() - started
            call.duration += took
            call.running += took
            position.reset(token)


class Async(Receiver):
    """One whose coroutine is driven step by step."""

    __slots__ = ()

    def __call__(self, **named: object) -> Any:
        """Call the receiver, and return its coroutine."""
        call = self.call
        call.is_async = True
        token = position.set(call)
        started = clock()
        try:
            awaitable = self.receiver(**named)
        except BaseException as error:
            call.started = started
            call.raised = capture.type_name(type(error))
            raise
        finally:
            position.reset(token)
        return Driven(coroutine_of(awaitable), call)


def coroutine_of(awaitable: Awaitable[Any]) -> Coroutine[Any, Any, Any]:
    """Return a coroutine that does what the awaitable does.

    Args:
        awaitable: what a receiver, or the ``asend()`` of a subclass, has returned.
    """
    if isinstance(awaitable, Coroutine):
        return awaitable

    async def wait() -> Any:
        return await awaitable

    return wait()


class Driven(Coroutine[Any, Any, Any]):
    """A coroutine whose steps run inside of a node of the tree.

    Django 6.1 runs all receivers of an emission in one context. So what is set must be
    taken back whenever the coroutine lets another one run, not only at its end.
    """

    __slots__ = ("began", "coroutine", "inside", "node")

    def __init__(
        self, coroutine: Coroutine[Any, Any, Any], node: Emission | ReceiverCall
    ) -> None:
        """Begin to drive.

        Args:
            coroutine: whose steps they are.
            node: what they run inside of.
        """
        self.coroutine = coroutine
        self.node = node
        # Where the next step goes on: in a recording, if the last one began it.
        self.inside: Emission | Parent | None = node
        self.began = 0

    def __getattr__(self, name: str) -> Any:  # asyncio shows its name and its frame.
        return getattr(self.coroutine, name)

    def __await__(self) -> Generator[Any, Any, Any]:
        return cast("Generator[Any, Any, Any]", self)  # It has all methods of one.

    def __next__(self) -> Any:
        return self._step(self.coroutine.send, None)

    def send(self, value: Any) -> Any:
        """Take the next step, as coroutines do."""
        return self._step(self.coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        """Raise an exception where it waits."""
        return self._step(self.coroutine.throw, *error)

    def close(self) -> None:
        """End it where it waits."""
        self._step(self.coroutine.close)
        self._end(GeneratorExit)

    def _step(self, step: Callable[..., Any], *arguments: Any) -> Any:
        node = self.node
        token = position.set(self.inside)
        started = clock()
        self.began = self.began or started
        node.started = node.started or started
        try:
            return step(*arguments)
        except BaseException as error:
            self._end(type(error))
            raise
        finally:
            if isinstance(node, ReceiverCall):
                node.running += clock() - started
            self.inside = position.get()
            position.reset(token)

    def _end(self, how: type[BaseException]) -> None:
        self.node.duration += clock() - self.began
        if how is not StopIteration:
            self.node.raised = capture.type_name(how)
