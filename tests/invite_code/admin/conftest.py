import pytest

from invite_code.models import InviteBatch, InviteCode


@pytest.fixture(autouse=True)
def no_seeds(db):
    for model in (InviteCode, InviteBatch):
        model.objects.all()._raw_delete("default")  # No row refers to them yet.
