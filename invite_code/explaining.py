"""What is to be said about a code, and why it would be refused: for staff."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import router
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from invite_code.conf import conf
from invite_code.errors import (
    Exhausted,
    Expired,
    Malformed,
    NotYetValid,
    Refused,
    Revoked,
    Unknown,
    WrongEmail,
)
from invite_code.models import Hold, InviteCode


@dataclass(frozen=True)
class Explanation:
    """A code as it is at one moment.

    Args:
        code: the normalized form; empty if nothing is spelled so.
        stored: the row, its batch loaded; None if there is no such code.
        live_holds: how many uses holds keep now, other than one's own.
        refusal: what redeeming it now would raise; None if it would be redeemed.
    """

    code: str = field(repr=False)
    stored: InviteCode | None
    live_holds: int
    refusal: Refused | None

    @property
    def uses_left(self) -> int | None:
        """How many uses are neither made nor kept; None for any number."""
        if self.stored is None:
            return 0
        if self.stored.max_uses is None:
            return None
        return max(self.stored.max_uses - self.stored.uses - self.live_holds, 0)


def explain(
    code: str, *, email: str | None = None, key: str = "", using: str | None = None
) -> Explanation:
    """Return what there is to know about a code, in one query.

    It decides nothing: what it returns may have changed before it is read.

    Args:
        code: the code, in any spelling.
        email: the address it would be redeemed for; None if that is not known.
        key: the key of one's own hold, which keeps no use from oneself.
        using: alias of the database; None leaves it to the router.
    """
    try:
        normalized = conf.code_format.normalize(code)
    except Malformed as typo:
        return Explanation("", None, 0, typo)
    now = timezone.now()
    codes = InviteCode.objects.using(using or router.db_for_write(InviteCode))
    found = codes.filter(code=normalized).select_related("batch")
    stored = with_live_holds(found, now, key).first()
    if stored is None:
        return Explanation(normalized, None, 0, Unknown(_("There is no such code.")))
    refusal = _refusal(stored, stored.live_holds, email, now)
    return Explanation(normalized, stored, stored.live_holds, refusal)


def with_live_holds(
    codes: QuerySet[InviteCode], now: datetime, key: str = ""
) -> QuerySet[Any]:
    """Return codes, each with ``live_holds``: how many uses others keep at `now`.

    Args:
        codes: some codes.
        now: the moment.
        key: the key of one's own holds, which do not count.
    """
    holds = Hold.objects.filter(code=OuterRef("pk"), expires_at__gt=now)
    counts = holds.exclude(key=key).values("code").annotate(count=Count("pk"))
    subquery = Subquery(counts.values("count"), output_field=IntegerField())
    return codes.annotate(live_holds=Coalesce(subquery, 0))


def facts(explanation: Explanation) -> list[tuple[str, str]]:
    """Return all there is to say of a code, in the words of staff: labels and values.

    Args:
        explanation: what ``explain()`` returned.
    """
    stored, refusal = explanation.stored, explanation.refusal
    code = conf.code_format.display(explanation.code)
    if refusal:
        verdict = _("Refused. %(reason)s") % {"reason": refusal}
    else:
        verdict = _("It would be redeemed.")
    known = [(_("Code"), code)] if code else []
    known.append((_("Verdict"), verdict))
    if stored is None:
        return known
    batch = {"batch": stored.batch, "pk": stored.batch.pk}
    any_number = _("any number")
    most = any_number if stored.max_uses is None else stored.max_uses
    left = any_number if explanation.uses_left is None else explanation.uses_left
    return [
        *known,
        (_("Batch"), _("%(batch)s (primary key %(pk)s)") % batch),
        (_("Batch revoked"), _moment(stored.batch.revoked_at, _("no"))),
        (_("Code revoked"), _moment(stored.revoked_at, _("no"))),
        (_("Valid from"), _moment(stored.valid_from, _("at once"))),
        (_("Expires"), _moment(stored.expires_at, _("never"))),
        (_("Uses"), _("%(uses)s of %(most)s") % {"uses": stored.uses, "most": most}),
        (_("Live holds"), str(explanation.live_holds)),
        (_("Uses left"), str(left)),
        (_("E-mail address"), stored.email or _("any")),
    ]


def _moment(value: datetime | None, otherwise: str) -> str:
    """Return a moment to the second, in the time zone of the reader."""
    if value is None:
        return otherwise
    value = timezone.localtime(value) if timezone.is_aware(value) else value
    return str(value.replace(microsecond=0))


def _refusal(
    stored: InviteCode, live_holds: int, email: str | None, now: datetime
) -> Refused | None:
    """Return the one reason to refuse a code: the first that holds."""
    if stored.revoked_at:
        return Revoked(_("The code is revoked."))
    if stored.batch.revoked_at:
        return Revoked(_("Its batch is revoked."))
    if stored.valid_from and now < stored.valid_from:
        return NotYetValid(_("It is not valid yet."))
    if stored.expires_at and stored.expires_at <= now:
        return Expired(_("It has expired."))
    if email is not None and stored.email and stored.email != email.lower():
        return WrongEmail(_("It is for another e-mail address."))
    if stored.max_uses is None or stored.uses + live_holds < stored.max_uses:
        return None
    if stored.uses < stored.max_uses:
        return Exhausted(_("What is left of its uses is kept by holds."))
    return Exhausted(_("All its uses are made."))
