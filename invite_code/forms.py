"""The field for a code, and forms that let nobody sign up without one."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.forms import UserCreationForm
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, OperationalError, router
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from invite_code import gate, redemption
from invite_code.conf import conf
from invite_code.errors import Malformed, Refused, Throttled
from invite_code.models import Hold, InviteCode, Redemption
from invite_code.retrying import is_contention, retry
from invite_code.throttling import limited

#: What a visitor is told, whatever the reason: who guesses learns nothing from it.
REFUSED = _("This invite code does not let you in.")

#: What can be told without asking the database.
MISTYPED = _("This is not an invite code as it stands. Please look for a typo.")

THROTTLED = _("Too many codes were tried. Please try again later.")

BUSY = _("Very many people are signing up right now. Please try again.")

#: How long a use is kept between the validation of a form and its ``save()``.
FORM_TTL = timedelta(seconds=60)

#: Where a session has the key of the holds of its forms: one that is mended must not
#: find its code kept by the one before.
SESSION_KEY = "invite_code_form"


class InviteCodeField(forms.CharField):
    """A field for a code in any spelling, which it normalizes.

    A typo is told as a typo. The field asks no database.
    """

    default_error_messages: ClassVar[dict[str, Any]] = {"malformed": MISTYPED}

    def __init__(self, **kwargs: Any) -> None:
        """Take the arguments of a ``CharField``."""
        super().__init__(**{"label": _("Invite code"), **kwargs})

    def to_python(self, value: Any) -> str:
        """Return the normalized code; empty if nothing was typed.

        Raises:
            ValidationError: no code is spelled so.
        """
        text = super().to_python(value)
        try:
            return conf.code_format.normalize(text) if text else ""
        except Malformed:
            message = self.error_messages["malformed"]
            raise ValidationError(message, code="malformed") from None

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        """Return attributes that keep browsers from mending what was typed."""
        return super().widget_attrs(widget) | {
            "autocomplete": "off",
            "autocapitalize": "characters",
            "spellcheck": "false",
        }


class JudgingForm(forms.Form):
    """Judge the code when all else is valid, and say no more than visitors may know.

    Args:
        request: what the visitor sent, by which guesses are limited; None for no limit.
        args, kwargs: those of the form.
    """

    invite_code = InviteCodeField()

    def __init__(
        self, *args: Any, request: HttpRequest | None = None, **kwargs: Any
    ) -> None:
        """Keep the request, and pass on the rest."""
        super().__init__(*args, **kwargs)
        self.request = request
        #: Who a use is kept for, unless the session has a key or has passed the gate.
        self.key = secrets.token_hex(16)
        #: Seconds until it is worth another try, if too many codes were tried.
        self.retry_after: int | None = None

    def full_clean(self) -> None:
        """Validate everything else, then judge the code."""
        with self.telling():
            super().full_clean()
            if self.is_bound and not self.errors:
                self.judge(self.cleaned_data.get("invite_code", ""))

    def judge(self, code: str) -> None:
        """Keep a use of the code for the visitor; raise an error if it is refused."""
        raise NotImplementedError

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Turn what goes wrong within into errors of the form."""
        try:
            yield
        except Throttled as error:
            self.retry_after = error.retry_after
            self.add_error("invite_code", ValidationError(THROTTLED, code="throttled"))
        except Refused:
            self.add_error("invite_code", ValidationError(REFUSED, code="refused"))
        except OperationalError as error:
            if not is_contention(error):
                raise
            self.add_error(None, ValidationError(BUSY, code="busy"))


class InviteCodeForm(JudgingForm):
    """Ask for nothing but a code, which opens the gate for the session.

    Args:
        request: what the visitor sent; its session keeps the use.
        args, kwargs: those of the form.
    """

    request: HttpRequest

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        """Require the request, which other forms can do without."""
        super().__init__(*args, request=request, **kwargs)

    def judge(self, code: str) -> None:
        """Keep a use for the session."""
        gate.admit(self.request, code)


class InviteCodeFormMixin(JudgingForm):
    """Put a code in front of any form that makes a user.

    A valid form has a use kept for it, by a hold that ends by itself, and ``save()``
    redeems it. The session of the request, if it has passed the gate by the same code,
    signs up with the use it has; if not, its next form takes over what this one keeps.

    Put this class before the others. It saves the user itself: what their ``save()``
    does for ``commit=True`` alone belongs into ``_save_m2m()``, or into a receiver.
    """

    hold: Hold | None = None

    def judge(self, code: str) -> None:
        """Keep a use for as long as it takes to save the form."""
        user = self.instance  # type: ignore[attr-defined]  # of a ModelForm
        email = getattr(user, user.get_email_field_name(), None) or ""
        session = getattr(self.request, "session", {})
        self.key = session.get(SESSION_KEY, self.key)
        key, ttl = self.key, FORM_TTL
        kept = gate.hold_of(self.request) if self.request else None
        if kept and kept.code.code == code:  # Then it stays with the gate.
            key, ttl = kept.key, max(ttl, kept.expires_at - timezone.now())
        with limited(self.request) if self.request else nullcontext():
            self.hold = redemption.hold(code, key, ttl, email=email)
        session[SESSION_KEY] = self.key

    def save(self, commit: bool = True) -> AbstractBaseUser:
        """Save the user and redeem the code: both, or neither.

        Args:
            commit: False to leave both to the caller, who saves the user and then calls
                ``redeem()``, in one transaction.

        Raises:
            Refused: the code was revoked or ran out since it was judged.
        """
        # Outside the transaction: hashing a password takes longer than all the rest.
        user: AbstractBaseUser = super().save(commit=False)  # type: ignore[misc]
        if commit:
            new = _keys(user)
            work = partial(self._save_and_redeem, user, new)
            try:
                retry(work, using=router.db_for_write(InviteCode))
            except Exception:
                _make_new(user, new)
                self._release()
                raise
        return user

    def redeem(self, user: AbstractBaseUser) -> Redemption:
        """Redeem the code for a user that was saved with ``commit=False`` and by hand.

        Raises:
            Refused: the code was revoked or ran out since it was judged.
        """
        code = self.cleaned_data["invite_code"]
        return redemption.redeem(code, user, hold=self.hold)

    def sign_up(self) -> AbstractBaseUser | None:
        """Save, and return the user, or None and an error in the form.

        For what may still go wrong in a valid form: the code was revoked, or somebody
        took the user name, since it was validated.
        """
        try:
            with self.telling():
                return self.save()
        except IntegrityError:
            super(JudgingForm, self).full_clean()  # All but the code, once more.
            if not self.errors:
                raise
        return None

    def _save_and_redeem(self, user: AbstractBaseUser, new: dict[str, Any]) -> None:
        _make_new(user, new)
        user.save()
        self.save_m2m()  # type: ignore[attr-defined]  # of a ModelForm
        self.redeem(user)

    def _release(self) -> None:
        # It frees itself anyway, and the error that was first is the one to tell.
        with suppress(DatabaseError):
            if self.hold and self.hold.key == self.key:
                redemption.release(self.hold)


def _keys(user: AbstractBaseUser) -> dict[str, Any]:
    """Return the primary keys of a user: its own, and those of parents."""
    fields = [each for each in user._meta.concrete_fields if each.primary_key]
    return {each.attname: getattr(user, each.attname) for each in fields}


def _make_new(user: AbstractBaseUser, keys: dict[str, Any]) -> None:
    """Have a user saved as for the first time, although a try may have failed.

    What that saved is undone, and the number that it got may be another user's by now.
    """
    for name, value in keys.items():
        setattr(user, name, value)
    user._state.adding = True


class SignupForm(InviteCodeFormMixin, UserCreationForm):  # type: ignore[type-arg]
    """Sign up a user of whatever model the project has, by a code."""

    class Meta:
        model = get_user_model()
        fields = (model.USERNAME_FIELD, *model.REQUIRED_FIELDS)
        field_classes = UserCreationForm.Meta.field_classes
