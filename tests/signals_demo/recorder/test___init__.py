import pytest

from signals_demo import recorder
from signals_demo.recorder import muting, recording, trace


def test_the_names_of_the_package_are_those_of_its_modules():
    assert recorder.mute is muting.mute
    assert recorder.record is recording.record
    assert recorder.Recording is trace.Recording


@pytest.mark.parametrize("name", recorder.__all__)
def test_all_names_can_be_imported(name):
    assert getattr(recorder, name).__name__ == name


def test_what_the_package_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"recorder' has no attribute 'rekord'"):
        recorder.rekord  # noqa: B018 - asking is what is tested
