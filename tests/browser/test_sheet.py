from io import BytesIO

import pytest
from django.http import StreamingHttpResponse
from django.urls import path

from example_project.urls import urlpatterns as example
from invite_code.conf import conf
from invite_code.issuing import issue
from invite_code.models import InviteCode
from invite_code.sheet import printable
from tests.browser.conftest import give_up

pytestmark = pytest.mark.django_db(transaction=True)

DARK = {"color_scheme": "dark"}
DESKTOP = {"viewport": {"width": 1100, "height": 800}}


def sheet(request):
    link = request.build_absolute_uri("/invite/signup/")
    return StreamingHttpResponse(printable(codes(), link))


urlpatterns = [*example, path("sheet/", sheet)]


def codes():
    return InviteCode.objects.filter(batch__label="Printed").order_by("pk")


@pytest.fixture
def links(live_server, settings):
    """The links of the codes on a sheet, which is at /sheet/."""
    settings.ROOT_URLCONF = __name__
    issue(7, label="Printed")
    return [
        f"{live_server.url}/invite/signup/?code={conf.code_format.display(code.code)}"
        for code in codes()
    ]


def scanned(page):
    """Return the texts of all QR codes that a camera sees on the page."""
    try:
        import zxingcpp
        from PIL import Image
    except ImportError:
        give_up("zxing-cpp and Pillow are not installed.")
    picture = Image.open(BytesIO(page.screenshot(full_page=True)))
    # Of all formats: the edges of a page look like a bar code of digits, at times.
    only = zxingcpp.BarcodeFormat.QRCode
    return {found.text for found in zxingcpp.read_barcodes(picture, formats=only)}


@pytest.mark.parametrize("page", [{}, DARK, DESKTOP, DARK | DESKTOP], indirect=True)
def test_every_qr_code_is_scanned_from_the_screen_and_from_paper(page, links):
    page.goto("/sheet/")
    assert scanned(page) == set(links)
    page.emulate_media(media="print")
    assert scanned(page) == set(links)


def test_a_scanned_link_leads_to_the_form_with_the_code_filled_in(page, links):
    page.goto("/sheet/")
    link = min(scanned(page))
    page.goto(link)
    filled_in = page.get_by_label("Invite code").input_value()
    assert filled_in == link.partition("?code=")[2]
    assert codes().filter(code=conf.code_format.normalize(filled_in)).exists()


def test_the_page_fits_a_narrow_screen(page, links):
    page.goto("/sheet/")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"]


def test_a_sheet_prints_as_whole_cards_without_the_heading(page, expect, links):
    page.goto("/sheet/")
    expect(page.get_by_role("heading")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.get_by_role("heading")).to_be_hidden()
    for card in page.get_by_role("listitem").all():
        expect(card).to_have_css("break-inside", "avoid")


@pytest.mark.parametrize("page", [{}, DARK], indirect=True)
def test_axe_finds_nothing_to_complain_of(page, links):
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        give_up("axe-playwright-python is not installed.")
    page.goto("/sheet/")
    found = Axe().run(page)
    assert not found.response["violations"], found.generate_report()


def test_a_sheet_in_a_file_is_scanned_without_a_site(chromium, expect, links, tmp_path):
    file = tmp_path / "sheet.html"
    link = links[0].partition("?")[0]
    file.write_text("".join(printable(codes(), link, self_contained=True)))
    page = chromium.new_page()
    page.goto(file.as_uri())
    expect(page.get_by_role("list")).to_have_css("display", "grid")
    assert scanned(page) == set(links)
    page.close()
