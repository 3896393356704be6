from types import ModuleType

from django.apps import AppConfig
from django.db.models.signals import class_prepared, post_migrate, pre_migrate
from django.utils.translation import gettext_lazy as _

from signals_demo.subclasses import sync_subclass


class SignalsDemoConfig(AppConfig):
    """The reference implementation of Django's signals."""

    name = "signals_demo"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = _("Signals demo")

    def __init__(self, app_name: str, app_module: ModuleType | None) -> None:
        """Connect the one receiver for which ``ready()`` is too late."""
        super().__init__(app_name, app_module)
        # ready() finds the installed models prepared. None may be imported yet.
        class_prepared.connect(sync_subclass, dispatch_uid="signals_demo.sync_subclass")

    def ready(self) -> None:
        """Connect all other receivers."""
        # The import is what connects those with @receiver. It cannot stand at the top,
        # because it imports models.
        from signals_demo import signals

        # The sender is this very object, which no decorator could name. Tests that
        # change INSTALLED_APPS make a new one, and call its ready().
        pre_migrate.connect(
            signals.limit_lock_wait,
            sender=self,
            dispatch_uid="signals_demo.limit_lock_wait",
        )
        post_migrate.connect(
            signals.backfill_profiles,
            sender=self,
            dispatch_uid="signals_demo.backfill_profiles",
        )
