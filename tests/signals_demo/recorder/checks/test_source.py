import pytest

from signals_demo.recorder.checks.source import connects

IMPORTED = "from django.db.models.signals import post_save"


@pytest.mark.parametrize(
    "source",
    [
        "from django.dispatch import receiver\n@receiver(x)\ndef f(): pass",
        "from django.dispatch import receiver as hears\n@hears(x)\ndef f(): pass",
        "from django.dispatch.dispatcher import receiver\nreceiver(x)(f)",
        "from django import dispatch\n@dispatch.receiver(x)\ndef f(): pass",
        "import django.dispatch\n@django.dispatch.receiver(x)\ndef f(): pass",
        f"{IMPORTED}\npost_save.connect(f)",
        f"{IMPORTED} as saved\ndef ready(): saved.connect(f)",
        "from django.db.models import signals\nsignals.post_save.connect(f)",
        "from django.db import models\nmodels.signals.post_save.connect(f)",
        "import shop.signals\nshop.signals.order_paid.connect(f)",
        "import shop.signals as heard\nheard.order_paid.connect(f)",
        "from .signals import order_paid\norder_paid.connect(f)",
        "from . import signals\nsignals.order_paid.connect(f)",
        "from allauth_signals import order_paid\norder_paid.connect(f)",
        "order_paid = Signal()\norder_paid.connect(f)",
        "order_paid = dispatch.Signal()\norder_paid.connect(f)",
        "post_tag = ModelSignal(use_caching=True)\npost_tag.connect(f)",
        "# -*- coding: latin-1 -*-\nx = 'é'\norder_paid = Signal()\n"
        "order_paid.connect(f)",
    ],
)
def test_it_connects(source):
    encoding = "latin-1" if "latin-1" in source else "utf-8"
    assert connects(source.encode(encoding))


@pytest.mark.parametrize(
    "source",
    [
        "",
        "from django.dispatch import Signal\norder_paid = Signal()",
        f"{IMPORTED}\npost_save.disconnect(f)",
        f"{IMPORTED}\npost_save.send(f)",
        "import sqlite3\nsqlite3.connect('file')",
        "from sqlalchemy import engine\nengine.connect()",
        "receiver = open('x')\nreceiver(y)",
        "from radio import receiver\n@receiver(x)\ndef f(): pass",
        "from celery.signals import worker_ready\nworker_ready.connect(f)",
        "from celery import signals\nsignals.worker_ready.connect(f)",
        "import celery.signals\ncelery.signals.worker_ready.connect(f)",
        "import signal\nsignal.signal(1, f)",
        "get_signals().connect(f)\n(lambda: 1)()",
        "a[0] = Signal()\nb = other()\nb.connect(f)",
        "# from django.dispatch import receiver",
    ],
)
def test_it_does_not(source):
    assert not connects(source.encode())


@pytest.mark.parametrize("source", [b"def", b"\0", "é".encode("latin-1")])
def test_what_is_no_python_is_said_so(source):
    with pytest.raises((SyntaxError, ValueError)):
        connects(source)
