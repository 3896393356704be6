from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, F, Model, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from invite_code.conf import conf
from invite_code.errors import Malformed
from invite_code.models import InviteBatch, InviteCode, Redemption


class StateFilter(admin.SimpleListFilter):
    """Filter codes by what became of them."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the states; a code may be in several."""
        return [
            ("usable", _("Usable")),
            ("used", _("Used")),
            ("expired", _("Expired")),
            ("revoked", _("Revoked")),
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[InviteCode]
    ) -> QuerySet[InviteCode]:
        """Return the codes in the state chosen."""
        now = timezone.now()
        uses_left = Q(max_uses=None) | Q(uses__lt=F("max_uses"))
        not_expired = Q(expires_at=None) | Q(expires_at__gt=now)
        states = {
            None: Q(),
            "usable": uses_left & not_expired & Q(revoked_at=None),
            "used": Q(uses__gt=0),
            "expired": Q(expires_at__lte=now),
            "revoked": Q(revoked_at__isnull=False),
        }
        return queryset.filter(states.get(self.value(), Q()))


class InviteCodeForm(forms.ModelForm):  # type: ignore[type-arg]  # none at run time
    """The fields of a code that staff may change."""

    def clean_max_uses(self) -> int | None:
        """Return the maximum.

        Raises:
            ValidationError: it is below the uses there were. The constraint says so
                too, but Django asks none about a field that is only shown.
        """
        max_uses: int | None = self.cleaned_data["max_uses"]
        if max_uses is not None and max_uses < self.instance.uses:
            raise ValidationError(_("It was already used more often than that."))
        return max_uses


class IssuedElsewhere(admin.ModelAdmin):  # type: ignore[type-arg]  # none at run time
    """Rows that come to be by something other than a form."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: codes are issued, and redemptions happen."""
        return False


@admin.register(InviteBatch)
class InviteBatchAdmin(IssuedElsewhere):
    """Batches, with how many codes each has."""

    list_display = ("__str__", "key", "code_count", "created_at")
    readonly_fields = ("key", "created_at")
    search_fields = ("label",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[InviteBatch]:
        """Return the batches, and the number of codes beside each."""
        batches: QuerySet[InviteBatch] = super().get_queryset(request)
        return batches.annotate(code_count=Count("codes"))

    @admin.display(description=_("codes"))
    def code_count(self, batch: Any) -> int:
        """Return how many codes a batch has."""
        return int(batch.code_count)


@admin.register(InviteCode)
class InviteCodeAdmin(IssuedElsewhere):
    """Codes, found by any spelling of them."""

    list_display = ("display", "batch", "uses", "max_uses", "expires_at", "revoked_at")
    list_filter = (StateFilter, "batch")
    form = InviteCodeForm
    fields = (
        "display",
        "batch",
        "uses",
        "max_uses",
        "expires_at",
        "revoked_at",
        "created_at",
    )
    readonly_fields = ("display", "batch", "uses", "created_at")
    search_fields = ("code",)
    search_help_text = _("One whole code, in any spelling.")

    @admin.display(description=_("code"), ordering="code")
    def display(self, code: InviteCode) -> str:
        """Return the code as people read it, on one line."""
        text = conf.code_format.display(code.code)
        return format_html('<span class="nowrap">{}</span>', text)

    def save_model(
        self, request: HttpRequest, obj: InviteCode, form: Any, change: bool
    ) -> None:
        """Write what was changed, and not the uses of meanwhile."""
        obj.save(update_fields=form.changed_data)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the code searched for; what is no code costs no query."""
        if not search_term:
            return queryset, False
        try:
            code = conf.code_format.normalize(search_term)
        except Malformed:
            return queryset.none(), False
        return queryset.filter(code=code), False


@admin.register(Redemption)
class RedemptionAdmin(IssuedElsewhere):
    """Who used which code when; for reading only."""

    list_display = ("code", "user", "redeemed_at")
    list_select_related = ("code", "user")

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Return False: history is not edited."""
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Return False: history is not deleted."""
        return False
