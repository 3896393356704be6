"""Codes on paper: a page that prints as cards, each with a QR code of its link."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.template.loader import get_template
from django.utils.encoding import iri_to_uri
from django.utils.safestring import mark_safe

from invite_code.conf import conf
from invite_code.errors import InviteCodeError

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from invite_code.models import InviteCode

#: The most codes on a sheet: a browser lays out the pages of all of them at once.
MAX_CODES = 1000

#: The longest link, in characters as it is sent. The squares of the QR code of a longer
#: one would be too small for some cameras.
MAX_LINK = 300

#: Where the cards go in the page that is rendered around them.
CARDS = "<!-- cards -->"

STYLES = Path(__file__).parent / "static" / "invite_code" / "sheet.css"


class NotPrintable(InviteCodeError):
    """No sheet can be made of these codes, with this link, or without segno."""


def printable(
    codes: QuerySet[InviteCode],
    link: str,
    *,
    self_contained: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Iterator[str]:
    """Return the parts of an HTML page that prints as cards, one for each code.

    Whatever is wrong is raised at once, before the first part.

    Args:
        codes: which ones; not sliced, nor a union of querysets.
        link: address of the page to sign up at; ``?code=`` is added to it.
        self_contained: whether the styles are in the page, for a file; for a site they
            are linked, so that its policy may forbid styles in pages.
        progress: called before each card with the number of cards, it included.

    Raises:
        NotPrintable: there are more than ``MAX_CODES`` codes, `link` is no address, or
            segno is not installed.
    """
    check_link(link)
    picture = partial(_picture, _segno())
    stored = codes.order_by("pk").values_list("code", flat=True)[: MAX_CODES + 1]
    shown = [conf.code_format.display(code) for code in stored]
    if len(shown) > MAX_CODES:
        raise NotPrintable(
            f"A sheet has at most {MAX_CODES} codes, and these are more: choose fewer,"
            " those of a hand-out say, or export CSV."
        )
    page = get_template("invite_code/sheet.html").render(
        {
            "count": len(shown),
            "cards": mark_safe(CARDS),
            "styles": mark_safe(STYLES.read_text()) if self_contained else "",
        }
    )
    return _parts(page, shown, link, picture, progress)


def check_link(link: str) -> None:
    """Raise an error if a link is no address of a page.

    Args:
        link: the address, without a code.

    Raises:
        NotPrintable: it is none, or too long.
    """
    try:
        parts = urlsplit(link)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:  # Brackets that hold no address, say.
        whole = False
    if not whole or not link.isprintable() or " " in link:
        raise NotPrintable(
            f"{link[:80]!r} is not the address of a page, such as"
            " https://example.org/invite/signup/."
        )
    if len(iri_to_uri(link)) > MAX_LINK:
        raise NotPrintable(f"A link longer than {MAX_LINK} characters is hard to scan.")


def link_with(code: str, link: str) -> str:
    """Return a link that fills a code in.

    Args:
        code: as people read it.
        link: address of the page to sign up at.
    """
    parts = urlsplit(link)
    query = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in query if name != "code"]
    return iri_to_uri(parts._replace(query=urlencode([*kept, ("code", code)])).geturl())


def _segno() -> ModuleType:
    try:
        import segno
    except ImportError as error:
        raise NotPrintable(
            'QR codes are made by segno: pip install "django-signals-demo[qr]".'
        ) from error
    return segno


def _parts(
    page: str,
    shown: list[str],
    link: str,
    picture: Callable[[str], str],
    progress: Callable[[int], None] | None,
) -> Iterator[str]:
    card = get_template("invite_code/sheet_card.html")
    head, tail = page.split(CARDS)
    yield head
    for done, code in enumerate(shown, 1):
        address = link_with(code, link)
        context = {"code": code, "link": address, "picture": picture(address)}
        if progress:
            progress(done)
        yield card.render(context)
    yield tail


def _picture(segno: ModuleType, text: str) -> str:
    """Return an ``<svg>`` without styles, dark on white wherever it is shown."""
    # 15 % of it may be dirty: level M of ISO/IEC 18004, which also asks for a margin of
    # four modules.
    code = segno.make(text, error="m", boost_error=False, micro=False)
    svg: str = code.svg_inline(border=4, dark="#000", light="#fff", omitsize=True)
    return mark_safe(svg)
