"""The examples of Django's documentation, as far as the receivers need them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class CountField(models.PositiveIntegerField):  # type: ignore[type-arg]  # none at run time
    """A number that statements in the database keep, and saved instances never.

    An instance that was read before the number changed would write the old one back.
    """

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Return 0 for a new row, for others what the row holds by now."""
        return 0 if add else models.F(self.attname)


class Profile(models.Model):
    """What the site knows of a user beside the account.

    Created and kept in step by the receiver ``sync_profile``.
    """

    #: The file that the row names; set by ``remember_avatar``.
    stored_avatar: str

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        # Many projects have a ``user.profile`` of their own.
        related_name="signals_demo_profile",
    )
    display_name = models.CharField(
        _("display name"),
        max_length=255,
        blank=True,
        help_text=_("Follows the name the user signs in with."),
    )
    # The index answers whether a profile still names a file.
    avatar = models.FileField(
        _("avatar"), upload_to="avatars/", blank=True, db_index=True
    )

    class Meta:
        verbose_name = _("profile")
        verbose_name_plural = _("profiles")

    def __str__(self) -> str:
        return self.display_name


class Question(models.Model):
    """A question of the tutorial's poll.

    The receiver ``set_slug`` gives it its slug. Its ``question_text`` was once called
    ``text``, and ``accept_old_keyword`` lets callers still say so.
    """

    question_text = models.CharField(_("question"), max_length=200)
    slug = models.SlugField(
        _("slug"), max_length=200, allow_unicode=True, editable=False
    )
    pub_date = models.DateTimeField(_("date published"), default=timezone.now)

    class Meta:
        verbose_name = _("question")
        verbose_name_plural = _("questions")

    def __str__(self) -> str:
        return self.question_text


class Topping(models.Model):
    """What lies on pizzas."""

    name = models.CharField(_("name"), max_length=100)

    class Meta:
        verbose_name = _("topping")
        verbose_name_plural = _("toppings")

    def __str__(self) -> str:
        return self.name


class Pizza(models.Model):
    """A pizza that knows how many toppings it has.

    The receivers ``count_toppings`` and ``withdraw_topping`` keep ``topping_count``
    true in the database; an instance learns it by ``refresh_from_db()``.
    """

    name = models.CharField(_("name"), max_length=100)
    toppings: models.ManyToManyField[Topping, Any] = models.ManyToManyField(
        Topping, verbose_name=_("toppings"), related_name="pizzas", blank=True
    )
    topping_count = CountField(_("number of toppings"), default=0, editable=False)

    class Meta:
        verbose_name = _("pizza")
        verbose_name_plural = _("pizzas")

    def __str__(self) -> str:
        return self.name
