import json
import re

import pytest

from signals_demo.recorder.live import offline

DATA = {"process": "1-2", "entries": [], "findings": [], "dropped": {}}
HOSTILE = "</script><script>alert(1)</script>&<!--"


def embedded(page):
    found = re.search(
        r'<script id="recording" type="application/json">(.*?)</script>', page, re.S
    )
    return json.loads(found[1])


def test_it_holds_data_style_and_script():
    page = offline.page(DATA, {"a b": {}})
    assert embedded(page) == {**DATA, "details": {"a b": {}}}
    for name in ("explorer.css", "explorer.js"):
        text = (offline._STATIC / name).read_text()
        assert text in page


def test_it_asks_for_nothing_else():
    page = offline.page(DATA, {})
    asks = r"<(?:link|img|iframe)\b|<script[^>]* src=|@import|url\("
    assert not re.search(asks, page)


def test_data_end_no_element():
    page = offline.page({**DATA, "process": HOSTILE}, {HOSTILE: {"source": HOSTILE}})
    assert HOSTILE not in page
    assert "alert(1)<" not in page
    assert embedded(page)["process"] == HOSTILE
    assert embedded(page)["details"][HOSTILE]["source"] == HOSTILE


@pytest.mark.parametrize(
    ("name", "end"), [("explorer.css", "style"), ("explorer.js", "script")]
)
def test_style_and_script_do_not_end_their_element(monkeypatch, tmp_path, name, end):
    for each in ("explorer.css", "explorer.js"):
        (tmp_path / each).write_text(f"/* </{end}> */" if each == name else "")
    monkeypatch.setattr(offline, "_STATIC", tmp_path)
    assert rf"/* <\/{end}> */" in offline.page(DATA, {})
