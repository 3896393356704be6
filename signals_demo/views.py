"""The pages of the signals. What they tell of this process, not everybody is told."""

from contextlib import suppress
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_safe

from signals_demo import catalog, pages
from signals_demo.builtin import BuiltinSignal
from signals_demo.compat import DJANGO_VERSION
from signals_demo.recorder.access import guarded, may_look
from signals_demo.recorder.views import wants_json, without_transaction
from signals_demo.sending import SendingFailed, send_elsewhere


@login_not_required  # What there is to see of the process is guarded.
@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    """Show all signals, and to developers how many receivers each has."""
    listeners = pages.receivers(*catalog.signals()) if may_look(request) else None
    return answer(request, "catalog", pages.index(listeners, namespace_of(request)))


@login_not_required
@csrf_exempt  # What changes something is not, below.
@require_http_methods(["GET", "HEAD", "POST"])
@without_transaction  # Another process may need the lock that one would hold.
@never_cache
def signal(request: HttpRequest, name: str) -> HttpResponseBase:
    """Show one signal, and to developers its receivers; POST has Django send it."""
    try:
        entry = catalog.get(name)
    except KeyError:
        data = pages.unknown(name, namespace_of(request))
        return answer(request, "unknown", data, status=404)
    if request.method == "POST":
        return send(request, entry=entry)
    return show(request, entry)


@csrf_protect  # It sets the cookie that goes with the token of the form.
def show(
    request: HttpRequest, entry: BuiltinSignal, status: int = 200, **came: Any
) -> HttpResponse:
    """Show one signal, and what came if it was sent just now.

    Args:
        request: tells who is looking.
        entry: that of the catalog.
        status: of the response.
        came: ``sent``, what came, or ``problem``, why nothing did.
    """
    here = entry.is_in(DJANGO_VERSION) and may_look(request)
    data = pages.details(entry, namespace_of(request))
    process = of_this_process(entry) if here else NOTHING
    return answer(request, "signal", {**data, **process, **came}, status)


@guarded
def send(request: HttpRequest, entry: BuiltinSignal) -> HttpResponse:
    """Have Django send a signal, and show what came.

    Raises:
        Http404: the installed Django does not have it.
    """
    if not entry.is_in(DJANGO_VERSION):
        raise Http404
    try:
        return show(request, entry, sent=send_elsewhere(entry))
    except SendingFailed as error:
        return show(request, entry, status=503, problem=str(error))


#: What those are told of this process who may not look at it.
NOTHING: dict[str, Any] = {
    "references": None,
    "receivers": None,
    "sent": None,
    "problem": "",
}


def of_this_process(entry: BuiltinSignal) -> dict[str, Any]:
    """Return the receivers of a signal, and the source of those that are ours."""
    return {
        **NOTHING,
        "references": pages.references(entry),
        "receivers": pages.receivers(entry)[entry.path],
    }


def answer(
    request: HttpRequest, page: str, data: dict[str, Any], status: int = 200
) -> HttpResponse:
    """Return the data as a page, or as JSON to those who ask for it.

    Args:
        request: asks by ``?format=json`` or the header ``Accept``.
        page: name of the template.
        data: what ``json.dumps()`` takes.
        status: of the response.
    """
    response: HttpResponse
    if wants_json(request):
        response = JsonResponse(data, status=status)
    else:
        template = f"signals_demo/{page}.html"
        context = {
            "page": data,
            "may_look": may_look(request),
            "namespace": namespace_of(request),
            "explorer": explorer_beside(namespace_of(request)),
        }
        response = render(request, template, context, status=status)
    patch_vary_headers(response, ["Accept"])
    return response


def namespace_of(request: HttpRequest) -> str:
    """Return where the pages are among the names of addresses."""
    match = request.resolver_match
    return match.namespace if match else pages.NAMESPACE


def explorer_beside(namespace: str) -> dict[str, str]:
    """Return the addresses of the explorer, or none if it is not mounted.

    Args:
        namespace: that of the pages; it is looked for beside them first.
    """
    beside = f"{namespace.rpartition(':')[0]}:signals_recorder"
    for each in (beside, "signals_recorder"):
        with suppress(NoReverseMatch):
            return {
                name: reverse(f"{each}:{name}") for name in ("explorer", "receivers")
            }
    return {}
