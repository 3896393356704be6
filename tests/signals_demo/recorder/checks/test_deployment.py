from types import ModuleType

import pytest
from django.core.checks import run_checks
from django.http import HttpResponse
from django.urls import clear_url_caches, include, path

from signals_demo.recorder.checks.deployment import check_explorer


@pytest.fixture
def mount(settings, monkeypatch):
    """Return what mounts pages of one name space at an address."""

    def mount(name_space, *outer, address="live/"):
        urls = ModuleType("shop_urls")
        inner = [path("", lambda request: HttpResponse(), name="explorer")]
        urls.urlpatterns = [path(address, include((inner, name_space)))]
        for each in outer:
            urls.urlpatterns = [path(f"{each}/", include((urls.urlpatterns, each)))]
        monkeypatch.setitem(__import__("sys").modules, "shop_urls", urls)
        settings.ROOT_URLCONF = "shop_urls"
        clear_url_caches()

    yield mount
    clear_url_caches()


def test_W012_the_explorer_is_found(mount):
    mount("signals_recorder")
    (found,) = check_explorer(None)
    assert found.id == "signals_demo.W012"
    assert found.msg == "The explorer of signals is mounted at /live/."


def test_W012_it_is_found_inside_of_other_name_spaces(mount):
    mount("signals_recorder", "tools", "dev")
    (found,) = check_explorer(None)
    assert found.msg == "The explorer of signals is mounted at /dev/tools/live/."


def test_W012_where_it_takes_arguments_it_does_not_work(mount):
    mount("signals_recorder", address="<slug:shop>/live/")
    assert check_explorer(None) == []


def test_W012_it_is_said_before_deployment_alone(mount):
    mount("signals_recorder")
    for deploy in (True, False):
        found = run_checks(tags=["security"], include_deployment_checks=deploy)
        assert ("signals_demo.W012" in [each.id for each in found]) is deploy


def test_W012_a_site_without_it_is_fine(mount, settings):
    mount("others")
    assert check_explorer(None) == []
    settings.ROOT_URLCONF = None
    assert check_explorer(None) == []
