"""For each built-in signal the real actions that make Django send it.

Nothing is sent by hand here: what a scenario does, any project may do. They run
inside ``exercising.surroundings()``, which applies ``SETTINGS``.
"""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from asgiref.sync import async_to_sync
from django.apps import apps
from django.apps.registry import Apps
from django.conf import settings
from django.contrib import auth
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler
from django.http import HttpRequest, HttpResponse
from django.template import Context, Engine
from django.test import AsyncClient, Client, override_settings
from django.urls import path
from django.utils import timezone
from django.utils.autoreload import StatReloader
from django.utils.crypto import get_random_string

from signals_demo.models import Pizza, Topping

Action = Callable[[], None]

#: What the scenarios need, and what keeps the rest of the project out of them.
SETTINGS: dict[str, Any] = {
    "AUTHENTICATION_BACKENDS": [f"{__name__}.NobodyBackend"],
    "DEBUG_PROPAGATE_EXCEPTIONS": False,
    "MIDDLEWARE": [],
    "ROOT_URLCONF": __name__,
    "TASKS": {
        "default": {"BACKEND": "django.tasks.backends.immediate.ImmediateBackend"}
    },
}

#: Alias of a SQLite database that lives as long as one scenario.
THROWAWAY = "signals_demo_throwaway"


@dataclass(frozen=True)
class Scenario:
    """One way to make Django send a signal.

    Attributes:
        how: what it does, in a few words of code.
        run: does it.
    """

    how: str
    run: Action


#: The scenarios of each signal, by its name.
SCENARIOS: dict[str, list[Scenario]] = {}


def provokes(*signals: str, how: str) -> Callable[[Action], Action]:
    """Make the decorated function a scenario.

    Args:
        signals: names of the signals that it makes Django send.
        how: what it does, in a few words of code.
    """

    def register(run: Action) -> Action:
        for signal in signals:
            SCENARIOS.setdefault(signal, []).append(Scenario(how, run))
        return run

    return register


class ToppingsOnly:
    """A router that keeps all but pizzas and toppings off the throw-away database.

    Else receivers of ``post_migrate`` would look there for tables of their own.
    """

    def allow_migrate(
        self, db: str, app_label: str, model_name: str | None = None, **hints: Any
    ) -> bool | None:
        """Return None, which is no opinion, for any other database."""
        if db != THROWAWAY:
            return None
        return app_label == "signals_demo" and model_name in {"pizza", "topping"}


@contextmanager
def throwaway_database() -> Iterator[BaseDatabaseWrapper]:
    """Provide an empty SQLite database under the alias ``THROWAWAY``.

    Only this thread sees it. No app has migrations meanwhile: those of a project
    may need another vendor, and take long.
    """
    database = {
        "ENGINE": "django.db.backends.sqlite3",
        # In memory, yet not by the name for which Django makes close() do nothing.
        "NAME": "file::memory:",
    }
    handler = ConnectionHandler({DEFAULT_DB_ALIAS: {}, THROWAWAY: database})
    connection = connections[THROWAWAY] = handler.create_connection(THROWAWAY)
    try:
        with override_settings(
            DATABASE_ROUTERS=[ToppingsOnly(), *settings.DATABASE_ROUTERS],
            MIGRATION_MODULES=dict.fromkeys(
                app.label for app in apps.get_app_configs()
            ),
        ):
            yield connection
    finally:
        connection.close()
        del connections[THROWAWAY]


def create_tables(connection: BaseDatabaseWrapper) -> None:
    """Create the tables of pizzas and toppings, as no migration would."""
    with connection.schema_editor() as editor:
        editor.create_model(Topping)
        editor.create_model(Pizza)


# Model signals


@provokes("pre_init", "post_init", how="Topping(name=...)")
def instantiate() -> None:
    """Make an instance that is never saved."""
    Topping(name="basil")


@provokes("pre_save", "post_save", how="topping.save()")
def save() -> None:
    """Save a row."""
    Topping(name="basil").save()


@provokes("pre_save", "post_save", how="await topping.asave()")
def asave() -> None:
    """Save a row from a coroutine."""
    async_to_sync(Topping(name="basil").asave)()


@provokes("pre_delete", "post_delete", how="topping.delete()")
def delete() -> None:
    """Delete a row."""
    Topping.objects.create(name="basil").delete()


@provokes("pre_delete", "post_delete", how="await toppings.adelete()")
def adelete() -> None:
    """Delete the rows of a queryset from a coroutine."""
    topping = Topping.objects.create(name="basil")
    async_to_sync(Topping.objects.filter(pk=topping.pk).adelete)()


@provokes("m2m_changed", how="pizza.toppings.add(), remove(), clear()")
def change_relation() -> None:
    """Change a relation in the three ways there are."""
    pizza = Pizza.objects.create(name="napoli")
    topping = Topping.objects.create(name="capers")
    pizza.toppings.add(topping)
    pizza.toppings.remove(topping)
    pizza.toppings.clear()


@provokes("m2m_changed", how="await topping.pizzas.aadd()")
def achange_relation() -> None:
    """Change a relation from its other end, in a coroutine."""
    pizza = Pizza.objects.create(name="napoli")
    topping = Topping.objects.create(name="capers")
    async_to_sync(topping.pizzas.aadd)(pizza)


@provokes("pre_save", "post_save", "m2m_changed", how="manage.py loaddata")
def load_fixture() -> None:
    """Load a pizza and its topping from a file."""
    fields = {"name": "napoli", "toppings": [1]}
    rows = [
        {"model": "signals_demo.topping", "pk": 1, "fields": {"name": "capers"}},
        {"model": "signals_demo.pizza", "pk": 1, "fields": fields},
    ]
    with TemporaryDirectory() as directory, throwaway_database() as connection:
        fixture = Path(directory, "napoli.json")
        fixture.write_text(json.dumps(rows), encoding="utf-8")
        create_tables(connection)
        call_command("loaddata", fixture, database=THROWAWAY, verbosity=0)


@provokes("class_prepared", how="class Fleeting(models.Model): ...")
def define_model() -> None:
    """Define a model that the project does not get to see."""

    class Fleeting(models.Model):  # noqa: DJ008 - nobody will look at one
        class Meta:
            app_label = "signals_demo"
            apps = Apps()


# Management signals


@provokes("pre_migrate", "post_migrate", how="manage.py migrate")
def migrate() -> None:
    """Migrate a database to which no migration applies."""
    with throwaway_database():
        call_command("migrate", database=THROWAWAY, interactive=False, verbosity=0)


@provokes("post_migrate", how="manage.py flush")
def flush() -> None:
    """Flush a database; it must have a table."""
    with throwaway_database() as connection:
        create_tables(connection)
        call_command("flush", database=THROWAWAY, interactive=False, verbosity=0)


# Request/response signals


def welcome(request: HttpRequest) -> HttpResponse:
    """Answer."""
    return HttpResponse("Welcome.")


def broken(request: HttpRequest) -> HttpResponse:
    """Fail, as views do.

    Raises:
        ZeroDivisionError: always.
    """
    raise ZeroDivisionError


def handler500(request: HttpRequest) -> HttpResponse:
    """Answer for the broken view: the project's own page may need its own URLs."""
    return HttpResponse(status=500)


urlpatterns = [path("", welcome), path("broken/", broken)]


@provokes("request_started", "request_finished", how="Client().get(...)")
def get() -> None:
    """Ask for a page through WSGI."""
    Client().get("/")


@provokes("request_started", "request_finished", how="await AsyncClient().get(...)")
def aget() -> None:
    """Ask for a page through ASGI."""
    async_to_sync(AsyncClient().get)("/")


@provokes("got_request_exception", how="Client().get(...), the view raises")
def get_broken() -> None:
    """Ask for a broken page through WSGI."""
    Client(raise_request_exception=False).get("/broken/")


@provokes("got_request_exception", how="await AsyncClient().get(...), it raises")
def aget_broken() -> None:
    """Ask for a broken page through ASGI."""
    async_to_sync(AsyncClient(raise_request_exception=False).get)("/broken/")


# Test signals


@provokes("setting_changed", how="with override_settings(...): ...")
def override_setting() -> None:
    """Set a setting that does not exist, for a moment."""
    with override_settings(SIGNALS_DEMO_EXERCISED=True):
        pass


@provokes("template_rendered", how="template.render() in a test environment")
def render_template() -> None:
    """Render a template of Django's own language."""
    Engine().from_string("Welcome.").render(Context())


# Database wrappers


@provokes("connection_created", how="connecting to a new SQLite database")
def connect() -> None:
    """Open a connection."""
    with throwaway_database() as connection:
        connection.ensure_connection()


# Login and logout signals


class NobodyBackend:
    """An authentication backend that knows nobody, so that no real one is asked."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        """Refuse the credentials."""

    async def aauthenticate(
        self, request: HttpRequest | None, **credentials: Any
    ) -> None:
        """Refuse the credentials."""


def filler(field: "models.Field[Any, Any]") -> object:
    """Return a value that a required field of a user model is likely to take."""
    if isinstance(field, models.CharField | models.TextField):
        return f"{get_random_string(12)}@example.com"[: field.max_length]
    return timezone.now() if isinstance(field, models.DateField) else 0


def new_user() -> Any:
    """Save a user, of whatever class the project uses, and return it."""
    model = auth.get_user_model()
    user = model(
        **{
            field.attname: filler(field)
            for field in model._meta.concrete_fields
            if not (field.blank or field.null or field.has_default())
        }
    )
    user.save()
    return user


def request_of(user: Any) -> HttpRequest:
    """Return a request as the middleware of sessions and auth would leave it."""

    async def auser() -> Any:
        return user

    request = HttpRequest()
    request.session = SessionStore()
    request.user = user
    request.auser = auser
    return request


@provokes("user_logged_in", how="login(request, user)")
def login() -> None:
    """Log a new user in."""
    user = new_user()
    auth.login(request_of(user), user)


@provokes("user_logged_in", how="await alogin(request, user)")
def alogin() -> None:
    """Log a new user in from a coroutine."""
    user = new_user()
    async_to_sync(auth.alogin)(request_of(user), user)


@provokes("user_logged_out", how="logout(request)")
def logout() -> None:
    """Log a new user out."""
    auth.logout(request_of(new_user()))


@provokes("user_logged_out", how="await alogout(request)")
def alogout() -> None:
    """Log a new user out from a coroutine."""
    async_to_sync(auth.alogout)(request_of(new_user()))


@provokes("user_login_failed", how="authenticate(username=..., password=...)")
def authenticate() -> None:
    """Try to log in as somebody nobody knows."""
    auth.authenticate(username="nobody", password="wrong")


@provokes("user_login_failed", how="await aauthenticate(username=..., ...)")
def aauthenticate() -> None:
    """Try the same from a coroutine."""
    async_to_sync(auth.aauthenticate)(username="nobody", password="wrong")


# Tasks signals


def nothing() -> None:
    """Do nothing; a task must be a function of a module."""


@provokes("task_enqueued", "task_started", "task_finished", how="task.enqueue()")
def enqueue() -> None:
    """Run a task at once."""
    from django.tasks import task  # Django 5.2 does not have it.

    task(nothing).enqueue()


@provokes("task_enqueued", "task_started", "task_finished", how="await task.aenqueue()")
def aenqueue() -> None:
    """Run a task at once from a coroutine."""
    from django.tasks import task  # Django 5.2 does not have it.

    async_to_sync(task(nothing).aenqueue)()


# Autoreload signals


@provokes("autoreload_started", how="StatReloader().run(...)")
def start_reloader() -> None:
    """Start a reloader that is stopped before it looks at any file."""
    reloader = StatReloader()
    reloader.stop()
    reloader.run(threading.current_thread())


@provokes("file_changed", how="touching a file a StatReloader watches")
def touch_watched_file() -> None:
    """Let a reloader look at a file twice.

    If no receiver returns something true, it ends the process in order to restart it.
    """
    with TemporaryDirectory() as directory:
        file = Path(directory, "watched.txt")
        file.touch()
        reloader = StatReloader()
        reloader.SLEEP_TIME = 0
        reloader.watch_dir(directory, "*.txt")
        ticks = reloader.tick()
        next(ticks)
        later = file.stat().st_mtime + 1
        os.utime(file, (later, later))
        with suppress(SystemExit):
            next(ticks)
