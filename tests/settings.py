"""The example project, with a second database and quick passwords."""

import os
from pathlib import Path
from tempfile import gettempdir

from example_project.settings import *  # noqa: F403 - settings are meant to be shared
from example_project.settings import database

VENDOR = os.environ.get("DATABASE_VENDOR", "sqlite")
NAME = os.environ.get("DATABASE_NAME", "signals_demo")
DATABASES = {
    "default": database(VENDOR, ":memory:" if VENDOR == "sqlite" else NAME),
    "other": database(VENDOR, ":memory:" if VENDOR == "sqlite" else f"{NAME}_other"),
}
DEBUG = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MEDIA_ROOT = Path(gettempdir()) / "django-signals-demo-tests"

INSTALLED_APPS = [
    *INSTALLED_APPS,  # noqa: F405 - of the example project
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.headless",
]
MIDDLEWARE = [
    *MIDDLEWARE,  # noqa: F405 - of the example project
    "allauth.account.middleware.AccountMiddleware",
]
