import pytest

from signals_demo.recorder.live import streams
from tests.browser.explorer.pages import DESKTOP, LIVE, open_explorer

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("page", [DESKTOP], indirect=True, ids=["desktop"]),
]

#: Notes each state of the connection that the page tells.
WATCH_STATES = """() => {
  window.states = [];
  const element = document.querySelector("#connection");
  const note = () => states.push(element.dataset.state);
  new MutationObserver(note).observe(element, {childList: true});
}"""


def wait_for_streams(page, number):
    """Wait until the page has asked for so many more streams."""
    for _ in range(number):
        with page.expect_request("**/stream/"):
            pass


def test_a_page_too_many_says_so_once_and_when_the_server_is_gone(
    live, expect, settings, monkeypatch, complaints
):
    settings.SIGNALS_RECORDER_MAX_STREAMS = 0
    monkeypatch.setattr(streams, "RETRY_BUSY", [300])
    live.goto(LIVE)
    state = live.locator("#connection")
    expect(state).to_contain_text("Too many pages watch")
    live.evaluate(WATCH_STATES)
    wait_for_streams(live, 3)
    assert live.evaluate("states") == []
    live.context.set_offline(True)
    expect(state).to_contain_text("Connection lost")
    live.context.set_offline(False)
    expect(state).to_contain_text("Too many pages watch")
    settings.SIGNALS_RECORDER_MAX_STREAMS = 1
    expect(state).to_have_text("Live")
    assert all("ERR_" in each for each in complaints)
    complaints.clear()


def test_a_stream_that_makes_room_for_others_is_not_lost(live, expect, monkeypatch):
    monkeypatch.setattr(streams, "RETRY", 100)
    monkeypatch.setattr(streams, "LONGEST", 0)
    open_explorer(live)
    live.evaluate(WATCH_STATES)
    wait_for_streams(live, 3)
    assert live.evaluate("states") == []
