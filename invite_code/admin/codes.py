from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.db.models import Count, F, Q, QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters

from invite_code import revoking
from invite_code.admin.base import IssuedElsewhere
from invite_code.admin.exports import exported
from invite_code.admin.forms import BulkWindowForm, ExplainForm, InviteCodeForm
from invite_code.conf import conf
from invite_code.errors import Malformed
from invite_code.explaining import Explanation, explain, facts
from invite_code.models import HandOut, Hold, InviteBatch, InviteCode, Redemption
from invite_code.retrying import retry

#: How many redemptions the page of a code shows: it may have a million.
SHOWN = 20


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
        state = states(timezone.now()).get(self.value() or "")
        return queryset if state is None else queryset.filter(state)


def states(now: datetime) -> dict[str, Q]:
    """Return what codes in each state have in common at a moment.

    Holds and revoked batches are few: they are looked for once, not for each code.
    """
    held = Hold.objects.filter(expires_at__gt=now).order_by()
    counted = held.values("code").annotate(live=Count("pk"))
    full = counted.filter(code__max_uses__lte=F("code__uses") + F("live"))
    kept: Any = full.values_list("code", flat=True)
    if not connections[full.db].features.update_can_self_select:
        kept = list(kept)  # MySQL changes no table that a subquery reads.
    revoked_batches = InviteBatch.objects.filter(revoked_at__isnull=False)
    revoked = Q(revoked_at__isnull=False) | Q(batch__in=revoked_batches.values("pk"))
    not_yet_valid, expired = Q(valid_from__gt=now), Q(expires_at__lte=now)
    use_left = Q(max_uses=None) | Q(max_uses__gt=F("uses"))
    use_free = use_left & ~Q(pk__in=kept)
    return {
        "usable": ~revoked & ~not_yet_valid & ~expired & use_free,
        "used": Q(uses__gt=0),
        "held": Q(pk__in=held.values("code")),
        "not_yet_valid": not_yet_valid,
        "expired": expired,
        "revoked": revoked,
    }


class NewestFormSet(BaseInlineFormSet):  # type: ignore[type-arg]  # none at run time
    """The newest of the rows that belong to one."""

    def get_queryset(self) -> QuerySet[Any]:
        """Return the newest rows, as many as are shown."""
        if not hasattr(self, "_newest"):
            self._newest = super().get_queryset().order_by("-pk")[:SHOWN]
        return self._newest


class RedemptionInline(admin.TabularInline):  # type: ignore[type-arg]  # none at run time
    """The newest redemptions of a code, for reading only."""

    model = Redemption
    formset = NewestFormSet
    fields = readonly_fields = ("username", "user_pk", "redeemed_at")
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: redemptions happen."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: nothing of them is for staff to decide."""
        return False


@admin.register(InviteCode)
class InviteCodeAdmin(IssuedElsewhere):
    """Codes, found by any spelling of them, and explained."""

    kept_by = ((Redemption, "code"), (HandOut, "codes"))
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
    list_filter = (
        StateFilter,
        ("hand_out", admin.EmptyFieldListFilter),
        "batch",
    )
    actions = (
        "revoke",
        "restore",
        "set_window",
        "export_csv",
        "export_jsonl",
        "export_sheet",
    )
    form = InviteCodeForm
    fields = (
        "display",
        "batch",
        "hand_out",
        "uses",
        "max_uses",
        "email",
        "valid_from",
        "expires_at",
        "revoked_at",
        "created_at",
    )
    readonly_fields = (
        "display",
        "batch",
        "hand_out",
        "uses",
        "revoked_at",
        "created_at",
    )
    # Fetched afterwards: by a join, MariaDB would begin with the batches, and sort all
    # of their codes.
    list_select_related = ()
    search_fields = ("code",)
    search_help_text = _("One whole code, in any spelling.")

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return the redemptions; none with a form sent, of which they are no part.

        Else those made since the page was opened would be in its way.
        """
        return [] if request.method == "POST" else [RedemptionInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[InviteCode]:
        """Return the codes, with their batches."""
        codes: QuerySet[InviteCode] = super().get_queryset(request)
        return codes.prefetch_related("batch")

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
        return self.page(
            request,
            "invitecode/explain.html",
            _("Explain an invite code"),
            form,
            explanation=explanation,
            facts=explanation and facts(explanation),
        )

    @admin.action(permissions=["revoke"], description=_("Revoke selected codes"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[InviteCode]) -> None:
        """Revoke codes; those revoked before keep their moment."""
        live = queryset.filter(revoked_at=None)
        said = gettext("Codes revoked: %d")
        self._change(request, live, revoking.revoke, said)

    @admin.action(permissions=["revoke"], description=_("Restore selected codes"))
    def restore(self, request: HttpRequest, queryset: QuerySet[InviteCode]) -> None:
        """Take back that codes were revoked."""
        revoked = queryset.filter(revoked_at__isnull=False)
        said = gettext("Codes restored: %d")
        self._change(request, revoked, revoking.restore, said)

    @admin.action(
        permissions=["change"], description=_("Change the window of selected codes")
    )
    def set_window(
        self, request: HttpRequest, queryset: QuerySet[InviteCode]
    ) -> TemplateResponse | None:
        """Ask for a window, then give it to codes."""
        form = BulkWindowForm(request.POST if "apply" in request.POST else None)
        if form.is_valid():
            if clashes := closed_by(queryset, form.changes()).count():
                said = gettext("Codes that would expire before they are valid: %d")
                form.add_error(None, said % clashes)
            else:
                set_window = partial(QuerySet.update, **form.changes())
                said = gettext("Codes with a new window: %d")
                self._change(request, queryset, set_window, said)
                return None
        return self.page(
            request,
            "invitecode/window.html",
            _("Change the window of codes"),
            form,
            checkbox=ACTION_CHECKBOX_NAME,
            selected=request.POST.getlist(ACTION_CHECKBOX_NAME),
            select_across=request.POST.get("select_across", "0"),
            count=queryset.count(),
        )

    @admin.action(permissions=["export"], description=_("Export as CSV"))
    def export_csv(
        self, request: HttpRequest, queryset: QuerySet[InviteCode]
    ) -> HttpResponseBase:
        """Send codes as a table."""
        return self._export(request, queryset, "csv")

    @admin.action(permissions=["export"], description=_("Export as JSON lines"))
    def export_jsonl(
        self, request: HttpRequest, queryset: QuerySet[InviteCode]
    ) -> HttpResponseBase:
        """Send codes as an object on each line."""
        return self._export(request, queryset, "jsonl")

    @admin.action(permissions=["export"], description=_("Print cards with QR codes"))
    def export_sheet(
        self, request: HttpRequest, queryset: QuerySet[InviteCode]
    ) -> HttpResponseBase:
        """Send codes as cards to be printed."""
        return self._export(request, queryset, "sheet")

    def _export(
        self, request: HttpRequest, queryset: QuerySet[InviteCode], format_: str
    ) -> HttpResponseBase:
        response = exported(request, queryset, format_)
        for batch, count in counted(queryset).items():
            self.log_change(request, batch, gettext("Codes exported: %d") % count)
        return response

    def _change(
        self,
        request: HttpRequest,
        codes: QuerySet[InviteCode],
        change: Callable[[QuerySet[InviteCode]], int],
        said: str,
    ) -> None:
        """Change codes, log it beside their batches, both or neither, and tell it."""
        using = revoking.database_of(codes)
        codes = codes.using(using)

        def work() -> int:
            counts = counted(codes)
            change(codes)
            for batch, count in counts.items():
                self.log_change(request, batch, said % count)
            return sum(counts.values())

        self.message_user(request, said % retry(work, using=using))


def counted(codes: QuerySet[InviteCode]) -> dict[InviteBatch, int]:
    """Return the batches that codes are in, and how many of the codes in each.

    Args:
        codes: some codes, before anything is done to them: they may be chosen by it.
    """
    rows = codes.order_by().values_list("batch").annotate(count=Count("pk"))
    counts = dict(rows)
    batches = InviteBatch.objects.using(codes.db).in_bulk(counts)
    return {batch: counts[pk] for pk, batch in batches.items()}


def closed_by(
    codes: QuerySet[InviteCode], changes: dict[str, Any]
) -> QuerySet[InviteCode]:
    """Return the codes that would never be valid after a change.

    Args:
        codes: those that would be changed.
        changes: their new start, or expiry, or both in the right order.
    """
    if len(changes) == 2:
        return codes.none()
    valid_from, expires_at = changes.get("valid_from"), changes.get("expires_at")
    if valid_from:
        return codes.filter(expires_at__lte=valid_from)
    return codes.filter(valid_from__gte=expires_at) if expires_at else codes.none()
