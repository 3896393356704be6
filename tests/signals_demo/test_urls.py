import pytest
from django.urls import resolve, reverse

from signals_demo import catalog, urls


def test_the_catalog_is_at_the_root():
    assert reverse("signals_demo:catalog") == "/signals/"


@pytest.mark.parametrize("name", [signal.name for signal in catalog.SIGNALS])
def test_each_signal_has_an_address_of_its_own(name):
    match = resolve(f"/signals/{name}/")
    assert match.view_name == f"{urls.app_name}:signal"
    assert match.kwargs == {"name": name}
