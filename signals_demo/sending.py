"""Have Django send a signal for a page, and nothing else in the process notice.

The scenarios override settings, and settings are those of the whole process: another
request would find no middleware and no URLs. So they run in a process of their own,
with the settings and the databases of this one.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from tempfile import TemporaryFile
from threading import Lock
from typing import Any, cast

from django.db import connections as databases
from django.db import router
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from signals_demo import send_worker
from signals_demo.builtin import BuiltinSignal
from signals_demo.database import have_tables
from signals_demo.examples import scenarios_of
from signals_demo.exercising import recorded, surroundings
from signals_demo.models import Topping
from signals_demo.recorder import Recording, export, text
from signals_demo.recorder.explain import why_not
from signals_demo.recorder.inventory import connections
from signals_demo.recorder.trace import Emission, Entry
from signals_demo.scenarios import Scenario

#: What the process runs.
START = f"import sys; from {send_worker.__name__} import main; main(*sys.argv[1:])"

#: Seconds after which the process is ended; it takes one or two.
TIMEOUT = 60

#: Columns of the trees: those of the text in the page, on a screen that has room.
WIDTH = 100

#: Sent for each row or class: elsewhere, trees leave out those nobody received.
FLOODS = frozenset({"pre_init", "post_init", "class_prepared"})

#: What scenarios cause on the way, when they make themselves a database, or migrate it.
ON_THE_WAY = frozenset({"setting_changed", "connection_created", "class_prepared"})

Data = dict[str, Any]

_one_at_a_time = Lock()


class SendingFailed(Exception):
    """No signal could be sent; the text says why."""


def send_elsewhere(signal: BuiltinSignal) -> list[Data]:
    """Have a process of its own send a signal, and return what ``send()`` does.

    Args:
        signal: an entry of the catalog that the installed Django has.

    Raises:
        SendingFailed: it could not, or another one is at it.
    """
    if not _one_at_a_time.acquire(blocking=False):
        raise SendingFailed(_("Another signal is being sent. Try again in a moment."))
    try:
        return _run_worker(signal.name)
    finally:
        _one_at_a_time.release()


def _run_worker(name: str) -> list[Data]:
    # Embedded in a server, Python may have no name.
    command = [sys.executable or "", "-c", START, name, get_language() or ""]
    # manage.py, or the server, may have put the project on the path.
    path = [each for each in sys.path if each and isinstance(each, str)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    try:
        # Not a pipe, which would end with the last of what the project starts.
        with TemporaryFile("w+", encoding="utf-8", errors="replace") as told:
            done = subprocess.run(
                command,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=told,
                encoding="utf-8",
                errors="replace",
                timeout=TIMEOUT,
            )
            told.seek(0)
            stderr = told.read()
    except subprocess.TimeoutExpired as error:
        raise SendingFailed(_("It took too long, and was ended.")) from error
    except OSError as error:
        raise SendingFailed(str(error)) from error
    if not done.returncode:
        with suppress(ValueError):  # It may have ended before it wrote all.
            return cast(list[Data], json.loads(done.stdout))
    nothing = _("It ended with exit code %(code)s, and did not say why.")
    said = stderr.strip() or nothing % {"code": done.returncode}
    # Of an error, lines that go on are indented.
    raise SendingFailed(re.split(r"\n(?=\S)", said)[-1])


def send(signal: BuiltinSignal) -> list[Data]:
    """Make Django send a signal in this process, and return what came.

    That is, for each scenario: ``how`` it was done, the ``problem`` if it raised, the
    ``tree``, the receivers that did ``not_run`` and why, and the ``recording``. What
    is written to a database is rolled back.

    Args:
        signal: an entry of the catalog that the installed Django has.

    Raises:
        SystemExit: the tables are missing.
    """
    if not have_tables(databases[router.db_for_write(Topping)], [Topping]):
        raise SystemExit("The tables are missing: run 'manage.py migrate' first.")
    with surroundings():
        return [_sent(signal, scenario) for scenario in scenarios_of(signal)]


def _sent(signal: BuiltinSignal, scenario: Scenario) -> Data:
    recording, problem = recorded(scenario)
    missed = not_run(signal, recording)
    recording.entries = shown(signal, recording.entries)
    tree = text.tree(recording, width=WIDTH, everything=signal.name in FLOODS)
    return {
        "how": scenario.how,
        "problem": problem,
        "tree": "\n".join(tree),
        "not_run": missed,
        "recording": export.as_data(recording),
    }


def shown(signal: BuiltinSignal, entries: Sequence[Entry]) -> list[Entry]:
    """Return what a scenario is about, without what it prepares and clears away."""
    aside = ON_THE_WAY - {signal.name}
    kept = [each for each in entries if getattr(each, "name", "") not in aside]
    places = [at for at, each in enumerate(kept) if isinstance(each, Emission)]
    return kept[places[0] : places[-1] + 1] if places else kept


def not_run(signal: BuiltinSignal, recording: Recording) -> list[Data]:
    """Return the receivers of a signal that it did not reach, and why."""
    reached = {
        call.receiver
        for emission in recording.emissions()
        for call in emission.calls
        if emission.signal == signal.path and call.started is not None
    }
    names = dict.fromkeys(
        each.name
        for each in connections([signal.load()])
        if each.is_alive and each.name not in reached
    )
    verdicts = [why_not(recording, name) for name in names]
    return [{"receiver": each.receiver, "why": each.text} for each in verdicts]
