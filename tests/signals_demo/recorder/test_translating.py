from django.apps import apps
from django.utils.translation import override

from signals_demo.recorder.translating import gettext, ngettext


def test_messages_are_in_the_language_of_the_reader():
    with override("de"):
        assert gettext("Password") == "Passwort"
        assert "Wochen" in ngettext("%(num)d week", "%(num)d weeks", 2)


def test_before_django_is_set_up_they_are_as_they_stand(monkeypatch):
    monkeypatch.setattr(apps, "ready", False)
    with override("de"):
        assert gettext("Password") == "Password"
        assert ngettext("one", "many", 1) == "one"
        assert ngettext("one", "many", 0) == "many"
