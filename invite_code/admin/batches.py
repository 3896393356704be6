from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db import router, transaction
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.formats import number_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from invite_code import chart, counting, revoking, tasks
from invite_code.admin.base import TOLD, IssuedElsewhere, error_of
from invite_code.admin.exports import exported
from invite_code.admin.forms import ExportForm, HandOutForm, ImportForm, IssueForm
from invite_code.conf import conf
from invite_code.errors import InviteCodeError
from invite_code.handing_out import hand_out, unused
from invite_code.importing import Report, import_codes, read_lines
from invite_code.issuing import issue
from invite_code.models import InviteBatch, InviteCode
from invite_code.retrying import retry

#: What the page of a batch calls its numbers.
NUMBERS = {
    "issued": _("Issued"),
    "handed_out": _("Handed out"),
    "held": _("Held"),
    "redeemed": _("Redeemed"),
    "uses": _("Uses, all together"),
    "used_up": _("Used up"),
    "revoked": _("Revoked"),
    "expired": _("Expired"),
    "unused": _("Can be handed out"),
}

#: How many hand-outs the page shows on which codes are handed out.
SHOWN = 20

#: Seconds after which the page of a batch that is being issued asks again.
REFRESH = 2


class CountingList(ChangeList):
    """Batches, each with its ``code_count``, which no other page asks for."""

    def get_queryset(self, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        """Return the batches, and the number of codes beside each."""
        codes = InviteCode.objects.filter(batch=OuterRef("pk")).order_by()
        counts = codes.values("batch").annotate(count=Count("pk")).values("count")
        count = Coalesce(Subquery(counts, output_field=IntegerField()), 0)
        batches = super().get_queryset(*args, **kwargs)
        counted: QuerySet[Any] = batches.annotate(code_count=count)
        return counted


@admin.register(InviteBatch)
class InviteBatchAdmin(IssuedElsewhere):
    """Batches: issued, handed out, exported, watched and shut down."""

    kept_by = ((InviteCode, "batch"),)
    list_display = ("__str__", "code_count", "revoked_at", "created_at")
    fields = ("key", "label", "revoked_at", "created_at")
    readonly_fields = ("key", "revoked_at", "created_at")
    search_fields = ("label", "=key")
    date_hierarchy = "created_at"
    actions = ("revoke", "restore")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that has a number of codes beside each batch."""
        return CountingList

    @admin.display(description=_("codes"))
    def code_count(self, batch: Any) -> int:
        """Return how many codes a batch has."""
        return int(batch.code_count)

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses of the pages."""
        pages: dict[str, tuple[str, Callable[..., HttpResponseBase]]] = {
            "issue": ("issue/", self.issue_view),
            "issuing": ("issuing/<uuid:key>/", self.issuing_view),
            "import": ("import/", self.import_view),
            "hand_out": ("<int:pk>/hand-out/", self.hand_out_view),
            "export": ("<int:pk>/export/", self.export_view),
            "revoke": ("<int:pk>/revoke/", self.revoke_view),
        }
        own = [
            path(
                route,
                self.admin_site.admin_view(view),
                name=f"invite_code_invitebatch_{name}",
            )
            for name, (route, view) in pages.items()
        ]
        return [*own, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the batches, and what an account may do about them."""
        context = self._allowed(request) | (extra_context or {})
        return super().changelist_view(request, context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show a batch with its numbers, and what an account may do about it."""
        batch = context["original"]
        numbers = counting.numbers(batch)
        history = counting.history(batch, issued=numbers.issued)
        context |= self._allowed(request) | {
            "numbers": [(NUMBERS[n], grouped(getattr(numbers, n))) for n in NUMBERS],
            "chart": chart.svg(history),
            "curves": [label for _, label, _ in chart.CURVES],
            "points": [
                (point.moment, [grouped(getattr(point, n)) for n, *_ in chart.CURVES])
                for point in history
            ],
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def issue_view(self, request: HttpRequest) -> HttpResponseBase:
        """Ask what to issue, and issue it.

        Raises:
            PermissionDenied: the account may not.
        """
        self.demand(request, "issue")
        form = IssueForm(request.POST or None, initial=asked_before(request))
        if form.is_valid():
            try:
                self._issue(request, form)
                page = "admin:invite_code_invitebatch_issuing"
                key, site = form.cleaned_data["key"], self.admin_site.name
                return HttpResponseRedirect(reverse(page, args=[key], current_app=site))
            except TOLD as error:
                form.add_error(None, error_of(error))
        return self.page(request, "form.html", _("Issue invite codes"), form)

    def _issue(self, request: HttpRequest, form: IssueForm) -> None:
        """Issue codes here and now, or leave that to a worker."""
        count, key = form.cleaned_data["count"], form.cleaned_data["key"].hex
        state = tasks.state_of(key)
        is_at_work = state.total and not (state.error or state.is_silent)
        if state.batch or is_at_work:
            return  # The form was sent before.
        if count >= conf.INVITE_CODE_ENQUEUE_FROM and tasks.available():
            tasks.issue_later(count, key=key, **form.terms())
            # There is no batch yet to which the log could lead.
            batch = InviteBatch(label=form.cleaned_data["label"] or key)
            said = gettext("Codes asked of a worker: %d") % count
            self.log_addition(request, batch, said)
        else:
            work = partial(self._issue_now, request, count, key, form.terms())
            retry(work, using=router.db_for_write(InviteBatch))

    def _issue_now(
        self, request: HttpRequest, count: int, key: str, terms: dict[str, Any]
    ) -> None:
        made: list[int] = []  # Stays empty if another request has made the batch.
        batch = issue(count, key=key, **terms, progress=made.append)
        if made:
            self.log_addition(request, batch, gettext("Codes issued: %d") % count)

    def issuing_view(self, request: HttpRequest, key: UUID) -> HttpResponseBase:
        """Show how far a batch is that is being issued, or that it is there.

        If its worker is silent or has failed, the same form may be sent again: one
        batch it will be, whatever the queue does meanwhile.

        Raises:
            PermissionDenied: the account may not issue codes.
        """
        self.demand(request, "issue")
        state = tasks.state_of(key.hex)
        title = _("Codes are being issued") if state.total else _("Issue invite codes")
        if state.batch:
            title = _("Codes were issued")
        response = self.page(
            request,
            "invitebatch/issuing.html",
            title,
            state=state,
            same=f"?key={key}",
            done=grouped(state.done),
            total=grouped(state.total),
            count=state.batch and state.batch.codes.count(),
            **self._allowed(request),
        )
        if state.total and not (state.batch or state.error):
            response["Refresh"] = str(REFRESH)
        return response

    def import_view(self, request: HttpRequest) -> HttpResponseBase:
        """Ask for a file of codes, import it, and report what was refused.

        Raises:
            PermissionDenied: the account may not.
        """
        self.demand(request, "import")
        form = ImportForm(request.POST or None, request.FILES or None)
        report = None
        if form.is_valid():
            try:
                report = self._import(request, form)
            except TOLD as error:
                form.add_error(None, error_of(error))
        return self.page(
            request,
            "invitebatch/import.html",
            _("Import invite codes"),
            None if report and report.batch else form,
            report=report,
            **self._allowed(request),
        )

    def _import(self, request: HttpRequest, form: ImportForm) -> Report:
        with transaction.atomic(using=router.db_for_write(InviteBatch)):
            lines = read_lines(form.cleaned_data["file"])
            report = import_codes(lines, **form.terms())
            if report.batch:
                said = gettext("Codes imported: %d") % report.imported
                self.log_addition(request, report.batch, said)
        return report

    def hand_out_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Ask who gets how many codes, and hand them out.

        Raises:
            Http404: there is no such batch.
            PermissionDenied: the account may not.
        """
        self.demand(request, "hand_out")
        batch = get_object_or_404(InviteBatch, pk=pk)
        form = HandOutForm(request.POST or None)
        if form.is_valid():
            try:
                self._hand_out(request, batch, form)
                return HttpResponseRedirect(request.path)
            except TOLD as error:
                form.add_error(None, error_of(error))
        return self.page(
            request,
            "invitebatch/hand_out.html",
            _("Hand out invite codes"),
            form,
            original=batch,
            unused=chosen(batch, "unused").count(),
            lines=batch.hand_outs.order_by("-pk")[:SHOWN],
            **self._allowed(request),
        )

    def _hand_out(
        self, request: HttpRequest, batch: InviteBatch, form: HandOutForm
    ) -> None:
        def work() -> tuple[str, bool]:
            count, to = form.cleaned_data["count"], form.cleaned_data["recipient"]
            line = hand_out(batch, count, to=to, key=form.cleaned_data["key"].hex)
            values = {"line": line, "recipient": line.recipient, "count": line.count}
            said = gettext("%(line)s, to %(recipient)s; codes: %(count)d") % values
            if line.is_new:
                self.log_change(request, batch, said)
            return said, line.is_new

        using = router.db_for_write(InviteBatch, instance=batch)
        said, is_new = retry(work, using=using)
        if is_new:
            self.message_user(request, said)
        else:
            before = gettext("This form was sent before: %s") % said
            self.message_user(request, before, messages.WARNING)

    def export_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Ask which codes of a batch to export, and send them.

        Raises:
            Http404: there is no such batch.
            PermissionDenied: the account may not.
        """
        self.demand(request, "export")
        batch = get_object_or_404(InviteBatch, pk=pk)
        initial = {"codes": request.GET.get("codes", "all")}
        form = ExportForm(request.POST or None, batch=batch, initial=initial)
        if form.is_valid():
            codes = chosen(batch, form.cleaned_data["codes"])
            try:
                response = exported(request, codes, form.cleaned_data["format"])
                said = gettext("Codes exported: %d") % codes.count()
                self.log_change(request, batch, said)
                return response
            except InviteCodeError as error:
                form.add_error(None, str(error))
        title = _("Export invite codes")
        return self.page(request, "form.html", title, form, original=batch)

    def revoke_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Ask whether to revoke a batch, or to restore it, and do so.

        Raises:
            Http404: there is no such batch.
            PermissionDenied: the account may not.
        """
        self.demand(request, "revoke")
        batch = get_object_or_404(InviteBatch, pk=pk)
        for name, action in (("revoke", self.revoke), ("restore", self.restore)):
            if name in request.POST:
                with self.telling(request):
                    action(request, InviteBatch.objects.filter(pk=pk))
                return HttpResponseRedirect(request.path)
        title = _("Restore the batch") if batch.revoked_at else _("Revoke the batch")
        return self.page(request, "invitebatch/revoke.html", title, original=batch)

    @admin.action(permissions=["revoke"], description=_("Revoke selected batches"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[InviteBatch]) -> None:
        """Revoke batches; those revoked before keep their moment."""
        said = gettext("Revoked.")
        count = self._change(request, queryset, revoking.revoke_batch, said)
        self.message_user(request, gettext("Batches revoked: %d") % count)

    @admin.action(permissions=["revoke"], description=_("Restore selected batches"))
    def restore(self, request: HttpRequest, queryset: QuerySet[InviteBatch]) -> None:
        """Take back that batches were revoked."""
        said = gettext("Restored.")
        count = self._change(request, queryset, revoking.restore_batch, said)
        self.message_user(request, gettext("Batches restored: %d") % count)

    def _change(
        self,
        request: HttpRequest,
        batches: QuerySet[InviteBatch],
        change: Callable[..., bool],
        said: str,
    ) -> int:
        """Revoke or restore batches, all or none, and return how many were not yet.

        Args:
            request: of who asked for it.
            batches: which ones.
            change: ``revoke_batch()`` or ``restore_batch()``.
            said: what the history says of it.
        """
        using = revoking.database_of(batches)

        def work() -> int:
            changed = [batch for batch in batches if change(batch, using=using)]
            for batch in changed:
                self.log_change(request, batch, said)
            return len(changed)

        return retry(work, using=using)

    def _allowed(self, request: HttpRequest) -> dict[str, Any]:
        """Return what an account may do, as templates ask for it."""
        names = ("issue", "import", "hand_out", "export", "revoke")
        may = {f"may_{name}": self.may(request, name) for name in names}
        return may | {"may_view": self.has_view_permission(request)}


def chosen(batch: InviteBatch, choice: str) -> QuerySet[InviteCode]:
    """Return the codes of a batch that a form asks for.

    Args:
        batch: the batch.
        choice: "all", "unused", or the primary key of a hand-out.
    """
    if choice == "unused":
        return unused(batch, router.db_for_read(InviteCode, instance=batch))
    codes = InviteCode.objects.filter(batch=batch)
    return codes if choice == "all" else codes.filter(hand_out=int(choice))


def asked_before(request: HttpRequest) -> dict[str, Any]:
    """Return what a form begins with that was sent before, by the key of its batch.

    Args:
        request: has the key in its address, or has none.
    """
    try:
        key = UUID(request.GET["key"])
    except (KeyError, ValueError):
        return {}
    state = tasks.state_of(key.hex)
    return {**tasks.with_moments(state.terms), "count": state.total or None, "key": key}


def grouped(number: int) -> str:
    """Return a number as people read it, as on the chart."""
    return str(number_format(number, force_grouping=True))
