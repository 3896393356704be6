"""Settings of the example project.

The database is SQLite in the checkout. ``DATABASE_VENDOR`` (``sqlite``,
``postgresql`` or ``mariadb``) picks another one, ``DATABASE_NAME`` its name or
file. PostgreSQL takes its host and user from libpq's own variables (``PGHOST``,
``PGUSER``, ``PGPASSWORD``), MariaDB from the matching ``MYSQL_*`` ones.
"""

import os
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

# Good for a demonstration only: everybody can read it.
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "insecure-key-of-the-example")
DEBUG = True
ALLOWED_HOSTS: list[str] = []
INTERNAL_IPS = ["127.0.0.1", "::1"]

INSTALLED_APPS = [
    "example_project",
    "invite_code",
    "signals_demo",
    "signals_demo.recorder",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "example_project.urls"
WSGI_APPLICATION = "example_project.wsgi.application"
ASGI_APPLICATION = "example_project.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


#: For a site where people sign up at the same time. With the write-ahead log, some read
#: while one writes. With NORMAL, a commit does not wait for the disk: a power cut may
#: take back the last ones, but never breaks the file. With IMMEDIATE, a transaction
#: waits for its turn where it begins: one that has read before it writes is not allowed
#: to wait, and would fail at once with "database is locked".
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
}


def database(vendor: str, name: str | None = None) -> dict[str, Any]:
    """Return the connection settings of one database.

    Args:
        vendor: ``"sqlite"``, ``"postgresql"`` or ``"mariadb"``.
        name: database name, for SQLite a file; None is the vendor's default.

    Raises:
        ImproperlyConfigured: the vendor is none of the three.
    """
    env = os.environ.get
    databases: dict[str, dict[str, Any]] = {
        "sqlite": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": name or BASE_DIR / "db.sqlite3",
            "OPTIONS": dict(SQLITE_OPTIONS),
        },
        "postgresql": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name or "signals_demo",
            "HOST": env("PGHOST", "127.0.0.1"),
            "USER": env("PGUSER", "postgres"),
        },
        "mariadb": {
            "ENGINE": "django.db.backends.mysql",
            "NAME": name or "signals_demo",
            "HOST": env("MYSQL_HOST", "127.0.0.1"),
            "USER": env("MYSQL_USER", "root"),
            "PASSWORD": env("MYSQL_PASSWORD", ""),
            "OPTIONS": {"charset": "utf8mb4"},
        },
    }
    if vendor not in databases:
        known = ", ".join(databases)
        raise ImproperlyConfigured(
            f"There is no database vendor {vendor!r}: set DATABASE_VENDOR to one of"
            f" {known}."
        )
    return databases[vendor]


DATABASES = {
    "default": database(
        os.environ.get("DATABASE_VENDOR", "sqlite"), os.environ.get("DATABASE_NAME")
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"

LANGUAGE_CODE = "en-us"
LANGUAGES = [("en-us", "English"), ("zh-hans", "简体中文")]
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
MEDIA_ROOT = BASE_DIR / "media"
MEDIA_URL = "media/"

#: What the explorer at /signals/live/ offers to do.
SIGNALS_RECORDER_ACTIONS = "example_project.actions.ACTIONS"
