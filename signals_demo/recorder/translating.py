"""Translate, once Django can: a recording may be told of before it is set up."""

from django.apps import apps
from django.utils import translation


def gettext(message: str) -> str:
    """Return the message in the language of the reader."""
    return translation.gettext(message) if apps.ready else message


def ngettext(one: str, many: str, number: int) -> str:
    """Return the message for that number, in the language of the reader."""
    if apps.ready:
        return translation.ngettext(one, many, number)
    return one if number == 1 else many
