import pytest

from tests.browser.explorer.pages import (
    DESKTOP,
    SLUGS,
    assert_shown,
    expected,
    form_of,
    item,
    open_explorer,
    run,
    selected,
    shown,
    tick,
    violations,
)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("page", [DESKTOP], indirect=True, ids=["desktop"]),
]


@pytest.mark.parametrize("slug", SLUGS)
def test_each_action_is_shown_as_its_recording_has_it(live, expect, slug):
    open_explorer(live, "?init=show&order=oldest")
    data = run(live, slug)
    expect(form_of(live, slug).locator("output")).to_contain_text("signal")
    assert_shown(live, data)
    expect(selected(live)).to_have_count(1)


def test_a_failing_receiver_says_who_was_not_reached(live, expect):
    open_explorer(live)
    run(live, "a-receiver-fails")
    detail = live.locator("#detail")
    expect(detail.get_by_text("2 receivers did not run")).to_be_in_viewport()
    expect(detail).to_contain_text("because charge_card raised CardRefused")
    expect(live.locator(".unreached .row .marks")).to_have_text(
        ["weak not reached", "async weak not reached"]
    )
    live.locator(".receiver.failed > .row").click()
    expect(detail.get_by_role("heading", name="Source")).to_be_visible()
    expect(detail.locator(".source")).to_contain_text("def charge_card")


def test_what_was_rolled_back_is_stamped(live, expect):
    open_explorer(live, "?init=show")
    data = run(live, "a-transaction-is-rolled-back")
    fates = [each.get("fate") for each in data["recording"]["entries"]]
    assert "rolled back" in fates
    number = data["numbers"][fates.index("rolled back")]
    expect(item(live, number).locator("> .row .stamp")).to_have_text("rolled back")


def test_markup_in_arguments_stays_text(live, expect, ticking):
    open_explorer(live)
    hostile = "<img src=x onerror=document.title=1>\u2028\r\ndata: </script>"
    tick.send(hostile, **{"<b>": hostile, "instance": hostile})
    line = live.get_by_role("treeitem").first
    expect(line).to_contain_text("<img src=x")
    line.locator("> .row .what").click()
    expect(live.locator("#detail")).to_contain_text("<b>")
    assert live.locator("img").count() == 0
    expect(live).to_have_title("Signals, live")


def test_what_came_is_told_to_a_screen_reader_at_once_for_all(live, expect, ticking):
    open_explorer(live)
    region = live.locator("#news")
    expect(region).to_have_role("status")
    for _ in range(12):
        tick.send("once")
    expect(live.locator("[role=treeitem][aria-level='1']").first).to_be_attached()
    expect(region).to_be_empty()
    expect(region).to_have_text("12 signals")


def test_a_file_opens_without_a_server(live, chromium, expect, tmp_path):
    open_explorer(live)
    data = run(live, "a-receiver-fails")
    with live.expect_download() as download:
        live.get_by_role("button", name="HTML").click()
    file = tmp_path / "signals.html"
    download.value.save_as(file)
    context = chromium.new_context(**DESKTOP)
    page = context.new_page()
    requests, complaints = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(file.as_uri())
    tree = list(expected(data["recording"]["entries"]))
    expect(page.locator("[role=treeitem]")).to_have_count(len(tree))
    assert shown(page, data["numbers"]) == tree
    page.locator("[role=treeitem] .what").first.click()
    expect(page.locator("#detail")).to_contain_text("2 receivers did not run")
    page.get_by_text("Source of charge_card").click()
    expect(page.locator("#detail")).to_contain_text("def charge_card")
    expect(page.locator("#findings .card")).to_have_count(1)
    assert not violations(page)
    assert requests == [file.as_uri()]
    assert not complaints
    context.close()
