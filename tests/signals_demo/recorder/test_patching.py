from unittest import mock

import pytest

from signals_demo.recorder.patching import Patches, with_subclasses


class Base:
    def method(self):
        """Say where it is."""
        return "base"


class Child(Base):
    def method(self):
        return f"child of {super().method()}"


class Other(Base):
    method = "no function"


class Both(Child, Other):
    pass


def louder(original):
    return lambda self: original(self).upper()


@pytest.fixture
def patches():
    patches = Patches()
    yield patches
    patches.remove()


def test_methods_are_replaced_and_the_very_same_ones_put_back(patches):
    before = [vars(each).get("method") for each in (Base, Child, Other, Both)]
    patches.install(with_subclasses(Base), {"method": louder, "missing": louder})
    assert patches.installed
    assert (Base().method(), Child().method()) == ("BASE", "CHILD OF BASE")
    assert Base.method.__doc__ == "Say where it is."
    patches.remove()
    assert not patches.installed
    assert [vars(each).get("method") for each in (Base, Child, Other, Both)] == before


def test_methods_of_a_class_stay_that(patches):
    class Shop:
        @classmethod
        def name(cls):
            return cls.__name__

    before = vars(Shop)["name"]
    patches.install([Shop], {"name": louder})
    assert (Shop.name(), Shop().name()) == ("SHOP", "SHOP")
    patches.remove()
    assert vars(Shop)["name"] is before


def test_what_others_have_replaced_since_is_left_to_them(patches):
    patches.install([Base], {"method": louder})
    with mock.patch.object(Base, "method", return_value="mocked"):
        patches.remove()
        assert Base().method() == "mocked"


def test_a_mock_is_left_alone(patches):
    with mock.patch.object(Base, "method") as method:
        patches.install([Base], {"method": louder})
        Base().method(1)
        method.assert_called_once_with(1)


def test_each_subclass_is_found_once():
    assert with_subclasses(Base) == [Base, Child, Other, Both]
