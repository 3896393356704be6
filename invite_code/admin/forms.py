"""The forms of staff, beside those that Django makes of the models."""

from datetime import UTC
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import ValidationError
from django.db import connections, router
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from invite_code.admin.base import LONGEST
from invite_code.models import MAX_INTEGER, HandOut, InviteBatch, InviteCode


def check_window(values: dict[str, Any]) -> None:
    """Refuse a window in which no moment lies, or that cannot be stored.

    Args:
        values: of a form; without a start or an expiry nothing is wrong.

    Raises:
        ValidationError: the expiry is not after the start, or one of them is before
            the year 1 or after 9999 in UTC.
    """
    valid_from, expires_at = values.get("valid_from"), values.get("expires_at")
    try:
        for moment in filter(None, (valid_from, expires_at)):
            if timezone.is_aware(moment):
                moment.astimezone(UTC)
    except OverflowError:
        raise ValidationError(_("Such a moment cannot be stored.")) from None
    if valid_from and expires_at and valid_from >= expires_at:
        raise ValidationError(_("The expiry must come after the start."))


class WindowForm(forms.Form):
    """From when to when codes are valid."""

    valid_from = forms.SplitDateTimeField(
        label=_("Valid from"),
        required=False,
        widget=AdminSplitDateTime,
        help_text=_("Empty for at once."),
    )
    expires_at = forms.SplitDateTimeField(
        label=_("Expires at"),
        required=False,
        widget=AdminSplitDateTime,
        help_text=_("Empty for never."),
    )

    def clean(self) -> None:
        """Look at the fields together.

        Raises:
            ValidationError: no code would ever be valid.
        """
        super().clean()
        check_window(self.cleaned_data)


class TermsForm(WindowForm):
    """What new codes allow, whether they are drawn or brought along."""

    label = forms.CharField(
        label=_("Label"),
        required=False,
        max_length=InviteBatch._meta.get_field("label").max_length,
        help_text=_("What the codes are for."),
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    max_uses = forms.IntegerField(
        label=_("Maximum uses"),
        required=False,
        initial=1,
        min_value=1,
        max_value=MAX_INTEGER,
        help_text=_("How many people each code lets in. Empty for any number."),
    )
    email = forms.EmailField(
        label=_("E-mail address"),
        required=False,
        max_length=InviteCode._meta.get_field("email").max_length,
        help_text=_("The only address that the codes let in. Empty for any."),
        widget=forms.EmailInput(attrs={"class": "vTextField"}),
    )

    def terms(self) -> dict[str, Any]:
        """Return the arguments of ``issue()`` that this form asks for."""
        names = ("label", "max_uses", "valid_from", "expires_at", "email")
        return {name: self.cleaned_data[name] for name in names}


class IssueForm(TermsForm):
    """Asks how many codes to issue, and what they allow."""

    field_order = ("count", "label", "max_uses")
    count = forms.IntegerField(
        label=_("How many codes"), min_value=1, max_value=MAX_INTEGER
    )
    #: Who sends the form twice gets the batch once.
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)


class ImportForm(TermsForm):
    """Asks for a file of codes, and what they allow."""

    field_order = ("file", "label", "max_uses")
    file = forms.FileField(
        label=_("File"),
        help_text=_("One code on each line, or a CSV file with a column “code”."),
    )


class HandOutForm(forms.Form):
    """Asks how many codes to hand out, and to whom."""

    count = forms.IntegerField(
        label=_("How many codes"), min_value=1, max_value=MAX_INTEGER
    )
    recipient = forms.CharField(
        label=_("Recipient"),
        max_length=HandOut._meta.get_field("recipient").max_length,
        help_text=_("Who is given the codes."),
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    #: Who sends the form twice hands codes out once.
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)


class ExportForm(forms.Form):
    """Asks which codes of a batch to export, and how."""

    codes = forms.ChoiceField(label=_("Codes"), widget=forms.RadioSelect)
    format = forms.ChoiceField(
        label=_("Format"),
        initial="csv",
        widget=forms.RadioSelect,
        choices=[
            ("csv", _("CSV, for a spreadsheet")),
            ("jsonl", _("JSON lines, for a program")),
            ("sheet", _("Cards with QR codes, to be printed")),
        ],
    )

    def __init__(self, *args: Any, batch: InviteBatch, **kwargs: Any) -> None:
        """Offer the hand-outs of a batch, the latest ones first."""
        super().__init__(*args, **kwargs)
        hand_outs = batch.hand_outs.order_by("-pk")[:100]
        field = self.fields["codes"]
        field.choices = [  # type: ignore[attr-defined]  # of a ChoiceField
            ("all", _("All codes of the batch")),
            ("unused", _("Those that can be handed out")),
            *((str(line.pk), f"{line}: {line.recipient}") for line in hand_outs),
        ]


class BulkWindowForm(WindowForm):
    """Asks for the window of many codes; what is not ticked stays as it is."""

    field_order = ("set_valid_from", "valid_from", "set_expires_at", "expires_at")
    set_valid_from = forms.BooleanField(label=_("Change the start"), required=False)
    set_expires_at = forms.BooleanField(label=_("Change the expiry"), required=False)

    def clean(self) -> None:
        """Look at the fields together.

        Raises:
            ValidationError: nothing would be changed, or no code ever be valid.
        """
        for name in ("valid_from", "expires_at"):
            if not self.cleaned_data.get(f"set_{name}"):
                self.cleaned_data.pop(name, None)
        super().clean()
        if not self.errors and not self.changes():
            raise ValidationError(_("Tick what is to be changed."))

    def changes(self) -> dict[str, Any]:
        """Return the new values of the fields that are to be changed."""
        names = ("valid_from", "expires_at")
        return {n: self.cleaned_data[n] for n in names if n in self.cleaned_data}


class InviteCodeForm(forms.ModelForm):  # type: ignore[type-arg]  # none at run time
    """The fields of a code that staff may change."""

    def clean_max_uses(self) -> int | None:
        """Return the maximum.

        Raises:
            ValidationError: it is below the uses there were. The constraint says so
                too, but Django asks none about a field that is only shown.
        """
        max_uses: int | None = self.cleaned_data["max_uses"]
        using = router.db_for_write(InviteCode, instance=self.instance)
        stored = InviteCode.objects.using(using).filter(pk=self.instance.pk)
        if connections[
            using
        ].in_atomic_block:  # As it is, unless the database is chosen.
            stored = stored.select_for_update()  # Nobody uses it before this is saved.
        uses = stored.values_list("uses", flat=True)
        if max_uses is not None and any(n > max_uses for n in uses):
            raise ValidationError(_("It was already used more often than that."))
        return max_uses

    def clean(self) -> None:
        """Look at the fields together.

        Raises:
            ValidationError: the code would never be valid.
        """
        super().clean()
        check_window(self.cleaned_data)


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
