import sys
from types import SimpleNamespace

import pytest
from django import forms
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpResponse
from django.urls import include, path, re_path
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import (
    CreateView,
    FormView,
    ListView,
    RedirectView,
    TemplateView,
    UpdateView,
    View,
)

from invite_code import gate
from invite_code.checks import check_doors
from invite_code.doors import open_doors
from invite_code.forms import InviteCodeFormMixin, SignupForm
from invite_code.models import InviteBatch
from invite_code.views import EnterView, SignupView

User = get_user_model()


def page(request, **kwargs):
    return HttpResponse("page")


def sign_up(request):
    return page(request)


def named(name, module="shop.views", **attributes):
    """Return a view as another package would have it."""

    def view(request):
        return page(request)

    view.__module__, view.__qualname__, view.__name__ = module, name, name
    vars(view).update(attributes)
    return view


def class_named(name, module, base=View):
    """Return a class of views as another package would have it."""
    return type(name, (base,), {"__module__": module, "post": page})


class UserForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ("username",)


class GatedForm(InviteCodeFormMixin, UserCreationForm):
    pass


class Own(FormView):
    form_class = UserCreationForm


@method_decorator(gate.required, name="dispatch")
class GatedView(Own):
    pass


class BelowGatedView(GatedView):
    def dispatch(self, request):
        return super().dispatch(request)


class GatedPost(Own):
    @method_decorator(gate.required)
    def post(self, request):
        return super().post(request)


class Plain(View):
    form_class = UserCreationForm
    post = page


class StaffView(LoginRequiredMixin, CreateView):
    form_class = UserCreationForm


class OwnSignup(SignupView):
    form_class = forms.Form


class RegisterShop(CreateView):
    model = InviteBatch


@pytest.fixture
def opened(settings):
    """A function that returns the addresses of the open doors among some patterns."""

    def routes(*urlpatterns):
        settings.ROOT_URLCONF = type("URLconf", (), {"urlpatterns": urlpatterns})
        return [door.route for door in open_doors()]

    return routes


@pytest.mark.parametrize(
    "route",
    [
        "signup/",
        "sign-up",
        "users/sign_up/",
        "register/",
        "registration/",
        "auth/register/",
        "create-account/",
        "join/",
        "register/<slug:plan>/",
        "signup/<int:pk>",
    ],
)
def test_an_address_that_speaks_of_sign_up_is_a_door(route, opened):
    assert opened(path(route, page)) == [f"/{route}"]


@pytest.mark.parametrize(
    "route",
    [
        "",
        "unregister/",
        "registered/",
        "register/done/",
        "registration/complete/",
        "register-device/",
        "event-registration/",
        "join-team/",
        "signups/",
        "design/",
        "<slug:register>/",
    ],
)
def test_an_address_that_speaks_of_something_else_is_none(route, opened):
    assert opened(path(route, page)) == []


@pytest.mark.parametrize("name", ["signup", "user_register", "rest-register"])
def test_the_name_of_an_address_may_speak_of_sign_up(name, opened):
    assert opened(path("a/", page, name=name)) == ["/a/"]
    assert opened(path("a/", page, name=f"{name}_done")) == []


@pytest.mark.parametrize(
    "name", ["sign_up", "SignUpView", "UserRegistrationAPIView", "create_account_page"]
)
def test_the_name_of_a_view_may_speak_of_sign_up(name, opened):
    assert opened(path("a/", named(name))) == ["/a/"]
    assert opened(path("a/", class_named(name, "shop.views").as_view())) == ["/a/"]


def test_doors_are_found_however_deep_they_are(opened):
    inner = [path("register/", page, name="x"), re_path(r"^sign_?up/$", sign_up)]
    outer = [path("members/", include((inner, "inner"), namespace="members"))]
    assert opened(re_path(r"^site/", include((outer, "outer")))) == [
        "/site/members/register/",
        "/site/members/sign_?up/",
    ]


def test_staff_need_no_code(opened):
    site = admin.AdminSite("office")
    site.register(User)
    assert opened(path("signup/", site.urls)) == []


@pytest.mark.parametrize(
    "view",
    [
        FormView.as_view(form_class=UserCreationForm),
        FormView.as_view(form_class=UserForm),
        CreateView.as_view(model=User),
        CreateView.as_view(form_class=UserForm),
        never_cache(Own.as_view()),
        Plain.as_view(),
        OwnSignup.as_view(),
        SignupView.as_view(form_class=UserCreationForm),
    ],
)
def test_a_view_that_makes_users_is_a_door(view, opened):
    assert opened(path("a/", view)) == ["/a/"]


@pytest.mark.parametrize(
    "view",
    [
        FormView.as_view(form_class=forms.Form),
        CreateView.as_view(model=InviteBatch),
        UpdateView.as_view(model=User),
        UpdateView.as_view(form_class=UserForm),
        ListView.as_view(model=User),
        StaffView.as_view(),
        EnterView.as_view(),
    ],
)
def test_a_view_that_makes_none_is_no_door(view, opened):
    assert opened(path("a/", view)) == []


@pytest.mark.parametrize(
    "view",
    [
        EnterView.as_view(),
        SignupView.as_view(),
        FormView.as_view(form_class=SignupForm),
        Own.as_view(form_class=GatedForm),
        GatedView.as_view(),
        BelowGatedView.as_view(),
        GatedPost.as_view(),
        gate.required(page),
        gate.required(Own.as_view()),
        never_cache(gate.required(sign_up)),
        gate.unchecked(sign_up),
        gate.unchecked(named("complete", "social_django.views")),
        RedirectView.as_view(url="/invite/"),
        TemplateView.as_view(template_name="closed.html"),
        StaffView.as_view(),
    ],
)
def test_a_view_behind_the_gate_is_no_open_door(view, opened):
    assert opened(path("signup/", view, name="signup")) == []


def test_of_a_view_that_is_gated_at_one_address_the_other_is_named(opened):
    patterns = [path("signup/", gate.required(sign_up)), path("register/", sign_up)]
    assert opened(*patterns) == ["/register/"]


def test_a_view_that_asks_for_a_login_in_a_way_that_cannot_be_seen_is_named(opened):
    assert opened(path("join/", login_required(page))) == ["/join/"]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("django_registration.views", "RegistrationView"),
        ("registration.views", "RegistrationView"),
        ("dj_rest_auth.registration.views", "RegisterView"),
    ],
)
@pytest.mark.parametrize("defined_in", ["", "._signup"])
def test_views_of_known_packages_are_doors(
    module, name, defined_in, opened, monkeypatch
):
    view_class = class_named(name, module + defined_in)
    exported = SimpleNamespace(**{name: view_class})
    monkeypatch.setitem(sys.modules, module, exported)
    below = class_named("Own", "shop.views", view_class)
    patterns = [path("a/", view_class.as_view()), path("b/", below.as_view())]
    assert opened(*patterns) == ["/a/", "/b/"]


def test_the_door_of_python_social_auth_is_known(opened):
    complete = named("complete", "social_django.views")
    login = named("auth", "social_django.views")
    assert opened(path("a/", complete), path("b/", login)) == ["/a/"]


def test_of_a_view_with_actions_the_one_that_creates_is_a_door(opened):
    view_set = type("UserViewSet", (), {"__module__": "djoser.views"})

    def action(**actions):
        return named("UserViewSet", "djoser.views", cls=view_set, actions=actions)

    patterns = [
        path("users/", action(get="list", post="create")),
        path("users/activation/", action(post="activation")),
        path("users/me/", action(get="me")),
    ]
    assert opened(*patterns) == ["/users/"]


def test_a_view_with_actions_is_a_door_if_one_of_them_can_be_posted_to(opened):
    view_set = type("RegisterViewSet", (), {"__module__": "shop.views"})
    patterns = [
        path("a/", named("RegisterViewSet", cls=view_set, actions={"post": "create"})),
        path("b/", named("RegisterViewSet", cls=view_set, actions={"get": "list"})),
    ]
    assert opened(*patterns) == ["/a/"]


def test_views_with_odd_attributes_do_no_harm(opened):
    odd = named("page", view_class="no class", cls=1, view_initkwargs={"form_class": 1})
    bare = type("Bare", (), {"__call__": page})()
    assert opened(path("a/", odd), path("signup/", bare)) == ["/signup/"]


@pytest.mark.parametrize("urlconf", ["nowhere.urls", "invite_code.codes", None, ""])
def test_without_a_urlconf_that_can_be_read_nothing_is_said(urlconf, settings):
    settings.ROOT_URLCONF = urlconf
    assert open_doors() == []


def test_without_root_urlconf_nothing_is_said(settings):
    del settings.ROOT_URLCONF
    assert open_doors() == []


def test_the_example_project_has_no_open_door():
    assert check_doors(None) == []


def test_the_check_names_the_address_and_the_view(opened):
    opened(path("signup/", sign_up), path("own/", Own.as_view()))
    first, second = check_doors(None)
    assert first.id == second.id == "invite_code.W005"
    assert first.msg == "Anybody can sign up at /signup/ without an invite code."
    assert first.obj == f"{__name__}.sign_up"
    assert second.obj == f"{__name__}.Own"
    assert "gate.unchecked()" in first.hint
