from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from invite_code.models import InviteBatch, InviteCode
from signals_demo import catalog


def home(request: HttpRequest) -> HttpResponse:
    """Show what the example project holds, and where to look at it."""
    context = {
        "codes": InviteCode.objects.count(),
        "batches": InviteBatch.objects.count(),
        "signals": catalog.signals(),
    }
    return render(request, "example_project/home.html", context)
