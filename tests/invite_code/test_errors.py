import pytest

from invite_code import errors


@pytest.mark.parametrize("error", [errors.Malformed, errors.CodesExhausted])
def test_every_error_can_be_caught_as_an_invite_code_error(error):
    with pytest.raises(errors.InviteCodeError, match="why"):
        raise error("why")
