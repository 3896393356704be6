from contextlib import contextmanager

import pytest
from django.contrib.auth import get_user_model
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import Model
from django.db.models.signals import class_prepared, post_save
from django.test.utils import isolate_apps

from signals_demo.models import Profile
from signals_demo.subclasses import sync_subclass

User = get_user_model()
UID = "signals_demo.sync_profile"


@contextmanager
def proxy_of_user(**attributes):
    """A class that somebody writes long after start-up."""
    meta = type("Meta", (), {"proxy": True, "app_label": "auth"})
    body = {"__module__": __name__, "Meta": meta, **attributes}
    with isolate_apps("django.contrib.auth"):  # Ours would connect once more.
        proxy = type("Editor", (User,), body)
    try:
        yield proxy
    finally:
        post_save.disconnect(sender=proxy, dispatch_uid=UID)


@pytest.mark.django_db
def test_a_user_saved_as_a_proxy_gets_a_profile_too():
    with proxy_of_user() as editor:
        editor.objects.create(username="ada")
    assert Profile.objects.get().display_name == "ada"


@pytest.mark.django_db
def test_the_setting_may_name_the_user_model_in_any_case(settings):
    settings.AUTH_USER_MODEL = "auth.USER"
    with proxy_of_user() as editor:
        editor.objects.create(username="ada")
    assert Profile.objects.get().display_name == "ada"


@pytest.mark.django_db
def test_without_the_receiver_a_proxy_is_not_heard():
    uid = "signals_demo.sync_subclass"
    assert class_prepared.disconnect(dispatch_uid=uid)
    try:
        with proxy_of_user() as editor:
            editor.objects.create(username="ada")
    finally:
        class_prepared.connect(sync_subclass, dispatch_uid=uid)
    assert not Profile.objects.exists()


@pytest.mark.django_db
def test_the_profile_is_named_by_whatever_the_model_calls_its_user_name():
    with proxy_of_user(USERNAME_FIELD="email") as editor:
        user = editor.objects.create(username="ada", email="ada@example.com")
        assert Profile.objects.get().display_name == "ada@example.com"
        user.email = "lovelace@example.com"
        user.save(update_fields=["email"])
    assert Profile.objects.get().display_name == "lovelace@example.com"


@isolate_apps("signals_demo")
def test_a_child_of_the_user_model_is_heard():
    class Employee(User):
        class Meta:
            app_label = "signals_demo"

    assert post_save.disconnect(sender=Employee, dispatch_uid=UID)


@isolate_apps("signals_demo")
def test_a_model_that_is_no_user_is_not_followed():
    class Note(Model):
        class Meta:
            app_label = "signals_demo"

    assert not post_save.disconnect(sender=Note, dispatch_uid=UID)


def test_the_copies_that_migrations_make_are_not_followed():
    with proxy_of_user() as editor:
        state = ProjectState.from_apps(User._meta.apps)
        state.add_model(ModelState.from_model(editor))
        copy = state.apps.get_model("auth", "Editor")
    assert copy.__module__ == "__fake__"
    assert copy._meta.proxy
    assert not post_save.disconnect(sender=copy, dispatch_uid=UID)
