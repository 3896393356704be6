"""What differs between the supported Django versions, read in this one place."""

import django

#: The installed feature release, such as ``(6, 1)``.
DJANGO_VERSION: tuple[int, int] = django.VERSION[:2]

#: ``django.tasks`` and its three signals came with Django 6.0.
HAS_TASKS: bool = DJANGO_VERSION >= (6, 0)
