"""Every signal Django sends by itself, in the order of its reference page.

A test compares signals, arguments and send sites with the installed Django's source.
"""

from signals_demo.builtin import Argument, BuiltinSignal, SendSite, Version
from signals_demo.compat import DJANGO_VERSION

MODEL = "Model signals"
MANAGEMENT = "Management signals"
REQUEST = "Request/response signals"
TEST = "Test signals"
DATABASE = "Database wrappers"
AUTH = "Login and logout signals"
TASKS = "Tasks signals"
AUTORELOAD = "Autoreload signals"

USING = Argument("using", "alias of the database", since=(1, 3))
RAW = Argument("raw", "True while a fixture is loaded")
UPDATE_FIELDS = Argument(
    "update_fields", "frozenset of the fields to write; None for all", since=(1, 5)
)
ORIGIN = Argument("origin", "the object delete() was called on", since=(4, 1))
INSTANCE = Argument("instance", "the instance, of the sender's class")
CREATED = Argument("created", "True if the row is new")
FROM_MIGRATE = "migrate sends it; flush and the set-up of test cases do not"
APP_CONFIG = Argument("app_config", "the sender")
VERBOSITY = Argument("verbosity", "int from 0 to 3, how much to print")
INTERACTIVE = Argument("interactive", "whether the user may be prompted")
REQUEST_ARGUMENT = Argument("request", "the HttpRequest")
TASK_RESULT = Argument("task_result", "the TaskResult, changed in place later")

_M2M = "django.db.models.fields.related_descriptors.ManyRelatedManager."
_IMMEDIATE = SendSite("django.tasks.backends.immediate.ImmediateBackend._execute_task")
_NO_QUERY = "It comes for each row a queryset reads: no query here."
_BULK = "bulk_create(), bulk_update() and QuerySet.update() do not send it."
_FIXTURE = (
    "With raw=True a fixture is being loaded: do not query or change other rows, "
    "they may not be there yet."
)
_MIGRATE = (
    "Connect with an AppConfig as sender in ready(); a label or a models module "
    "never matches, and nobody complains.",
    "It comes for every installed app that has a models module, whichever app is "
    "migrated; without such a module it never comes.",
)

SIGNALS: tuple[BuiltinSignal, ...] = (
    BuiltinSignal(
        group=MODEL,
        path="django.db.models.signals.pre_init",
        sender="the model class",
        when="Before a model instance sets its fields.",
        sent_by=(SendSite("django.db.models.base.Model.__init__"),),
        arguments=(
            Argument("args", "tuple of the positional arguments"),
            Argument("kwargs", "dict of the keyword arguments, emptied on the way"),
        ),
        pitfalls=(
            _NO_QUERY,
            "kwargs is what __init__() takes from: a change changes the instance.",
        ),
    ),
    BuiltinSignal(
        group=MODEL,
        path="django.db.models.signals.post_init",
        sender="the model class",
        when="After a model instance has set its fields.",
        sent_by=(SendSite("django.db.models.base.Model.__init__"),),
        arguments=(INSTANCE,),
        pitfalls=(
            _NO_QUERY,
            "instance._state is not set yet: a row that was read looks like a new one.",
        ),
    ),
    BuiltinSignal(
        group=MODEL,
        path="django.db.models.signals.pre_save",
        sender="the model class; of a proxy, the proxy",
        when="Before a row is inserted or updated by save().",
        sent_by=(SendSite("django.db.models.base.Model.save_base"),),
        arguments=(INSTANCE, RAW, USING, UPDATE_FIELDS),
        pitfalls=(
            _BULK,
            _FIXTURE,
            "A field set here is not written if update_fields leaves it out.",
        ),
    ),
    BuiltinSignal(
        group=MODEL,
        path="django.db.models.signals.post_save",
        sender="the model class; of a proxy, the proxy",
        when="After a row was inserted or updated by save().",
        sent_by=(SendSite("django.db.models.base.Model.save_base"),),
        arguments=(INSTANCE, CREATED, UPDATE_FIELDS, RAW, USING),
        pitfalls=(
            _BULK,
            _FIXTURE,
            "It comes before the commit: what other processes must see belongs "
            "into transaction.on_commit().",
            "Calling instance.save() here sends it again.",
            "Each login saves the user, with update_fields={'last_login'}.",
        ),
    ),
    BuiltinSignal(
        group=MODEL,
        path="django.db.models.signals.pre_delete",
        sender="the model class",
        when="Before a row is deleted by delete(), of an instance or a queryset.",
        sent_by=(SendSite("django.db.models.deletion.Collector.delete"),),
        arguments=(INSTANCE, USING, ORIGIN),
        pitfalls=(
            "With a receiver, Django reads every row before it deletes it; without "
            "one it may delete with a single statement.",
            "Cascades send it too, although they do not call delete(); DB_CASCADE "
            "(6.1) does not send it.",
        ),
    ),
    BuiltinSignal(
        group=MODEL,
        path="django.db.models.signals.post_delete",
        sender="the model class",
        when="After a row was deleted by delete(), of an instance or a queryset.",
        sent_by=(SendSite("django.db.models.deletion.Collector.delete"),),
        arguments=(INSTANCE, USING, ORIGIN),
        pitfalls=(
            "The row is gone, and the deletion can still be rolled back: delete "
            "files in transaction.on_commit().",
            "instance.pk is still set here, and None once delete() has returned.",
        ),
    ),
    BuiltinSignal(
        group=MODEL,
        path="django.db.models.signals.m2m_changed",
        sender="the model class of the table between: Pizza.toppings.through",
        when="Before and after an add, remove or clear of a many-to-many relation.",
        sent_by=(
            SendSite(_M2M + "clear", removed=(6, 1)),
            SendSite(_M2M + "_remove_items"),
            SendSite(_M2M + "_add_items"),
            SendSite(_M2M + "_clear_base", since=(6, 1)),
        ),
        arguments=(
            Argument("action", "'pre_' or 'post_' and 'add', 'remove' or 'clear'"),
            Argument("instance", "the instance whose relation changes"),
            Argument("reverse", "True if changed from the end without the field"),
            Argument("model", "class of the objects at the other end"),
            Argument("pk_set", "set of the keys of those objects; None for a clear"),
            USING,
            Argument("raw", RAW.what, since=(6, 1)),
        ),
        pitfalls=(
            "set() is an add and a remove, and nothing if nothing changes.",
            "In an add, pk_set lacks what was related before; in a remove it is "
            "what was asked for, related or not.",
            "Deleting either object, an inline of the admin and a row of a custom "
            "through model change the relation without it.",
            "With a receiver, each add costs one more query.",
        ),
        since=(1, 2),
    ),
    BuiltinSignal(
        group=MODEL,
        path="django.db.models.signals.class_prepared",
        sender="the model class",
        when="When a model class has been defined and registered.",
        sent_by=(SendSite("django.db.models.base.ModelBase._prepare"),),
        pitfalls=(
            "Models are loaded before ready() runs: connect in AppConfig.__init__().",
            "The historical models of migrations send it too, by the hundred.",
        ),
    ),
    BuiltinSignal(
        group=MANAGEMENT,
        path="django.db.models.signals.pre_migrate",
        sender="the AppConfig instance",
        when="Before migrate starts, once for each app.",
        sent_by=(SendSite("django.core.management.sql.emit_pre_migrate_signal"),),
        arguments=(
            APP_CONFIG,
            VERBOSITY,
            INTERACTIVE,
            Argument("using", USING.what),
            Argument("stdout", "where to print", since=(4, 0)),
            Argument("apps", "registry of the models before", since=(1, 10)),
            Argument("plan", "what will run; not public", since=(1, 10)),
        ),
        pitfalls=(*_MIGRATE, "flush does not send it, nor do --plan and --check."),
        since=(1, 7),
    ),
    BuiltinSignal(
        group=MANAGEMENT,
        path="django.db.models.signals.post_migrate",
        sender="the AppConfig instance",
        when="After migrate, even if it did nothing, and flush, once for each app.",
        sent_by=(SendSite("django.core.management.sql.emit_post_migrate_signal"),),
        arguments=(
            APP_CONFIG,
            VERBOSITY,
            INTERACTIVE,
            Argument("using", USING.what),
            Argument("stdout", "where to print", FROM_MIGRATE, since=(4, 0)),
            Argument("apps", "registry of the models now", FROM_MIGRATE, since=(1, 10)),
            Argument("plan", "what has run; not public", FROM_MIGRATE, since=(1, 10)),
        ),
        pitfalls=(
            *_MIGRATE,
            "A receiver that names apps without a default fails on flush.",
            "Ask the router whether the model lives in this database, and write "
            "with .using(using).",
            "The table may be missing: an earlier app may be migrated alone.",
        ),
        since=(1, 7),
    ),
    BuiltinSignal(
        group=MANAGEMENT,
        path="django.db.models.signals.post_syncdb",
        sender="the models module",
        when="After syncdb installed an app, and after flush.",
        sent_by=(SendSite("django.core.management.sql.emit_post_migrate_signal"),),
        arguments=(
            Argument("app", "the sender"),
            Argument("created_models", "list of the model classes made so far"),
            VERBOSITY,
            INTERACTIVE,
            Argument("db", USING.what),
        ),
        pitfalls=(
            "It is history, gone with Django 1.9. Use post_migrate: the sender is an "
            "AppConfig, app became app_config and db became using.",
        ),
        removed=(1, 9),
        page="1.8/ref/signals/#post-syncdb",
    ),
    BuiltinSignal(
        group=REQUEST,
        path="django.core.signals.request_started",
        sender="the handler class: WSGIHandler, ASGIHandler or a test client's",
        when="When a handler takes a request, before any middleware.",
        sent_by=(
            SendSite("django.core.handlers.asgi.ASGIHandler.handle", "asend"),
            SendSite("django.core.handlers.wsgi.WSGIHandler.__call__"),
            SendSite("django.test.client.AsyncClientHandler.__call__", "asend"),
            SendSite("django.test.client.ClientHandler.__call__"),
        ),
        arguments=(
            Argument("environ", "the WSGI environ", "under WSGI only", since=(1, 8)),
            Argument("scope", "the ASGI scope", "under ASGI only", since=(3, 0)),
        ),
        pitfalls=(
            "There is no request yet; a middleware is nearly always better.",
            "Name neither environ nor scope without a default.",
            "An exception here is not turned into a page: the server gets it.",
        ),
    ),
    BuiltinSignal(
        group=REQUEST,
        path="django.core.signals.request_finished",
        sender="the handler class; None if a test client or nobody handled it",
        when="When the server closes the response, all of it delivered.",
        sent_by=(
            SendSite("django.core.handlers.asgi.ASGIHandler.handle", "asend"),
            SendSite("django.http.response.HttpResponseBase.close"),
        ),
        pitfalls=(
            "A server that does not call close() never causes it.",
            "A streamed response is closed when it was consumed to the end.",
        ),
    ),
    BuiltinSignal(
        group=REQUEST,
        path="django.core.signals.got_request_exception",
        sender="None",
        when="When a view or middleware raised what becomes a server error.",
        sent_by=(
            SendSite("django.core.handlers.exception.get_exception_response"),
            SendSite("django.core.handlers.exception.response_for_exception"),
        ),
        arguments=(REQUEST_ARGUMENT,),
        pitfalls=(
            "Http404, PermissionDenied and what becomes a 400 do not cause it.",
            "The exception is not an argument: sys.exc_info() has it.",
        ),
    ),
    BuiltinSignal(
        group=TEST,
        path="django.core.signals.setting_changed",
        sender="the class of the settings object: UserSettingsHolder or Settings",
        when="When override_settings sets a setting, and when it restores it.",
        sent_by=(
            SendSite("django.test.testcases.TransactionTestCase._post_teardown"),
            SendSite("django.test.testcases.TransactionTestCase._pre_setup"),
            SendSite("django.test.utils.override_settings.disable", "send_robust"),
            SendSite("django.test.utils.override_settings.enable"),
        ),
        arguments=(
            Argument("setting", "name of the setting"),
            Argument("value", "its value from now on; None if it is gone"),
            Argument("enter", "True when set, False when restored", since=(1, 7)),
        ),
        pitfalls=(
            "Assigning to django.conf.settings does not send it.",
            "It is documented in django.test.signals; outside tests import it from "
            "django.core.signals, it is the same object.",
        ),
        since=(1, 4),
        page="stable/ref/signals/#django.test.signals.setting_changed",
    ),
    BuiltinSignal(
        group=TEST,
        path="django.test.signals.template_rendered",
        sender="the Template",
        when="When a Django template is rendered in a test environment.",
        sent_by=(SendSite("django.test.utils.instrumented_test_render"),),
        arguments=(
            Argument("template", "the sender"),
            Argument("context", "the Context, changed while rendering goes on"),
        ),
        pitfalls=("Without setup_test_environment() it never comes.",),
    ),
    BuiltinSignal(
        group=DATABASE,
        path="django.db.backends.signals.connection_created",
        sender="the DatabaseWrapper class",
        when="When a connection to a database has been opened.",
        sent_by=(SendSite("django.db.backends.base.base.BaseDatabaseWrapper.connect"),),
        arguments=(Argument("connection", "the DatabaseWrapper", since=(1, 2)),),
        pitfalls=(
            "It comes for every alias, vendor and thread: look at connection.vendor.",
            "With CONN_MAX_AGE=0, the default, that is once for each request.",
        ),
        since=(1, 1),
    ),
    BuiltinSignal(
        group=AUTH,
        path="django.contrib.auth.signals.user_logged_in",
        sender="the class of the user",
        when="When login() has put the user into the session.",
        sent_by=(
            SendSite("django.contrib.auth.login"),
            SendSite("django.contrib.auth.alogin", "asend"),
        ),
        arguments=(REQUEST_ARGUMENT, Argument("user", "who logged in")),
        pitfalls=(
            "Django's own receiver saves last_login, so post_save of the user follows.",
            "Token authentication, as in REST APIs, does not call login().",
        ),
        since=(1, 3),
        page="stable/ref/contrib/auth/#django.contrib.auth.signals.user_logged_in",
    ),
    BuiltinSignal(
        group=AUTH,
        path="django.contrib.auth.signals.user_logged_out",
        sender="the class of the user, or NoneType",
        when="When logout() is called, before the session is emptied.",
        sent_by=(
            SendSite("django.contrib.auth.logout"),
            SendSite("django.contrib.auth.alogout", "asend"),
        ),
        arguments=(
            REQUEST_ARGUMENT,
            Argument("user", "who logs out; None if nobody was logged in"),
        ),
        pitfalls=(
            "A session that expires or is deleted does not send it.",
            "A receiver connected for the user model misses anonymous logouts.",
        ),
        since=(1, 3),
        page="stable/ref/contrib/auth/#django.contrib.auth.signals.user_logged_out",
    ),
    BuiltinSignal(
        group=AUTH,
        path="django.contrib.auth.signals.user_login_failed",
        sender="the string 'django.contrib.auth'",
        when="When authenticate() finds no backend that accepts the credentials.",
        sent_by=(
            SendSite("django.contrib.auth.authenticate"),
            SendSite("django.contrib.auth.aauthenticate", "asend"),
        ),
        arguments=(
            Argument("credentials", "dict given to authenticate(), secrets masked"),
            Argument("request", "the HttpRequest, or None", since=(1, 11)),
        ),
        pitfalls=(
            "The user name is what was typed, sometimes a password: do not log it.",
            "Senders are compared by identity: filter by "
            "django.contrib.auth.__name__, not by a string of your own.",
        ),
        since=(1, 5),
        page="stable/ref/contrib/auth/#django.contrib.auth.signals.user_login_failed",
    ),
    BuiltinSignal(
        group=TASKS,
        path="django.tasks.signals.task_enqueued",
        sender="the class of the backend",
        when="When a backend has taken a task.",
        sent_by=(
            SendSite("django.tasks.backends.dummy.DummyBackend._store_result"),
            _IMMEDIATE,
        ),
        arguments=(TASK_RESULT,),
        pitfalls=("Sending it is up to the backend; that of another package may not.",),
        since=(6, 0),
    ),
    BuiltinSignal(
        group=TASKS,
        path="django.tasks.signals.task_started",
        sender="the class of the backend",
        when="Before a worker calls the function of a task.",
        sent_by=(_IMMEDIATE,),
        arguments=(TASK_RESULT,),
        pitfalls=("It comes in the process of the worker, not in the one that asked.",),
        since=(6, 0),
    ),
    BuiltinSignal(
        group=TASKS,
        path="django.tasks.signals.task_finished",
        sender="the class of the backend",
        when="After a task, done or failed: task_result.status tells.",
        sent_by=(_IMMEDIATE,),
        arguments=(TASK_RESULT,),
        pitfalls=(
            "A task that fails sends it too, and the exception goes no further.",
        ),
        since=(6, 0),
    ),
    BuiltinSignal(
        group=AUTORELOAD,
        path="django.utils.autoreload.autoreload_started",
        sender="the reloader, an instance of BaseReloader",
        when="When the child process of runserver begins to watch files.",
        sent_by=(SendSite("django.utils.autoreload.BaseReloader.run"),),
        pitfalls=("Call sender.watch_dir() here to have more files watched.",),
        since=(2, 2),
        documented=False,
        page="stable/ref/django-admin/#runserver",
    ),
    BuiltinSignal(
        group=AUTORELOAD,
        path="django.utils.autoreload.file_changed",
        sender="the reloader, an instance of BaseReloader",
        when="When a watched file was changed.",
        sent_by=(SendSite("django.utils.autoreload.BaseReloader.notify_file_changed"),),
        arguments=(Argument("file_path", "the pathlib.Path"),),
        pitfalls=("A receiver that returns something true prevents the restart.",),
        since=(2, 2),
        documented=False,
        page="stable/ref/django-admin/#runserver",
    ),
)


def signals(version: Version = DJANGO_VERSION) -> tuple[BuiltinSignal, ...]:
    """Return the signals of that version of Django, of the installed one if none."""
    return tuple(signal for signal in SIGNALS if signal.is_in(version))


def get(name: str) -> BuiltinSignal:
    """Return the signal of that name, of whichever version of Django.

    Raises:
        KeyError: Django never had such a signal.
    """
    for signal in SIGNALS:
        if signal.name == name:
            return signal
    raise KeyError(name)
