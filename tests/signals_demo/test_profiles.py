import pytest
from django.contrib.auth import get_user_model

from signals_demo import profiles
from signals_demo.models import Profile
from tests.factories import UserFactory

User = get_user_model()


def test_a_long_name_is_cut_to_what_the_column_holds():
    assert profiles.display_name("n" * 300) == "n" * 255


def test_a_name_may_be_anything():
    assert profiles.display_name(42) == "42"


@pytest.mark.django_db
def test_a_profile_made_meanwhile_is_kept():
    user = UserFactory(username="ada")
    profiles.sync(user, created=True, using="default")
    assert Profile.objects.get().user == user


@pytest.mark.django_db
def test_all_missing_profiles_are_made_in_batches(
    monkeypatch, django_assert_num_queries
):
    monkeypatch.setattr(profiles, "CHUNK", 2)
    UserFactory()
    User.objects.bulk_create(UserFactory.build_batch(5))
    with django_assert_num_queries(4 + 3):  # The last SELECT finds nobody.
        assert profiles.backfill(User, Profile, "default") == 5
    assert Profile.objects.count() == 6
    assert profiles.backfill(User, Profile, "default") == 0


@pytest.mark.django_db
def test_users_hidden_by_a_manager_are_found_too(monkeypatch):
    User.objects.bulk_create([UserFactory.build()])
    monkeypatch.setattr(type(User.objects), "get_queryset", lambda manager: [])
    assert profiles.backfill(User, Profile, "default") == 1


@pytest.mark.django_db
def test_a_profile_made_between_two_statements_is_kept(monkeypatch):
    (user,) = User.objects.bulk_create([UserFactory.build()])

    def display_name(name):
        Profile.objects.create(user=user, display_name="quicker")
        return name

    monkeypatch.setattr(profiles, "display_name", display_name)
    profiles.backfill(User, Profile, "default")
    assert Profile.objects.get().display_name == "quicker"
