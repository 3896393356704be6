"""The signals this app sends, and its receiver."""

import sys
from typing import Any, TextIO

from django.apps import AppConfig
from django.apps import apps as installed_apps
from django.apps.registry import Apps
from django.core.management.base import OutputWrapper
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, router
from django.dispatch import Signal

from invite_code.conf import conf

#: Codes were issued, and their transaction is committed.
#:
#: For what may follow from it: a mail, a log entry, a metric. Sent by
#: ``send_robust()``, so that a receiver that raises is logged and takes nothing
#: back. Never sent for what was rolled back.
#:
#: Arguments:
#:     sender: the class ``InviteBatch``.
#:     batch_id (int): primary key of the batch the codes are in.
#:     count (int): how many codes were issued.
#:     using (str): alias of the database they are in.
invite_codes_issued = Signal()

#: A code was redeemed, and the transaction is committed.
#:
#: For what may follow from it: a welcome, a note to who invited. Sent by
#: ``send_robust()``. Never sent for a sign-up that failed, nor a second time for a user
#: who redeems the same code again.
#:
#: Arguments:
#:     sender: the class ``Redemption``.
#:     redemption (Redemption): what was recorded, its user loaded.
#:     using (str): alias of the database it is in.
invite_code_redeemed = Signal()

#: A code was refused, which is not sent for what is no code at all.
#:
#: For watching: a metric, an alarm. Sent by ``send_robust()`` at once, since there is
#: nothing to commit: within a transaction that the refusal ends, what a receiver writes
#: to that database is lost.
#:
#: Arguments:
#:     sender: the class ``InviteCode``.
#:     reason (str): ``unknown``, ``revoked``, ``not_yet_valid``, ``expired``,
#:         ``wrong_email`` or ``exhausted``.
#:     code_id (int | None): primary key of the code; None if there is no such code.
#:     using (str): alias of the database that was asked.
invite_code_refused = Signal()


def seed_invite_codes(
    sender: AppConfig,
    *,
    using: str = DEFAULT_DB_ALIAS,
    verbosity: int = 1,
    stdout: OutputWrapper | TextIO | None = None,
    apps: Apps = installed_apps,
    **kwargs: Any,
) -> None:
    """Fill the seed batch if it holds no code.

    Runs after every ``migrate`` and ``flush``. A signal, because a data migration runs
    once only: a flushed database, such as that of a test, would be left without codes.
    ``flush`` sends neither ``apps`` nor ``stdout``.
    """
    # It imports the signal above, and models: neither is there earlier.
    from invite_code.seeding import seed, table_exists

    count = conf.INVITE_CODE_SEED_COUNT
    try:
        batch_model = apps.get_model("invite_code", "InviteBatch")
        code_model = apps.get_model("invite_code", "InviteCode")
    except LookupError:  # Not migrated yet, reversed or faked: there is no such table.
        return
    if count < 1 or not router.allow_migrate_model(using, code_model):
        return
    try:
        seeded = seed(batch_model, code_model, count, using=using)
    except DatabaseError:
        if connections[using].in_atomic_block or table_exists(code_model, using):
            raise
        return  # `migrate --fake` recorded a migration that made no table.
    if seeded and verbosity >= 1:
        (stdout or sys.stdout).write(f"Seeded {count} invite codes in '{using}'.\n")
