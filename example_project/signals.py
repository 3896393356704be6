"""A signal of the example's own, and who listens to it: one of them fails."""

import asyncio
import logging
from typing import Any

from django.dispatch import Signal, receiver

logger = logging.getLogger("example_project")

#: A pizza was ordered. Sent with ``number``, that of the order.
pizza_ordered = Signal()


class CardRefused(Exception):
    """The bank does not pay."""


@receiver(pizza_ordered, dispatch_uid="example_project.print_receipt")
def print_receipt(sender: Any, *, number: int, **kwargs: Any) -> None:
    """Print the receipt of an order."""
    logger.debug("Receipt for order %d", number)


@receiver(pizza_ordered, dispatch_uid="example_project.charge_card")
def charge_card(sender: Any, *, number: int, **kwargs: Any) -> None:
    """Take the money for an order.

    Raises:
        CardRefused: always, so that there is something to see.
    """
    raise CardRefused(f"No money for order {number}")


@receiver(pizza_ordered, dispatch_uid="example_project.light_oven")
def light_oven(sender: Any, *, number: int, **kwargs: Any) -> None:
    """Heat the oven for an order."""
    logger.debug("Oven lit for order %d", number)


@receiver(pizza_ordered, dispatch_uid="example_project.call_courier")
async def call_courier(sender: Any, *, number: int, **kwargs: Any) -> None:
    """Tell the courier of an order."""
    await asyncio.sleep(0.005)
    logger.debug("Courier called for order %d", number)
