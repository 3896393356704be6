"""Who may look at what the process does, and have it run actions."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import DisallowedHost
from django.http import Http404, HttpRequest
from django.http.request import split_domain_port, validate_host
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from signals_demo.recorder.conf import conf

#: No migration makes it, as the app has no models. A superuser has it; to others a
#: backend may grant it.
PERMISSION: Final = "signals_demo_recorder.view_signals"

#: Who is internal where INTERNAL_IPS names nobody, and what this machine is called by
#: then: as Django has it of ALLOWED_HOSTS while DEBUG is on.
LOOPBACK: Final = ("127.0.0.1", "::1")
LOCAL_NAMES: Final = (".localhost", "127.0.0.1", "[::1]")

View = Callable[..., HttpResponseBase]


def may_look(request: HttpRequest) -> bool:
    """Return whether the visitor may see signals, and run actions.

    Args:
        request: of which headers are not believed: a proxy passes on what it is told.
    """
    return _is_developer(request) or _is_trusted(request)


def _is_developer(request: HttpRequest) -> bool:
    address = request.META.get("REMOTE_ADDR")
    internal = settings.INTERNAL_IPS or LOOPBACK
    if not (settings.DEBUG and address and address in internal):
        return False
    # A page of somebody else's whose name leads to this machine is not ours. It sends
    # any header but Host, so what USE_X_FORWARDED_HOST makes of the name is not enough.
    direct = HttpRequest()
    direct.META = {**request.META}
    direct.META.pop("HTTP_X_FORWARDED_HOST", None)
    try:
        request.get_host()
        name, _port = split_domain_port(direct.get_host())
    except DisallowedHost:
        return False
    # ALLOWED_HOSTS of a fresh project may allow any.
    return bool(settings.INTERNAL_IPS) or validate_host(name, LOCAL_NAMES)


def _is_trusted(request: HttpRequest) -> bool:
    if not conf.SIGNALS_RECORDER_STAFF:
        return False
    user = getattr(request, "user", None)  # Not every site has users.
    # A user of a project's own need not have all that Django's has.
    if not (getattr(user, "is_active", False) and getattr(user, "is_staff", False)):
        return False
    has_perm = getattr(user, "has_perm", None)
    return has_perm is not None and bool(has_perm(PERMISSION))


def guarded(view: View) -> View:
    """Have a view answer 404 to those who may not look, whatever they send.

    What changes something needs the token of a form, as ever. It is looked at after
    that: those who may not look are not to learn that there is something.
    """
    protected = csrf_protect(view)

    @csrf_exempt
    @login_not_required  # A redirection would be a hint.
    @wraps(view)
    def guarded_view(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        if not may_look(request):
            raise Http404
        return protected(request, **kwargs)

    return guarded_view
