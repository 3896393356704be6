"""System checks of all that is connected: the documented mistakes with signals.

Neither this nor the other checks import a module of the project, query, or send a
signal; but the one for ``check --deploy`` imports the URLconf.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from django.apps import AppConfig
from django.core.checks import CheckMessage

from signals_demo.recorder.checks import costs, receivers, senders, weakness
from signals_demo.recorder.inventory import Connection, connections

Check: TypeAlias = Callable[[Sequence[Connection]], Iterator[CheckMessage]]

#: What is asked of all living connections.
CHECKS: Final[tuple[Check, ...]] = (
    receivers.without_keywords,
    receivers.called_twice,
    receivers.decorated_in_vain,
    receivers.without_name,
    receivers.asynchronous,
    senders.migrated,
    senders.through,
    senders.without_instances,
    senders.prepared,
    senders.relatives,
    senders.deleted_by_database,
    costs.slow_deletes,
    costs.slow_reads,
)


def check_receivers(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Check all receivers of all signals: signals_demo.E001 to E004, W001 to W011."""
    # First of all: what dies must not be held.
    messages = list(weakness.dying())
    connected = [each for each in connections() if each.is_alive]
    for check in CHECKS:
        messages += check(connected)
    if app_configs is None:
        return messages
    return [each for each in messages if _is_in(each, app_configs)]


def _is_in(message: CheckMessage, app_configs: Sequence[AppConfig]) -> bool:
    """Return whether the receiver is in one of the apps."""
    names = "|".join(re.escape(config.name) for config in app_configs)
    return re.match(rf"(?:partial\()*(?:{names})\.", str(message.obj)) is not None
