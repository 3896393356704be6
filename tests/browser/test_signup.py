import pytest
from django.contrib.auth import get_user_model

from invite_code.conf import conf
from invite_code.models import Hold, Redemption
from tests.factories import InviteCodeFactory

PASSWORD = "correct horse battery"
WITHOUT_SCRIPT = {"java_script_enabled": False}
DARK_DESKTOP = {
    "color_scheme": "dark",
    "viewport": {"width": 1100, "height": 800},
}


@pytest.fixture
def code(transactional_db):
    return InviteCodeFactory()


def typed(code):
    """Return a code as people type it: in lower case, with blanks."""
    return conf.code_format.display(code.code).replace("-", " ").lower()


def fill(page, code):
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password:").fill(PASSWORD)
    page.get_by_label("Password confirmation").fill(PASSWORD)
    page.get_by_label("Invite code").fill(code)


def sign_up(page, code):
    page.goto("/invite/signup/")
    fill(page, code)
    page.get_by_role("button", name="Sign up").click()


def width(page):
    return page.evaluate("document.documentElement.scrollWidth")


@pytest.mark.parametrize("page", [{}, DARK_DESKTOP, WITHOUT_SCRIPT], indirect=True)
def test_code_in_lower_case_with_blanks_signs_up(page, expect, code):
    page.goto("/")
    page.get_by_role("link", name="Sign up with an invite code").click()
    fill(page, typed(code))
    page.get_by_role("button", name="Sign up").click()
    page.wait_for_url("/")
    expect(page.get_by_text("You are ada. Your profile, ada, was")).to_be_visible()
    assert Redemption.objects.get(code=code).user.username == "ada"
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("link", name="Log in")).to_be_visible()


def test_sign_up_needs_a_keyboard_only(page, expect, code):
    page.goto("/invite/signup/?code=" + code.code)
    expect(page.get_by_label("Username")).to_be_focused()
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Email address")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("/")
    assert Redemption.objects.get(code=code).username == "ada"


@pytest.mark.parametrize("page", [{}, WITHOUT_SCRIPT], indirect=True)
def test_typo_is_told_as_a_typo(page, expect, code):
    last = "0" if code.code[-1] != "0" else "1"
    sign_up(page, code.code[:-1] + last)
    message = "This is not an invite code as it stands. Please look for a typo."
    field = page.get_by_label("Invite code")
    expect(page).to_have_title("Error: Sign up")
    expect(page.get_by_role("alert")).to_contain_text(message)
    expect(page.get_by_role("alert")).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(message)
    page.get_by_role("link", name="Invite code").click()
    expect(field).to_be_focused()
    assert not get_user_model().objects.exists()


def test_refusal_does_not_say_why(page, transactional_db):
    unknown = conf.code_format.generate(1)[0]
    used = InviteCodeFactory(uses=1).code
    texts = set()
    for refused in (unknown, used):
        sign_up(page, refused)
        texts.add(page.get_by_role("alert").inner_text())
    (text,) = texts
    assert "This invite code does not let you in." in text
    assert not get_user_model().objects.exists()


def test_link_fills_in_the_code_and_makes_no_use_of_it(page, code):
    page.goto("/invite/signup/?code=" + code.code)
    assert page.get_by_label("Invite code").input_value() == code.code
    code.refresh_from_db()
    assert code.uses == 0
    assert not Hold.objects.exists()


def test_code_alone_opens_the_gate_and_leads_on(page, code):
    page.goto("/invite/?next=/login/")
    page.get_by_label("Invite code").fill(typed(code))
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("/login/")
    assert Hold.objects.get().code == code


@pytest.mark.parametrize("path", ["/", "/login/", "/invite/", "/invite/signup/"])
def test_page_fits_a_narrow_screen(page, path):
    page.goto(path)
    assert width(page) <= page.viewport_size["width"]


def test_error_fits_a_narrow_screen(page, expect, transactional_db):
    sign_up(page, "x" * 60)
    expect(page.get_by_role("alert")).to_be_visible()
    assert width(page) <= page.viewport_size["width"]


def test_policy_forbids_inline_script(page, complaints):
    page.goto("/")
    page.evaluate("document.body.append(document.createElement('script'))")
    page.evaluate("document.scripts[0].text = 'document.title = 1'")
    assert page.title() == "Invite codes and signals"
    assert "Content Security Policy" in complaints.pop()
