import os
import shutil
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
from django.core.cache import cache

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

#: No inline script or style, nothing from other sites.
POLICY = "default-src 'self'"

#: A phone of the narrow kind.
SCREEN = {"width": 360, "height": 740}


def give_up(reason: str) -> NoReturn:
    if "CI" in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="package")
def chromium(django_db_setup: None) -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        give_up("Playwright is not installed.")
    if not shutil.which(CHROMIUM):
        give_up(f"There is no browser at {CHROMIUM}; CHROMIUM may name another.")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # An event loop of Playwright runs in this thread, where Django would refuse
        # all queries.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        # Root, as who CI runs, gets no sandbox.
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def expect(chromium: Any) -> Any:
    """What waits for the browser, which does some things a moment later."""
    from playwright.sync_api import expect

    expect.set_options(timeout=30_000)
    return expect


def under_policy(route: Any) -> None:
    response = route.fetch(max_redirects=0)
    headers = {**response.headers, "content-security-policy": POLICY}
    route.fulfill(response=response, headers=headers)


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complains of: errors in its console, and uncaught exceptions."""
    return []


@pytest.fixture
def page(
    chromium: Any,
    live_server: Any,
    complaints: list[str],
    request: pytest.FixtureRequest,
) -> Iterator[Any]:
    """A page of a new browser, under a strict policy and without complaints.

    An indirect parameter holds options of the browser's context.
    """
    cache.clear()  # Where refused codes are counted.
    options = {"viewport": SCREEN} | getattr(request, "param", {})
    context = chromium.new_context(base_url=live_server.url, **options)
    context.route("**/*", under_policy)

    def hear(message: Any) -> None:
        if message.type == "error":
            complaints.append(message.text)

    # Of all its pages, and of exceptions, which are no messages of the console.
    context.on("console", hear)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    yield context.new_page()
    context.unroute_all(behavior="ignoreErrors")  # Some may be under way.
    context.close()
    assert not complaints
