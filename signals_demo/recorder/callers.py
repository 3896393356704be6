"""Which code is the project's, and not that of a library below it."""

import asyncio
import os
import sysconfig
from pathlib import Path
from types import FrameType
from typing import Final

import asgiref
import django

_ours: Final = f"{Path(__file__).parent}{os.sep}"

# Packages of others stand inside the standard library's folder, but count as projects.
_LIBRARIES: Final = (
    _ours,
    f"{Path(django.__file__).parent}{os.sep}",
    f"{Path(asgiref.__file__).parent}{os.sep}",
    f"{Path(asyncio.__file__).parent}{os.sep}",
    "<frozen ",
)
_STANDARD: Final = f"{sysconfig.get_path('stdlib')}{os.sep}"
_OTHERS: Final = f"{sysconfig.get_path('purelib')}{os.sep}"

#: Whether files that were asked for belong to a library, by their names.
in_library: Final[dict[str, bool]] = {}


def project_frame(frame: FrameType | None) -> FrameType | None:
    """Return the innermost frame of the project, or None.

    Args:
        frame: where to begin to look outward.
    """
    while frame is not None:
        name = frame.f_code.co_filename
        library = in_library.get(name)
        if library is None:
            library = in_library[name] = _is_library(name)
        if not library:
            return frame
        frame = frame.f_back
    return None


def _is_library(name: str) -> bool:
    if name.startswith(_LIBRARIES):
        return True
    return name.startswith(_STANDARD) and not name.startswith(
        (_OTHERS, f"{_STANDARD}site-packages{os.sep}")
    )
