from django.test import override_settings

from signals_demo.recorder.conf import Settings, conf


def names():
    return [name for name in vars(Settings) if name.startswith("SIGNALS_RECORDER_")]


def test_defaults_are_those_of_the_documentation():
    with override_settings():
        assert {name: getattr(conf, name) for name in names()} | {
            "SIGNALS_RECORDER_ACTIONS": ""
        } == {
            "SIGNALS_RECORDER_ACTIONS": "",
            "SIGNALS_RECORDER_STAFF": False,
            "SIGNALS_RECORDER_MAX_STREAMS": 4,
            "SIGNALS_RECORDER_RING_BYTES": 10_000_000,
        }


def test_settings_are_read_anew_each_time():
    for name in names():
        with override_settings(**{name: "changed"}):
            assert getattr(conf, name) == "changed"


def test_each_setting_has_its_line_in_the_documentation(settings):
    page = (settings.BASE_DIR / "docs" / "explorer.md").read_text()
    for name in names():
        assert f"| `{name}` |" in page
