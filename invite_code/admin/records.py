from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from invite_code.admin.base import ReadOnly
from invite_code.conf import conf
from invite_code.errors import Malformed
from invite_code.models import HandOut, Hold, Redemption


@admin.register(Redemption)
class RedemptionAdmin(ReadOnly):
    """Who used which code when; for reading only."""

    list_display = ("__str__", "code", "username", "user_pk", "redeemed_at")
    fields = ("code", "user", "username", "user_pk", "redeemed_at")
    list_select_related = ("code",)
    date_hierarchy = "redeemed_at"
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

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Return whether rows may be filtered so: not by the key, bit by bit."""
        if lookup.split("__")[0] == "key":
            return False
        return bool(super().lookup_allowed(lookup, value, request))

    @admin.display(description=_("live"), boolean=True)
    def is_live(self, hold: Hold) -> bool:
        """Return whether it still keeps a use."""
        return hold.expires_at > timezone.now()


@admin.register(HandOut)
class HandOutAdmin(ReadOnly):
    """The ledger of who was given codes; for reading only."""

    list_display = ("__str__", "batch", "recipient", "count", "created_at")
    fields = ("batch", "recipient", "count", "created_at")
    list_select_related = ("batch",)
    date_hierarchy = "created_at"
    search_fields = ("recipient",)

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Return False: what was given is not taken back by forgetting it."""
        return False
