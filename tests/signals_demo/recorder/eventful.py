"""A recording of all that can happen, made for real."""

import asyncio
from contextlib import suppress

from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.dispatch import Signal

from signals_demo.recorder import mute, record

sold = Signal()
shipped = Signal()


def book_stock(**kwargs):
    Group.objects.create(name=f"stock {Group.objects.count()}")


def write_mail(**kwargs):
    transaction.on_commit(send_mail)


def send_mail():
    shipped.send("mail")


def refuse(**kwargs):
    raise LookupError("secret reason")


def never_reached(**kwargs):
    """Come after the one that raises."""


def silent(**kwargs):
    """Be muted."""


async def pack(**kwargs):
    await asyncio.sleep(0)
    await sync_to_async(shipped.send)("packer")


async def label(**kwargs):
    await asyncio.sleep(0.001)
    await shipped.asend("labeler")


class Rollback(Exception):
    pass


def rolled_back(**kwargs):
    with suppress(Rollback), transaction.atomic():
        sold.send("lost")
        raise Rollback
    Group.objects.count()


def happen():
    """Send, nest, raise, mute, await, roll back, and run at the commit."""
    for receiver in (book_stock, write_mail, silent):
        sold.connect(receiver)
    try:
        with mute(silent):
            with transaction.atomic():
                sold.send("kept", book="Emma")
                rolled_back()
                sold.send("kept again")
            rolled_back()
        for receiver in (refuse, never_reached):
            sold.connect(receiver)
        sold.send_robust("robust")
        with suppress(LookupError):
            sold.send("failing")
        list(Group.objects.all())
        for receiver in (pack, label):
            shipped.connect(receiver, sender="order")
        asyncio.run(shipped.asend("order"))
    finally:
        sold.receivers.clear()
        shipped.receivers.clear()
        sold.sender_receivers_cache.clear()
        shipped.sender_receivers_cache.clear()


def eventful(**options):
    """Return a recording of it; the options are those of ``record()``."""
    connection.ensure_connection()  # A test before may have closed it.
    with record(**options) as recording:
        happen()
    return recording
