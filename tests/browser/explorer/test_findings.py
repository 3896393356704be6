import json
import re
from dataclasses import replace

import pytest

from signals_demo.recorder.live.feed import feed
from tests.browser.explorer.pages import (
    DESKTOP,
    open_explorer,
    run,
    selected,
    tick,
)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("page", [DESKTOP], indirect=True, ids=["desktop"]),
]


def test_a_bulk_write_is_a_card_that_leads_to_its_entry(live, expect):
    open_explorer(live)
    run(live, "create-rows-in-bulk")
    run(live, "save-a-user")
    card = live.locator("#findings .card", has_text="INSERT")
    expect(card).to_have_text(re.compile(": set_slug did not run"))
    card.get_by_role("button").click()
    expect(selected(live)).to_contain_text("INSERT INTO signals_demo_question")
    expect(live.locator("#detail .card")).to_contain_text("sent no pre_save")
    expect(live).to_have_url(re.compile("entry="))


def tell_finding(**finding):
    """Have the server say something of the entry that it has told last."""
    number = feed.ring.entries()[-1].entry.order
    told = {"kind": "slow", "hint": "", "documentation": "", "number": number}
    feed.ring.add(10_000_000, findings=(told | finding,))


def test_a_card_names_its_entry_as_the_tree_does(live, expect, ticking):
    open_explorer(live)
    tick.send("apple")
    live.get_by_role("treeitem", name="apple").wait_for()
    (sent,) = feed.ring.entries()
    text = json.dumps(json.loads(sent.text) | {"number": 12_345})
    feed.ring.add(10_000_000, entries=(replace(sent, text=text),))
    tell_finding(message="It was slow.", key="1", number=12_345)
    live.get_by_role("treeitem", name="12345").locator("> .row .what").click()
    expect(live.locator("#detail .card-links")).to_contain_text("Entry 12345")


def test_all_findings_are_above_the_tree_until_they_are_cleared(live, expect, ticking):
    open_explorer(live)
    cards = live.locator("#findings .card")
    for sender in ("apple", "pear"):
        tick.send(sender)
        live.get_by_role("treeitem", name=sender).wait_for()
        for number in range(5):
            tell_finding(message=f"It is finding {number}.", key=f"{sender} {number}")
        more = live.get_by_role("button", name="2 more findings")
        expect(more).to_be_visible()
        expect(cards).to_have_count(3)
        more.click()
        expect(cards).to_have_count(5)
        live.get_by_role("button", name="Clear").click()
        expect(cards).to_have_count(0)


def test_a_finding_that_grows_is_one(live, expect, ticking):
    open_explorer(live)
    tick.send("apple")
    live.get_by_role("treeitem", name="apple").locator("> .row .what").click()
    for times in (2, 3, 4):
        tell_finding(message=f"It was slow {times} times.", key="1")
        tell_finding(message="That's the last.", key="2")
    cards = live.locator("#detail .card > p:first-child")
    expect(cards).to_have_text(["It was slow 4 times.", "That's the last."])
    tick.send("pear")
    expect(live.get_by_role("treeitem", name="pear")).to_be_attached()
    tell_finding(message="It was slow 5 times.", key="1")
    expect(cards).to_have_text(["That's the last."])
    above = live.locator("#findings .card")
    expect(above).to_have_text(["It was slow 5 times.", "That's the last."])


def test_what_an_action_answers_and_the_stream_tells_is_one_finding(live, expect):
    open_explorer(live)
    (finding,) = run(live, "a-receiver-fails")["findings"]
    tell_finding(**finding, key="told")
    tell_finding(message="That's the last.", key="last")
    cards = live.locator("#detail .card > p:first-child")
    expect(cards).to_have_text([finding["message"], "That's the last."])


def test_an_entry_has_so_many_findings_and_no_more(live, expect, ticking):
    open_explorer(live)
    tick.send("apple")
    live.get_by_role("treeitem", name="apple").locator("> .row .what").click()
    for number in range(30):
        tell_finding(message=f"It is finding {number}.", key=str(number))
    cards = live.locator("#detail .card")
    expect(cards.last).to_contain_text("It is finding 29.")
    expect(cards).to_have_count(20)


def test_a_finding_above_the_tree_keeps_the_focus(live, expect, ticking):
    open_explorer(live)
    tick.send("apple")
    live.get_by_role("treeitem", name="apple").wait_for()
    tell_finding(message="It was slow.", key="1")
    card = live.locator("#findings").get_by_role("button", name="It was slow.")
    card.focus()
    tell_finding(message="It was slow again.", key="2")
    expect(live.locator("#findings .card")).to_have_count(2)
    expect(card).to_be_focused()


#: Notes what changes where findings are shown while the mouse is pressed.
WATCH_PRESSES = """() => {
  window.moved = [];
  let isPressed = false;
  addEventListener("pointerdown", () => { isPressed = true; });
  addEventListener("pointerup", () => { isPressed = false; });
  const note = ([{target}]) => isPressed && moved.push(target.id || target.className);
  for (const each of ["findings", "tree", "detail"]) {
    const element = document.getElementById(each);
    new MutationObserver(note).observe(element, {childList: true, subtree: true});
  }
}"""


def test_a_finding_moves_nothing_under_a_pressed_button(live, expect, ticking):
    open_explorer(live)
    tick.send("apple")
    line = live.get_by_role("treeitem", name="apple")
    line.locator("> .row .what").click()
    tell_finding(message="It was slow.", key="1")
    expect(live.locator("#detail .card")).to_have_count(1)
    expect(live.get_by_text("Source of on_tick")).to_be_visible()
    card = live.locator("#findings .card")
    expect(card).to_have_count(1)
    live.evaluate(WATCH_PRESSES)
    box = card.get_by_role("button").bounding_box()
    live.mouse.move(box["x"] + 5, box["y"] + 5)
    live.mouse.down()
    tell_finding(message="It was slow again.", key="2")
    live.wait_for_timeout(300)
    live.mouse.up()
    expect(card).to_have_count(2)
    expect(live.locator("#detail .card")).to_have_count(2)
    expect(line.locator("> .row .marks")).to_contain_text("2 findings")
    assert live.evaluate("moved") == []
