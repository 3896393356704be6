from django.urls import reverse

from tests.signals_demo.recorder.test_views import mounted


def test_pages_have_the_addresses_that_scripts_and_templates_know():
    with mounted():
        addresses = {
            "explorer": "/live/",
            "stream": "/live/stream/",
            "receivers": "/live/receivers/",
            "emission": "/live/emission/",
        }
        for name, address in addresses.items():
            assert reverse(f"signals_recorder:{name}") == address
        action = reverse("signals_recorder:action", kwargs={"slug": "pay"})
        assert action == "/live/actions/pay/"
        export = reverse("signals_recorder:export", kwargs={"format": "json"})
        assert export == "/live/export/json/"
