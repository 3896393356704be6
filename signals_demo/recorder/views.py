"""The explorer: signals live in the browser."""

import json
from collections.abc import Callable, Iterable
from functools import wraps
from itertools import islice
from typing import Any, Final

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.db import connections, transaction
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    JsonResponse,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import get_script_prefix, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from signals_demo.recorder import inventory, text
from signals_demo.recorder.access import View, guarded
from signals_demo.recorder.actions import Action, Busy, actions, find, run
from signals_demo.recorder.live import downloads
from signals_demo.recorder.live.details import details
from signals_demo.recorder.live.feed import feed
from signals_demo.recorder.live.streams import TaskStream, ThreadStream
from signals_demo.recorder.masking import MASK, url_path

#: How many of the newest entries the page shows without a script.
NEWEST: Final = 100
#: How many lines their tree has at most.
MAX_LINES: Final = 2_000
#: What an address of the explorer begins with.
_PARTS: Final = ("stream/", "receivers/", "emission/", "actions/", "export/")


def explorer_view(*methods: str) -> Callable[[View], View]:
    """Have a view serve those who may look, and not show up in what it shows.

    Args:
        methods: what it answers to.
    """

    def decorate(view: View) -> View:
        answer = require_http_methods(methods)(view)

        @guarded
        @wraps(view)
        def hidden(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
            feed.hide(*_addresses(request))
            return answer(request, **kwargs)

        return hidden

    return decorate


def _address(request: HttpRequest, name: str, **kwargs: str) -> str:
    """Return the address of a view, beside the one that was asked for."""
    match = request.resolver_match
    space = match.namespace if match else "signals_recorder"
    return reverse(f"{space}:{name}", kwargs=kwargs)


def _addresses(request: HttpRequest) -> list[str]:
    """Return what the addresses of the explorer begin with, as they are described."""
    root = _address(request, "explorer")
    inside = root.removeprefix(get_script_prefix().removesuffix("/"))
    # A site may be nothing but the explorer's.
    parts = [""] if inside != "/" else _PARTS
    pages = [url_path(base + part) for base in (root, inside) for part in parts]
    static = url_path(f"{settings.STATIC_URL}signals_demo_recorder/")
    # One that is masked would be that of other pages, too; each hides itself.
    return [static, *(each for each in pages if MASK not in each)]


def wants_json(request: HttpRequest) -> bool:
    """Return whether it is a program that asks, and not a browser."""
    if "format" in request.GET:
        return request.GET["format"] == "json"
    preferred = request.get_preferred_type(["text/html", "application/json"])
    return preferred == "application/json"


@never_cache
@explorer_view("GET", "HEAD")
def explorer(request: HttpRequest) -> HttpResponse:
    """Show the page, or what the process holds as JSON."""
    _look()
    feed.collect()
    if wants_json(request):
        return HttpResponse(_held(request), content_type="application/json")
    newest = downloads.recording_of(feed.ring.entries()[-NEWEST:])
    config = {
        "stream": _address(request, "stream"),
        "emission": _address(request, "emission"),
        "export": {
            name: _address(request, "export", format=name) for name in downloads.FORMATS
        },
        "actions": _actions(request),
        "process": feed.process,
        "csrf": settings.CSRF_HEADER_NAME.removeprefix("HTTP_").replace("_", "-"),
    }
    lines = [*islice(text.tree(newest), MAX_LINES + 1)]
    context = {
        "config": config,
        "tree": "\n".join(lines[:MAX_LINES]),
        "is_cut": len(lines) > MAX_LINES,
    }
    return _page(request, "explorer", context)


def _page(request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
    links = {each: _address(request, each) for each in ("explorer", "receivers")}
    template = f"signals_demo_recorder/{name}.html"
    return render(request, template, {**context, "links": links})


def _look() -> None:
    """Have what happens recorded from now on, but not this very request."""
    feed.look(hold=False)
    feed.hide()


def _held(request: HttpRequest) -> str:
    """Return what the process holds; its entries are JSON already."""
    facts = json.dumps(
        {
            "process": feed.process,
            "actions": _actions(request),
            "findings": feed.ring.findings(),
            "lost": feed.ring.lost,
        }
    )
    entries = ", ".join(each.text for each in feed.ring.entries())
    return f'{facts[:-1]}, "entries": [{entries}]}}'


def _actions(request: HttpRequest) -> list[dict[str, str]]:
    return [
        {
            "slug": each.slug,
            "title": str(each.title),
            "description": str(each.description),
            "url": _address(request, "action", slug=each.slug),
        }
        for each in actions()
    ]


@explorer_view("GET")
def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Send what happens, as it happens."""
    _look()
    last = request.headers.get("Last-Event-ID") or request.GET.get("after", "")
    content: ThreadStream | TaskStream
    if isinstance(request, ASGIRequest):
        content = TaskStream(feed, last, hold=True)
    else:
        # With one thread, nobody else would be answered meanwhile.
        hold = bool(request.META.get("wsgi.multithread"))
        content = ThreadStream(feed, last, hold=hold)
    response = StreamingHttpResponse(content, content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"  # nginx would wait for more.
    response["Content-Encoding"] = "identity"  # So would GZipMiddleware.
    return response


@never_cache
@explorer_view("GET", "HEAD")
def receivers(request: HttpRequest) -> HttpResponse:
    """Show all signals and their receivers."""
    signals = inventory.as_data()
    if wants_json(request):
        return JsonResponse(signals, safe=False)
    return _page(request, "receivers", {"signals": signals})


@never_cache
@explorer_view("GET", "HEAD")
def emission(request: HttpRequest) -> JsonResponse:
    """Tell all about a signal, as a sender sees it.

    Raises:
        Http404: there is no such signal in the process.
    """
    found = details(request.GET.get("signal", ""), request.GET.get("sender") or None)
    if found is None:
        raise Http404
    return JsonResponse(found)


def without_transaction(view: View) -> View:
    """Switch ``ATOMIC_REQUESTS`` off for a view.

    What an action does would else be part of a larger transaction, and rolled back, or
    committed, otherwise than it would be.
    """
    for alias in connections:
        view = transaction.non_atomic_requests(alias)(view)
    return view


@without_transaction
@never_cache
@explorer_view("POST")
def action(request: HttpRequest, slug: str) -> HttpResponse:
    """Run an action, and show what came of it.

    Raises:
        Http404: there is no such action.
    """
    known = find(slug)
    if known is None:
        raise Http404
    try:
        data = run(known).as_data()
    except Busy:
        return _busy(request, known)
    if wants_json(request):
        return JsonResponse(data)
    return _page(request, "action", data)


def _busy(request: HttpRequest, action: Action) -> HttpResponse:
    problem = _("This action is being run at this moment. Try again when it has ended.")
    if wants_json(request):
        return JsonResponse({"slug": action.slug, "error": problem}, status=409)
    return HttpResponse(problem, content_type="text/plain; charset=utf-8", status=409)


@never_cache
@explorer_view("POST")
def export(request: HttpRequest, format: str) -> HttpResponse:
    """Send what the process holds, or some of it, as a file.

    Raises:
        Http404: there is no such format.
    """
    if format not in downloads.FORMATS:
        raise Http404
    if request.GET.get("process", feed.process) != feed.process:
        # Numbers are those of a process, and it is not the one that is looked at.
        problem = _("Another process of the server has answered. Try again.")
        return HttpResponse(
            problem, content_type="text/plain; charset=utf-8", status=409
        )
    try:
        numbers = _numbers(request)
    except ValueError:
        problem = _("The body is to be a JSON list of numbers of entries, or empty.")
        return HttpResponseBadRequest(problem, content_type="text/plain; charset=utf-8")
    feed.collect()
    entries = [
        each
        for each in feed.ring.entries()
        if numbers is None or each.entry.order in numbers
    ]
    file = downloads.FORMATS[format]
    body = file.write(entries, feed.ring.findings())
    name = f"signals-{timezone.now():%Y%m%d-%H%M%S}{file.suffix}"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Signals-Entries": len(entries),  # Those that made room are not among them.
    }
    return HttpResponse(body, content_type=file.content_type, headers=headers)


def _numbers(request: HttpRequest) -> set[int] | None:
    """Return which entries are asked for; None for all.

    Raises:
        ValueError: the request does not say.
    """
    if request.content_type != "application/json":  # A form, without a script.
        return {int(each) for each in request.POST.getlist("number")} or None
    if not request.body:
        return None
    try:
        found = json.loads(request.body)
    except RecursionError as error:
        raise ValueError("This is too deep.") from error
    if not isinstance(found, list) or not _are_numbers(found):
        raise ValueError("This is no list of numbers.")
    return {*found}


def _are_numbers(found: Iterable[object]) -> bool:
    return all(type(each) is int for each in found)
