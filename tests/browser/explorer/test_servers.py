import os
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest
from django.conf import settings as project

from tests.browser.conftest import give_up, under_policy
from tests.browser.explorer.pages import (
    DESKTOP,
    LIVE,
    NO_STREAM,
    SLUGS,
    assert_shown,
    form_of,
    run,
    selected,
)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("page", [DESKTOP], indirect=True, ids=["desktop"]),
]


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


#: How each is started; the port comes last.
SERVERS = {
    "WSGI": ["manage.py", "runserver", "--noreload", "--skip-checks"],
    "ASGI": ["-m", "uvicorn", "tests.browser.asgi:application", "--port"],
}


class Server:
    """The example project in a process of its own, which can be started again."""

    def __init__(self, kind, database):
        self.kind = kind
        self.port = free_port()
        self.environment = os.environ | {
            "DATABASE_VENDOR": "sqlite",
            "DATABASE_NAME": str(database),
            "DJANGO_SETTINGS_MODULE": "example_project.settings",
        }
        self.process = None

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}{LIVE}"

    def run(self, *arguments, stdout=subprocess.DEVNULL):
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=project.BASE_DIR,
            env=self.environment,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def start(self):
        self.process = self.run(*SERVERS[self.kind], str(self.port))
        self.wait()

    def wait(self):
        for _ in range(300):
            with socket.socket() as asking:
                if asking.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        pytest.fail("The server does not start.")

    def stop(self):
        os.killpg(self.process.pid, signal.SIGKILL)  # With what it has started.
        self.process.wait()


@pytest.fixture(params=SERVERS)
def server(request, tmp_path):
    if request.param == "ASGI" and find_spec("uvicorn") is None:
        give_up("uvicorn is not installed.")
    server = Server(request.param, tmp_path / "db.sqlite3")
    assert server.run("manage.py", "migrate", "-v0").wait(120) == 0
    server.start()
    yield server
    server.stop()


def test_each_action_is_shown_by_each_kind_of_server(page, expect, server):
    page.context.unroute_all()
    page.context.route(NO_STREAM, under_policy)
    page.goto(f"{server.address}?init=show&order=oldest")
    expect(page.locator("#connection")).to_have_text("Live")
    expect(page.locator("header")).to_contain_text(server.kind)
    for slug in SLUGS:
        data = run(page, slug)
        expect(form_of(page, slug).locator("output")).to_contain_text("signal")
        assert_shown(page, data)
    page.goto("about:blank")


@pytest.fixture
def demonstration(tmp_path):
    """The address that ``demo --serve`` shows."""
    server = Server("WSGI", tmp_path / "db.sqlite3")
    command = ["-u", "manage.py", "demo", "--serve", f"127.0.0.1:{server.port}"]
    server.process = server.run(*command, stdout=subprocess.PIPE)
    with server.process.stdout as lines:
        try:
            last_line = next(each for each in lines if b"See signals live at" in each)
            server.wait()
            yield last_line.split()[-1].decode()
        finally:
            server.stop()


def test_a_tree_is_two_clicks_from_the_demonstration(page, expect, demonstration):
    page.context.unroute_all()
    page.goto(demonstration)  # A click, in most terminals.
    page.locator(".actions button").first.click()
    lines = page.get_by_role("treeitem")
    expect(lines.filter(has_text="post_save").first).to_be_in_viewport()
    expect(selected(page)).to_be_in_viewport()
    page.goto("about:blank")


def as_if_rewritten(route):
    answer = route.fetch()
    body = answer.text().replace("def charge_card", "def charge_another_card")
    route.fulfill(response=answer, body=body)


def test_a_restarted_server_is_told_in_words(page, expect, server, complaints):
    page.context.unroute_all()
    page.goto(server.address)
    state = page.locator("#connection")
    expect(state).to_have_text("Live")
    button = page.get_by_role("button", name="A receiver fails")
    button.click()
    expect(selected(page)).to_have_count(1)
    page.locator(".receiver.failed > .row .what").click()
    source = page.locator("#detail .source")
    expect(source).to_contain_text("def charge_card")
    server.stop()
    expect(state).to_contain_text("Connection lost")
    expect(selected(page)).to_have_count(1)
    page.context.route("**/emission/**", as_if_rewritten)
    server.start()
    expect(state).to_have_text("Live")
    expect(page.locator(".notice")).to_contain_text("The server was restarted")
    expect(page.locator(".notice")).to_contain_text("is not known here")
    expect(source).to_contain_text("def charge_another_card")
    button.click()
    expect(page.locator("[role=treeitem][aria-level='1']:visible")).to_have_count(2)
    page.goto("about:blank")
    assert all("ERR_" in each for each in complaints)
    complaints.clear()
