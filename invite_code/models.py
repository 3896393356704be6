"""Codes, the batches they were issued in, and the uses people made of them."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from invite_code.codes import MAX_LENGTH

#: The largest value a PositiveIntegerField holds on every database.
MAX_INTEGER = 2**31 - 1


class AddressField(models.EmailField):  # type: ignore[type-arg]  # none at run time
    """An e-mail address, stored in lower case however the row is written."""

    def get_prep_value(self, value: Any) -> Any:
        """Return the value as it is stored and looked up."""
        value = super().get_prep_value(value)
        return value.lower() if isinstance(value, str) else value


class InviteBatch(models.Model):
    """Codes that were issued together."""

    key = models.CharField(  # noqa: DJ001 - unique, so only null may repeat
        _("key"),
        max_length=50,
        unique=True,
        null=True,
        editable=False,
        help_text=_("The name by which the program knows this batch, if it does."),
    )
    label = models.CharField(
        _("label"), max_length=200, blank=True, help_text=_("What the codes are for.")
    )
    revoked_at = models.DateTimeField(
        _("revoked at"),
        null=True,
        blank=True,
        help_text=_("When all its codes were revoked at once. Empty if they were not."),
    )
    created_at = models.DateTimeField(
        _("created at"), default=timezone.now, editable=False
    )

    class Meta:
        verbose_name = _("invite batch")
        verbose_name_plural = _("invite batches")

    def __str__(self) -> str:
        return self.label or _("Batch %(pk)s") % {"pk": self.pk}


class HandOut(models.Model):
    """Some codes of a batch that somebody was given: a line of the ledger.

    Attributes:
        is_new: whether ``hand_out()`` has just made it, and not found it by its key.
    """

    is_new = False

    batch = models.ForeignKey(
        InviteBatch,
        on_delete=models.PROTECT,
        related_name="hand_outs",
        verbose_name=_("batch"),
    )
    recipient = models.CharField(
        _("recipient"),
        max_length=200,
        blank=True,
        help_text=_("Who was given the codes."),
    )
    count = models.PositiveIntegerField(_("codes"), editable=False)
    key = models.CharField(  # noqa: DJ001 - unique, so only null may repeat
        _("key"),
        max_length=50,
        unique=True,
        null=True,
        editable=False,
        help_text=_("The name by which the program knows this hand-out, if it does."),
    )
    created_at = models.DateTimeField(
        _("handed out at"), default=timezone.now, editable=False
    )

    class Meta:
        verbose_name = _("hand-out")
        verbose_name_plural = _("hand-outs")

    def __str__(self) -> str:
        return _("Hand-out %(pk)s") % {"pk": self.pk}


class InviteCode(models.Model):
    """A code, stored normalized, and how often it lets somebody in."""

    batch = models.ForeignKey(
        InviteBatch,
        on_delete=models.PROTECT,
        related_name="codes",
        verbose_name=_("batch"),
        db_index=False,  # The index below begins with it.
    )
    hand_out = models.ForeignKey(
        HandOut,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="codes",
        verbose_name=_("hand-out"),
        help_text=_("Empty if nobody was given the code."),
        db_index=False,  # It is looked for within a batch.
    )
    code = models.CharField(
        _("code"), max_length=MAX_LENGTH, unique=True, editable=False
    )
    max_uses = models.PositiveIntegerField(
        _("maximum uses"),
        default=1,
        null=True,
        blank=True,
        help_text=_("Empty for any number of uses."),
    )
    uses = models.PositiveIntegerField(_("uses"), default=0, editable=False)
    email = AddressField(
        _("e-mail address"),
        blank=True,
        default="",
        help_text=_("The only address it lets in. Empty for any."),
    )
    valid_from = models.DateTimeField(
        _("valid from"),
        null=True,
        blank=True,
        help_text=_("Before this moment the code is refused. Empty for at once."),
    )
    expires_at = models.DateTimeField(
        _("expires at"),
        null=True,
        blank=True,
        help_text=_("From this moment on the code is refused. Empty for never."),
    )
    revoked_at = models.DateTimeField(
        _("revoked at"),
        null=True,
        blank=True,
        help_text=_(
            "When the code was revoked, and is refused since. Empty if it was not."
        ),
    )
    created_at = models.DateTimeField(
        _("created at"), default=timezone.now, editable=False
    )

    class Meta:
        verbose_name = _("invite code")
        verbose_name_plural = _("invite codes")
        permissions = (
            ("issue_invitecode", _("Can issue invite codes")),
            ("hand_out_invitecode", _("Can hand out invite codes")),
            ("revoke_invitecode", _("Can revoke invite codes, and take that back")),
            ("export_invitecode", _("Can export invite codes")),
            ("import_invitecode", _("Can import invite codes")),
        )
        indexes = (
            # Finds the next codes to hand out in a batch of a million at once.
            models.Index(name="invite_code_next", fields=["batch", "hand_out", "id"]),
        )
        constraints = (
            models.CheckConstraint(
                name="invite_code_uses_lte_max_uses",
                condition=Q(max_uses=None) | Q(uses__lte=F("max_uses")),
                violation_error_message=_("It was already used more often than that."),
            ),
            models.CheckConstraint(
                name="invite_code_max_uses_gte_1",
                condition=Q(max_uses=None) | Q(max_uses__gte=1),
                violation_error_message=_("A code lets in at least one person."),
            ),
            models.CheckConstraint(
                name="invite_code_code_not_empty", condition=~Q(code="")
            ),
        )

    def __str__(self) -> str:
        # Not the code: what str() returns lands in the admin's log and in reprs.
        return _("Invite code %(pk)s") % {"pk": self.pk}


class Redemption(models.Model):
    """One use of a code by one user, of whom it keeps the name."""

    code = models.ForeignKey(
        InviteCode,
        on_delete=models.PROTECT,
        related_name="redemptions",
        verbose_name=_("code"),
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="invite_code_redemptions",
        verbose_name=_("user"),
    )
    user_pk = models.CharField(
        _("primary key of the user"),
        max_length=64,
        editable=False,
        help_text=_("Stays when the user is deleted."),
    )
    username = models.CharField(
        _("user name"),
        max_length=254,
        editable=False,
        help_text=_("As it was at the time; stays when the user is deleted."),
    )
    redeemed_at = models.DateTimeField(
        _("redeemed at"), default=timezone.now, editable=False
    )

    class Meta:
        verbose_name = _("redemption")
        verbose_name_plural = _("redemptions")
        constraints = (
            models.UniqueConstraint(
                name="invite_code_redemption_once_per_user", fields=["code", "user"]
            ),
        )

    def __str__(self) -> str:
        return _("Redemption %(pk)s") % {"pk": self.pk}


class Hold(models.Model):
    """A use kept for somebody who is about to redeem it, until a moment."""

    code = models.ForeignKey(
        InviteCode,
        on_delete=models.CASCADE,
        related_name="holds",
        verbose_name=_("code"),
        db_index=False,  # Both indexes below begin with it.
    )
    key = models.CharField(
        _("key"), max_length=64, help_text=_("Who it is kept for: a session, say.")
    )
    expires_at = models.DateTimeField(
        _("expires at"), help_text=_("From this moment on it keeps nothing.")
    )
    created_at = models.DateTimeField(
        _("created at"), default=timezone.now, editable=False
    )

    class Meta:
        verbose_name = _("hold")
        verbose_name_plural = _("holds")
        constraints = (
            models.UniqueConstraint(
                name="invite_code_hold_once_per_key", fields=["code", "key"]
            ),
        )
        indexes = (
            models.Index(name="invite_code_hold_live", fields=["code", "expires_at"]),
        )

    def __str__(self) -> str:
        return _("Hold %(pk)s") % {"pk": self.pk}
