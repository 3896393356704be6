"""What a dotted name stands for."""

import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec
from typing import Any


def last(name: str) -> str:
    """Return the last part of a dotted name."""
    return name.rpartition(".")[2]


def loaded(name: str) -> Any:
    """Return what a dotted name stands for, if it has been imported, or None."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:length]))
        if found is not None:
            for part in parts[length:]:
                found = getattr(found, part, None)
            return found
    return None


def on_disk(name: str) -> tuple[str, str]:
    """Split a dotted name into its module, found without importing it, and the rest."""
    first, *rest = name.split(".")
    try:
        spec = find_spec(first)
    except ValueError:  # The name is empty, or the module was made at run time.
        spec = None
    module = first if spec is not None or first in sys.modules else ""
    while rest and spec is not None and spec.submodule_search_locations is not None:
        inner = f"{module}.{rest[0]}"
        spec = PathFinder.find_spec(inner, spec.submodule_search_locations)
        if spec is not None:
            module = inner
            del rest[0]
    return module, ".".join(rest)
