"""One useful receiver for each signal Django sends, in the order of its reference.

Each is an adapter: it names the arguments it uses, leaves the rest to ``**kwargs``,
turns away what is none of its business, and calls one plain function that knows nothing
of signals. Its docstring ends with when *not* to use the signal.

The decorators connect when ``ready()`` imports this module. ``apps.py`` connects the
receivers whose sender is the ``AppConfig``, and ``class_prepared``.
"""

import logging
import sys
from pathlib import Path
from typing import Any, TextIO

from django.apps import AppConfig
from django.apps import apps as installed_apps
from django.apps.registry import Apps
from django.conf import settings
from django.contrib.auth.signals import (
    user_logged_in,
    user_logged_out,
    user_login_failed,
)
from django.core.management.base import OutputWrapper
from django.core.signals import (
    got_request_exception,
    request_finished,
    request_started,
    setting_changed,
)
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models import Model
from django.db.models.signals import (
    m2m_changed,
    post_delete,
    post_init,
    post_save,
    pre_delete,
    pre_init,
    pre_save,
)
from django.dispatch import receiver
from django.http import HttpRequest
from django.template.base import Template
from django.test.signals import template_rendered
from django.utils.autoreload import BaseReloader, autoreload_started, file_changed

from signals_demo import (
    audit,
    avatars,
    database,
    profiles,
    questions,
    reloading,
    rendering,
    timing,
    toppings,
)
from signals_demo.compat import HAS_TASKS
from signals_demo.conf import conf
from signals_demo.models import Pizza, Profile, Question, Topping

errors = logging.getLogger("signals_demo.errors")


# Models: into memory, into the database, and out of it.


@receiver(pre_init, sender=Question, dispatch_uid="signals_demo.accept_old_keyword")
def accept_old_keyword(
    sender: type[Question], *, kwargs: dict[str, Any], **extra: Any
) -> None:
    """Let ``Question(text=...)`` mean ``question_text``, the name of today.

    Runs before each ``Question()``, and changes the very keywords it will be given. A
    signal, because a model's ``__init__`` is better not overridden. Not for anything
    slow: it runs for every row of every query. Not for defaults: a field has its own.
    """
    # With both names given, Django complains about the old one.
    if "text" in kwargs and "question_text" not in kwargs:
        kwargs["question_text"] = kwargs.pop("text")


@receiver(post_init, sender=Profile, dispatch_uid="signals_demo.remember_avatar")
def remember_avatar(sender: type[Profile], *, instance: Profile, **kwargs: Any) -> None:
    """Remember the file a profile came with, to see later that it changed.

    Runs after each ``Profile()``, for every row of every query too, and sets an
    attribute. A signal, because every instance passes here. Not for a query, and not
    for a deferred field, which is one. A model of your own can override ``from_db()``.
    """
    avatars.remember(instance)


@receiver(pre_save, sender=Question, dispatch_uid="signals_demo.set_slug")
def set_slug(
    sender: type[Question],
    *,
    instance: Question,
    raw: bool,
    update_fields: frozenset[str] | None,
    **kwargs: Any,
) -> None:
    """Give a question without a slug one made of its text.

    Runs before each save, which then writes the slug too: no second save. A signal, as
    if the tutorial's model were somebody else's; override ``save()`` of your own. Not
    for ``bulk_create()`` and ``update()``, which send nothing.
    """
    if raw:  # A fixture says itself what is in the row.
        return
    if update_fields is None or "slug" in update_fields:  # Or it would not be written.
        questions.set_slug(instance)


@receiver(
    post_save, sender=settings.AUTH_USER_MODEL, dispatch_uid="signals_demo.sync_profile"
)
def sync_profile(
    sender: Any,
    *,
    instance: Any,
    created: bool,
    raw: bool,
    using: str,
    update_fields: frozenset[str] | None,
    **kwargs: Any,
) -> None:
    """Give each user a profile, named like the user.

    Runs after each save of a user and writes the profile. A signal, because the user
    model belongs to another app, and may be any. Not for a model of your own: create
    both in one function. Not for what may fail: whoever saves gets the exception.
    """
    if raw:  # A fixture brings the profiles too, and a second one would clash.
        return
    if update_fields is not None and sender.USERNAME_FIELD not in update_fields:
        return  # A login, for example, saves ``last_login`` alone.
    if router.allow_migrate_model(using, Profile):
        profiles.sync(instance, created=created, using=using)


@receiver(post_save, sender=Profile, dispatch_uid="signals_demo.discard_old_avatar")
def discard_old_avatar(
    sender: type[Profile],
    *,
    instance: Profile,
    created: bool,
    using: str,
    update_fields: frozenset[str] | None,
    **kwargs: Any,
) -> None:
    """Remove the file that a profile has exchanged for another.

    Runs after each save of a profile, and removes the old file once the transaction is
    committed. A signal, so that no form, admin or script can forget it. Not without
    ``on_commit()``: what is rolled back names its old file again.
    """
    if update_fields is None or "avatar" in update_fields:
        avatars.replace(instance, created=created, using=using)


@receiver(post_save, sender=Pizza, dispatch_uid="signals_demo.recount_loaded_pizza")
def recount_loaded_pizza(
    sender: type[Pizza], *, instance: Pizza, raw: bool, using: str, **kwargs: Any
) -> None:
    """Keep ``topping_count`` true when a fixture is loaded.

    Runs after each save of a pizza, and counts if it was ``raw``: a fixture writes the
    number it holds, and sends ``m2m_changed`` only if toppings change. A signal,
    because ``loaddata`` calls no ``save()``. Not for rows of others when ``raw``: this
    one writes the row that was just loaded, and no other.
    """
    if raw:
        toppings.recount(Pizza.objects.using(using).filter(pk=instance.pk))


@receiver(pre_delete, sender=Topping, dispatch_uid="signals_demo.withdraw_topping")
def withdraw_topping(
    sender: type[Topping], *, instance: Topping, using: str, **kwargs: Any
) -> None:
    """Keep ``topping_count`` true when a topping is deleted.

    Runs before the DELETE, while the rows of ``through`` are there, and counts it off.
    A signal, because the cascade over those rows sends none, not even ``m2m_changed``.
    Not to forbid a deletion: that is ``on_delete=PROTECT``.
    """
    toppings.withdraw(instance, using)


@receiver(post_delete, sender=Profile, dispatch_uid="signals_demo.discard_avatar")
def discard_avatar(
    sender: type[Profile], *, instance: Profile, using: str, **kwargs: Any
) -> None:
    """Remove the file of a deleted profile.

    Runs after the DELETE, and removes the file once the transaction is committed. A
    signal, because a profile goes with its user, and a cascade calls no ``delete()``.
    Not for reading the row: it is gone. Not with ``DB_CASCADE``, which sends nothing.
    """
    avatars.discard(instance.stored_avatar, using)


@receiver(
    m2m_changed,
    sender=Pizza.toppings.through,
    dispatch_uid="signals_demo.count_toppings",
)
def count_toppings(
    sender: type[Model],
    *,
    instance: Any,
    action: str,
    reverse: bool,
    pk_set: set[int] | None,
    using: str,
    **kwargs: Any,
) -> None:
    """Keep ``topping_count`` true when toppings come and go.

    Runs before and after ``add()``, ``remove()``, ``clear()`` and ``set()`` from either
    end; locks the pizzas before, and counts after. A signal, because none of these
    calls ``save()``. Not for rows of ``through`` that are saved directly: they send
    nothing.
    """
    # Fixtures count too: the number in them may be old, and before Django 6.1 nothing
    # tells them (``raw``) from other changes.
    pizzas = pk_set if reverse else {instance.pk}
    if pizzas is not None:
        toppings.follow(action, pizzas, using)
    elif action == "pre_clear":  # Afterwards nothing tells which pizzas it was on.
        toppings.withdraw(instance, using)


# class_prepared: see ``sync_subclass`` in ``subclasses.py``. It must be connected
# before any model is imported, and this module imports some.


# Management commands. The sender is an AppConfig, so ``apps.py`` connects these two.


def limit_lock_wait(sender: AppConfig, *, using: str, **kwargs: Any) -> None:
    """Let ``migrate`` give up on a table that somebody else holds.

    Runs before each ``migrate``, and lowers how long this connection waits for a lock:
    whoever queues behind a migration waits too. A signal, because ``migrate`` has
    no such option. Not for what migrations need: that is an operation of theirs.
    """
    if seconds := conf.SIGNALS_DEMO_MIGRATE_LOCK_TIMEOUT:
        database.limit_lock_wait(connections[using], seconds)


def backfill_profiles(
    sender: AppConfig,
    *,
    using: str,
    verbosity: int = 1,
    stdout: OutputWrapper | TextIO | None = None,
    apps: Apps = installed_apps,
    **kwargs: Any,
) -> None:
    """Create the profiles of users who were there before this app.

    Runs after each ``migrate``, and each ``flush``, which sends neither ``apps`` nor
    ``stdout``. It writes rows, never the schema. A signal, because a data migration
    runs once, not again for users imported in bulk since. Not for what must happen
    exactly once: that is a data migration.
    """
    try:
        user_model = apps.get_model(settings.AUTH_USER_MODEL)
        profile_model = apps.get_model("signals_demo", "Profile")
    except LookupError:  # Not migrated yet, reversed or faked: there is no such table.
        return
    models = (user_model, profile_model)
    if not all(router.allow_migrate_model(using, model) for model in models):
        return
    if not database.have_tables(connections[using], models):
        return  # ``migrate --fake`` recorded a migration that made none.
    created = profiles.backfill(user_model, profile_model, using)
    if created and verbosity >= 1:
        (stdout or sys.stdout).write(f"Created {created} profiles in '{using}'.\n")


# Requests and responses.


@receiver(request_started, dispatch_uid="signals_demo.start_clock")
def start_clock(
    sender: Any, *, environ: Any = None, scope: Any = None, **kwargs: Any
) -> None:
    """Note when a request began.

    Runs before any middleware, with ``environ`` under WSGI or ``scope`` under ASGI, and
    sets a value of this thread. A signal, because middleware begins later. Not for what
    decides on a request: that is middleware.
    """
    timing.start_clock(environ, scope)


@receiver(request_finished, dispatch_uid="signals_demo.log_slow_request")
def log_slow_request(sender: Any, **kwargs: Any) -> None:
    """Log a request that took too long.

    Runs when the response is closed, after the last piece of a streamed one, and writes
    one log line. A signal, because middleware is done before a stream begins. Not for
    what must not be missed: a server that never calls ``close()`` sends nothing.
    """
    timing.log_if_slow()


@receiver(got_request_exception, dispatch_uid="signals_demo.log_exception_type")
def log_exception_type(sender: None, *, request: HttpRequest, **kwargs: Any) -> None:
    """Log the kind of an unhandled exception, and none of the request's data.

    Runs while the exception is handled, and writes one log line that may leave the
    house. A signal, because what ``django.request`` logs may name people. Not for the
    answer: that is ``handler500``. A 404, 403 or 400 does not come here.
    """
    route = request.resolver_match.route if request.resolver_match else None
    errors.error("%s, route %r", type(sys.exception()).__qualname__, route)


# Tests.


@receiver(setting_changed, dispatch_uid="signals_demo.forget_watched_dirs")
def forget_watched_dirs(sender: Any, *, setting: str, **kwargs: Any) -> None:
    """Drop what is cached of a setting when a test overrides it.

    Runs when ``override_settings`` begins and ends, for each setting, and clears one
    cache. A signal, because a test cannot know what is cached where. Not for settings
    assigned at run time: nothing is sent.
    """
    if setting == "SIGNALS_DEMO_WATCH_DIRS":
        reloading.watched_dirs.cache_clear()


@receiver(template_rendered, dispatch_uid="signals_demo.record_template")
def record_template(sender: Template, *, template: Template, **kwargs: Any) -> None:
    """Note which templates a test run renders, to find those it does not.

    Runs for each template rendered after ``setup_test_environment()``, and adds a name
    to a set. A signal, because templates are rendered deep inside others. Not in
    production: nothing is sent, and importing ``django.test`` takes time. Connect yours
    in ``conftest.py``; this one is here to be read beside the others.
    """
    rendering.record(template)


# Databases.


@receiver(connection_created, dispatch_uid="signals_demo.tune_sqlite")
def tune_sqlite(sender: Any, *, connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Give SQLite more memory than it takes by default.

    Runs when a connection is opened, and sets what ends with it. A signal, because an
    app does not write ``DATABASES``. Not in a project: see ``OPTIONS["init_command"]``.
    Not for what stays in the file, such as ``journal_mode``.
    """
    if connection.vendor == "sqlite":
        database.tune_sqlite(connection)


# Accounts. ``login()`` and ``alogin()`` send the same, and a plain function hears both:
# asend() runs it in a thread.


@receiver(user_logged_in, dispatch_uid="signals_demo.audit_login")
def audit_login(
    sender: Any, *, request: HttpRequest | None, user: Any, **kwargs: Any
) -> None:
    """Log that a user signed in.

    Runs after the session knows the user, and writes one log line. A signal, because
    there are many ways to sign in. Not to refuse a login: a backend does that.
    """
    audit.record("login", request=request, user=user)


@receiver(user_logged_out, dispatch_uid="signals_demo.audit_logout")
def audit_logout(
    sender: Any, *, request: HttpRequest | None, user: Any, **kwargs: Any
) -> None:
    """Log that a user signed out.

    Runs before the session is emptied, and writes one log line. If nobody was in, the
    sender is ``NoneType`` and the user None. A signal, because many places call
    ``logout()``. Not for the end of a session: one that expires sends nothing.
    """
    audit.record("logout", request=request, user=user)


@receiver(user_login_failed, dispatch_uid="signals_demo.audit_failed_login")
def audit_failed_login(
    sender: str, *, request: HttpRequest | None = None, **kwargs: Any
) -> None:
    """Log that somebody failed to sign in, but nothing that was typed.

    Runs when no backend accepted the credentials, and writes one warning. A signal,
    because any backend may be installed. Not for slowing down guessing: that must
    come before the password is looked at.
    """
    audit.record("login failed", request=request, level=logging.WARNING)


# Tasks.

if HAS_TASKS:
    from django.tasks.signals import task_enqueued, task_finished, task_started

    @receiver(task_enqueued, dispatch_uid="signals_demo.log_task_queued")
    def log_task_queued(sender: Any, *, task_result: Any, **kwargs: Any) -> None:
        """Log that a task was put into a queue.

        Runs where ``enqueue()`` is called, and writes one log line. A signal, because
        any app may enqueue. Not as proof that it runs: ``DummyBackend`` runs nothing.
        """
        timing.log_queued(task_result)

    @receiver(task_started, dispatch_uid="signals_demo.log_task_wait")
    def log_task_wait(sender: Any, *, task_result: Any, **kwargs: Any) -> None:
        """Log how long a task has waited.

        Runs in the worker before the task, and writes one log line. A signal, because a
        task does not see its queue. Not for what the task needs: pass that to it.
        """
        timing.log_wait(task_result)

    @receiver(task_finished, dispatch_uid="signals_demo.log_task_run")
    def log_task_run(sender: Any, *, task_result: Any, **kwargs: Any) -> None:
        """Log how a task ended, and how long it ran.

        Runs in the worker after the task, a failed one too, and writes one log line. A
        signal, because it sees the tasks of all apps. Not for the next step of a job.
        """
        timing.log_run(task_result)


# The development server. Django's documentation leaves these two out.


@receiver(autoreload_started, dispatch_uid="signals_demo.watch_dirs")
def watch_dirs(sender: BaseReloader, **kwargs: Any) -> None:
    """Let ``runserver`` restart when a file in a folder of ours changes.

    Runs each time ``runserver`` starts its child process, and adds folders to those it
    watches. A signal, because nothing else reaches the reloader. Not for Python's
    modules and templates: Django watches those.
    """
    for folder in reloading.watched_dirs():
        sender.watch_dir(folder, "**/*")


@receiver(file_changed, dispatch_uid="signals_demo.spare_restart")
def spare_restart(sender: BaseReloader, *, file_path: Path, **kwargs: Any) -> bool:
    """Spare a restart for a file that no running code has read.

    Runs for each watched file that changed, and keeps the server running by True: the
    one signal whose answer Django reads. Not for files that others watch.
    """
    return reloading.needs_no_restart(file_path)
