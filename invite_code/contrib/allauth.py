"""The gate before the doors of allauth: sign-up by password, provider and API.

::

    ACCOUNT_ADAPTER = "invite_code.contrib.allauth.AccountAdapter"
    SOCIALACCOUNT_ADAPTER = "invite_code.contrib.allauth.SocialAccountAdapter"
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from allauth.account.mixins import CloseableSignupMixin
from allauth.core.exceptions import ImmediateHttpResponse, SignupClosedException
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.adapter import get_adapter as get_social_adapter
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, OperationalError, router, transaction
from django.db.models import UniqueConstraint
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch
from django.utils.translation import gettext_lazy as _

from invite_code import gate, redemption
from invite_code.errors import Refused, Throttled
from invite_code.forms import BUSY, REFUSED
from invite_code.retrying import is_contention

#: What is told to who wanted a user name that somebody took since it was validated.
TAKEN = _("Somebody else was quicker. Please try again.")

#: Where a client of the API gives the code: ``X-Invite-Code``.
HEADER = "HTTP_X_INVITE_CODE"

#: What says that a request came with a code that was good.
BROUGHT = "invite_code.brought"

#: The names of the addresses of the API that make users.
API_DOORS = {"signup", "signup_webauthn", "provider_signup", "provider_token"}


class InviteCodeAccountAdapterMixin:
    """Let an account adapter make no user without a code.

    Put it before an adapter of your own, whose methods it calls.
    """

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return whether the site is open, and the visitor has shown a code.

        Raises:
            ImmediateHttpResponse: the way to the page that asks for a code, for who
                is at a sign-up form; or that a client of the API is to try later.
        """
        opened = super().is_open_for_signup(request)  # type: ignore[misc]  # a mixin
        return opened and _let_in(request)

    def save_user(
        self, request: HttpRequest, user: Any, form: Any, commit: bool = True
    ) -> Any:
        """Save the user and redeem the code: both, or neither.

        With ``commit=False`` it redeems nothing: who saves the user calls
        ``gate.consume()`` then.

        Raises:
            ImmediateHttpResponse: the code was refused in the meantime, or somebody
                took the user name.
        """
        save = super().save_user  # type: ignore[misc]  # a mixin
        if not commit:
            return save(request, user, form, commit=False)
        with _both_or_neither(request, user):
            saved = save(request, user, form) or user
            gate.consume(request, saved)
        return saved


class InviteCodeSocialAccountAdapterMixin:
    """Let a social account adapter make no user without a code.

    Put it before an adapter of your own, whose methods it calls.
    """

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """Return whether the site is open, and the visitor has shown a code.

        Raises:
            ImmediateHttpResponse: as for the account adapter, for who comes back from
                a provider too.
        """
        if not _let_in(request, sociallogin):
            return False
        opened = super().is_open_for_signup(request, sociallogin)  # type: ignore[misc]  # a mixin
        return bool(opened)

    def save_user(
        self, request: HttpRequest, sociallogin: Any, form: Any = None
    ) -> Any:
        """Save the user and the account, and redeem the code: all, or nothing.

        Raises:
            ImmediateHttpResponse, SignupClosedException: the code was refused in the
                meantime, or somebody took the user name.
        """
        save = super().save_user  # type: ignore[misc]  # a mixin
        with _both_or_neither(request, sociallogin.user, sociallogin):
            saved = save(request, sociallogin, form) or sociallogin.user
            gate.consume(request, saved)
        return saved


class AccountAdapter(InviteCodeAccountAdapterMixin, DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """The adapter for ``ACCOUNT_ADAPTER``, if you have none of your own."""


class SocialAccountAdapter(
    InviteCodeSocialAccountAdapterMixin,
    DefaultSocialAccountAdapter,  # type: ignore[misc]  # allauth has no types
):
    """The adapter for ``SOCIALACCOUNT_ADAPTER``, if you have none of your own."""


def passwords_are_gated() -> bool:
    """Return whether ``ACCOUNT_ADAPTER`` saves nobody without a code."""
    return _is_gated(get_adapter, InviteCodeAccountAdapterMixin)


def providers_are_gated() -> bool:
    """Return whether ``SOCIALACCOUNT_ADAPTER`` saves nobody without a code."""
    return _is_gated(get_social_adapter, InviteCodeSocialAccountAdapterMixin)


def _is_gated(get: Callable[[], Any], mixin: type) -> bool:
    try:
        adapter = type(get())
    except (AttributeError, ImportError):
        return False
    # A method that a subclass puts before ours might do without it.
    methods = ("is_open_for_signup", "save_user")
    return all(getattr(adapter, name) is getattr(mixin, name, None) for name in methods)


def _let_in(request: HttpRequest, sociallogin: Any = None) -> bool:
    """Return whether a code was shown, now or before; lead to the page that asks."""
    if code := _code_in_header(request):
        try:
            gate.admit(request, code)
        except Throttled as error:
            response = _api_response("RateLimitResponse", request)
            response.headers["Retry-After"] = str(error.retry_after)
            raise ImmediateHttpResponse(response) from None
        except Refused:
            return False
        except OperationalError as error:
            _tell_if_busy(request, error)
        request.META[BROUGHT] = True
        return True
    if gate.is_open(request):
        return True
    if page := _code_page(request, sociallogin):
        raise ImmediateHttpResponse(page)
    return False


def _code_in_header(request: HttpRequest) -> str:
    name = getattr(request.resolver_match, "url_name", None)
    if not (name in API_DOORS and request.method == "POST" and _is_headless(request)):
        return ""
    # Taken out, because allauth asks again for what it answers after the sign-up.
    return str(request.META.pop(HEADER, ""))


def _is_headless(request: HttpRequest) -> bool:
    return hasattr(getattr(request, "allauth", None), "headless")


def _has_form(request: HttpRequest) -> bool:
    """Return whether this is a page with a sign-up form."""
    view = getattr(request.resolver_match, "func", None)
    return issubclass(getattr(view, "view_class", object), CloseableSignupMixin)


def _code_page(
    request: HttpRequest, sociallogin: Any = None
) -> HttpResponseRedirect | None:
    """Return the way to the page that asks, None where a program would follow it."""
    if _is_headless(request):
        return None
    if _has_form(request):
        then = request.get_full_path()
    elif sociallogin and not sociallogin.is_headless:
        # From the start: what the provider said is valid once.
        state = {"process": "login"}
        if following := sociallogin.state.get("next"):
            state["next"] = following
        provider = sociallogin.account.get_provider(request)
        then = provider.get_login_url(request, **state)
    else:
        return None
    try:
        return gate.ask(then)
    except NoReverseMatch:  # Without our pages allauth says that it is closed.
        return None


@contextmanager
def _both_or_neither(
    request: HttpRequest, user: Any, sociallogin: Any = None
) -> Iterator[None]:
    """Do what is within in a transaction, and give refusals an answer."""
    try:
        with transaction.atomic(using=router.db_for_write(get_user_model())):
            yield
    except (Refused, IntegrityError) as error:
        # If nothing is kept any more, the same form was sent twice, or too late.
        if kept := gate.hold_of(request):
            if isinstance(error, Refused):
                redemption.release(kept)
                told = REFUSED
            elif not any(map(_is_taken, (user, getattr(sociallogin, "account", None)))):
                raise
            elif not _has_form(request):
                raise _try_again(request, str(TAKEN)) from error
            else:
                told = TAKEN
            get_adapter().add_message(request, messages.ERROR, message=str(told))
        _turn_away(request, sociallogin)
    except OperationalError as error:
        _tell_if_busy(request, error)


def _is_taken(row: Any) -> bool:
    """Return whether another row has what is to be unique to this one, if it is one."""
    if row is None:
        return False
    try:
        row.validate_unique()
        for constraint in row._meta.constraints:
            if isinstance(constraint, UniqueConstraint):
                using = router.db_for_write(type(row), instance=row)
                constraint.validate(type(row), row, using=using)
    except ValidationError:
        return True
    return False


def _tell_if_busy(request: HttpRequest, error: OperationalError) -> NoReturn:
    if is_contention(error):
        raise _try_again(request, str(BUSY)) from error
    raise error


def _try_again(request: HttpRequest, told: str) -> ImmediateHttpResponse:
    # Who has brought the code brings it again, but maybe not the session.
    if BROUGHT in request.META and (kept := gate.hold_of(request)):
        redemption.release(kept)
    busy = HttpResponse(told, status=503, headers={"Retry-After": "1"})
    return ImmediateHttpResponse(busy)


def _turn_away(request: HttpRequest, sociallogin: Any) -> NoReturn:
    if _is_headless(request):
        raise ImmediateHttpResponse(_api_response("ForbiddenResponse", request))
    if _has_form(request):
        # Who was let in by the twin of this request is logged in by now.
        raise ImmediateHttpResponse(HttpResponseRedirect(request.get_full_path()))
    if page := _code_page(request, sociallogin):
        raise ImmediateHttpResponse(page)
    if sociallogin:
        raise SignupClosedException
    raise PermissionDenied(REFUSED)


def _api_response(name: str, request: HttpRequest) -> HttpResponse:
    """Return what allauth itself would answer."""
    # Not above: its API need not be installed.
    from allauth.headless.base import response

    answer: HttpResponse = getattr(response, name)(request)
    return answer
