"""The settings of this app; no other module reads ``SIGNALS_RECORDER_*``."""

from typing import cast

from django.conf import settings


class Settings:
    """A property for each setting, read anew each time.

    So ``override_settings`` works, and nothing is read when a module is imported.
    """

    @property
    def SIGNALS_RECORDER_ACTIONS(self) -> str:
        """The dotted name of a sequence of actions for the explorer: "" for none."""
        return cast(str, getattr(settings, "SIGNALS_RECORDER_ACTIONS", ""))

    @property
    def SIGNALS_RECORDER_STAFF(self) -> bool:
        """Whether staff with the permission may look, wherever they are: False."""
        return cast(bool, getattr(settings, "SIGNALS_RECORDER_STAFF", False))

    @property
    def SIGNALS_RECORDER_MAX_STREAMS(self) -> int:
        """How many browsers a process keeps a connection to: 4.

        Others ask again every few seconds, as all do with 0.
        """
        return cast(int, getattr(settings, "SIGNALS_RECORDER_MAX_STREAMS", 4))

    @property
    def SIGNALS_RECORDER_RING_BYTES(self) -> int:
        """How many bytes of the newest entries a process keeps: 10000000."""
        return cast(int, getattr(settings, "SIGNALS_RECORDER_RING_BYTES", 10_000_000))


conf = Settings()
