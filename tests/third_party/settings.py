"""A project with all of Django's apps, and those of others that receive signals."""

import os
from ctypes.util import find_library

#: What has to be installed beside Django.
PACKAGES = [
    "allauth",
    "auditlog",
    "debug_toolbar",
    "fido2",  # for allauth.mfa
    "guardian",
    "psycopg",  # for django.contrib.postgres
    "simple_history",
]

SECRET_KEY = "insecure"
DEBUG = bool(os.environ.get("THIRD_PARTY_DEBUG"))
INSTALLED_APPS = [
    "signals_demo.recorder",
    "tests.third_party",
    "django.contrib.admin",
    "django.contrib.admindocs",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.flatpages",
    *(["django.contrib.gis"] if find_library("gdal") else []),  # It has no receivers.
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.redirects",
    "django.contrib.sessions",
    "django.contrib.sitemaps",
    "django.contrib.sites",
    "django.contrib.staticfiles",
    "django.contrib.syndication",
    "allauth",
    "allauth.account",
    "allauth.headless",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.usersessions",
    "auditlog",
    "debug_toolbar",
    "guardian",
    "simple_history",
]
MIDDLEWARE = [
    "debug_toolbar.middleware.DebugToolbarMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "auditlog.middleware.AuditlogMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
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
ROOT_URLCONF = "tests.third_party.urls"
SITE_ID = 1
STATIC_URL = "static/"
INTERNAL_IPS = ["127.0.0.1"]
