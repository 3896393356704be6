import pytest

from invite_code import errors

REFUSALS = {
    errors.Malformed: "malformed",
    errors.Unknown: "unknown",
    errors.Revoked: "revoked",
    errors.NotYetValid: "not_yet_valid",
    errors.Expired: "expired",
    errors.WrongEmail: "wrong_email",
    errors.Exhausted: "exhausted",
    errors.NotAdmitted: "not_admitted",
}


@pytest.mark.parametrize("error", [errors.CodesExhausted, errors.Refused, *REFUSALS])
def test_every_error_can_be_caught_as_an_invite_code_error(error):
    with pytest.raises(errors.InviteCodeError, match="why"):
        raise error("why")


def test_every_refusal_has_a_name_of_its_own():
    assert set(errors.Refused.__subclasses__()) == set(REFUSALS)
    assert {error: error("why").reason for error in REFUSALS} == REFUSALS


def test_codes_that_run_out_are_not_a_refusal():
    assert not issubclass(errors.CodesExhausted, errors.Refused)


def test_who_is_throttled_learns_for_how_long():
    error = errors.Throttled(90)
    assert error.retry_after == 90
    assert "90 seconds" in str(error)
    assert isinstance(error, errors.InviteCodeError)
    assert not isinstance(error, errors.Refused)
