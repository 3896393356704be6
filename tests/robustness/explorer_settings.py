"""What the servers run with that the explorer's streams are tried on."""

import os

from example_project.settings import *  # noqa: F403 - settings are meant to be shared

ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "tests.robustness.explorer_site"
SIGNALS_RECORDER_ACTIONS = "tests.robustness.explorer_site.ACTIONS"
SIGNALS_RECORDER_MAX_STREAMS = int(os.environ.get("EXPLORER_MAX_STREAMS", "4"))
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
}
MIDDLEWARE = [
    # It would hold back what is short.
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
