import json
import re
from dataclasses import replace

import pytest
from django.dispatch import Signal

from signals_demo.recorder.live.feed import feed
from tests.browser.explorer.pages import (
    DESKTOP,
    LIVE,
    item,
    open_explorer,
    run,
    selected,
    tick,
)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("page", [DESKTOP], indirect=True, ids=["desktop"]),
]


def test_back_and_forward_go_through_what_was_selected(live, expect):
    open_explorer(live, "?init=show")
    numbers = run(live, "save-a-user")["numbers"]
    selected(live).wait_for()
    for number in (numbers[-1], numbers[0]):
        item(live, number).locator("> .row .what").click()
        expect(live).to_have_url(re.compile(rf"entry={number}&"))
    live.go_back()
    expect(item(live, numbers[-1])).to_have_attribute("aria-selected", "true")
    expect(selected(live)).to_have_count(1)
    live.go_forward()
    expect(item(live, numbers[0])).to_have_attribute("aria-selected", "true")
    live.locator("#order").select_option("slowest")
    expect(live).to_have_url(re.compile("order=slowest"))
    live.go_back()
    expect(live.locator("#order")).to_have_value("newest")


#: Goes down by a number of lines faster than anybody can, and notes what is written
#: into the address.
GO_DOWN = """times => {
  window.written = [];
  for (const name of ["pushState", "replaceState"]) {
    const write = history[name];
    history[name] = (...each) => {
      written.push(name);
      write.apply(history, each);
    };
  }
  for (let time = 0; time < times; time += 1) {
    const options = {key: "ArrowDown", bubbles: true};
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", options));
  }
}"""


def test_the_address_follows_when_the_keys_rest(live, expect, ticking):
    open_explorer(live, "?order=oldest")
    for number in range(10, 50):
        tick.send(f"apple {number}")
    last_line = live.get_by_role("treeitem", name="apple 49")
    expect(last_line).to_be_attached()
    live.get_by_role("treeitem", name="apple 10").locator("> .row .what").click()
    live.evaluate(GO_DOWN, 78)
    expect(last_line).to_be_focused()
    entry = last_line.locator("> .row .number").inner_text()
    expect(live).to_have_url(re.compile(f"entry={entry}&"))
    assert live.evaluate("written") == ["replaceState"]


def test_whoever_goes_back_comes_to_where_the_keys_led(live, expect, ticking):
    open_explorer(live, "?order=oldest")
    for sender in ("apple", "pear"):
        tick.send(sender)
    pear = live.get_by_role("treeitem", name="pear")
    expect(pear).to_be_attached()
    live.get_by_role("treeitem", name="apple").locator("> .row .what").click()
    live.evaluate(GO_DOWN, 2)
    live.evaluate("document.querySelector('#init').click()")
    assert live.evaluate("written") == ["replaceState", "pushState"]
    live.go_back()
    expect(live.locator("#init")).to_be_checked()
    expect(pear).to_have_attribute("aria-selected", "true")


def test_a_page_that_is_left_has_its_address(live, expect, ticking):
    open_explorer(live, "?order=oldest")
    for sender in ("apple", "pear"):
        tick.send(sender)
    pear = live.get_by_role("treeitem", name="pear")
    expect(pear).to_be_attached()
    live.get_by_role("treeitem", name="apple").locator("> .row .what").click()
    live.evaluate(GO_DOWN, 2)
    live.evaluate("dispatchEvent(new Event('pagehide'))")
    assert live.evaluate("written") == ["replaceState"]
    live.reload()
    expect(pear).to_have_attribute("aria-selected", "true")


def test_an_address_that_the_browser_refuses_stops_nothing(live, expect, ticking):
    open_explorer(live)
    tick.send("apple")
    live.evaluate("() => { history.pushState = () => { throw Error('Too much'); }; }")
    live.get_by_role("treeitem", name="apple").locator("> .row .what").click()
    expect(live.locator("#detail")).to_contain_text("1 receiver ran")


def test_an_address_leads_to_its_entry_or_says_that_it_is_gone(live, expect):
    open_explorer(live)
    data = run(live, "a-receiver-saves-again")
    post_save = live.locator(".receiver .emission.node", has_text="post_save").last
    post_save.locator("> .row .what").click()
    heading = live.locator("#detail-heading").inner_text()
    address = live.url
    other = live.context.new_page()
    other.goto(address)
    expect(other.locator("#detail-heading")).to_have_text(heading)
    expect(selected(other)).to_be_in_viewport()
    other.goto(f"{LIVE}?entry=99999999")
    expect(other.locator(".notice")).to_contain_text("99999999")
    number = data["numbers"][0]
    other.goto(f"{LIVE}?entry={number}&process=another-1")
    expect(other.locator(".notice")).to_contain_text("another-1")
    expect(selected(other)).to_have_count(0)


#: Counts the frames that the page asks for in some seconds.
COUNT_FRAMES = """() => new Promise((done) => {
  const ask = requestAnimationFrame;
  let frames = 0;
  window.requestAnimationFrame = (...each) => {
    frames += 1;
    return ask(...each);
  };
  setTimeout(() => done(frames), 4_500);
})"""


def test_an_entry_is_waited_for_without_haste_in_a_pause(live, expect, ticking):
    open_explorer(live, "?entry=99999999")
    live.get_by_role("button", name="Pause").click()
    for number in range(1, 11):
        tick.send("apple")
        expect(live.locator("#count")).to_contain_text(f"Paused; {number} entr")
    assert live.evaluate(COUNT_FRAMES) < 5


def test_an_entry_that_comes_late_leaves_the_selection(live, expect, ticking):
    open_explorer(live)
    tick.send("apple")
    apple = live.get_by_role("treeitem", name="apple")
    apple.wait_for()
    pause = live.get_by_role("button", name="Pause")
    pause.click()
    tick.send("pear")
    expect(live.locator("#count")).to_contain_text("Paused; 1 entry waits.")
    number = feed.ring.entries()[-1].entry.order
    live.evaluate("entry => history.pushState(null, '', `?entry=${entry}`)", number)
    live.evaluate("dispatchEvent(new Event('popstate'))")
    apple.locator("> .row .what").click()
    expect(apple).to_have_attribute("aria-selected", "true")
    pause.click()
    expect(live.get_by_role("treeitem", name="pear")).to_be_attached()
    expect(apple).to_have_attribute("aria-selected", "true")


def test_what_an_entry_holds_no_more_is_told_as_gone(live, expect, ticking):
    open_explorer(live)
    outer = Signal()

    def inside(**kwargs):
        tick.send("pear")

    outer.connect(inside)
    outer.send("apple")
    live.get_by_role("treeitem", name="pear").wait_for()
    (sent,) = feed.ring.entries()
    data = json.loads(sent.text)
    (receiver,) = data["receivers"]
    number = receiver["entries"][0]["number"]
    receiver["entries"] = []
    feed.ring.add(10_000_000, entries=(replace(sent, text=json.dumps(data)),))
    expect(live.get_by_role("treeitem", name="pear")).to_have_count(0)
    live.evaluate("entry => history.pushState(null, '', `?entry=${entry}`)", number)
    live.evaluate("dispatchEvent(new Event('popstate'))")
    expect(live.locator(".notice")).to_contain_text(f"Entry {number} of process")
