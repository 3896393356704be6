import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.core.management import call_command
from django.db import transaction

from signals_demo.models import Profile
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    return tmp_path / "avatars"


@pytest.fixture
def commit(django_capture_on_commit_callbacks):
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture
def profile(media):
    """A profile with an avatar, read from the database."""
    profile = UserFactory().signals_demo_profile
    profile.avatar.save("old.png", ContentFile(b"old"))
    return Profile.objects.get()


def files(media):
    return sorted(path.name for path in media.iterdir())


def test_a_replaced_avatar_is_removed(profile, media, commit):
    with commit():
        profile.avatar.save("new.png", ContentFile(b"new"))
        assert files(media) == ["new.png", "old.png"]
    assert files(media) == ["new.png"]


def test_an_avatar_replaced_twice_is_removed_each_time(profile, media, commit):
    with commit():
        profile.avatar.save("new.png", ContentFile(b"new"))
        profile.avatar.save("newest.png", ContentFile(b"newest"))
    assert files(media) == ["newest.png"]


def test_an_emptied_avatar_is_removed(profile, media, commit):
    with commit():
        profile.avatar = ""
        profile.save()
    assert files(media) == []


def test_an_avatar_that_stays_is_kept(
    profile, media, commit, django_assert_num_queries
):
    with django_assert_num_queries(1), commit():
        profile.save()
    assert files(media) == ["old.png"]


def test_an_avatar_that_is_not_saved_is_kept(profile, media, commit):
    with commit():
        profile.avatar = ""
        profile.save(update_fields=["display_name"])
    assert files(media) == ["old.png"]
    with commit():
        profile.save(update_fields=["avatar"])
    assert files(media) == []


def test_a_rolled_back_replacement_keeps_the_old_avatar(profile, media, commit):
    with commit(), transaction.atomic():
        profile.avatar = ""
        profile.save()
        transaction.set_rollback(True)
    assert files(media) == ["old.png"]


def test_a_name_given_to_a_new_profile_is_not_a_replaced_one(profile, media, commit):
    user = profile.user
    profile.delete()
    with commit():
        newcomer = Profile(user=user, avatar="avatars/old.png")
        newcomer.avatar = ""
        newcomer.save()
    assert files(media) == ["old.png"]


def test_a_file_still_to_be_uploaded_is_not_an_old_one(profile, media, commit):
    (media.parent / "new.png").write_bytes(b"somebody else's")
    with commit():
        upload = ContentFile(b"new", name="new.png")
        Profile(pk=profile.pk, user=profile.user, avatar=upload).save()
    assert files(media) == ["new.png", "old.png"]
    assert (media.parent / "new.png").exists()


def test_a_fixture_removes_no_file(profile, media, commit, tmp_path):
    fixture = tmp_path / "profile.json"
    call_command("dumpdata", "signals_demo.profile", output=fixture, verbosity=0)
    fixture.write_text(fixture.read_text().replace("old.png", "new.png"))
    with commit():
        call_command("loaddata", fixture, verbosity=0)
    assert Profile.objects.get().avatar.name == "avatars/new.png"
    assert files(media) == ["old.png"]


def test_the_avatar_of_a_deleted_user_is_removed(profile, media, commit):
    with commit():
        profile.user.delete()
        assert files(media) == ["old.png"]
    assert files(media) == []


def test_an_avatar_that_another_profile_names_is_kept(profile, media, commit):
    other = UserFactory().signals_demo_profile
    other.avatar = profile.avatar.name
    other.save()
    with commit():
        profile.delete()
    assert files(media) == ["old.png"]
    with commit():
        other.delete()
    assert files(media) == []


def test_a_profile_without_avatar_costs_no_query_more(
    commit, django_assert_num_queries
):
    profile = UserFactory().signals_demo_profile
    with django_assert_num_queries(1), commit():
        profile.delete()


def test_a_storage_that_fails_is_logged(profile, commit, monkeypatch, caplog):
    def fail(storage, name):
        raise OSError("read-only")

    monkeypatch.setattr(FileSystemStorage, "delete", fail)
    with commit():
        profile.delete()
    assert not Profile.objects.exists()
    assert "read-only" in caplog.text


def test_reading_profiles_loads_no_deferred_avatar(profile, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert Profile.objects.defer("avatar").get().stored_avatar == ""
    assert Profile.objects.get().stored_avatar == "avatars/old.png"


@pytest.mark.django_db(databases=["default", "other"])
def test_files_follow_the_database_of_the_profile(
    media, django_capture_on_commit_callbacks
):
    first, second = UserFactory.build_batch(2)
    for user in (first, second):
        user.save(using="other")
    profiles = Profile.objects.using("other")
    profile = profiles.get(user=first)
    profile.avatar.save("old.png", ContentFile(b"old"))
    profiles.filter(user=second).update(avatar="avatars/old.png")
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        profile.avatar.save("new.png", ContentFile(b"new"))
        profiles.get(user=second).delete()
    assert callbacks == []
    with django_capture_on_commit_callbacks(using="other", execute=True):
        profile.avatar.save("newest.png", ContentFile(b"newest"))
        profiles.create(user=second, avatar="avatars/newest.png").delete()
    assert files(media) == ["newest.png", "old.png"]
