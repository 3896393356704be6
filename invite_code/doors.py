"""Where people sign up in a project, and which of these doors nobody guards.

A view is judged by what it is; nothing is called. So a view that is but a function is
known by its name alone. Views of packages are named here as those export them.
"""

import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.contrib.auth.mixins import LoginRequiredMixin, PermissionRequiredMixin
from django.urls import URLResolver, get_resolver
from django.views.generic import RedirectView
from django.views.generic.edit import BaseUpdateView, FormMixin

#: Views of allauth that make users by what ``ACCOUNT_ADAPTER`` says.
BY_PASSWORD = {
    "allauth.account.views.SignupView",
    "allauth.headless.account.views.SignupView",
}

#: Views that make users by what ``SOCIALACCOUNT_ADAPTER`` says, beside ``PROVIDERS``.
BY_PROVIDER = {
    "allauth.headless.socialaccount.views.ProviderSignupView",
    "allauth.headless.socialaccount.views.ProviderTokenView",
    "allauth.socialaccount.views.SignupView",
    "dj_rest_auth.registration.views.SocialLoginView",
}

#: Where the views are to which providers send people back.
PROVIDERS = "allauth.socialaccount.providers."

#: How the names of the other addresses of providers end.
NO_CALLBACKS = ("_login", "_metadata", "_sls")

#: Views of other packages that make users. That of dj-rest-auth bypasses the adapters:
#: it saves the user itself.
OF_PACKAGES = {
    "dj_rest_auth.registration.views.RegisterView",
    "django_registration.views.RegistrationView",
    "registration.views.RegistrationView",
    "social_django.views.complete",
}

#: A view of many actions, one of which makes users.
OF_ACTIONS = "djoser.views.UserViewSet"

#: What sign-up is called, with nothing beside it that says of what else.
NAMED = re.compile(
    r"((user|account|member|customer|auth|rest|api|new)s?_)*"
    r"(sign_?up|register|registration|(create|new)_?account|account_?create|join)"
    r"(_(user|account|member|customer|view|view_?set|form|page|api|api_?view|us|now))*"
)


class Door(NamedTuple):
    """An address at which somebody may sign up.

    Args:
        route: the address, as the URLconfs spell it.
        name: by which ``reverse()`` knows it, without namespaces; empty for none.
        view: what answers.
    """

    route: str
    name: str
    view: Callable[..., Any]

    @property
    def view_class(self) -> type:
        """The class of the view; ``object`` if it is a function."""
        view = self.view
        found = getattr(view, "view_class", None) or getattr(view, "cls", None)
        return found if isinstance(found, type) else object

    @property
    def view_name(self) -> str:
        """The dotted name of the view."""
        named = self.view if self.view_class is object else self.view_class
        return _dotted(named)


def open_doors() -> list[Door]:
    """Return the doors at which people sign up without a code, as far as can be seen.

    No door if no URLconf can be read: Django's own check says why.
    """
    try:
        doors = list(_walk(get_resolver()))
    except Exception:
        return []
    return [door for door in doors if _is_open(door)]


def _walk(resolver: URLResolver, route: str = "/") -> Iterator[Door]:
    for entry in resolver.url_patterns:
        longer = route + re.sub(r"[\^$]|\\Z", "", str(entry.pattern))
        if not isinstance(entry, URLResolver):
            yield Door(longer, entry.name or "", entry.callback)
        elif entry.app_name != "admin":  # Staff let in whom they like.
            yield from _walk(entry, longer)


def _is_open(door: Door) -> bool:
    if _is_marked(door):
        return False
    if _is_one_of(door, BY_PASSWORD):
        from invite_code.contrib.allauth import passwords_are_gated

        return not passwords_are_gated()
    if _is_one_of(door, BY_PROVIDER) or _is_callback(door):
        from invite_code.contrib.allauth import providers_are_gated

        return not providers_are_gated()
    if _is_one_of(door, OF_PACKAGES):
        return True
    actions = getattr(door.view, "actions", None) or {}
    if _is_one_of(door, {OF_ACTIONS}):
        return actions.get("post") == "create"
    if (
        door.view_class is object
        or "post" in actions
        or hasattr(door.view_class, "post")
    ):
        return _makes_users(door)
    return False


def _is_one_of(door: Door, names: set[str]) -> bool:
    """Return whether the view is, or extends, what packages export by these names.

    Where they define it is their own affair. What is not imported, nothing extends.
    """
    if door.view_name in names:
        return True
    places = (name.rpartition(".") for name in names)
    known = (getattr(sys.modules.get(place), name, None) for place, _, name in places)
    return any(view in door.view_class.__mro__ for view in known)


def _is_marked(door: Door) -> bool:
    """Return whether ``gate.required`` or ``gate.unchecked`` is around the view."""
    views: list[Any] = [door.view]
    for ancestor in door.view_class.__mro__:
        views += [vars(ancestor).get(name) for name in ("dispatch", "post", "create")]
    return any(getattr(view, "invite_code_gated", False) for view in views)


def _is_callback(door: Door) -> bool:
    return door.view_name.startswith(PROVIDERS) and not door.name.endswith(NO_CALLBACKS)


def _makes_users(door: Door) -> bool:
    # Not above: they make a form for the user model, which a project may never use.
    from django.contrib.auth.forms import BaseUserCreationForm

    from invite_code.forms import InviteCodeFormMixin
    from invite_code.views import EnterView, SignupView

    form_class, view_class = _attribute(door, "form_class"), door.view_class
    if issubclass(form_class, InviteCodeFormMixin):
        return False
    if issubclass(
        view_class,
        (EnterView, RedirectView, LoginRequiredMixin, PermissionRequiredMixin),
    ):
        return False
    if issubclass(form_class, BaseUserCreationForm):
        return True
    if issubclass(view_class, SignupView):
        return True
    if issubclass(view_class, FormMixin) and not issubclass(view_class, BaseUpdateView):
        model = getattr(getattr(form_class, "_meta", None), "model", None)
        if issubclass(model or _attribute(door, "model"), get_user_model()):
            return True
    return _is_named(door)


def _attribute(door: Door, name: str) -> type:
    """Return a class that the view is configured with; ``object`` if there is none."""
    configured = getattr(door.view, "view_initkwargs", {}).get(name)
    found = configured or getattr(door.view_class, name, None)
    return found if isinstance(found, type) else object


def _is_named(door: Door) -> bool:
    """Return whether the address, its name or that of the view speaks of sign-up."""
    literal = [part for part in door.route.split("/") if re.fullmatch(r"[\w-]+", part)]
    texts = [*literal[-1:], door.name, door.view_name.rpartition(".")[2]]
    return any(NAMED.fullmatch(_in_snake_case(text)) for text in texts)


def _in_snake_case(text: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower().replace("-", "_")


def _dotted(named: Any) -> str:
    module, name = getattr(named, "__module__", ""), getattr(named, "__qualname__", "")
    return f"{module}.{name}"
