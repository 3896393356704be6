"""A profile for each user, named like the user."""

from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Model

from signals_demo.models import Profile

#: How many profiles one statement creates.
CHUNK = 1000


def display_name(username: object) -> str:
    """Return what a profile shows of a user name, cut to what its column holds."""
    return str(username)[: Profile._meta.get_field("display_name").max_length]


def sync(user: Any, *, created: bool, using: str) -> None:
    """Give a user a profile, or the profile the name the user has now.

    That is one UPDATE, unless the profile is missing.

    Args:
        user: an instance of whatever the user model is.
        created: whether the user is new.
        using: alias of the database the user was saved in.
    """
    profiles = Profile.objects.using(using)
    name = display_name(getattr(user, user.USERNAME_FIELD))
    if created or not profiles.filter(user_id=user.pk).update(display_name=name):
        # A profile may be there since: another receiver's, or another process's.
        profiles.get_or_create(user_id=user.pk, defaults={"display_name": name})


def backfill(user_model: type[Model], profile_model: type[Model], using: str) -> int:
    """Create the profiles of all users without one, and return how many lacked one.

    In constant memory, in batches that are each committed, so that it may be broken off
    and begun again, or run twice at a time.

    Args:
        user_model: the user model, or what it was at some migration.
        profile_model: ``Profile``, likewise.
        using: alias of the database.
    """
    # A historical model has the fields of its class, but not the attributes.
    username = get_user_model().USERNAME_FIELD
    users = (
        user_model._base_manager.using(using)
        .filter(signals_demo_profile=None)
        .order_by("pk")
        .values_list("pk", username)
    )
    created = 0
    batch = list(users[:CHUNK])
    while batch:
        profile_model._base_manager.using(using).bulk_create(
            [
                profile_model(user_id=pk, display_name=display_name(name))
                for pk, name in batch
            ],
            ignore_conflicts=True,
        )
        created += len(batch)
        last_pk, _ = batch[-1]
        batch = list(users.filter(pk__gt=last_pk)[:CHUNK])
    return created
