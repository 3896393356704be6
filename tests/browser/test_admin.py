from uuid import uuid4

import django
import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from invite_code import tasks
from invite_code.explaining import explain
from invite_code.handing_out import hand_out
from invite_code.issuing import issue
from invite_code.models import HandOut, InviteBatch, InviteCode
from invite_code.redemption import redeem
from tests.browser.conftest import give_up
from tests.factories import HoldFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

DARK = {"color_scheme": "dark"}
DESKTOP = {"viewport": {"width": 1100, "height": 800}}
WITHOUT_SCRIPT = {"java_script_enabled": False}

BATCHES = "/admin/invite_code/invitebatch/"
CODES = "/admin/invite_code/invitecode/"
USERS = "/admin/auth/user/"

#: What axe finds on the pages of Django's own models too, before Django 6.0: moments
#: have no label, and links in sentences and crumbs are not underlined.
OF_DJANGO = {"label", "link-in-text-block"} if django.VERSION < (6, 0) else set()

#: And in every version: a search that has a help text, and the heads of inline tables.
OF_LISTS_AND_INLINES = {"label-title-only", "empty-table-header"}


@pytest.fixture
def staff(page, live_server, monkeypatch):
    """A page on which somebody of the staff is logged in."""
    user = get_user_model().objects.create_superuser("grace")
    client = Client()
    client.force_login(user)
    session = {"name": "sessionid", "value": client.cookies["sessionid"].value}
    page.context.add_cookies([session | {"url": live_server.url}])
    monkeypatch.setattr("invite_code.admin.batches.REFRESH", 600)  # Stay while read.
    return page


@pytest.fixture
def batch():
    """A batch of whose codes some are handed out, held and redeemed."""
    batch = issue(6, label="Newsletter", max_uses=2)
    hand_out(batch, 2, to="The fair")
    first, *_, last = batch.codes.order_by("pk")
    redeem(first.code, UserFactory())
    HoldFactory(code=last)
    return batch


def violations(page):
    """Return what axe complains of, by the name of the rule."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        give_up("axe-playwright-python is not installed.")
    # With preload it would put styles into the page, which the policy forbids.
    found = Axe().run(page, options={"preload": False})
    return {each["id"]: each for each in found.response["violations"]}


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def open_sheet(page, batch):
    page.goto(f"{BATCHES}{batch.pk}/export/")
    page.get_by_label("Cards with QR codes").check()
    press(page, "Export invite codes")
    page.get_by_role("heading", name="Invite codes to print").wait_for()


def issuing(key, done, error=""):
    """Return the address of the page of a batch of which a task has said something."""
    tasks.Notes(key.hex, "default", 90_000).write(done, error)
    return f"{BATCHES}issuing/{key}/"


def addresses(batch):
    """Return the addresses of all kinds of page."""
    code = batch.codes.first()
    return [
        *(BATCHES, f"{BATCHES}{batch.pk}/change/", f"{BATCHES}issue/"),
        *(f"{BATCHES}import/", f"{BATCHES}{batch.pk}/hand-out/"),
        *(f"{BATCHES}{batch.pk}/export/", f"{BATCHES}{batch.pk}/revoke/"),
        *(issuing(uuid4(), 40_000), issuing(uuid4(), 0, "There is no room.")),
        *(CODES, f"{CODES}{code.pk}/change/", f"{CODES}{code.pk}/explain/"),
        *(f"{CODES}explain/", "/admin/invite_code/handout/"),
    ]


@pytest.mark.parametrize("page", [{}, DARK | DESKTOP], indirect=True, ids=str)
def test_axe_finds_nothing_and_pages_fit_the_screen(staff, batch):
    for address in addresses(batch):
        staff.goto(address)
        excluded = set(OF_DJANGO)
        if address.startswith(CODES):
            excluded |= OF_LISTS_AND_INLINES
        assert not set(violations(staff)) - excluded, address
        width = staff.evaluate("document.documentElement.scrollWidth")
        assert width <= staff.viewport_size["width"], address
    open_sheet(staff, batch)
    assert not violations(staff)


@pytest.mark.parametrize("page", [DESKTOP], indirect=True)
def test_what_is_left_to_django_is_on_its_own_pages_too(staff):
    user = UserFactory()
    found = set()
    for address in (USERS, f"{USERS}{user.pk}/change/", f"{USERS}{user.pk}/delete/"):
        staff.goto(address)
        found |= set(violations(staff))
    assert found >= OF_DJANGO


@pytest.mark.parametrize("page", [{}, WITHOUT_SCRIPT], indirect=True, ids=str)
def test_a_batch_is_issued_handed_out_revoked_and_restored(staff, expect):
    staff.goto(BATCHES)
    staff.get_by_role("link", name="Issue codes").click()
    staff.get_by_label("How many codes").fill("3")
    staff.get_by_label("Label").fill("Spring")
    press(staff, "Issue invite codes")
    expect(staff.get_by_text("Spring: 3 codes are there.")).to_be_visible()
    staff.get_by_role("link", name="Hand out codes").click()
    staff.get_by_label("How many codes").fill("2")
    staff.get_by_label("Recipient").fill("The fair")
    press(staff, "Hand out invite codes")
    expect(staff.get_by_text("One code can be handed out.")).to_be_visible()
    line = HandOut.objects.get()
    assert (line.recipient, line.codes.count()) == ("The fair", 2)
    code = line.codes.first().code
    staff.get_by_role("link", name="Spring").click()
    staff.get_by_role("link", name="Revoke").click()
    press(staff, "Revoke the batch")
    expect(staff.get_by_text("Batches revoked: 1")).to_be_visible()
    assert str(explain(code).refusal) == "Its batch is revoked."
    press(staff, "Restore the batch")
    expect(staff.get_by_text("Batches restored: 1")).to_be_visible()
    assert explain(code).refusal is None


def test_a_batch_is_issued_by_keyboard_only(staff, expect):
    staff.goto(f"{BATCHES}issue/")
    count = staff.get_by_label("How many codes")
    for _ in range(40):
        if count.evaluate("field => field === document.activeElement"):
            break
        staff.keyboard.press("Tab")
    staff.keyboard.type("2")
    staff.keyboard.press("Tab")
    staff.keyboard.type("Typed")
    staff.keyboard.press("Enter")
    expect(staff.get_by_text("Typed: 2 codes are there.")).to_be_visible()
    assert InviteBatch.objects.get(label="Typed").codes.count() == 2


def test_an_error_is_told_beside_its_field(staff, expect):
    staff.goto(f"{BATCHES}issue/")
    press(staff, "Issue invite codes")
    expect(staff.get_by_text("Please correct the error below.")).to_be_visible()
    field = staff.get_by_label("How many codes")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description("This field is required.")
    expect(staff).to_have_title("Error: Issue invite codes | Django site admin")


@pytest.mark.parametrize("page", [DESKTOP, DESKTOP | WITHOUT_SCRIPT], indirect=True)
def test_codes_are_filtered_and_revoked_by_an_action(staff, expect, batch):
    staff.goto(CODES)
    staff.get_by_role("link", name="Newsletter", exact=True).click()
    staff.get_by_role("link", name="Used", exact=True).click()
    expect(staff.locator("#result_list tbody tr")).to_have_count(1)
    staff.locator("input[name=_selected_action]").check()
    staff.locator("select[name=action]").select_option("revoke")
    staff.locator("#changelist-form button[type=submit]").first.click()
    expect(staff.get_by_text("Codes revoked: 1")).to_be_visible()
    [revoked] = InviteCode.objects.exclude(revoked_at=None)
    assert revoked.uses == 1


@pytest.mark.parametrize("page", [DESKTOP, DESKTOP | WITHOUT_SCRIPT], indirect=True)
def test_the_window_of_selected_codes_is_changed(staff, expect, batch):
    staff.goto(f"{CODES}?batch__id__exact={batch.pk}")
    for box in staff.locator("input[name=_selected_action]").all()[:2]:
        box.check()
    staff.locator("select[name=action]").select_option("set_window")
    staff.locator("#changelist-form button[type=submit]").first.click()
    expect(staff.get_by_text("2 codes get a new window.")).to_be_visible()
    staff.get_by_label("Change the expiry").check()
    staff.locator("[name=expires_at_0]").fill("2099-12-31")
    staff.locator("[name=expires_at_1]").fill("18:00")
    press(staff, "Change the window of codes")
    expect(staff.get_by_text("Codes with a new window: 2")).to_be_visible()
    assert batch.codes.filter(expires_at__year=2099).count() == 2


def test_the_page_asks_again_until_the_batch_is_there(staff, expect, monkeypatch):
    key = uuid4()
    staff.goto(issuing(key, 1))
    expect(staff.get_by_role("progressbar")).to_be_visible()
    monkeypatch.setattr("invite_code.admin.batches.REFRESH", 2)
    staff.reload()
    issue(3, label="Made", key=key.hex)
    expect(staff.get_by_text("Made: 3 codes are there.")).to_be_visible()


@pytest.mark.parametrize("page", [DESKTOP], indirect=True)
def test_codes_are_downloaded(staff, batch):
    staff.goto(f"{BATCHES}{batch.pk}/export/")
    with staff.expect_download() as download:
        press(staff, "Export invite codes")
    assert download.value.suggested_filename == "invite-codes.csv"
    assert download.value.path().read_text().count("\n") == 7
