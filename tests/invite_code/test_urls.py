from django.urls import resolve, reverse

from invite_code.views import EnterView, SignupView


def test_each_page_has_an_address_and_a_name():
    pages = {"invite_code:enter": EnterView, "invite_code:signup": SignupView}
    for name, view in pages.items():
        assert resolve(reverse(name)).func.view_class is view


def test_the_pages_stay_where_links_were_sent_to():
    assert reverse("invite_code:enter") == "/invite/"
    assert reverse("invite_code:signup") == "/invite/signup/"
