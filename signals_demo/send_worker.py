"""The process in which the scenarios of one signal run, for ``sending``."""

import json
import os

import django
from django.utils.translation import override


def main(name: str, language: str) -> None:
    """Run the scenarios of a signal, and write what came to stdout, as JSON.

    Args:
        name: of a signal that the installed Django has.
        language: code of the one in which to tell of it; empty for none.
    """
    # What a project prints, and what it starts writes, goes to stderr.
    answer = os.dup(1)
    os.dup2(2, 1)
    django.setup()
    # It imports models.
    from signals_demo import catalog, sending

    with override(language or None):
        sent = sending.send(catalog.get(name))
    with os.fdopen(answer, "w") as stdout:
        json.dump(sent, stdout)
