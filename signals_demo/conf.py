"""The settings of this app; no other module reads ``SIGNALS_DEMO_*``."""

from collections.abc import Sequence
from os import PathLike
from typing import cast

from django.conf import settings


class Settings:
    """A property for each setting, read anew each time.

    So ``override_settings`` works, and nothing is read when a module is imported.
    """

    @property
    def SIGNALS_DEMO_MIGRATE_LOCK_TIMEOUT(self) -> int:
        """Seconds ``migrate`` waits for a lock before it gives up: 30.

        0 leaves the connection as it is.
        """
        return cast(int, getattr(settings, "SIGNALS_DEMO_MIGRATE_LOCK_TIMEOUT", 30))

    @property
    def SIGNALS_DEMO_SLOW_REQUEST_MS(self) -> int:
        """Milliseconds from which a request counts as slow: 1000.

        0 logs none.
        """
        return cast(int, getattr(settings, "SIGNALS_DEMO_SLOW_REQUEST_MS", 1000))

    @property
    def SIGNALS_DEMO_WATCH_DIRS(self) -> Sequence[str | PathLike[str]]:
        """Further folders in which a change restarts ``runserver``: none."""
        return cast(
            Sequence[str | PathLike[str]],
            getattr(settings, "SIGNALS_DEMO_WATCH_DIRS", ()),
        )


conf = Settings()
