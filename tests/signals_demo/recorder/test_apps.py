from django.apps import apps
from django.db.models.signals import ModelSignal
from django.dispatch import Signal

from signals_demo.recorder.connecting import remembered


def test_it_has_no_models():
    config = apps.get_app_config("signals_demo_recorder")
    assert list(config.get_models()) == []
    assert config.models_module is None


def test_its_name_is_translated():
    config = apps.get_app_config("signals_demo_recorder")
    assert str(config.verbose_name) == "Signals recorder"


def test_it_watches_who_connects_before_models_are_loaded():
    early = [each for each in remembered if not each.models_ready]
    assert any(each.receiver.startswith("django.") for each in remembered)
    assert early


def test_it_replaces_nothing_that_sends():
    for kind in (Signal, ModelSignal):
        replaced = [
            name for name, value in vars(kind).items() if hasattr(value, "__wrapped__")
        ]
        assert set(replaced) <= {"connect", "disconnect", "_lazy_method"}
