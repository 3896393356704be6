"""Which signals are sent by ``send_robust()``, as far as loaded modules tell."""

import linecache
import re
import sys
from collections.abc import Iterator
from typing import Final

from signals_demo.recorder.dotted import loaded
from signals_demo.recorder.inventory import is_builtin
from signals_demo.recorder.naming import contents

#: The only one that Django sends so, when a setting changes back.
_DJANGOS: Final = "django.core.signals.setting_changed"


def sent_robustly(signal: str) -> bool:
    """Return whether the source of a loaded module sends the signal robustly.

    Args:
        signal: its dotted name.
    """
    if is_builtin(signal):
        return signal == _DJANGOS
    return any(
        re.search(rf"\b{re.escape(name)}\s*\.\s*a?send_robust\(", source)
        for name, source in _sources(signal)
    )


def _sources(signal: str) -> Iterator[tuple[str, str]]:
    """Yield the modules that know the signal: what they call it, and their source."""
    home, _, known_as = signal.rpartition(".")
    known = {id(loaded(signal)), id(sys.modules.get(home))} - {id(None)}
    for module in list(sys.modules.values()):
        attributes = contents(module)
        for name, value in list(attributes.items()):
            if id(value) in known:
                path = attributes.get("__file__") or ""
                source = "".join(linecache.getlines(path))
                yield known_as if value is sys.modules.get(home) else name, source
