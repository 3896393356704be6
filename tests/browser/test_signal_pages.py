import subprocess
import sys

import pytest
from django.conf import settings as django_settings

from signals_demo import catalog
from tests.browser.conftest import give_up

pytestmark = pytest.mark.django_db(transaction=True)

NARROW = {"viewport": {"width": 320, "height": 640}}
DARK = {"color_scheme": "dark"}
DESKTOP = {"viewport": {"width": 1100, "height": 800}}
WITHOUT_SCRIPT = {"java_script_enabled": False}

#: Of each kind one: with much to say and little, for Django's past and its docs' gap.
KINDS = ["/", "/signals/"] + [
    f"/signals/{name}/"
    for name in ("m2m_changed", "class_prepared", "post_syncdb", "file_changed")
]


@pytest.fixture(scope="module")
def database(tmp_path_factory, chromium):
    """The environment of processes with a migrated database of their own."""
    environ = {
        "DJANGO_SETTINGS_MODULE": "example_project.settings",
        "DATABASE_VENDOR": "sqlite",
        "DATABASE_NAME": str(tmp_path_factory.mktemp("signals") / "db.sqlite3"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        command = [sys.executable, "manage.py", "migrate", "-v0"]
        subprocess.run(command, check=True, cwd=django_settings.BASE_DIR)
    return environ


@pytest.fixture
def developer(page, settings, monkeypatch, database):
    """The page of somebody who develops on this machine."""
    settings.DEBUG = True
    for name, value in database.items():
        monkeypatch.setenv(name, value)
    return page


def violations(page):
    """Return what axe complains of."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        give_up("axe-playwright-python is not installed.")
    found = Axe().run(page)
    return [
        (each["id"], each["nodes"][0]["html"]) for each in found.response["violations"]
    ]


def overhang(page):
    """Return by how many pixels the page is wider than the screen."""
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


SCREENS = [NARROW, NARROW | DARK, DESKTOP, DESKTOP | DARK]


@pytest.mark.parametrize("page", SCREENS, indirect=True)
def test_axe_finds_nothing_and_pages_fit_the_screen(developer):
    for path in KINDS:
        developer.goto(path)
        assert overhang(developer) <= 0, path
        assert violations(developer) == [], path


@pytest.mark.parametrize("page", [NARROW], indirect=True)
def test_every_page_fits_the_narrowest_screen(developer):
    for signal in catalog.SIGNALS:
        developer.goto(f"/signals/{signal.name}/")
        assert overhang(developer) <= 0, signal.name
        for table in developer.get_by_role("table").all():
            fits = "table => table.offsetWidth <= table.parentElement.clientWidth"
            assert table.evaluate(fits), signal.name


@pytest.mark.parametrize("page", SCREENS, indirect=True)
def test_axe_finds_nothing_where_a_signal_was_sent(developer, expect):
    developer.goto("/signals/post_save/")
    developer.get_by_role("button", name="Have Django send it").click()
    expect(developer.get_by_role("heading", name="What came")).to_be_in_viewport()
    for each in developer.get_by_role("group").all():
        each.evaluate("details => details.open = true")
    assert overhang(developer) <= 0
    assert violations(developer) == []


@pytest.mark.parametrize("page", [{}, WITHOUT_SCRIPT], indirect=True)
def test_three_clicks_lead_from_home_to_a_tree(developer, expect):
    developer.goto("/")
    developer.get_by_role("link", name="a page", exact=True).click()
    developer.get_by_role("link", name="pre_save", exact=True).click()
    developer.get_by_role("button", name="Have Django send it").click()
    tree = developer.get_by_role("region", name="Question.objects.create(...)")
    expect(tree).to_contain_text("└─ signals_demo.signals.set_slug")
    developer.get_by_text("1 receiver did not run").first.click()
    waits = developer.get_by_text("it waits for signals_demo.Question").first
    expect(waits).to_be_visible()


def test_a_signal_is_sent_by_keyboard_alone(developer, expect):
    developer.goto("/signals/m2m_changed/")
    developer.keyboard.press("Tab")
    expect(developer.get_by_role("link", name="Skip to the content")).to_be_focused()
    developer.keyboard.press("Enter")
    button = developer.get_by_role("button", name="Have Django send it")
    for _ in range(2):  # The link to the documentation, and this.
        developer.keyboard.press("Tab")
    expect(button).to_be_focused()
    developer.keyboard.press("Enter")
    expect(developer.get_by_text("count_toppings").first).to_be_visible()


def test_pages_lead_to_the_next(developer):
    developer.goto("/signals/pre_init/")
    developer.get_by_role("link", name="post_init →").click()
    developer.wait_for_url("/signals/post_init/")
    developer.get_by_role("link", name="← pre_init").click()
    developer.wait_for_url("/signals/pre_init/")


def test_a_wrong_address_leads_to_the_right_one(developer, complaints):
    developer.goto("/signals/postsave/")
    assert "404" in complaints.pop()
    assert violations(developer) == []
    developer.get_by_role("link", name="post_save").click()
    developer.wait_for_url("/signals/post_save/")
