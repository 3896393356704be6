"""A flight recorder for Django's signals.

``with record() as recording:`` sees every signal that is sent meanwhile, the receivers
that Django calls, and what they do: as a tree, and without changing the program.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signals_demo.recorder.muting import mute
    from signals_demo.recorder.recording import record
    from signals_demo.recorder.trace import Recording

__all__ = ["Recording", "mute", "record"]

_HOMES = {"Recording": "trace", "mute": "muting", "record": "recording"}


def __getattr__(name: str) -> Any:
    # pytest imports this package for its plugin, in projects without Django too.
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
