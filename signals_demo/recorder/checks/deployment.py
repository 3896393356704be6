"""What must not be there in production."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning
from django.urls import NoReverseMatch, URLResolver, get_resolver, reverse


def check_explorer(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Check that the explorer is not mounted: signals_demo.W012.

    For ``check --deploy``: it is made for development.
    """
    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    return [
        Warning(
            f"The explorer of signals is mounted at {address}.",
            hint="Mount it where settings.DEBUG is on alone; or silence this, if it is"
            " meant for staff: see docs/explorer.md.",
            obj=None,
            id="signals_demo.W012",
        )
        for address in _addresses(get_resolver())
    ]


def _addresses(resolver: URLResolver, *outer: str) -> Iterator[str]:
    """Yield where the explorer is, inside of other name spaces too."""
    for name, (_prefix, inner) in resolver.namespace_dict.items():
        if inner.app_name == "signals_recorder":
            with suppress(NoReverseMatch):  # It cannot be asked with arguments.
                yield reverse(":".join((*outer, name, "explorer")))
        yield from _addresses(inner, *outer, name)
