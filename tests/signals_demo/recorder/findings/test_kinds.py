import json
import re

import pytest
from django.conf import settings
from django.db.models import signals

from signals_demo.recorder.findings import kinds
from signals_demo.recorder.findings.kinds import (
    DOCS,
    KINDS,
    MISTAKES,
    NOTES,
    around,
    page_of,
    said,
)
from signals_demo.recorder.trace import CommitHook, Emission, ReceiverCall, Root

PAGE = (settings.BASE_DIR / "docs" / "recorder.md").read_text()


def test_each_constant_is_a_kind():
    named = [value for value in vars(kinds).values() if value in [*KINDS]]
    assert sorted(named) == sorted(KINDS)
    assert not MISTAKES & NOTES


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_is_documented(kind):
    (row,) = re.findall(rf"^\| `{kind}` \|.*", PAGE, re.M)
    assert ("(note)" in row) == (kind in NOTES)


def test_nothing_else_is_documented():
    table = PAGE.partition("| finding |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(.+?)` \|", table, re.M)) == KINDS


def test_a_finding_is_plain_data():
    finding = said("recursion", 3, "a\x1b[2Jb", "Stop.", "https://a/")
    data = {
        "kind": "recursion",
        "message": "a�[2Jb",
        "hint": "Stop.",
        "number": 3,
        "documentation": "https://a/",
    }
    assert json.loads(json.dumps(finding.as_data())) == data
    keyed = said("recursion", 3, "a\x1b[2Jb", "Stop.", "https://a/", "shop.f", 3)
    assert (keyed.key, keyed.as_data()) == ("shop.f 3", data)
    endless = said("recursion", 3, f"It is {'a' * 9999} again.", "", "").message
    assert len(endless) < 300
    assert endless.endswith("… again.")


def test_signals_of_django_have_a_page():
    name = f"{signals.__name__}.post_save"
    assert page_of(name).startswith(DOCS)
    assert page_of(name).endswith(f"#{name}")
    assert page_of("shop.signals.order_paid") == ""


def test_receivers_of_django_are_left_out():
    root = Root()

    def emission():
        return Emission(1, "a.b", None, "send", {}, 1, root)

    ours, theirs = (
        ReceiverCall((f"{name}.x", "", ""), root) for name in ("shop", "django")
    )
    outer, inner, hook = emission(), emission(), CommitHook(1, "shop.f", None, root)
    above = (outer, ours, hook, inner, theirs, hook)
    assert around(above) == [(outer, ours)]
    assert around((outer, ours, inner, ours)) == [(inner, ours), (outer, ours)]
    assert around(()) == around((hook,)) == []
