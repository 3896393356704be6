"""Which files beside Python's make ``runserver`` start again."""

from functools import cache
from pathlib import Path

from signals_demo.conf import conf

#: Text for people: no program reads it when it starts.
DOCUMENTATION = frozenset({".md", ".rst", ".txt"})


@cache
def watched_dirs() -> tuple[Path, ...]:
    """Return the folders to watch besides Django's own, links resolved."""
    return tuple(Path(folder).resolve() for folder in conf.SIGNALS_DEMO_WATCH_DIRS)


def needs_no_restart(path: Path) -> bool:
    """Return whether a file is only documentation in one of those folders.

    A folder changes with what is renamed in it, which is how many editors save.
    """
    return (path.is_dir() or path.suffix in DOCUMENTATION) and any(
        path.is_relative_to(folder) for folder in watched_dirs()
    )
