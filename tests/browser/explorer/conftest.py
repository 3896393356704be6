import time

import pytest

from signals_demo.recorder.live.feed import feed
from tests.browser.conftest import under_policy
from tests.browser.explorer.pages import NO_STREAM, on_tick, tick


@pytest.fixture
def ticking():
    tick.connect(on_tick)
    yield
    tick.disconnect(on_tick)


@pytest.fixture
def live(page, settings, monkeypatch):
    """A page that may look at the explorer, which ends when the test does."""
    settings.DEBUG = True
    page.context.unroute_all()
    page.context.route(NO_STREAM, under_policy)
    yield page
    page.context.unroute_all(behavior="ignoreErrors")
    for each in page.context.pages:
        each.goto("about:blank")
    monkeypatch.setattr("signals_demo.recorder.live.streams.LONGEST", 0)
    while feed.looking:
        time.sleep(0.1)
    feed.stop()
    feed.forget()
