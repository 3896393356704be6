"""A project with all doors that allauth has, and one of its own."""

from allauth.account.adapter import get_adapter
from allauth.account.views import signup, signup_by_passkey
from django import forms
from django.http import HttpResponse
from django.urls import include, path

from tests.invite_code.contrib.fake_provider import oauth2_callback, oauth2_login


class NameForm(forms.Form):
    username = forms.CharField()
    email = forms.EmailField(required=False)


def custom(request):
    """Make a user through the adapter, as packages on top of allauth do."""
    form = NameForm(request.POST)
    assert form.is_valid()
    adapter = get_adapter()
    adapter.save_user(request, adapter.new_user(request), form)
    return HttpResponse("welcome")


doors = [
    path("", lambda request: HttpResponse("home"), name="home"),
    path("accounts/", include("allauth.account.urls")),
    path("3rdparty/", include("allauth.socialaccount.urls")),
    path("fake/login/", oauth2_login, name="fake_login"),
    path("fake/login/callback/", oauth2_callback, name="fake_callback"),
    path("_allauth/", include("allauth.headless.urls")),
    path("signup/", signup, name="signup"),  # As the API calls its own.
    path("passkey/", signup_by_passkey),
    path("custom/", custom),
]

urlpatterns = [*doors, path("invite/", include("invite_code.urls"))]
