import sys

import pytest

from signals_demo.recorder import dotted
from tests.signals_demo.recorder.conftest import SHOP


class Outer:
    def method(self):
        pass


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (f"{__name__}.Outer", Outer),
        (f"{__name__}.Outer.method", Outer.method),
        (f"{__name__}.dotted", dotted),
        (f"{__name__}.no_such", None),
        (f"{__name__}.Outer.no_such", None),
        (f"{SHOP}.never_imported.receiver", None),
        ("no_package.receiver", None),
        ("receiver", None),
        ("", None),
    ],
)
def test_a_name_stands_for_what_has_been_imported(name, found):
    assert dotted.loaded(name) is found


@pytest.mark.parametrize("name", ["", "shop.", "shop.signals."])
def test_a_name_has_a_last_part(name):
    assert dotted.last(f"{name}update_stock") == "update_stock"


@pytest.mark.parametrize(
    ("module", "rest"),
    [
        (__name__, "Outer.method"),
        (f"{SHOP}.never_imported", "receiver"),
        (f"{SHOP}.never_imported", "Handler.receiver"),
        (SHOP, "no_such.receiver"),
        (SHOP, ""),
        ("json", "loads"),
        ("sys", "exit"),
        ("__main__", "receiver"),
    ],
)
def test_a_name_is_split_without_importing(module, rest):
    assert dotted.on_disk(f"{module}.{rest}".rstrip(".")) == (module, rest)
    assert f"{SHOP}.never_imported" not in sys.modules


@pytest.mark.parametrize("name", ["no_package.receiver", ""])
def test_there_may_be_no_such_module(name):
    assert dotted.on_disk(name)[0] == ""
