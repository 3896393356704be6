"""A page that issues codes, and issuing as people write it at first."""

import os
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from invite_code import issuing
from invite_code.management.commands import issue_invite_codes


def be_naive() -> None:
    """Let each statement be committed by itself, and chunks be as small as usual."""
    no_transaction: Any = SimpleNamespace(
        atomic=lambda using: nullcontext(),
        set_rollback=lambda rollback, using: None,
        on_commit=lambda function, using: function(),
    )
    issuing.transaction = issue_invite_codes.transaction = no_transaction
    issuing.retry = lambda work, *, using: work()
    issuing.CHUNK_SIZE = 1000


if "ISSUING_NAIVE" in os.environ:
    be_naive()


@csrf_exempt
def issue(request: HttpRequest) -> HttpResponse:
    batch = issuing.issue(int(request.POST["count"]), key=request.POST["key"])
    return HttpResponse(batch.pk)


urlpatterns = [path("issue/", issue)]
