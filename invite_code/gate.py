"""The gate before sign-up: a visitor shows a code, and a use is kept for the session.

All doors ask the same question, ``is_open()``, and all end the same way, by
``consume()`` in the transaction that makes the user.
"""

import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import partial, update_wrapper, wraps
from typing import Any
from urllib.parse import urlencode

from asgiref.sync import iscoroutinefunction
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import router, transaction
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from invite_code import redemption
from invite_code.conf import conf
from invite_code.errors import NotAdmitted
from invite_code.models import Hold, Redemption
from invite_code.throttling import limited

#: Where a session has the code and the key of its hold. Not the hold itself: who sends
#: a code twice at once has the second one, and maybe the session of the first.
SESSION_KEY = "invite_code_hold"

View = Callable[..., HttpResponseBase]


def admit(request: HttpRequest, code: str) -> Hold:
    """Keep a use of a code for a visitor, who may sign up as long as it is kept.

    A hold the session had before is released.

    Args:
        request: what the visitor sent; its session keeps the hold.
        code: the code, in any spelling.

    Raises:
        Malformed: that is no code.
        Refused: the code lets nobody in; the error says why.
        Throttled: too many codes were refused of late.
    """
    conf.code_format.normalize(code)  # A typo is not worth a call to the cache.
    ttl = timedelta(seconds=conf.INVITE_CODE_HOLD_SECONDS)
    earlier = hold_of(request)
    before = request.session.get(SESSION_KEY)
    key = before["key"] if before else secrets.token_hex(16)
    with limited(request):
        kept = redemption.hold(code, key, ttl)
    request.session[SESSION_KEY] = {"code": kept.code_id, "key": key}
    if earlier:
        redemption.release(earlier)
    return kept


def hold_of(request: HttpRequest) -> Hold | None:
    """Return what keeps a use for a visitor now, its code loaded; None if nothing does.

    Args:
        request: what the visitor sent.
    """
    # A request of an API that goes by tokens may have no session.
    kept = getattr(request, "session", {}).get(SESSION_KEY)
    if not kept:
        return None
    # Read where it was written: a replica might not have it yet.
    holds = Hold.objects.using(router.db_for_write(Hold)).select_related("code")
    return holds.filter(**kept, expires_at__gt=timezone.now()).first()


def is_open(request: HttpRequest) -> bool:
    """Return whether a visitor may sign up: a use is kept for this session.

    Args:
        request: what the visitor sent.
    """
    return hold_of(request) is not None


def ask(then: str) -> HttpResponseRedirect:
    """Return the way to the page that asks for a code, and from there to another one.

    Args:
        then: the address of the other one.

    Raises:
        NoReverseMatch: the project does not include ``invite_code.urls``.
    """
    query = urlencode({"next": then})
    return HttpResponseRedirect(f"{reverse('invite_code:enter')}?{query}")


def consume(request: HttpRequest, user: AbstractBaseUser) -> Redemption:
    """Turn what is kept for a visitor into the redemption by a new user.

    Call it in the transaction that makes the user: both happen, or neither. Called
    again for a user who has redeemed, it returns the redemption there was.

    Args:
        request: what the visitor sent.
        user: the user, saved.

    Raises:
        NotAdmitted: nothing is kept for this session, or no longer.
        Refused: the code was revoked or ran out in the meantime.
    """
    kept = hold_of(request)
    if kept is None:
        redemptions = Redemption.objects.using(router.db_for_write(Redemption))
        if earlier := redemptions.filter(user=user.pk).first():
            return earlier
        raise NotAdmitted("No use of a code is kept for this session.")
    using = kept._state.db
    redeemed = redemption.redeem(
        kept.code.code, user, using=using, hold=kept, _insist=True
    )
    forget = partial(request.session.pop, SESSION_KEY, None)
    transaction.on_commit(forget, using=using)
    return redeemed


def required(view: View) -> View:
    """Send who has not shown a code to the page that asks for one, and back again.

    For a view that signs users up; it calls ``consume()`` when it has made one. An
    async view asks ``is_open()`` itself, by ``sync_to_async``.

    Raises:
        TypeError: the view is async.
    """
    if iscoroutinefunction(view):
        raise TypeError("gate.required is for views that are not async.")

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if is_open(request):
            return view(request, *args, **kwargs)
        return ask(request.get_full_path())

    guarded.invite_code_gated = True  # type: ignore[attr-defined]  # for the check
    return guarded


def unchecked(view: View) -> View:
    """Keep the check of sign-up doors from naming a view.

    For one that is open on purpose, is gated in a way the check cannot see, or signs
    nobody up.
    """
    # Neither a function, which would hide that a view is async, nor the view itself.
    marked = update_wrapper(partial(view), view)
    marked.invite_code_gated = True  # type: ignore[attr-defined]  # for the check
    return marked
