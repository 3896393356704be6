"""What the documentation shows is run."""

import re
import sys
from types import ModuleType

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.test import override_settings
from django.urls import path

from invite_code.models import Redemption
from tests.factories import InviteCodeFactory

PAGE = (settings.BASE_DIR / "docs" / "redeeming.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
(OUR_FORM,) = [block for block in BLOCKS if "InviteCodeFormMixin" in block]
(WITH_OUR_FORM,) = [block for block in BLOCKS if "form.sign_up()" in block]
(WITHOUT_IT,) = [block for block in BLOCKS if "redeem(form.cleaned_data" in block]


def module(monkeypatch, name, source="", **names):
    """Return a new module that can be imported."""
    new = ModuleType(name)
    vars(new).update(names)
    exec(source, vars(new))
    monkeypatch.setitem(sys.modules, name, new)
    return new


@pytest.fixture(params=["with our form", "without it"])
def site(request, monkeypatch):
    """The pages of a shop that has copied an example; return the name of its field."""
    module(monkeypatch, "shop")
    # A customer is a user with some other field than those of the example.
    module(monkeypatch, "shop.models", Customer=get_user_model())
    module(monkeypatch, "shop.forms", OUR_FORM.replace('"company"', '"last_name"'))
    ours = request.param == "with our form"
    views = module(monkeypatch, "shop.views", WITH_OUR_FORM if ours else WITHOUT_IT)
    urlpatterns = [
        path("", lambda request: HttpResponse(), name="home"),
        path("join/", views.join),
    ]
    module(monkeypatch, "shop.urls", urlpatterns=urlpatterns)
    template = {"shop/join.html": "{{ form.as_div }}"}
    loaders = [("django.template.loaders.locmem.Loader", template)]
    templates = {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {"loaders": loaders},
    }
    with override_settings(ROOT_URLCONF="shop.urls", TEMPLATES=[templates]):
        yield "invite_code" if ours else "code"


def sign_up(client, field, code, username):
    passwords = {"password1": "Gq7!correct", "password2": "Gq7!correct"}
    return client.post("/join/", {"username": username, field: code, **passwords})


@pytest.mark.django_db
def test_examples_let_in_by_a_code_and_only_once(client, site):
    code = InviteCodeFactory().code
    assert sign_up(client, site, code.lower(), "first").status_code == 302
    assert sign_up(client, site, code, "second").status_code == 200
    assert list(get_user_model().objects.values_list("username")) == [("first",)]
    assert Redemption.objects.get().user.username == "first"


@pytest.mark.django_db
def test_examples_say_what_is_wrong(client, site):
    page = sign_up(client, site, "no code", "first").content.decode()
    assert "Please look for a typo." in page
    page = sign_up(client, site, "0" * 16, "first").content.decode()
    assert "This invite code does not let you in." in page
    assert not get_user_model().objects.exists()
