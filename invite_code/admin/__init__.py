"""The admin: batches and their codes for who works with them, records to read."""

from invite_code.admin.batches import InviteBatchAdmin
from invite_code.admin.codes import InviteCodeAdmin
from invite_code.admin.records import HandOutAdmin, HoldAdmin, RedemptionAdmin

__all__ = [
    "HandOutAdmin",
    "HoldAdmin",
    "InviteBatchAdmin",
    "InviteCodeAdmin",
    "RedemptionAdmin",
]
