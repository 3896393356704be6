import pytest
from django.contrib.auth import get_user
from django.contrib.staticfiles import finders

from signals_demo import catalog
from tests.factories import UserFactory


@pytest.mark.django_db
def test_home_counts_codes_and_lists_signals(client):
    page = client.get("/").content.decode()
    assert "There are 2000 invite codes" in page
    assert all(f">{signal.name}</a>" in page for signal in catalog.signals())


@pytest.mark.django_db
def test_home_runs_no_inline_script_or_style(client):
    page = client.get("/").content.decode()
    assert "<script" not in page
    assert "style=" not in page
    assert "<style" not in page


@pytest.mark.django_db
def test_home_leads_to_the_explorer_and_the_pages_of_the_signals(client):
    page = client.get("/").content.decode()
    assert '<a href="/signals/live/">See signals live</a>' in page
    assert 'href="/signals/"' in page
    for signal in catalog.signals():
        assert f'<a href="/signals/{signal.name}/">' in page


@pytest.mark.django_db
def test_home_leads_to_sign_up_and_login(client):
    page = client.get("/").content.decode()
    assert 'href="/invite/signup/"' in page
    assert 'href="/login/"' in page
    assert "Log out" not in page


@pytest.mark.django_db
def test_home_shows_the_profile_that_a_receiver_made(client):
    client.force_login(UserFactory(username="ada"))
    page = client.get("/").content.decode()
    assert "You are <strong>ada</strong>." in page
    assert "Your profile, <strong>ada</strong>, was made by" in page
    assert "Sign up" not in page


@pytest.mark.django_db
def test_home_of_a_user_without_profile_says_so(client):
    user = UserFactory()
    user.signals_demo_profile.delete()
    client.force_login(user)
    assert "You have no profile" in client.get("/").content.decode()


@pytest.mark.django_db
def test_who_logs_in_and_out_comes_home(client):
    UserFactory(username="ada")
    form = {"username": "ada", "password": "correct horse"}
    assert client.post("/login/", form).url == "/"
    assert get_user(client).username == "ada"
    assert client.post("/logout/").url == "/"
    assert get_user(client).is_anonymous


def test_icon_is_there(client):
    assert finders.find(client.get("/favicon.ico").url.removeprefix("/static/"))
