"""The site whose explorer is tried: it sends signals when it is asked to."""

import os
from typing import Any

from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from signals_demo.recorder.actions import Action

sold = Signal()


def ping(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(os.getpid()))


def sell(request: HttpRequest, times: int) -> HttpResponse:
    for number in range(times):
        sold.send("shop", number=number, note="\r\n\0\u2028</script>")
    return HttpResponse("sold")


async def asell(request: HttpRequest, times: int) -> HttpResponse:
    for number in range(times):
        await sold.asend("shop", number=number)
    return HttpResponse("sold")


def keep_stock(**kwargs: Any) -> None:
    """Be called."""


sold.connect(keep_stock)

ACTIONS = [Action("sell", "Sell", "Sells.", lambda: sold.send("action"))]

urlpatterns = [
    path("ping/", ping),
    path("sell/<int:times>/", sell),
    path("asell/<int:times>/", asell),
    path("live/", include("signals_demo.recorder.urls")),
]
