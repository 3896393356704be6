"""The settings of this app; no other module reads ``INVITE_CODE_*``."""

from functools import cached_property, lru_cache
from typing import Any, cast

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver

from invite_code import codes

PREFIX = "INVITE_CODE_"


class Settings:
    """A property for each setting, read anew each time.

    So ``override_settings`` works, and nothing is read when a module is imported.
    """

    @property
    def INVITE_CODE_SEED_COUNT(self) -> int:
        """How many codes ``migrate`` seeds where it finds none of its own: 2000.

        0 switches seeding off, for a test suite say.
        """
        return cast(int, getattr(settings, "INVITE_CODE_SEED_COUNT", 2000))

    @property
    def INVITE_CODE_ALPHABET(self) -> str:
        """The symbols of a code: Crockford's base 32."""
        return cast(str, getattr(settings, "INVITE_CODE_ALPHABET", codes.CROCKFORD))

    @property
    def INVITE_CODE_LENGTH(self) -> int:
        """The number of symbols in a code, the check symbol included: 16."""
        return cast(int, getattr(settings, "INVITE_CODE_LENGTH", 16))

    @property
    def INVITE_CODE_CHECK_SYMBOL(self) -> bool:
        """Whether the last symbol tells a typo from a code: True."""
        return cast(bool, getattr(settings, "INVITE_CODE_CHECK_SYMBOL", True))

    @property
    def INVITE_CODE_GROUP_SIZE(self) -> int:
        """How many symbols stand between two hyphens: 4; 0 shows no hyphens."""
        return cast(int, getattr(settings, "INVITE_CODE_GROUP_SIZE", 4))

    @property
    def INVITE_CODE_HOLD_SECONDS(self) -> int:
        """For how many seconds the gate keeps a use for a visitor: 900."""
        return cast(int, getattr(settings, "INVITE_CODE_HOLD_SECONDS", 900))

    @property
    def INVITE_CODE_CLIENT_LIMIT(self) -> str:
        """How many refused codes a client may try: "20/hour"; "" for any number."""
        return cast(str, getattr(settings, "INVITE_CODE_CLIENT_LIMIT", "20/hour"))

    @property
    def INVITE_CODE_TOTAL_LIMIT(self) -> str:
        """How many refused codes all may try together: "2000/hour"; "" for any."""
        return cast(str, getattr(settings, "INVITE_CODE_TOTAL_LIMIT", "2000/hour"))

    @property
    def INVITE_CODE_TRUSTED_PROXIES(self) -> int:
        """How many proxies add to X-Forwarded-For: 0, so that it is not read."""
        return cast(int, getattr(settings, "INVITE_CODE_TRUSTED_PROXIES", 0))

    @property
    def INVITE_CODE_CACHE(self) -> str:
        """Which cache counts the refused codes: "default"."""
        return cast(str, getattr(settings, "INVITE_CODE_CACHE", "default"))

    @property
    def INVITE_CODE_ENQUEUE_FROM(self) -> int:
        """From how many codes on the admin leaves issuing to a worker: 50000."""
        return cast(int, getattr(settings, "INVITE_CODE_ENQUEUE_FROM", 50_000))

    @cached_property
    def code_format(self) -> codes.CodeFormat:
        """The form of codes that the settings ask for, kept until one is changed.

        Each code typed needs it, and four settings that are not set take as long to
        read as a statement takes to send.

        Raises:
            ValueError: no code can have this form.
        """
        return _code_format(
            self.INVITE_CODE_ALPHABET,
            self.INVITE_CODE_LENGTH,
            self.INVITE_CODE_CHECK_SYMBOL,
            self.INVITE_CODE_GROUP_SIZE,
        )


# A form keeps its tables; making them anew for each change would be a waste.
_code_format = lru_cache(codes.CodeFormat)

conf = Settings()


@receiver(setting_changed, dispatch_uid="invite_code.forget_code_format")
def forget_code_format(*, setting: str, **kwargs: Any) -> None:
    """Read the form of codes anew when a test has changed a setting."""
    if setting.startswith(PREFIX):
        vars(conf).pop("code_format", None)
