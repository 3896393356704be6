from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class InviteCodeConfig(AppConfig):
    """Invite codes, seeded by ``migrate``."""

    name = "invite_code"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = _("Invite codes")

    def ready(self) -> None:
        """Connect the receiver, register the checks."""
        from invite_code.checks import (
            check_cache,
            check_collation,
            check_doors,
            check_settings,
            check_transactions,
        )
        from invite_code.signals import seed_invite_codes

        # The sender is this very object, which no decorator could name.
        post_migrate.connect(
            seed_invite_codes, sender=self, dispatch_uid="invite_code.seed_invite_codes"
        )
        checks.register(check_settings, checks.Tags.security)
        checks.register(check_cache, checks.Tags.security, deploy=True)
        checks.register(check_transactions, checks.Tags.compatibility)
        checks.register(check_doors, checks.Tags.security)
        checks.register(check_collation, checks.Tags.database)
