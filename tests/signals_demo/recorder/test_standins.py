import asyncio

import pytest
from django.dispatch import Signal

from signals_demo.recorder import record


class Sender:
    pass


def test_a_receiver_may_return_any_awaitable():
    inner, outer = Signal(), Signal()

    async def wait():
        await inner.asend(Sender)
        return 1

    class Awaiting:
        async def __call__(self, **named):
            pytest.fail("Its instances are called otherwise.")

    class Task(Awaiting):
        def __call__(self, **named):
            return asyncio.ensure_future(wait())

    receiver = Task()
    outer.connect(receiver)
    key, reference, *rest, _ = outer.receivers[0]
    outer.receivers[0] = (key, reference, *rest, True)
    with record() as recording:
        assert asyncio.run(outer.asend(Sender)) == [(receiver, 1)]
    assert recording.entries[0].calls[0].outcome == "returned"


def test_a_receiver_whose_task_is_dropped_has_not_returned():
    async def receiver(**named):
        await asyncio.Future()

    class Dropping(Signal):
        async def asend(self, sender, **named):
            _, (each,) = self._live_receivers(sender)
            coroutine = each(signal=self, sender=sender)
            coroutine.send(None)
            coroutine.close()

    signal = Dropping()
    signal.connect(receiver)
    with record() as recording:
        asyncio.run(signal.asend(Sender))
    (each,) = recording.entries[0].calls
    assert each.outcome == "raised GeneratorExit"


def test_asyncio_shows_the_name_of_the_receiver():
    async def receiver(**named):
        return repr(asyncio.current_task())

    class Tasks(Signal):
        async def asend(self, sender, **named):
            _, (each,) = self._live_receivers(sender)
            return await asyncio.create_task(each(signal=self, sender=sender))

    signal = Tasks()
    signal.connect(receiver)
    with record():
        assert receiver.__qualname__ in asyncio.run(signal.asend(Sender))
