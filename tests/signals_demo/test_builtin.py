import pytest

from signals_demo import catalog
from signals_demo.builtin import Dated


def names(argument_list):
    return [argument.name for argument in argument_list]


@pytest.mark.parametrize(
    ("version", "there"),
    [((1, 6), False), ((1, 7), True), ((1, 8), True), ((1, 9), False)],
)
def test_a_thing_is_there_from_its_version_until_it_is_removed(version, there):
    assert Dated(since=(1, 7), removed=(1, 9)).is_in(version) is there


def test_a_thing_without_dates_was_always_there():
    assert Dated().is_in((1, 0))
    assert Dated().is_in((6, 1))


def test_arguments_can_be_told_for_any_version():
    m2m_changed = catalog.get("m2m_changed")
    before = ["action", "instance", "reverse", "model", "pk_set", "using"]

    assert names(m2m_changed.arguments_in((5, 2))) == before
    assert names(m2m_changed.arguments_in((6, 0))) == before
    assert names(m2m_changed.arguments_in((6, 1))) == [*before, "raw"]


def test_arguments_that_may_be_absent_say_why():
    assert [
        (argument.name, argument.sometimes)
        for argument in catalog.get("request_started").arguments
    ] == [("environ", "under WSGI only"), ("scope", "under ASGI only")]


def test_senders_can_be_told_for_any_version():
    m2m_changed = catalog.get("m2m_changed")

    def methods(version):
        return {
            site.function.rpartition(".")[2] for site in m2m_changed.sent_by_in(version)
        }

    assert methods((6, 0)) == {"clear", "_add_items", "_remove_items"}
    assert methods((6, 1)) == {"_clear_base", "_add_items", "_remove_items"}


def test_the_usual_place_of_the_documentation_follows_from_the_path():
    assert catalog.get("post_save").docs == (
        "https://docs.djangoproject.com/en/stable/ref/signals/"
        "#django.db.models.signals.post_save"
    )


def test_an_unusual_place_of_the_documentation_is_told():
    assert catalog.get("user_logged_in").docs == (
        "https://docs.djangoproject.com/en/stable/ref/contrib/auth/"
        "#django.contrib.auth.signals.user_logged_in"
    )
