"""Codes as files that a browser is sent."""

from collections.abc import AsyncIterator, Iterator
from functools import partial

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from invite_code.errors import InviteCodeError
from invite_code.exporting import FORMATS
from invite_code.models import InviteCode
from invite_code.sheet import printable

#: The types of the formats.
TYPES = {"csv": "text/csv", "jsonl": "application/jsonl", "sheet": "text/html"}


def exported(
    request: HttpRequest, codes: QuerySet[InviteCode], format_: str
) -> StreamingHttpResponse:
    """Return codes as a file, which is made while it is sent.

    Args:
        request: the request that it answers.
        codes: which codes.
        format_: "csv", "jsonl" or "sheet".

    Raises:
        InviteCodeError: the codes cannot be printed; says why.
    """
    parts = _sheet(request, codes) if format_ == "sheet" else FORMATS[format_](codes)
    response = StreamingHttpResponse(
        # Under ASGI, Django would make a list of all parts first.
        _one_by_one(parts) if isinstance(request, ASGIRequest) else parts,
        content_type=f"{TYPES[format_]}; charset=utf-8",
    )
    if format_ != "sheet":
        name = f'attachment; filename="invite-codes.{format_}"'
        response["Content-Disposition"] = name
    return response


def _sheet(request: HttpRequest, codes: QuerySet[InviteCode]) -> Iterator[str]:
    try:
        link = request.build_absolute_uri(reverse("invite_code:signup"))
    except NoReverseMatch:
        raise InviteCodeError(
            _("This site does not include the sign-up page of invite_code.urls.")
        ) from None
    return printable(codes, link)


async def _one_by_one(parts: Iterator[str]) -> AsyncIterator[str]:
    following = sync_to_async(partial(next, parts, None))
    while part := await following():
        yield part
