from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, F, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters

from invite_code.codes import MAX_LENGTH
from invite_code.conf import conf
from invite_code.errors import Malformed
from invite_code.explaining import Explanation, explain, facts, with_live_holds
from invite_code.models import Hold, InviteBatch, InviteCode, Redemption

#: Characters in the longest spelling of a code, and in the longest search: what is
#: longer is found nowhere, and breaks the ``LIKE`` of SQLite.
LONGEST = 4 * MAX_LENGTH

#: How many of the rows are named that keep another one from being deleted.
NAMED = 10


class StateFilter(admin.SimpleListFilter):
    """Filter codes by what became of them."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the states; a code may be in several."""
        return [
            ("usable", _("Usable")),
            ("used", _("Used")),
            ("held", _("Held")),
            ("not_yet_valid", _("Not yet valid")),
            ("expired", _("Expired")),
            ("revoked", _("Revoked")),
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[InviteCode]
    ) -> QuerySet[InviteCode]:
        """Return the codes in the state chosen; those usable that explain() says."""
        now = timezone.now()
        revoked = Q(revoked_at__isnull=False) | Q(batch__revoked_at__isnull=False)
        not_yet_valid, expired = Q(valid_from__gt=now), Q(expires_at__lte=now)
        use_left = Q(max_uses=None) | Q(max_uses__gt=F("uses") + F("live_holds"))
        states = {
            "usable": ~revoked & ~not_yet_valid & ~expired & use_left,
            "used": Q(uses__gt=0),
            "held": Q(live_holds__gt=0),
            "not_yet_valid": not_yet_valid,
            "expired": expired,
            "revoked": revoked,
        }
        state = states.get(self.value() or "")
        return (
            queryset if state is None else with_live_holds(queryset, now).filter(state)
        )


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

    def clean(self) -> None:
        """Look at the fields together.

        Raises:
            ValidationError: the code would never be valid.
        """
        super().clean()
        valid_from = self.cleaned_data.get("valid_from")
        expires_at = self.cleaned_data.get("expires_at")
        if valid_from and expires_at and valid_from >= expires_at:
            raise ValidationError(_("It would expire before it is valid."))


class ExplainForm(forms.Form):
    """Asks for a code, in any spelling; whether it is one, the explanation says."""

    code = forms.CharField(
        label=_("Code"),
        max_length=LONGEST,
        help_text=_("One whole code, in any spelling."),
        widget=forms.TextInput(
            attrs={
                "class": "vTextField",
                "autocomplete": "off",
                "autocapitalize": "characters",
                "spellcheck": "false",
            }
        ),
    )


class IssuedElsewhere(admin.ModelAdmin):  # type: ignore[type-arg]  # none at run time
    """Rows that come to be by something other than a form.

    Attributes:
        kept_by: the model, and its field, whose rows keep those here from deletion.
    """

    show_full_result_count = False
    kept_by: tuple[type[Model], str] | None = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: codes are issued, and redemptions happen."""
        return False

    def save_model(
        self, request: HttpRequest, obj: Model, form: Any, change: bool
    ) -> None:
        """Write what was changed, and not what a redemption wrote meanwhile."""
        obj.save(update_fields=form.changed_data)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return what is found; nothing for what no field has room for."""
        if len(search_term) > LONGEST:
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def get_deleted_objects(
        self, objs: QuerySet[Any] | Sequence[Any], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """Return what would be deleted, or a few of the rows that forbid it.

        Django would name them all: the million codes of a batch, say.
        """
        if self.kept_by:
            model, field = self.kept_by
            keepers = model._default_manager.filter(**{f"{field}__in": objs})
            named = [str(keeper) for keeper in keepers[: NAMED + 1]]
            if named:
                return [], {}, set(), [*named[:NAMED], *["…"][: len(named) - NAMED]]
        return super().get_deleted_objects(objs, request)


@admin.register(InviteBatch)
class InviteBatchAdmin(IssuedElsewhere):
    """Batches, with how many codes each has."""

    kept_by = (InviteCode, "batch")
    list_display = ("__str__", "key", "code_count", "revoked_at", "created_at")
    fields = ("key", "label", "revoked_at", "created_at")
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
    """Codes, found by any spelling of them, and explained."""

    kept_by = (Redemption, "code")
    list_display = (
        "display",
        "batch",
        "uses",
        "max_uses",
        "valid_from",
        "expires_at",
        "revoked_at",
        "email",
    )
    list_filter = (StateFilter, "batch")
    form = InviteCodeForm
    fields = (
        "display",
        "batch",
        "uses",
        "max_uses",
        "email",
        "valid_from",
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

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses of the pages; no code is part of one."""
        name = "invite_code_invitecode_explain"
        view = self.admin_site.admin_view
        return [
            path("explain/", view(self.ask_view), name=name),
            path("<int:pk>/explain/", view(self.explain_view), name=name),
            *super().get_urls(),
        ]

    @method_decorator(sensitive_post_parameters("code"))
    def ask_view(self, request: HttpRequest) -> HttpResponse:
        """Explain a code that is typed.

        Raises:
            PermissionDenied: the account may not see codes.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = ExplainForm(request.POST if request.method == "POST" else None)
        explanation = explain(form.cleaned_data["code"]) if form.is_valid() else None
        return self._page(request, explanation, form)

    def explain_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Explain the code with a primary key.

        Raises:
            Http404: there is none.
            PermissionDenied: the account may not see codes.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        code = get_object_or_404(self.get_queryset(request), pk=pk)
        return self._page(request, explain(code.code))

    def _page(
        self,
        request: HttpRequest,
        explanation: Explanation | None,
        form: ExplainForm | None = None,
    ) -> HttpResponse:
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": _("Explain an invite code"),
            "form": form,
            "explanation": explanation,
            "facts": explanation and facts(explanation),
        }
        template = "admin/invite_code/invitecode/explain.html"
        return TemplateResponse(request, template, context)


class ReadOnly(IssuedElsewhere):
    """Rows that nobody edits."""

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Return False: nothing of them is for staff to decide."""
        return False


@admin.register(Redemption)
class RedemptionAdmin(ReadOnly):
    """Who used which code when; for reading only."""

    list_display = ("__str__", "code", "username", "user_pk", "redeemed_at")
    fields = ("code", "user", "username", "user_pk", "redeemed_at")
    list_select_related = ("code",)
    search_fields = ("username",)
    search_help_text = _("A part of a user name, or one whole code in any spelling.")

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Return False: history is not deleted."""
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the redemptions by users with such a name, and of such a code."""
        by_name, repeats = super().get_search_results(request, queryset, search_term)
        try:
            code = conf.code_format.normalize(search_term)
        except Malformed:
            return by_name, repeats
        return by_name | queryset.filter(code__code=code), repeats


@admin.register(Hold)
class HoldAdmin(ReadOnly):
    """Uses that are kept for somebody; deleting a row gives the use back.

    The key is not shown: who knows it may use what it keeps.
    """

    list_display = ("__str__", "code", "is_live", "expires_at", "created_at")
    fields = ("code", "is_live", "expires_at", "created_at")
    list_select_related = ("code",)

    @admin.display(description=_("live"), boolean=True)
    def is_live(self, hold: Hold) -> bool:
        """Return whether it still keeps a use."""
        return hold.expires_at > timezone.now()
