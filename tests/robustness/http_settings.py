"""What the server of ``http_race`` runs with; the race says it in the environment."""

import os

from tests.settings import *  # noqa: F403 - settings are meant to be shared
from tests.settings import VENDOR, database

DATABASES = {
    "default": database(VENDOR, os.environ["DATABASE_NAME"])
    | {"ATOMIC_REQUESTS": bool(os.environ["HTTP_RACE_ATOMIC"])}
}
ROOT_URLCONF = os.environ["HTTP_RACE_URLS"]
ALLOWED_HOSTS = ["127.0.0.1"]

# All clients have one address, and most are refused.
INVITE_CODE_CLIENT_LIMIT = INVITE_CODE_TOTAL_LIMIT = ""
