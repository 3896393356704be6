import re
from pathlib import Path

import pytest
from django.template.loader import render_to_string

from signals_demo import recorder
from signals_demo.recorder import export
from tests.browser.explorer.pages import (
    DARK,
    DESKTOP,
    LIVE,
    NARROW,
    form_of,
    open_explorer,
    run,
    selected,
    violations,
)

pytestmark = pytest.mark.django_db(transaction=True)

WITHOUT_SCRIPT = {"java_script_enabled": False}
SCRIPT = Path(recorder.__file__).parent / "static/signals_demo_recorder/explorer.js"
AXE = [DESKTOP, DARK | DESKTOP, NARROW, DARK | NARROW]


@pytest.mark.parametrize("page", AXE, indirect=True, ids=str)
def test_axe_finds_nothing_and_pages_fit_the_screen(live, expect):
    open_explorer(live)
    assert not violations(live)
    for slug in ("a-transaction-is-rolled-back", "each-row-costs-a-query"):
        run(live, slug)
    run(live, "a-receiver-fails")
    expect(selected(live)).to_be_in_viewport()
    expect(live.locator("#detail .others li")).to_have_count(2)
    live.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert not violations(live)
    live.locator("#q").fill("post_svae")
    expect(live.locator("#unmatched")).to_be_visible()
    assert not violations(live)
    width = live.viewport_size["width"]
    assert live.evaluate("document.documentElement.scrollWidth") <= width
    live.goto(f"{LIVE}receivers/")
    assert not violations(live)
    assert live.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("page", [WITHOUT_SCRIPT], indirect=True, ids=["no script"])
def test_actions_and_what_is_held_need_no_script(live, expect):
    live.goto(LIVE)
    form_of(live, "a-receiver-fails").get_by_role("button").click()
    expect(live.get_by_role("heading", name="A receiver fails")).to_be_visible()
    expect(live.locator("pre")).to_contain_text("charge_card")
    expect(live.locator(".card")).to_contain_text("charge_card")
    live.get_by_role("link", name="Signals, live").click()
    expect(live.locator("pre")).to_contain_text("pizza_ordered")
    with live.expect_download() as download:
        live.get_by_role("button", name="JSON").click()
    assert export.loads(download.value.path().read_text()).entries


def test_the_script_says_what_the_template_holds_and_makes_no_markup():
    script = SCRIPT.read_text(encoding="utf-8")
    texts = render_to_string("signals_demo_recorder/texts.html")
    held = set(re.findall(r'data-key="(\w+)"', texts))
    said = set(re.findall(r'say\("(\w+)"', script))
    said |= {key for key in held if key.startswith(("state_", "fate_"))}
    assert said == held
    for name in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"):
        assert name not in script
