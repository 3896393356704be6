import re
import sys
from html.parser import HTMLParser

import pytest
import zxingcpp
from django.utils import translation
from PIL import Image, ImageDraw

from invite_code import sheet
from invite_code.codes import CodeFormat
from invite_code.issuing import issue
from invite_code.models import InviteCode
from invite_code.sheet import NotPrintable, check_link, link_with, printable

pytestmark = pytest.mark.django_db

LINK = "https://example.org/invite/signup/"

#: What HTML calls elements without an end.
VOID = {"meta", "link", "br", "img", "input"}


class Page(HTMLParser):
    """The elements of a page, their text, and that each is closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.opened = [], [], []
        self.feed(text)
        self.close()
        assert not self.opened

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.opened.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.opened.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def page(codes, link=LINK, **options):
    return "".join(printable(codes, link, **options))


def decoded(svg, scale=4):
    """Return the text of a QR code, from the lines that its picture is made of."""
    size = int(re.search(r'viewBox="0 0 (\d+)', svg)[1])
    image = Image.new("L", (size * scale, size * scale), 255)
    draw = ImageDraw.Draw(image)
    x = y = 0
    [path] = re.findall(r'stroke="#000" d="([^"]+)"', svg)
    for command, numbers in re.findall(r"([Mmh])([-.\d ]+)", path):
        dx, dy = [float(number) for number in numbers.split()] + [0] * (command == "h")
        if command == "h":
            box = [x, y - 0.5, x + dx, y + 0.5]
            left, top, right, bottom = (round(scale * side) for side in box)
            draw.rectangle([left, top, right - 1, bottom - 1], fill=0)
        x, y = (dx, dy) if command == "M" else (x + dx, y + dy)
    [found] = zxingcpp.read_barcodes(image)
    assert found.format == zxingcpp.BarcodeFormat.QRCode
    return found.text


def shown(codes):
    stored = codes.order_by("pk").values_list("code", flat=True)
    return [CodeFormat().display(code) for code in stored]


def test_each_code_has_a_card_with_its_text_its_link_and_a_qr_code_of_it():
    codes = issue(3).codes.all()
    text = page(codes)
    links = [f"{LINK}?code={code}" for code in shown(codes)]
    assert re.findall("<code>(.*?)</code>", text) == shown(codes)
    assert [link["href"] for link in Page(text).all("a")] == links
    assert [decoded(svg) for svg in re.findall("<svg.*?</svg>", text)] == links


def test_the_page_is_whole_and_says_what_its_pictures_are():
    codes = issue(2).codes.all()
    found = Page(page(codes))
    assert found.all("html") == [{"lang": "en-us"}]
    assert found.elements[0][0] == "html"
    assert (
        len(found.all("title")) == len(found.all("main")) == len(found.all("h1")) == 1
    )
    pictures = [div for div in found.all("div") if div.get("role") == "img"]
    assert [picture["aria-label"] for picture in pictures] == [
        f"QR code of the link for {code}" for code in shown(codes)
    ]
    assert len(found.all("li")) == 2


def test_the_page_is_in_the_language_of_the_reader():
    with translation.override("ar"):
        assert '<html lang="ar" dir="rtl">' in page(InviteCode.objects.none())


def test_a_page_of_a_site_has_no_style_or_script_of_its_own():
    found = Page(page(issue(1).codes.all()))
    assert not found.all("style")
    assert not found.all("script")
    for _, attributes in found.elements:
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
    [link] = found.all("link")
    assert link["href"].endswith("invite_code/sheet.css")


def test_a_page_in_a_file_needs_nothing_else():
    text = page(issue(1).codes.all(), self_contained=True)
    assert f"<style>{sheet.STYLES.read_text()}</style>" in text
    assert not Page(text).all("link")
    assert "@media print" in text


def test_codes_come_in_parts_and_progress_is_told():
    told = []
    parts = list(printable(issue(3).codes.all(), LINK, progress=told.append))
    assert len(parts) == 1 + 3 + 1
    assert told == [1, 2, 3]


def test_all_codes_are_asked_for_in_one_query(django_assert_num_queries):
    codes = issue(3).codes.all()
    with django_assert_num_queries(1):
        page(codes)


def test_a_sheet_of_no_code_is_a_page():
    assert not Page(page(InviteCode.objects.none())).all("li")


def test_more_codes_than_a_sheet_holds_are_refused_at_once(monkeypatch):
    monkeypatch.setattr(sheet, "MAX_CODES", 3)
    assert len(Page(page(issue(3).codes.all())).all("li")) == 3
    with pytest.raises(NotPrintable, match="at most 3 codes"):
        printable(issue(4).codes.all(), LINK)


def test_without_segno_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "segno", None)
    with pytest.raises(NotPrintable, match=r'pip install "django-signals-demo\[qr\]"'):
        printable(InviteCode.objects.none(), LINK)


@pytest.mark.parametrize(
    "link",
    [
        "",
        "example.org/invite/",
        "/invite/signup/",
        "//example.org/",
        "ftp://example.org/",
        "javascript://example.org/%0aalert(1)",
        "https://",
        "https:///invite/",
        "https://[::1/",
        "https://example.org/a b",
        "https://example.org/\n",
        "https://example.org/\0",
    ],
)
def test_what_is_no_address_is_refused(link):
    with pytest.raises(NotPrintable, match="is not the address of a page"):
        printable(InviteCode.objects.none(), link)


def test_a_link_must_be_short_enough_to_be_scanned():
    longest = LINK + "x" * (sheet.MAX_LINK - len(LINK))
    check_link(longest)
    assert decoded(page(issue(1).codes.all(), longest)).startswith(longest)
    with pytest.raises(NotPrintable, match="300 characters"):
        check_link(longest + "x")
    with pytest.raises(NotPrintable, match="300 characters"):
        check_link("https://example.org/" + "é" * 60)


@pytest.mark.parametrize(
    ("link", "whole"),
    [
        (LINK, f"{LINK}?code=AB-CD"),
        ("https://example.org", "https://example.org?code=AB-CD"),
        (f"{LINK}?next=/welcome/", f"{LINK}?next=%2Fwelcome%2F&code=AB-CD"),
        (f"{LINK}?a=&code=OLD#top", f"{LINK}?a=&code=AB-CD#top"),
        (f"{LINK}?a=1&a=2", f"{LINK}?a=1&a=2&code=AB-CD"),
        ("http://[::1]:8000/é/", "http://[::1]:8000/%C3%A9/?code=AB-CD"),
    ],
)
def test_the_code_is_added_to_what_the_link_asks_already(link, whole):
    assert link_with("AB-CD", link) == whole


def test_a_link_with_marks_of_html_is_only_text():
    link = LINK + """?a="><script>alert('1')</script>&"""
    codes = issue(1).codes.all()
    found = Page(page(codes, link))
    assert not found.all("script")
    [a] = found.all("a")
    assert decoded(page(codes, link)) == a["href"]


def test_the_styles_of_a_file_do_not_end_early():
    assert "<" not in sheet.STYLES.read_text()
