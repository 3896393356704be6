"""What tests of the explorer do on its pages, and what they see there."""

import json
import re

from django.dispatch import Signal

from example_project.actions import ACTIONS
from signals_demo.recorder.live.feed import feed
from tests.browser.conftest import give_up

LIVE = "/signals/live/"
DARK = {"color_scheme": "dark"}
DESKTOP = {"viewport": {"width": 1400, "height": 900}}
NARROW = {"viewport": {"width": 320, "height": 640}}

#: An event stream has no end that a route could wait for.
NO_STREAM = re.compile(r"^(?!.*/stream/)")

#: The addresses of the actions.
SLUGS = [each.slug for each in ACTIONS]

tick = Signal()


def on_tick(**kwargs):
    """Be reached."""


def open_explorer(page, query=""):
    page.goto(LIVE + query)
    page.locator("#connection[data-state=live]").wait_for()


def form_of(page, slug):
    return page.locator(f"form[action='{LIVE}actions/{slug}/']")


def run(page, slug):
    """Press the button of an action, and return what the server answers."""
    with page.expect_response(lambda answer: f"/{slug}/" in answer.url) as answer:
        form_of(page, slug).get_by_role("button").click()
    data = answer.value.json()
    number = data["numbers"][-1]
    process = json.loads(page.locator("#config").text_content())["process"]
    page.locator(f"#row-{process}\\.{number}").wait_for(state="attached")
    return data


def item(page, number):
    """Return the line of an entry."""
    row = f"row-{feed.process}.{number}"
    return page.locator(f"[role=treeitem][aria-labelledby='{row}']")


def selected(page):
    return page.locator("[role=treeitem][aria-selected=true]")


def violations(page):
    """Return what axe complains of, by the name of the rule."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        give_up("axe-playwright-python is not installed.")
    # With preload it would put styles into the page, which the policy forbids.
    found = Axe().run(page, options={"preload": False})
    return {each["id"]: each for each in found.response["violations"]}


def last(dotted):
    return dotted.rpartition(".")[2]


def expected(nodes, level=1):
    """Yield depth and name of each line that a recording should be shown as."""
    for node in nodes:
        if "receiver" in node:
            yield level, "receiver", last(node["receiver"])
        elif node["type"] == "emission":
            yield level, "emission", last(node["signal"])
        else:
            yield level, node["type"], ""
        inside = node.get("receivers") or node.get("entries") or ()
        yield from expected(inside, level + 1)


def shown(page, numbers):
    """Return depth and name of each line below some entries, having unfolded all."""
    found = page.evaluate(
        """numbers => {
          const all = [];
          for (let closed; (closed = document.querySelector("[aria-expanded=false]"));)
            closed.querySelector(".twisty").click();
          for (let more; (more = document.querySelector(".more"));) more.click();
          for (const each of document.querySelectorAll("[role=treeitem]")) {
            const top = each.closest("[aria-level='1']").querySelector(".number");
            if (!numbers.includes(Number(top.textContent))) continue;
            const kind = each.classList[1];
            const name = each.querySelector(".row b")?.textContent ?? "";
            const named = kind === "emission" || kind === "receiver";
            all.push([Number(each.ariaLevel), kind, named ? name : ""]);
          }
          return all;
        }""",
        numbers,
    )
    return [tuple(each) for each in found]


def assert_shown(page, data):
    """Assert that an action is shown as its recording has it, at last.

    What goes on for a while is sent as it is, and again when it has ended.
    """
    tree = list(expected(data["recording"]["entries"]))
    assert tree
    for _ in range(50):
        if shown(page, data["numbers"]) == tree:
            return
        page.wait_for_timeout(100)
    assert shown(page, data["numbers"]) == tree
