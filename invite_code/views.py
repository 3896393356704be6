"""Pages that ask for a code: sign-up itself, and the gate before other doors."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import RedirectURLMixin
from django.core.exceptions import NON_FIELD_ERRORS
from django.db import connections, transaction
from django.forms import Form
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.shortcuts import resolve_url
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView

from invite_code.forms import InviteCodeForm, JudgingForm, SignupForm

View = Callable[..., HttpResponseBase]


def without_transaction(view: View) -> View:
    """Switch ``ATOMIC_REQUESTS`` off for a view, whatever database has the codes.

    A transaction around the request could not be begun anew when it loses against
    another one, and would read before it writes, which SQLite refuses under load.
    """
    for alias in connections:
        view = transaction.non_atomic_requests(alias)(view)
    return view


@method_decorator(
    [
        login_not_required,
        without_transaction,
        sensitive_post_parameters(),
        csrf_protect,
        never_cache,
    ],
    name="dispatch",
)
class CodePage(RedirectURLMixin, FormView):  # type: ignore[type-arg]  # none at run time
    """A page with a form that judges a code; ``?code=`` fills it in.

    GET changes nothing. A refusal is the form again, with status 429 and Retry-After
    if too many codes were tried, 503 if the database has too much to do.

    Attributes:
        next_page: where to go on, if the address does not say so by ``next``; None for
            ``LOGIN_REDIRECT_URL``.
        redirect_authenticated_user: whether to send who is logged in there at once.
    """

    redirect_authenticated_user = False

    def get_initial(self) -> dict[str, Any]:
        """Return what the link has filled in."""
        return {**super().get_initial(), "invite_code": self.request.GET.get("code")}

    def get_form_kwargs(self) -> dict[str, Any]:
        """Return the arguments of the form, the request among them."""
        return {**super().get_form_kwargs(), "request": self.request}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the context, with the page to go on to as ``next``."""
        return super().get_context_data(next=self.get_redirect_url(), **kwargs)

    def get_default_redirect_url(self) -> str:
        """Return where to go on, if the address does not say so."""
        return resolve_url(self.next_page or settings.LOGIN_REDIRECT_URL)

    def form_invalid(self, form: Form) -> HttpResponse:
        """Show the form again, with the status that the error deserves."""
        response = super().form_invalid(form)
        assert isinstance(form, JudgingForm)
        if form.retry_after is not None:
            response.status_code = 429
            response.headers["Retry-After"] = str(form.retry_after)
        elif form.has_error(NON_FIELD_ERRORS, "busy"):
            response.status_code = 503
            response.headers["Retry-After"] = "1"
        return response

    def dispatch(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        """Keep the address, in which there may be a code, from other sites."""
        response: HttpResponseBase
        if self.redirect_authenticated_user and request.user.is_authenticated:
            response = HttpResponseRedirect(self.get_success_url())
        else:
            response = super().dispatch(request, *args, **kwargs)
        response.headers["Referrer-Policy"] = "same-origin"
        return response


class EnterView(CodePage):
    """Ask for a code, and open the gate for the session."""

    form_class = InviteCodeForm
    template_name = "invite_code/enter.html"


class SignupView(CodePage):
    """Sign up a user by a code.

    Attributes:
        form_class: a form with ``InviteCodeFormMixin``.
        log_in: whether the new user is logged in at once.
    """

    form_class = SignupForm
    template_name = "invite_code/signup.html"
    log_in = True
    redirect_authenticated_user = True

    def form_valid(self, form: Form) -> HttpResponse:
        """Make the user and redeem the code, or show the form again."""
        assert isinstance(form, self.form_class)
        user = form.sign_up()
        if user is None:
            return self.form_invalid(form)
        if self.log_in and user.is_active:
            backend = settings.AUTHENTICATION_BACKENDS[0]
            login(self.request, user, backend)  # type: ignore[arg-type]  # any model
        return super().form_valid(form)
