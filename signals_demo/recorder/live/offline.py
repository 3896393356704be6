"""A recording as one file that opens in any browser, without a server."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from django.template.loader import render_to_string

_STATIC: Final = Path(__file__).parents[1] / "static" / "signals_demo_recorder"


def page(data: Mapping[str, Any], details: Mapping[str, Any]) -> str:
    """Return the file: the page of the explorer, with style, script and data inside.

    Args:
        data: entries and findings, as the event stream sends them.
        details: what is known of each signal, as each sender sees it.
    """
    context = {
        "data": {**data, "details": details},
        "style": _text("explorer.css").replace("</style", r"<\/style"),
        "script": _text("explorer.js").replace("</script", r"<\/script"),
    }
    return render_to_string("signals_demo_recorder/offline.html", context)


def _text(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")
