import json
import os

import pytest
from django.utils.translation import get_language

from signals_demo import send_worker, sending


@pytest.fixture
def noisy(monkeypatch):
    """A project that writes when it is set up, and sends what it was asked for."""
    welcome = b"Welcome.\n"
    monkeypatch.setattr(send_worker.django, "setup", lambda: os.write(1, welcome))

    def send(signal):
        return [{"how": signal.name, "language": get_language()}]

    monkeypatch.setattr(sending, "send", send)


@pytest.mark.usefixtures("noisy")
def test_the_output_is_nothing_but_json(capfd):
    send_worker.main("post_save", "zh-hans")
    out, err = capfd.readouterr()
    assert json.loads(out) == [{"how": "post_save", "language": "zh-hans"}]
    assert err == "Welcome.\n"


@pytest.mark.usefixtures("noisy")
def test_no_language_is_none(capfd):
    send_worker.main("post_save", "")
    assert json.loads(capfd.readouterr().out)[0]["language"] is None


@pytest.mark.usefixtures("capfd")
def test_an_unknown_name_is_an_error(monkeypatch):
    monkeypatch.setattr(send_worker.django, "setup", lambda: None)
    with pytest.raises(KeyError):
        send_worker.main("post_saved", "en")
