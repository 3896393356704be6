import json
import re
from dataclasses import replace

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models.signals import pre_init
from django.dispatch import Signal

from signals_demo.recorder import export
from signals_demo.recorder.live.feed import feed
from tests.browser.explorer.pages import DESKTOP, LIVE, form_of, open_explorer, tick

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("page", [DESKTOP], indirect=True, ids=["desktop"]),
]


def test_a_pause_holds_back_what_comes(live, expect, ticking):
    open_explorer(live)
    pause = live.get_by_role("button", name="Pause")
    pause.click()
    expect(pause).to_have_attribute("aria-pressed", "true")
    tick.send("held back")
    expect(live.locator("#count")).to_contain_text("Paused; 1 entry waits.")
    expect(live.locator("[role=treeitem]")).to_have_count(0)
    pause.click()
    expect(live.get_by_role("treeitem", name="held back")).to_be_visible()
    live.get_by_role("button", name="Clear").click()
    expect(live.locator("[role=treeitem]")).to_have_count(0)


def test_what_was_cleared_does_not_come_back(live, expect, ticking):
    open_explorer(live)
    with transaction.atomic():
        tick.send("apple")
        live.get_by_role("treeitem", name="apple").wait_for()
        live.get_by_role("button", name="Clear").click()
        expect(live.locator("[role=treeitem]")).to_have_count(0)
        told = feed.ring.last
    while feed.ring.last == told:  # Until what has become of it is told.
        live.wait_for_timeout(50)
    tick.send("pear")
    expect(live.get_by_role("treeitem", name="pear")).to_be_visible()
    expect(live.get_by_role("treeitem", name="apple")).to_have_count(0)


def test_what_waits_in_a_pause_is_bounded_by_its_size(live, expect, ticking):
    open_explorer(live)
    tick.send("apple")
    live.get_by_role("treeitem", name="apple").wait_for()
    (sent,) = feed.ring.entries()
    live.get_by_role("button", name="Pause").click()
    for number in range(25):
        entry = json.loads(sent.text) | {"number": 1_000 + number}
        text = json.dumps({**entry, "thread": "x" * 500_000})
        feed.ring.add(100_000_000, entries=(replace(sent, text=text),))
    expect(live.locator("#count")).to_contain_text("discarded")
    count = live.locator("#count")
    expect(count).to_contain_text(re.compile(r"Paused; 20 entries wait\. 5 older"))


def test_entries_that_are_large_make_room_for_others(live, expect, ticking):
    def send_many(**kwargs):
        for number in range(600):
            tick.send(number)

    open_explorer(live)
    large = Signal()
    large.connect(send_many)
    for _ in range(18):
        large.send("apple")
    count = live.locator("#count")
    expect(count).to_contain_text("discarded")
    expect(count).to_contain_text("keeps 2,000, or fewer if they are large.")


def test_a_filter_and_a_download_of_what_it_leaves(live, expect, ticking, tmp_path):
    open_explorer(live)
    for sender in ("apple", "pear", "apple pie"):
        tick.send(sender)
    expect(live.locator("[role=treeitem][aria-level='1']")).to_have_count(3)
    live.get_by_label("Filter").fill("TICK apple")
    expect(live.locator("[role=treeitem][aria-level='1']:visible")).to_have_count(2)
    expect(live).to_have_url(re.compile(r"q=TICK\+apple"))
    expect(live.locator("#count")).to_contain_text("2 entries. 1 more is hidden.")
    with live.expect_download() as download:
        live.get_by_role("button", name="JSON").click()
    recording = export.loads(download.value.path().read_text())
    assert [each.sender for each in recording.entries] == ["apple", "apple pie"]
    with live.expect_download() as download:
        live.get_by_role("button", name="Perfetto").click()
    assert json.loads(download.value.path().read_text())["traceEvents"]
    live.reload()
    expect(live.get_by_label("Filter")).to_have_value("TICK apple")
    expect(live.locator("[role=treeitem][aria-level='1']:visible")).to_have_count(2)


def test_a_download_says_what_it_lacks(live, expect, ticking, settings):
    settings.SIGNALS_RECORDER_RING_BYTES = 1
    open_explorer(live)
    for sender in ("apple", "pear"):
        tick.send(sender)
        live.get_by_role("treeitem", name=sender).wait_for()
    with live.expect_download() as download:
        live.get_by_role("button", name="JSON").click()
    recording = export.loads(download.value.path().read_text())
    assert [each.sender for each in recording.entries] == ["pear"]
    expect(live.locator(".notice")).to_contain_text("The file lacks 1 entry")
    live.get_by_role("button", name="Clear").click()
    tick.send("plum")
    live.get_by_role("treeitem", name="plum").wait_for()
    with live.expect_download():
        live.get_by_role("button", name="JSON").click()
    expect(live.locator(".notice")).to_have_count(0)


def test_a_download_that_is_refused_says_why(live, expect, monkeypatch, complaints):
    open_explorer(live)
    monkeypatch.setattr(feed, "process", "another-1")
    live.get_by_role("button", name="JSON").click()
    expect(live.locator(".notice")).to_contain_text("Another process of the server")
    assert "409" in complaints.pop()


def test_a_filter_that_hides_all_says_so(live, expect, ticking):
    open_explorer(live)
    tick.send("apple")
    line = live.get_by_role("treeitem", name="apple")
    expect(line).to_be_visible()
    expect(live.locator("#unmatched")).to_be_hidden()
    live.get_by_label("Filter").fill("aple")
    expect(line).to_be_hidden()
    expect(live.locator("#unmatched")).to_contain_text("It hides all that was sent.")
    expect(live.get_by_label("Filter")).to_have_attribute("aria-invalid", "true")
    live.get_by_role("button", name="Show it").click()
    expect(line).to_be_visible()
    expect(live.get_by_label("Filter")).to_have_value("")
    expect(live).not_to_have_url(re.compile("q="))


def test_a_request_of_nothing_but_what_is_hidden_can_be_shown(live, expect):
    open_explorer(live)
    pre_init.send(object)
    expect(live.locator("#unmatched")).to_be_visible()
    live.get_by_role("button", name="Show it").click()
    expect(live.get_by_role("treeitem", name="pre_init")).to_be_visible()
    expect(live.locator("#init")).not_to_be_checked()


def test_buttons_work_after_somebody_has_logged_in(live, expect, complaints):
    open_explorer(live)
    get_user_model().objects.create_user("ada", password="correct horse")
    other = live.context.new_page()
    other.goto("/login/")
    other.get_by_label("Username").fill("ada")
    other.get_by_label("Password").fill("correct horse")
    other.get_by_role("button").click()
    expect(other.get_by_role("button", name="Log out")).to_be_visible()
    form = form_of(live, "a-receiver-fails")
    form.get_by_role("button").click()
    expect(form.locator("output")).to_contain_text("1 signal")
    with live.expect_download():
        live.get_by_role("button", name="JSON").click()
    assert len(complaints) == 1
    assert "403" in complaints.pop()


def test_a_page_that_is_refused_asks_to_be_loaded_again(live, expect, complaints):
    open_explorer(live)
    live.context.clear_cookies()
    live.context.route(f"**{LIVE}", lambda route: route.fulfill(body="No page."))
    form = form_of(live, "a-receiver-fails")
    form.get_by_role("button").click()
    expect(form.locator("output")).to_contain_text("load it again")
    assert all("403" in each for each in complaints)
    complaints.clear()
