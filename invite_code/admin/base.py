"""What the admin of all models of this app has in common."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME, AdminForm
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db import DataError, IntegrityError, OperationalError
from django.db.models import Model, QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from invite_code.codes import MAX_LENGTH
from invite_code.errors import InviteCodeError
from invite_code.retrying import is_contention

#: Characters in the longest spelling of a code, and in the longest search: what is
#: longer is found nowhere, and breaks the ``LIKE`` of SQLite.
LONGEST = 4 * MAX_LENGTH

#: How a primary key is written; 18 digits fit in a column of any database.
LIKE_A_KEY = re.compile(r"[0-9]{1,18}")

#: How many of the rows are named that keep another one from being deleted.
NAMED = 10

#: What staff are told by ``error_of()``: it is no mistake of the program.
TOLD = (InviteCodeError, ValidationError, IntegrityError, OperationalError)

#: How many rows are deleted at once: Django's page names them all.
MAX_DELETED = 1000


class IssuedElsewhere(admin.ModelAdmin):  # type: ignore[type-arg]  # none at run time
    """Rows that come to be by something other than a form.

    Attributes:
        kept_by: models, and their fields, whose rows keep those here from deletion.
    """

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["invite_code/admin.css"]}

    show_full_result_count = False
    kept_by: tuple[tuple[type[Model], str], ...] = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: codes are issued, and redemptions happen."""
        return False

    def save_model(
        self, request: HttpRequest, obj: Model, form: Any, change: bool
    ) -> None:
        """Write what was changed, and not what a redemption wrote meanwhile."""
        obj.save(update_fields=form.changed_data)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Return the list that was asked for.

        Raises:
            IncorrectLookupParameters: a year, a number or a text that no database has,
                which Django would call an error of its own.
        """
        try:
            return super().get_changelist_instance(request)
        except (OverflowError, ValueError, DataError) as error:
            raise IncorrectLookupParameters from error

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return what is found; nothing for what no field has room for."""
        if len(search_term) > LONGEST:
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def response_action(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Do what was chosen with the rows that were selected.

        Raises:
            BadRequest: one is no row, which Django would call an error of its own.
        """
        pks = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if not all(LIKE_A_KEY.fullmatch(pk) for pk in pks):
            raise BadRequest("What was selected is no row.")
        response = None
        with self.telling(request):
            response = super().response_action(request, *args, **kwargs)
        return response

    def changeform_view(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show a row, or write what was changed."""
        view = super().changeform_view
        return self._answer(request, partial(view, request, *args, **kwargs))

    def delete_view(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Ask whether to delete a row, or do so."""
        view = super().delete_view
        return self._answer(request, partial(view, request, *args, **kwargs))

    def _answer(
        self, request: HttpRequest, view: Callable[[], HttpResponse]
    ) -> HttpResponse:
        """Return what a view does; the page again if it cannot do what was sent."""
        if request.method != "POST":
            return view()
        response: HttpResponse = HttpResponseRedirect(request.get_full_path())
        with self.telling(request):
            response = view()
        return response

    @contextmanager
    def telling(self, request: HttpRequest) -> Iterator[None]:
        """Tell why something cannot be done, or that others were quicker.

        Args:
            request: of who asked for it.

        Raises:
            OperationalError: the database complains of something else.
        """
        try:
            yield
        except TOLD as error:
            said = " ".join(error_of(error).messages)
            self.message_user(request, said, messages.ERROR)

    def get_deleted_objects(
        self, objs: QuerySet[Any] | Sequence[Any], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """Return what would be deleted, or a few of the rows that forbid it.

        Django would name them all: the million codes of a batch, say.

        Raises:
            InviteCodeError: too many are to be deleted at once.
        """
        if len(objs[: MAX_DELETED + 1]) > MAX_DELETED:
            raise InviteCodeError(
                _(
                    "No more than %d rows are deleted at once. Codes and batches can be"
                    " revoked instead, however many they are."
                )
                % MAX_DELETED
            )
        for model, field in self.kept_by:
            keepers = model._default_manager.filter(**{f"{field}__in": objs}).distinct()
            named = [str(keeper) for keeper in keepers[: NAMED + 1]]
            if named:
                return [], {}, set(), [*named[:NAMED], *["…"][: len(named) - NAMED]]
        return super().get_deleted_objects(objs, request)

    def may(self, request: HttpRequest, action: str) -> bool:
        """Return whether an account has one of the permissions of its own.

        Args:
            request: the request of the account.
            action: "issue", "hand_out", "revoke", "export" or "import".
        """
        user: Any = request.user
        return bool(user.has_perm(f"invite_code.{action}_invitecode"))

    def demand(self, request: HttpRequest, action: str) -> None:
        """Go on only with a permission.

        Raises:
            PermissionDenied: the account does not have it.
        """
        if not self.may(request, action):
            raise PermissionDenied

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Return whether actions that revoke are offered."""
        return self.may(request, "revoke")

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Return whether actions that export are offered."""
        return self.may(request, "export")

    def page(
        self,
        request: HttpRequest,
        template: str,
        title: object,
        form: Form | None = None,
        **context: Any,
    ) -> TemplateResponse:
        """Return a page of the admin that is none of Django's own.

        Args:
            request: the request that it answers.
            template: its name in ``admin/invite_code/``.
            title: its heading.
            form: the form on it, if there is one.
            context: what else the template needs; ``button`` is the text of the form's.
        """
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "form": form,
            "button": title,
            "media": self.media + form.media if form else self.media,
            **context,
        }
        if form:
            fields: Any = [(None, {"fields": [*form.fields]})]
            # It shows any form; the stubs know of those for models only.
            context["adminform"] = AdminForm(cast(Any, form), fields, {}, (), self)
        return TemplateResponse(request, f"admin/invite_code/{template}", context)


class ReadOnly(IssuedElsewhere):
    """Rows that nobody edits."""

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Return False: nothing of them is for staff to decide."""
        return False


def error_of(error: Exception) -> ValidationError:
    """Return an error as a form shows it, whatever fields it knows.

    Args:
        error: what the form asked for and did not get.

    Raises:
        OperationalError: the database complains of something else than rivals.
    """
    if isinstance(error, ValidationError):
        return ValidationError(error.messages)
    if isinstance(error, OperationalError) and not is_contention(error):
        raise error
    if isinstance(error, (IntegrityError, OperationalError)):
        return ValidationError(
            _("Others were quicker, and nothing was done: try again.")
        )
    return ValidationError(str(error))
