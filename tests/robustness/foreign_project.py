"""Mount the explorer in a new project of Wagtail, and see what that project sends.

    python -m tests.robustness.foreign_project

Wagtail is the newest that pip finds for the installed Django, in an environment of its
own. The project is made by ``wagtail start``, and gets the two lines that the
documentation names. Then runserver serves it, and its home page is published as people
do that: by the form of Wagtail's admin.

Exits 1 unless the explorer shows the signals of that request, Wagtail's own among them,
and the receivers that Wagtail has connected.
"""

import json
import os
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

import django

HOST = "127.0.0.1"
#: Seconds until a server counts as hanging.
TIMEOUT = 60
NAME = PASSWORD = "somebody"
START = "from wagtail.bin.wagtail import main; main()"
#: What is added to which file, and below what.
LINES = {
    "settings/base.py": ("INSTALLED_APPS = [", '    "signals_demo.recorder",'),
    "urls.py": (
        "urlpatterns = [",
        '    path("signals/live/", include("signals_demo.recorder.urls")),',
    ),
}
LIVE = "/signals/live/?format=json"
LOGIN = "/admin/login/"
EDIT = "/admin/pages/3/edit/"
#: What Wagtail sends, and what Django sends for it, with a receiver of Wagtail.
SENT = "wagtail.signals.page_published", "home.HomePage"
HEARD = "django.db.models.signals.post_save", "home.HomePage"
RECEIVER = "wagtail.signal_handlers.update_reference_index_on_save"


class Project:
    """A project of Wagtail that has the explorer.

    Args:
        folder: where to make it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "site"
        self.folder.mkdir()
        venv.create(folder / "env", with_pip=True, symlinks=True)
        self.python = str(folder / "env" / "bin" / "python")
        pip = "-m", "pip", "--disable-pip-version-check", "install", "-q"
        self.run(*pip, "wagtail", f"django=={django.get_version()}")
        self.run("-c", START, "start", "mysite", ".")
        for name, (above, line) in LINES.items():
            path = self.folder / "mysite" / name
            head, found, tail = path.read_text().partition(f"{above}\n")
            assert found, f"{name} has no {above}"
            path.write_text(f"{head}{found}{line}\n{tail}")
        self.run("manage.py", "migrate", "-v0")
        self.run("manage.py", "createsuperuser", "--noinput", "-v0")

    @property
    def environ(self) -> dict[str, str]:
        """An environment that has this repository, but none of its settings."""
        kept = {key: value for key, value in os.environ.items() if "DJANGO" not in key}
        mine = {"USERNAME": NAME, "EMAIL": f"{NAME}@example.com", "PASSWORD": PASSWORD}
        account = {f"DJANGO_SUPERUSER_{key}": value for key, value in mine.items()}
        return {**kept, **account, "PYTHONPATH": str(Path(__file__).parents[2])}

    def run(self, *command: str) -> None:
        subprocess.run(
            [self.python, *command], cwd=self.folder, env=self.environ, check=True
        )

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve it, and yield the address."""
        with socket.create_server((HOST, 0)) as free:
            place = f"{HOST}:{free.getsockname()[1]}"
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [self.python, "manage.py", "runserver", "--noreload", place],
                cwd=self.folder,
                env=self.environ,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                wait_for(process, place)
                yield f"http://{place}"
            finally:
                process.kill()
                process.wait(TIMEOUT)


def wait_for(process: subprocess.Popen[bytes], place: str) -> None:
    """Return as soon as the server takes connections."""
    end = time.monotonic() + TIMEOUT
    while process.poll() is None and time.monotonic() < end:
        host, port = place.split(":")
        with suppress(OSError), socket.create_connection((host, int(port)), 1):
            return
        time.sleep(0.1)
    raise RuntimeError("The server does not start.")


class Form(HTMLParser):
    """The fields of the forms of a page, as they are filled in."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        is_on = "checked" in found or found.get("type") not in ("checkbox", "radio")
        if tag in ("input", "textarea") and found.get("name") and is_on:
            self.fields[found["name"] or ""] = found.get("value") or ""


class Browser:
    """What keeps cookies, and fills in forms.

    Args:
        address: of the project.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.opener: OpenerDirector = build_opener(HTTPCookieProcessor(CookieJar()))

    def read(self, path: str, fields: dict[str, str] | None = None) -> str:
        """Return a page; with fields, that which answers them."""
        data = urlencode(fields).encode() if fields is not None else None
        with self.opener.open(self.address + path, data, timeout=TIMEOUT) as response:
            return str(response.read().decode())

    def send(self, path: str, **changes: str) -> None:
        """Fill in the form of a page, and send it there."""
        self.read(path, Form(self.read(path)).fields | changes)

    def publish(self) -> None:
        """Log in, and publish the home page with another title."""
        self.send(LOGIN, username=NAME, password=PASSWORD)
        self.send(EDIT, title="Published", **{"action-publish": "action-publish"})

    def seen(self) -> list[dict[str, Any]]:
        """Return the signals of the request that publishes, as the explorer has them.

        What comes within seconds after that is recorded.
        """
        entries = json.loads(self.read(LIVE))["entries"]
        label = f"POST {EDIT}"
        asked = [
            each for each in entries if (each["within"] or {}).get("label") == label
        ]
        return [*emissions(asked)]


def emissions(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield all signals among the entries, and inside of them."""
    for each in entries:
        if each["type"] == "emission":
            yield each
        for parent in (each, *each.get("receivers", ())):
            yield from emissions(parent.get("entries", []))


def main() -> int:
    """Make the project, publish, and say what the explorer shows of it."""
    with (
        TemporaryDirectory(prefix="wagtail") as name,
        Project(Path(name)).served() as address,
    ):
        browser = Browser(address)
        browser.seen()
        browser.publish()
        found = browser.seen()
    reached = {
        (each["signal"], each["sender"], call["receiver"])
        for each in found
        for call in each["receivers"]
        if call["outcome"] == "returned"
    }
    for signal, sender, receiver in sorted(reached):
        print(f"{signal} of {sender}: {receiver}")
    sent = {(each["signal"], each["sender"]) for each in found}
    well = SENT in sent and (*HEARD, RECEIVER) in reached
    print(f"{len(found)} signals, {' of '.join(SENT)} among them: {SENT in sent}.")
    print("The explorer shows them." if well else "The explorer does NOT show them.")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
