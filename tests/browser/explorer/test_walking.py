from threading import Event, Thread

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models.signals import pre_init
from django.dispatch import Signal

from signals_demo.recorder.live.feed import feed
from tests.browser.explorer.pages import (
    DESKTOP,
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


def test_the_tree_needs_a_keyboard_only(live, expect):
    open_explorer(live)
    data = run(live, "a-receiver-saves-again")
    first = live.locator("[role=treeitem]:visible").first
    expect(live.locator("#tree [tabindex='0']")).to_have_count(1)
    selected(live).focus()
    live.keyboard.press("Home")
    expect(first).to_be_focused()
    expect(selected(live)).to_have_count(1)
    expect(first).to_have_attribute("aria-selected", "true")
    expect(first).to_have_attribute("aria-expanded", "true")
    live.keyboard.press("ArrowRight")
    inside = first.locator("[role=treeitem]").first
    expect(inside).to_be_focused()
    live.keyboard.press("ArrowLeft")
    expect(first).to_be_focused()
    live.keyboard.press("ArrowLeft")
    expect(first).to_have_attribute("aria-expanded", "false")
    expect(inside).to_be_hidden()
    live.keyboard.press("ArrowDown")
    second = live.locator("[role=treeitem][aria-level='1']:visible").nth(1)
    expect(second).to_be_focused()
    live.keyboard.press("ArrowUp")
    expect(first).to_be_focused()
    live.keyboard.press("End")
    expect(item(live, data["numbers"][-1])).to_have_attribute("aria-level", "1")
    expect(live.locator("[role=treeitem]:visible").last).to_be_focused()
    expect(live.locator("#tree [tabindex='0']")).to_have_count(1)


def test_a_line_that_comes_again_keeps_the_focus(live, expect, ticking):
    open_explorer(live)
    line = live.get_by_role("treeitem", name="apple")
    with transaction.atomic():
        tick.send("apple")
        line.locator("> .row .what").click()
        expect(live.locator("#detail")).to_contain_text("open when this was sent")
    expect(live.locator("#detail")).to_contain_text("committed")
    expect(line).to_be_focused()
    live.keyboard.press("ArrowDown")
    expect(live.get_by_role("treeitem", name="on_tick")).to_be_focused()


def test_a_line_that_took_a_click_to_see_keeps_the_focus(live, expect, ticking):
    def order(**kwargs):
        for number in range(120):
            tick.send(f"pear {number}")

    open_explorer(live)
    ordered = Signal()
    ordered.connect(order)
    with transaction.atomic():
        ordered.send("apple")
        live.get_by_role("treeitem", name="apple").locator("> .row .what").click()
        expect(live.locator("#detail")).to_contain_text("open when this was sent")
        live.keyboard.press("ArrowRight")
        live.keyboard.press("ArrowDown")
        live.keyboard.press("ArrowRight")
        live.get_by_role("treeitem", name="Show 60 more").click()
        live.keyboard.press("End")
        last_line = live.get_by_role("treeitem", name="pear 119")
        expect(last_line).to_be_focused()
    expect(live.locator("#detail")).to_contain_text("committed")
    expect(last_line).to_be_focused()


def test_a_line_whose_inside_is_hidden_keeps_its_text(live, expect):
    def initialize(**kwargs):
        pre_init.send(object)

    open_explorer(live, "?init=show")
    holder = Signal()
    holder.connect(initialize)
    holder.send("apple")
    hidden = live.get_by_role("treeitem", name="pre_init")
    hidden.locator("> .row .what").click()
    expect(hidden).to_be_focused()
    live.locator("#init").click()
    expect(hidden).to_have_count(0)
    expect(live.locator(".receiver.node > .row")).to_contain_text("initialize")


def test_two_clicks_fold_a_line_and_unfold_it(live, expect, ticking):
    open_explorer(live)
    tick.send("apple")
    line = live.get_by_role("treeitem", name="apple")
    expect(line).to_have_attribute("aria-expanded", "true")
    line.locator("> .row .twisty").dblclick()
    expect(line).to_have_attribute("aria-expanded", "true")
    line.locator("> .row .what").dblclick()
    expect(line).to_have_attribute("aria-expanded", "false")


def send_many(number):
    for each in range(number):
        tick.send(f"apple {each}")


def send_requests(number):
    for each in range(number):
        with feed.group(f"GET /{each}/"):
            tick.send(f"apple {each}")


@pytest.mark.parametrize("query", ["", "?order=oldest"])
@pytest.mark.parametrize(
    ("send", "number"),
    [(send_many, 64), (send_requests, 64), (send_many, 300)],
    ids=["lines", "requests", "flood"],
)
def test_no_other_lines_push_out_the_one_with_the_focus(
    live, expect, ticking, query, send, number
):
    open_explorer(live, query)
    tick.send("pear")
    line = live.get_by_role("treeitem", name="pear")
    line.locator("> .row .what").click()
    expect(line).to_be_focused()
    send(number)
    expect(live.get_by_role("treeitem", name=f"apple {number - 1}")).to_be_attached()
    more = live.get_by_role("treeitem", name=f"Show {number - 60} more")
    expect(more).to_be_attached()
    expect(line).to_be_focused()
    more.click()
    expect(live.locator("[role=treeitem]:focus")).to_contain_text("apple")


def ask_the_database(**kwargs):
    get_user_model().objects.exists()


def test_a_costly_line_does_not_push_out_the_one_with_the_focus(live, expect, ticking):
    open_explorer(live, "?order=sql")
    send_many(64)
    expect(live.locator("#count")).to_contain_text("64 entries")
    line = live.get_by_role("treeitem", name="apple 59")
    line.locator("> .row .what").click()
    dear = Signal()
    dear.connect(ask_the_database)
    dear.send("pear")
    expect(live.get_by_role("treeitem", name="pear")).to_be_attached()
    expect(line).to_be_focused()


def test_a_line_that_moves_keeps_the_focus(live, expect, ticking):
    open_explorer(live)
    for sender in ("apple", "pear", "plum"):
        tick.send(sender)
    live.get_by_role("treeitem", name="plum").wait_for()
    live.locator("#order").select_option("slowest")
    for line in live.locator("[role=treeitem][aria-level='1']").all():
        line.locator("> .row .what").click()
        expect(line).to_be_focused()
    for _ in range(4):
        live.go_back()
    expect(live.locator("#order")).to_have_value("newest")
    expect(live.locator("[role=treeitem]:focus")).to_have_count(1)


def test_whoever_closes_what_is_gone_stays_in_the_tree(live, expect, ticking):
    open_explorer(live)
    tick.send("pear")
    live.get_by_role("treeitem", name="pear").locator("> .row .what").click()
    close = live.get_by_role("button", name="Close")
    close.focus()
    send_many(64)
    expect(live.get_by_role("treeitem", name="apple 63")).to_be_attached()
    expect(live.get_by_role("treeitem", name="pear")).to_have_count(0)
    close.press("Enter")
    expect(live.locator("[role=treeitem]:focus")).to_have_count(1)


def test_whoever_dismisses_a_notice_gets_to_the_next(live, expect):
    open_explorer(live, "?entry=99999999")
    notices = live.locator(".notice")
    expect(notices).to_have_count(1)
    live.evaluate("history.pushState(null, '', '?entry=88888888')")
    live.evaluate("dispatchEvent(new Event('popstate'))")
    expect(notices).to_have_count(2)
    dismiss = live.get_by_role("button", name="Dismiss")
    dismiss.first.focus()
    dismiss.first.press("Enter")
    expect(notices).to_have_count(1)
    expect(dismiss).to_be_focused()
    dismiss.press("Enter")
    expect(notices).to_have_count(0)
    expect(live.locator("#detail")).to_be_focused()


def test_a_source_that_is_read_stays_unfolded(live, expect, ticking):
    open_explorer(live)
    with transaction.atomic():
        tick.send("apple")
        live.get_by_role("treeitem", name="apple").locator("> .row .what").click()
        source = live.get_by_text("Source of on_tick")
        source.click()
        expect(live.locator("#detail")).to_contain_text("open when this was sent")
    expect(live.locator("#detail")).to_contain_text("committed")
    expect(live.locator("#detail .source")).to_be_visible()
    expect(source).to_be_focused()


@pytest.fixture
def steady(ticking):
    """Signals that come one after the other, until the test ends."""
    ended = Event()

    def send():
        number = 0
        while not ended.wait(0.02):
            number += 1
            tick.send(f"apple {number}")

    sender = Thread(target=send)
    sender.start()
    yield
    ended.set()
    sender.join()


def test_a_line_does_not_move_under_a_click(live, expect, steady):
    open_explorer(live)
    expect(live.get_by_role("treeitem", name="Show")).to_be_visible()
    box = live.locator("#tree").bounding_box()
    live.mouse.move(box["x"] + 200, box["y"] + 100)
    live.mouse.down()
    live.wait_for_timeout(400)
    live.mouse.up()
    expect(live.locator("#detail-heading")).not_to_have_text("Nothing is selected")
