"""A project with a user model of its own, and codes."""

SECRET_KEY = "insecure"
INSTALLED_APPS = [
    "invite_code",
    "tests.custom_user",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
AUTH_USER_MODEL = "custom_user.Person"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
]
ROOT_URLCONF = "invite_code.urls"
LOGIN_REDIRECT_URL = "/welcome/"
ALLOWED_HOSTS = ["testserver"]
STATIC_URL = "static/"
INVITE_CODE_SEED_COUNT = 3
