"""What ``issuing_faults`` runs with, its workers too: a task queue in the database."""

import os

from tests.settings import *  # noqa: F403 - settings are meant to be shared
from tests.settings import INSTALLED_APPS, VENDOR, database

DATABASES = {"default": database(VENDOR, os.environ["DATABASE_NAME"])}
INSTALLED_APPS = [*INSTALLED_APPS, "django_tasks_db"]
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
ROOT_URLCONF = "tests.robustness.issuing_site"
ALLOWED_HOSTS = ["127.0.0.1"]
