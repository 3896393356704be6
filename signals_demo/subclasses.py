"""The receiver that must be connected before any model is imported."""

from typing import Any

from django.conf import settings
from django.db.models import Model
from django.db.models.signals import post_save


def sync_subclass(sender: type[Model], **kwargs: Any) -> None:
    """Connect ``sync_profile`` to each proxy and child of the user model.

    Runs when Python has read a model class, of any app, at any time. It changes which
    senders ``sync_profile`` hears: senders are compared by identity, so a receiver of
    the user model misses what is saved as a proxy or child of it. A signal, because
    those classes are other people's, and some are written after ``ready()``.

    Not for a class of your own: ``__init_subclass__`` or a field's
    ``contribute_to_class`` do it there. Not for what a loop over
    ``apps.get_models()`` in ``ready()`` reaches.
    """
    # Migrations prepare historical copies, which no receiver should follow.
    historical = sender.__module__ == "__fake__"
    parents = {parent._meta.label_lower for parent in sender._meta.get_parent_list()}
    if historical or settings.AUTH_USER_MODEL.lower() not in parents:
        return
    # It imports models, which are only now being loaded.
    from signals_demo.signals import sync_profile

    post_save.connect(
        sync_profile, sender=sender, dispatch_uid="signals_demo.sync_profile"
    )
