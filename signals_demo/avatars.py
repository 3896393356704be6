"""Files that go when their row no longer names them."""

from django.db import transaction

from signals_demo.models import Profile


def remember(profile: Profile) -> None:
    """Note which file the row names, without loading it.

    A deferred avatar is not loaded for this, so its file stays; so does one that
    ``refresh_from_db()`` brought. A file still to be uploaded is no text yet.
    """
    name = vars(profile).get("avatar")
    profile.stored_avatar = name if isinstance(name, str) else ""


def replace(profile: Profile, *, created: bool, using: str) -> None:
    """Note which file the saved row names, and discard the one it named before."""
    before, profile.stored_avatar = profile.stored_avatar, profile.avatar.name or ""
    if not created and before != profile.stored_avatar:
        discard(before, using)


def discard(name: str, using: str) -> None:
    """Remove a file once the transaction is committed, unless a profile names it.

    A storage that fails is logged, for the row has been written already.
    """

    # No partial(): before Django 6.1 one that fails cannot be logged.
    def remove() -> None:
        if not Profile.objects.using(using).filter(avatar=name).exists():
            Profile._meta.get_field("avatar").storage.delete(name)

    if name:
        transaction.on_commit(remove, using=using, robust=True)
