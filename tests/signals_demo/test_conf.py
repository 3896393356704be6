import pytest

from signals_demo.conf import Settings, conf


@pytest.mark.parametrize(
    ("name", "default", "other"),
    [
        ("SIGNALS_DEMO_MIGRATE_LOCK_TIMEOUT", 30, 5),
        ("SIGNALS_DEMO_SLOW_REQUEST_MS", 1000, 50),
        ("SIGNALS_DEMO_WATCH_DIRS", (), ["data"]),
    ],
)
def test_a_setting_has_a_default_and_may_be_overridden(name, default, other, settings):
    assert getattr(conf, name) == default
    setattr(settings, name, other)
    assert getattr(conf, name) == other


def test_the_table_above_names_every_setting():
    (mark,) = test_a_setting_has_a_default_and_may_be_overridden.pytestmark
    named = {name for name, *_ in mark.args[1]}
    assert named == {name for name in vars(Settings) if name.isupper()}
