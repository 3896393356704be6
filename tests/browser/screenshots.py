"""Take the pictures of the explorer that the README shows.

    python manage.py demo --serve
    python -m tests.browser.screenshots FOLDER http://127.0.0.1:8000/signals/live/

Playwright and a Chromium are needed; ``CHROMIUM`` may name it.
"""

import os
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ADDRESS = "http://127.0.0.1:8000/signals/live/"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

#: What is seen: the name of the picture, the actions run for it, by their addresses,
#: and how large the screen is.
PICTURES: dict[str, tuple[list[str], dict[str, int]]] = {
    "fails": (["a-receiver-fails"], {"width": 1400, "height": 720}),
    "rolled-back": (["a-transaction-is-rolled-back"], {"width": 1400, "height": 860}),
    "bulk": (["create-rows-in-bulk"], {"width": 1400, "height": 560}),
    "phone": (["a-receiver-fails"], {"width": 320, "height": 640}),
}


def take(page: Page, address: str, actions: list[str], file: Path) -> None:
    """Run the actions on a page without entries, and take the picture."""
    page.goto(address)
    page.locator("#connection[data-state=live]").wait_for()
    page.evaluate("document.getElementById('clear').click()")
    for slug in actions:
        form = page.locator(f"form[action$='/{slug}/']")
        form.get_by_role("button").click()
        page.locator("[role=treeitem][aria-selected=true]").wait_for()
    page.wait_for_timeout(1_500)  # Until its details have come.
    # As few colors as the page has take a third of the room. This method keeps those of
    # a few letters, which say what has failed and what has run.
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(method=Image.Quantize.MAXCOVERAGE).save(file, optimize=True)


def pages(browser: Any) -> Iterator[tuple[str, list[str], Page]]:
    """Yield a page for each picture, with its name and what to do there."""
    for scheme in ("light", "dark"):
        for name, (actions, viewport) in PICTURES.items():
            context = browser.new_context(color_scheme=scheme, viewport=viewport)
            yield f"explorer-{name}-{scheme}.png", actions, context.new_page()
            context.close()


def main(folder: Path, address: str = ADDRESS) -> None:
    """Take all pictures.

    Args:
        folder: where to put them; made if it is not there.
        address: of the explorer of a running server.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        for name, actions, page in pages(browser):
            take(page, address, actions, folder / name)
            print(folder / name)
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), *sys.argv[2:])
