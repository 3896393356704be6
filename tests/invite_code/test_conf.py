import pytest
from django.conf import settings as django_settings

from invite_code.codes import CROCKFORD, CodeFormat
from invite_code.conf import conf


@pytest.mark.parametrize(
    ("name", "default", "other"),
    [
        ("INVITE_CODE_SEED_COUNT", 2000, 5),
        ("INVITE_CODE_ALPHABET", CROCKFORD, "0123456789"),
        ("INVITE_CODE_LENGTH", 16, 20),
        ("INVITE_CODE_CHECK_SYMBOL", True, False),
        ("INVITE_CODE_GROUP_SIZE", 4, 0),
        ("INVITE_CODE_HOLD_SECONDS", 900, 60),
        ("INVITE_CODE_CLIENT_LIMIT", "20/hour", ""),
        ("INVITE_CODE_TOTAL_LIMIT", "2000/hour", "5/second"),
        ("INVITE_CODE_TRUSTED_PROXIES", 0, 1),
        ("INVITE_CODE_CACHE", "default", "counting"),
        ("INVITE_CODE_ENQUEUE_FROM", 50_000, 10),
    ],
)
def test_a_setting_has_a_default_and_is_read_anew_each_time(
    settings, name, default, other
):
    assert not hasattr(django_settings, name)
    assert getattr(conf, name) == default
    setattr(settings, name, other)
    assert getattr(conf, name) == other
    delattr(settings, name)
    assert getattr(conf, name) == default


def test_the_default_settings_make_the_default_format():
    assert conf.code_format == CodeFormat()


def test_the_settings_make_the_format(settings):
    settings.INVITE_CODE_ALPHABET = "0123456789"
    settings.INVITE_CODE_LENGTH = 9
    settings.INVITE_CODE_CHECK_SYMBOL = False
    settings.INVITE_CODE_GROUP_SIZE = 3
    assert conf.code_format == CodeFormat("0123456789", 9, False, 3)


def test_a_format_is_made_once_and_keeps_its_tables(settings):
    first = conf.code_format
    assert conf.code_format is first
    settings.INVITE_CODE_LENGTH = 20
    assert conf.code_format is not first


def test_settings_that_allow_no_code_raise(settings):
    settings.INVITE_CODE_LENGTH = 0
    with pytest.raises(ValueError, match="1 to 64 symbols"):
        _ = conf.code_format
