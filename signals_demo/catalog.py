"""Every signal Django sends by itself, in the order of its reference page.

A test compares signals, arguments and send sites with the installed Django's source.
"""

from django.utils.translation import gettext_noop as _

from signals_demo.builtin import Argument, BuiltinSignal, SendSite, Version
from signals_demo.compat import DJANGO_VERSION

MODEL = _("Model signals")
MANAGEMENT = _("Management signals")
REQUEST = _("Request/response signals")
TEST = _("Test signals")
DATABASE = _("Database wrappers")
AUTH = _("Login and logout signals")
TASKS = _("Tasks signals")
AUTORELOAD = _("Autoreload signals")

USING = Argument("using", _("alias of the database"), since=(1, 3))
RAW = Argument("raw", _("True while a fixture is loaded"))
UPDATE_FIELDS = Argument(
    "update_fields", _("frozenset of the fields to write; None for all"), since=(1, 5)
)
ORIGIN = Argument("origin", _("the object delete() was called on"), since=(4, 1))
INSTANCE = Argument("instance", _("the instance, of the sender's class"))
CREATED = Argument("created", _("True if the row is new"))
FROM_MIGRATE = _("migrate sends it; flush and the set-up of test cases do not")
APP_CONFIG = Argument("app_config", _("the sender"))
VERBOSITY = Argument("verbosity", _("int from 0 to 3, how much to print"))
INTERACTIVE = Argument("interactive", _("whether the user may be prompted"))
REQUEST_ARGUMENT = Argument("request", _("the HttpRequest"))
TASK_RESULT = Argument("task_result", _("the TaskResult, changed in place later"))

_M2M = "django.db.models.fields.related_descriptors.ManyRelatedManager."
_IMMEDIATE = SendSite("django.tasks.backends.immediate.ImmediateBackend._execute_task")
_NO_QUERY = _("It comes for each row a queryset reads: no query here.")
_BULK = _("bulk_create(), bulk_update() and QuerySet.update() do not send it.")
_FIXTURE = _(
    "With raw=True a fixture is being loaded: do not query or change other rows, "
    "they may not be there yet."
)
_MIGRATE = (
    _(
        "Connect with an AppConfig as sender in ready(); a label or a models module "
        "never matches, and nobody complains."
    ),
    _(
        "It comes for every installed app that has a models module, whichever app is "
        "migrated; without such a module it never comes."
    ),
)

SIGNALS: tuple[BuiltinSignal, ...] = (
    BuiltinSignal(
        group=MODEL,
        path="django.db.models.signals.pre_init",
        sender=_("the model class"),
        when=_("Before a model instance sets its fields."),
        sent_by=(SendSite("django.db.models.base.Model.__init__"),),
        arguments=(
            Argument("args", _("tuple of the positional arguments")),
            Argument("kwargs", _("dict of the keyword arguments, emptied on the way")),
        ),
        pitfalls=(
            _NO_QUERY,
            _("kwargs is what __init__() takes from: a change changes the instance."),
        ),
    ),
    BuiltinSignal(
        group=MODEL,
        path="django.db.models.signals.post_init",
        sender=_("the model class"),
        when=_("After a model instance has set its fields."),
        sent_by=(SendSite("django.db.models.base.Model.__init__"),),
        arguments=(INSTANCE,),
        pitfalls=(
            _NO_QUERY,
            _(
                "instance._state is not set yet: a row that was read looks like a new "
                "one."
            ),
        ),
    ),
    BuiltinSignal(
        group=MODEL,
        path="django.db.models.signals.pre_save",
        sender=_("the model class; of a proxy, the proxy"),
        when=_("Before a row is inserted or updated by save()."),
        sent_by=(SendSite("django.db.models.base.Model.save_base"),),
        arguments=(INSTANCE, RAW, USING, UPDATE_FIELDS),
        pitfalls=(
            _BULK,
            _FIXTURE,
            _("A field set here is not written if update_fields leaves it out."),
        ),
    ),
    BuiltinSignal(
        group=MODEL,
        path="django.db.models.signals.post_save",
        sender=_("the model class; of a proxy, the proxy"),
        when=_("After a row was inserted or updated by save()."),
        sent_by=(SendSite("django.db.models.base.Model.save_base"),),
        arguments=(INSTANCE, CREATED, UPDATE_FIELDS, RAW, USING),
        pitfalls=(
            _BULK,
            _FIXTURE,
            _(
                "It comes before the commit: what other processes must see belongs "
                "into transaction.on_commit()."
            ),
            _("Calling instance.save() here sends it again."),
            _("Each login saves the user, with update_fields={'last_login'}."),
        ),
    ),
    BuiltinSignal(
        group=MODEL,
        path="django.db.models.signals.pre_delete",
        sender=_("the model class"),
        when=_("Before a row is deleted by delete(), of an instance or a queryset."),
        sent_by=(SendSite("django.db.models.deletion.Collector.delete"),),
        arguments=(INSTANCE, USING, ORIGIN),
        pitfalls=(
            _(
                "With a receiver, Django reads every row before it deletes it; without "
                "one it may delete with a single statement."
            ),
            _(
                "Cascades send it too, although they do not call delete(); DB_CASCADE "
                "(6.1) does not send it."
            ),
        ),
    ),
    BuiltinSignal(
        group=MODEL,
        path="django.db.models.signals.post_delete",
        sender=_("the model class"),
        when=_("After a row was deleted by delete(), of an instance or a queryset."),
        sent_by=(SendSite("django.db.models.deletion.Collector.delete"),),
        arguments=(INSTANCE, USING, ORIGIN),
        pitfalls=(
            _(
                "The row is gone, and the deletion can still be rolled back: delete "
                "files in transaction.on_commit()."
            ),
            _("instance.pk is still set here, and None once delete() has returned."),
        ),
    ),
    BuiltinSignal(
        group=MODEL,
        path="django.db.models.signals.m2m_changed",
        sender=_("the model class of the table between: Pizza.toppings.through"),
        when=_("Before and after an add, remove or clear of a many-to-many relation."),
        sent_by=(
            SendSite(_M2M + "clear", removed=(6, 1)),
            SendSite(_M2M + "_remove_items"),
            SendSite(_M2M + "_add_items"),
            SendSite(_M2M + "_clear_base", since=(6, 1)),
        ),
        arguments=(
            Argument("action", _("'pre_' or 'post_' and 'add', 'remove' or 'clear'")),
            Argument("instance", _("the instance whose relation changes")),
            Argument("reverse", _("True if changed from the end without the field")),
            Argument("model", _("class of the objects at the other end")),
            Argument("pk_set", _("set of the keys of those objects; None for a clear")),
            USING,
            Argument("raw", RAW.what, since=(6, 1)),
        ),
        pitfalls=(
            _("set() is an add and a remove, and nothing if nothing changes."),
            _(
                "In an add, pk_set lacks what was related before; in a remove it is "
                "what was asked for, related or not."
            ),
            _(
                "Deleting either object, an inline of the admin and a row of a custom "
                "through model change the relation without it."
            ),
            _("With a receiver, each add costs one more query."),
        ),
        since=(1, 2),
    ),
    BuiltinSignal(
        group=MODEL,
        path="django.db.models.signals.class_prepared",
        sender=_("the model class"),
        when=_("When a model class has been defined and registered."),
        sent_by=(SendSite("django.db.models.base.ModelBase._prepare"),),
        pitfalls=(
            _(
                "Models are loaded before ready() runs: connect in "
                "AppConfig.__init__()."
            ),
            _("The historical models of migrations send it too, by the hundred."),
        ),
    ),
    BuiltinSignal(
        group=MANAGEMENT,
        path="django.db.models.signals.pre_migrate",
        sender=_("the AppConfig instance"),
        when=_("Before migrate starts, once for each app."),
        sent_by=(SendSite("django.core.management.sql.emit_pre_migrate_signal"),),
        arguments=(
            APP_CONFIG,
            VERBOSITY,
            INTERACTIVE,
            Argument("using", USING.what),
            Argument("stdout", _("where to print"), since=(4, 0)),
            Argument("apps", _("registry of the models before"), since=(1, 10)),
            Argument("plan", _("what will run; not public"), since=(1, 10)),
        ),
        pitfalls=(*_MIGRATE, _("flush does not send it, nor do --plan and --check.")),
        since=(1, 7),
    ),
    BuiltinSignal(
        group=MANAGEMENT,
        path="django.db.models.signals.post_migrate",
        sender=_("the AppConfig instance"),
        when=_("After migrate, even if it did nothing, and flush, once for each app."),
        sent_by=(SendSite("django.core.management.sql.emit_post_migrate_signal"),),
        arguments=(
            APP_CONFIG,
            VERBOSITY,
            INTERACTIVE,
            Argument("using", USING.what),
            Argument("stdout", _("where to print"), FROM_MIGRATE, since=(4, 0)),
            Argument(
                "apps", _("registry of the models now"), FROM_MIGRATE, since=(1, 10)
            ),
            Argument(
                "plan", _("what has run; not public"), FROM_MIGRATE, since=(1, 10)
            ),
        ),
        pitfalls=(
            *_MIGRATE,
            _("A receiver that names apps without a default fails on flush."),
            _(
                "Ask the router whether the model lives in this database, and write "
                "with .using(using)."
            ),
            _("The table may be missing: an earlier app may be migrated alone."),
        ),
        since=(1, 7),
    ),
    BuiltinSignal(
        group=MANAGEMENT,
        path="django.db.models.signals.post_syncdb",
        sender=_("the models module"),
        when=_("After syncdb installed an app, and after flush."),
        sent_by=(SendSite("django.core.management.sql.emit_post_migrate_signal"),),
        arguments=(
            Argument("app", _("the sender")),
            Argument("created_models", _("list of the model classes made so far")),
            VERBOSITY,
            INTERACTIVE,
            Argument("db", USING.what),
        ),
        pitfalls=(
            _(
                "It is history, gone with Django 1.9. Use post_migrate: the sender is "
                "an AppConfig, app became app_config and db became using."
            ),
        ),
        removed=(1, 9),
        page="1.8/ref/signals/#post-syncdb",
    ),
    BuiltinSignal(
        group=REQUEST,
        path="django.core.signals.request_started",
        sender=_("the handler class: WSGIHandler, ASGIHandler or a test client's"),
        when=_("When a handler takes a request, before any middleware."),
        sent_by=(
            SendSite("django.core.handlers.asgi.ASGIHandler.handle", "asend"),
            SendSite("django.core.handlers.wsgi.WSGIHandler.__call__"),
            SendSite("django.test.client.AsyncClientHandler.__call__", "asend"),
            SendSite("django.test.client.ClientHandler.__call__"),
        ),
        arguments=(
            Argument(
                "environ", _("the WSGI environ"), _("under WSGI only"), since=(1, 8)
            ),
            Argument("scope", _("the ASGI scope"), _("under ASGI only"), since=(3, 0)),
        ),
        pitfalls=(
            _("There is no request yet; a middleware is nearly always better."),
            _("Name neither environ nor scope without a default."),
            _("An exception here is not turned into a page: the server gets it."),
        ),
    ),
    BuiltinSignal(
        group=REQUEST,
        path="django.core.signals.request_finished",
        sender=_("the handler class; None if a test client or nobody handled it"),
        when=_("When the server closes the response, all of it delivered."),
        sent_by=(
            SendSite("django.core.handlers.asgi.ASGIHandler.handle", "asend"),
            SendSite("django.http.response.HttpResponseBase.close"),
        ),
        pitfalls=(
            _("A server that does not call close() never causes it."),
            _("A streamed response is closed when it was consumed to the end."),
        ),
    ),
    BuiltinSignal(
        group=REQUEST,
        path="django.core.signals.got_request_exception",
        sender=_("None, always"),
        when=_("When a view or middleware raised what becomes a server error."),
        sent_by=(
            SendSite("django.core.handlers.exception.get_exception_response"),
            SendSite("django.core.handlers.exception.response_for_exception"),
        ),
        arguments=(REQUEST_ARGUMENT,),
        pitfalls=(
            _("Http404, PermissionDenied and what becomes a 400 do not cause it."),
            _("The exception is not an argument: sys.exc_info() has it."),
        ),
    ),
    BuiltinSignal(
        group=TEST,
        path="django.core.signals.setting_changed",
        sender=_("the class of the settings object: UserSettingsHolder or Settings"),
        when=_("When override_settings sets a setting, and when it restores it."),
        sent_by=(
            SendSite("django.test.testcases.TransactionTestCase._post_teardown"),
            SendSite("django.test.testcases.TransactionTestCase._pre_setup"),
            SendSite("django.test.utils.override_settings.disable", "send_robust"),
            SendSite("django.test.utils.override_settings.enable"),
        ),
        arguments=(
            Argument("setting", _("name of the setting")),
            Argument("value", _("its value from now on; None if it is gone")),
            Argument("enter", _("True when set, False when restored"), since=(1, 7)),
        ),
        pitfalls=(
            _("Assigning to django.conf.settings does not send it."),
            _(
                "It is documented in django.test.signals; outside tests import it from "
                "django.core.signals, it is the same object."
            ),
        ),
        since=(1, 4),
        page="stable/ref/signals/#django.test.signals.setting_changed",
    ),
    BuiltinSignal(
        group=TEST,
        path="django.test.signals.template_rendered",
        sender=_("the Template"),
        when=_("When a Django template is rendered in a test environment."),
        sent_by=(SendSite("django.test.utils.instrumented_test_render"),),
        arguments=(
            Argument("template", _("the sender")),
            Argument("context", _("the Context, changed while rendering goes on")),
        ),
        pitfalls=(_("Without setup_test_environment() it never comes."),),
    ),
    BuiltinSignal(
        group=DATABASE,
        path="django.db.backends.signals.connection_created",
        sender=_("the DatabaseWrapper class"),
        when=_("When a connection to a database has been opened."),
        sent_by=(SendSite("django.db.backends.base.base.BaseDatabaseWrapper.connect"),),
        arguments=(Argument("connection", _("the DatabaseWrapper"), since=(1, 2)),),
        pitfalls=(
            _(
                "It comes for every alias, vendor and thread: look at "
                "connection.vendor."
            ),
            _("With CONN_MAX_AGE=0, the default, that is once for each request."),
        ),
        since=(1, 1),
    ),
    BuiltinSignal(
        group=AUTH,
        path="django.contrib.auth.signals.user_logged_in",
        sender=_("the class of the user"),
        when=_("When login() has put the user into the session."),
        sent_by=(
            SendSite("django.contrib.auth.login"),
            SendSite("django.contrib.auth.alogin", "asend"),
        ),
        arguments=(REQUEST_ARGUMENT, Argument("user", _("who logged in"))),
        pitfalls=(
            _(
                "Django's own receiver saves last_login, so post_save of the user "
                "follows."
            ),
            _("Token authentication, as in REST APIs, does not call login()."),
        ),
        since=(1, 3),
        page="stable/ref/contrib/auth/#django.contrib.auth.signals.user_logged_in",
    ),
    BuiltinSignal(
        group=AUTH,
        path="django.contrib.auth.signals.user_logged_out",
        sender=_("the class of the user, or NoneType"),
        when=_("When logout() is called, before the session is emptied."),
        sent_by=(
            SendSite("django.contrib.auth.logout"),
            SendSite("django.contrib.auth.alogout", "asend"),
        ),
        arguments=(
            REQUEST_ARGUMENT,
            Argument("user", _("who logs out; None if nobody was logged in")),
        ),
        pitfalls=(
            _("A session that expires or is deleted does not send it."),
            _("A receiver connected for the user model misses anonymous logouts."),
        ),
        since=(1, 3),
        page="stable/ref/contrib/auth/#django.contrib.auth.signals.user_logged_out",
    ),
    BuiltinSignal(
        group=AUTH,
        path="django.contrib.auth.signals.user_login_failed",
        sender=_("the string 'django.contrib.auth'"),
        when=_("When authenticate() finds no backend that accepts the credentials."),
        sent_by=(
            SendSite("django.contrib.auth.authenticate"),
            SendSite("django.contrib.auth.aauthenticate", "asend"),
        ),
        arguments=(
            Argument("credentials", _("dict given to authenticate(), secrets masked")),
            Argument("request", _("the HttpRequest, or None"), since=(1, 11)),
        ),
        pitfalls=(
            _("The user name is what was typed, sometimes a password: do not log it."),
            _(
                "Senders are compared by identity: filter by "
                "django.contrib.auth.__name__, not by a string of your own."
            ),
        ),
        since=(1, 5),
        page="stable/ref/contrib/auth/#django.contrib.auth.signals.user_login_failed",
    ),
    BuiltinSignal(
        group=TASKS,
        path="django.tasks.signals.task_enqueued",
        sender=_("the class of the backend"),
        when=_("When a backend has taken a task."),
        sent_by=(
            SendSite("django.tasks.backends.dummy.DummyBackend._store_result"),
            _IMMEDIATE,
        ),
        arguments=(TASK_RESULT,),
        pitfalls=(
            _("Sending it is up to the backend; that of another package may not."),
        ),
        since=(6, 0),
    ),
    BuiltinSignal(
        group=TASKS,
        path="django.tasks.signals.task_started",
        sender=_("the class of the backend"),
        when=_("Before a worker calls the function of a task."),
        sent_by=(_IMMEDIATE,),
        arguments=(TASK_RESULT,),
        pitfalls=(
            _("It comes in the process of the worker, not in the one that asked."),
        ),
        since=(6, 0),
    ),
    BuiltinSignal(
        group=TASKS,
        path="django.tasks.signals.task_finished",
        sender=_("the class of the backend"),
        when=_("After a task, done or failed: task_result.status tells."),
        sent_by=(_IMMEDIATE,),
        arguments=(TASK_RESULT,),
        pitfalls=(
            _("A task that fails sends it too, and the exception goes no further."),
        ),
        since=(6, 0),
    ),
    BuiltinSignal(
        group=AUTORELOAD,
        path="django.utils.autoreload.autoreload_started",
        sender=_("the reloader, an instance of BaseReloader"),
        when=_("When the child process of runserver begins to watch files."),
        sent_by=(SendSite("django.utils.autoreload.BaseReloader.run"),),
        pitfalls=(_("Call sender.watch_dir() here to have more files watched."),),
        since=(2, 2),
        documented=False,
        page="stable/ref/django-admin/#runserver",
    ),
    BuiltinSignal(
        group=AUTORELOAD,
        path="django.utils.autoreload.file_changed",
        sender=_("the reloader, an instance of BaseReloader"),
        when=_("When a watched file was changed."),
        sent_by=(SendSite("django.utils.autoreload.BaseReloader.notify_file_changed"),),
        arguments=(Argument("file_path", _("the pathlib.Path")),),
        pitfalls=(_("A receiver that returns something true prevents the restart."),),
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
