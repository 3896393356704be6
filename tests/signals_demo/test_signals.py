import json
from io import StringIO

import pytest
from asgiref.sync import async_to_sync
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.sql import emit_post_migrate_signal
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.models.signals import post_migrate
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.urls import path

from signals_demo import signals, subclasses
from signals_demo.catalog import SIGNALS
from signals_demo.compat import DJANGO_VERSION
from signals_demo.models import Pizza, Profile, Question, Topping
from tests.factories import PizzaFactory, QuestionFactory, ToppingFactory, UserFactory

User = get_user_model()


def fail(request, secret):
    raise ValueError(secret)


def failing_middleware(get_response):
    return lambda request: 1 / 0


urlpatterns = [path("fail/<str:secret>/", fail)]


class NothingOfUs:
    """A router for a database without the tables of signals_demo."""

    def allow_migrate(self, db, app_label, **hints):
        return False if app_label == "signals_demo" else None


@pytest.fixture
def load(tmp_path):
    def load(*rows, using="default"):
        fixture = tmp_path / "rows.json"
        fixture.write_text(json.dumps(rows))
        call_command("loaddata", fixture, database=using, verbosity=0)

    return load


# All of them


@pytest.mark.parametrize(
    "entry",
    [entry for entry in SIGNALS if entry.is_in(DJANGO_VERSION)],
    ids=lambda entry: entry.name,
)
def test_every_signal_of_django_has_a_receiver_named_by_its_uid(entry):
    uids = {str(key[0]) for key, *_ in entry.load().receivers}
    names = {uid.partition(".")[2] for uid in uids if uid.startswith("signals_demo.")}
    assert names
    assert all(hasattr(signals, name) or hasattr(subclasses, name) for name in names)


# pre_init


def test_a_question_accepts_the_old_name_of_its_text():
    assert Question(text="Why?").question_text == "Why?"


def test_a_question_given_both_names_is_refused():
    with pytest.raises(TypeError, match="text"):
        Question(text="Why?", question_text="What?")


# pre_save


@pytest.mark.django_db
def test_a_new_question_gets_its_slug_without_a_second_save(
    django_assert_num_queries,
):
    with django_assert_num_queries(1):
        question = QuestionFactory(question_text="What is up?")
    question.refresh_from_db()
    assert question.slug == "what-is-up"


@pytest.mark.django_db
def test_a_fixture_says_itself_what_the_slug_is(load):
    fields = {"question_text": "Why?", "slug": "", "pub_date": "2026-01-01T00:00Z"}
    load({"model": "signals_demo.question", "pk": 1, "fields": fields})
    question = Question.objects.get()
    assert question.slug == ""
    question.save()
    assert question.slug == "why"


@pytest.mark.django_db
def test_a_save_of_other_fields_leaves_the_slug_alone():
    question = QuestionFactory()
    question.slug = ""
    question.save(update_fields=["question_text"])
    assert question.slug == ""
    question.save(update_fields=["slug"])
    assert question.slug


@pytest.mark.django_db
def test_a_save_does_not_load_a_deferred_slug(django_assert_num_queries):
    QuestionFactory()
    question = Question.objects.only("question_text").get()
    with django_assert_num_queries(1):
        question.save()


# post_save


@pytest.mark.django_db
def test_a_new_user_gets_a_profile(django_assert_num_queries):
    with django_assert_num_queries(1 + 4):  # SELECT and INSERT, in a savepoint.
        user = UserFactory(username="ada")
    assert user.signals_demo_profile.display_name == "ada"


@pytest.mark.django_db
def test_a_renamed_user_costs_one_update_more(django_assert_num_queries):
    user = UserFactory(username="ada")
    user.username = "grace"
    with django_assert_num_queries(2):
        user.save()
    assert Profile.objects.get().display_name == "grace"


@pytest.mark.django_db
def test_a_login_costs_no_query_more(django_assert_num_queries):
    user = UserFactory()
    with django_assert_num_queries(1):
        user.save(update_fields=["last_login"])
    with django_assert_num_queries(2):
        user.save(update_fields=["username"])


@pytest.mark.django_db
def test_a_user_without_profile_gets_one_when_saved():
    user = UserFactory.build()
    User.objects.bulk_create([user])
    assert not Profile.objects.exists()
    User.objects.get().save()
    assert Profile.objects.get().display_name == user.username


@pytest.mark.django_db
def test_a_fixture_brings_its_own_profiles(load):
    user = {"username": "ada", "password": "!", "date_joined": "2026-01-01T00:00Z"}
    profile = {"user": 7, "display_name": "Countess"}
    load(
        {"model": "auth.user", "pk": 7, "fields": user},
        {"model": "signals_demo.profile", "pk": 3, "fields": profile},
    )
    assert Profile.objects.get().display_name == "Countess"
    User.objects.get().save()
    assert Profile.objects.get().display_name == "ada"


@pytest.mark.django_db(databases=["default", "other"])
def test_the_profile_is_in_the_database_of_the_user():
    user = UserFactory.build(username="ada")
    user.save(using="other")
    assert not Profile.objects.exists()
    profile = Profile.objects.using("other").get()
    assert profile.display_name == "ada"
    user.username = "grace"
    user.save(using="other")
    profile.refresh_from_db()
    assert profile.display_name == "grace"


@pytest.mark.django_db
def test_a_database_without_profiles_gets_none(settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.NothingOfUs"]
    UserFactory()
    assert not Profile.objects.exists()
    settings.DATABASE_ROUTERS = []
    UserFactory()
    assert Profile.objects.exists()


# pre_delete, m2m_changed


def counts():
    return dict(Pizza.objects.values_list("name", "topping_count"))


@pytest.fixture
def margherita():
    return PizzaFactory(name="margherita")


@pytest.fixture
def marinara():
    return PizzaFactory(name="marinara")


@pytest.fixture
def basil(margherita, marinara):
    """A topping of two pizzas; one of them has another one too."""
    basil = ToppingFactory(name="basil")
    margherita.toppings.add(basil, ToppingFactory(name="mozzarella"))
    marinara.toppings.add(basil)
    assert counts() == {"margherita": 2, "marinara": 1}
    return basil


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda basil, pizza: pizza.toppings.add(basil), (2, 1)),
        (lambda basil, pizza: pizza.toppings.add(ToppingFactory()), (3, 1)),
        (lambda basil, pizza: pizza.toppings.create(name="garlic"), (3, 1)),
        (lambda basil, pizza: pizza.toppings.remove(basil), (1, 1)),
        (lambda basil, pizza: pizza.toppings.remove(ToppingFactory()), (2, 1)),
        (lambda basil, pizza: pizza.toppings.set([ToppingFactory()]), (1, 1)),
        (lambda basil, pizza: pizza.toppings.set([basil], clear=True), (1, 1)),
        (lambda basil, pizza: pizza.toppings.clear(), (0, 1)),
        (lambda basil, pizza: basil.pizzas.add(pizza), (2, 1)),
        (lambda basil, pizza: ToppingFactory().pizzas.add(pizza), (3, 1)),
        (lambda basil, pizza: basil.pizzas.remove(pizza), (1, 1)),
        (lambda basil, pizza: basil.pizzas.set([pizza]), (2, 0)),
        (lambda basil, pizza: basil.pizzas.set([pizza], clear=True), (2, 0)),
        (lambda basil, pizza: basil.pizzas.clear(), (1, 0)),
        (lambda basil, pizza: basil.delete(), (1, 0)),
        (lambda basil, pizza: Topping.objects.all().delete(), (0, 0)),
    ],
)
def test_topping_count_is_true_after(change, expected, basil, margherita):
    change(basil, margherita)
    assert counts() == dict(zip(("margherita", "marinara"), expected, strict=True))


@pytest.mark.django_db
def test_a_topping_leaves_all_pizzas_in_four_queries(basil, django_assert_num_queries):
    with django_assert_num_queries(4):  # Two locks, UPDATE, DELETE.
        basil.pizzas.clear()


@pytest.mark.django_db
def test_other_pizzas_are_not_counted(basil, margherita):
    Pizza.objects.filter(name="marinara").update(topping_count=9)
    margherita.toppings.clear()
    assert counts() == {"margherita": 0, "marinara": 9}


@pytest.mark.django_db
def test_a_fixture_without_the_right_number_gets_it(load):
    load(
        {"model": "signals_demo.topping", "pk": 5, "fields": {"name": "basil"}},
        {
            "model": "signals_demo.pizza",
            "pk": 5,
            "fields": {"name": "margherita", "toppings": [5], "topping_count": 8},
        },
    )
    assert counts() == {"margherita": 1}


@pytest.mark.django_db
@pytest.mark.parametrize(("toppings", "count"), [([5], 1), ([], 0)])
def test_a_fixture_that_changes_no_relation_is_counted_too(load, toppings, count):
    fields = {"name": "margherita", "toppings": toppings, "topping_count": 8}
    for _ in range(2):
        load(
            {"model": "signals_demo.topping", "pk": 5, "fields": {"name": "basil"}},
            {"model": "signals_demo.pizza", "pk": 5, "fields": fields},
        )
    assert counts() == {"margherita": count}


@pytest.mark.django_db(databases=["default", "other"])
def test_toppings_are_counted_in_their_database():
    pizza = Pizza.objects.using("other").create(name="margherita")
    topping = Topping.objects.using("other").create(name="basil")
    Pizza.objects.create(pk=pizza.pk, name="of default")
    pizza.toppings.add(topping)
    pizza.refresh_from_db()
    assert pizza.topping_count == 1
    topping.delete()
    pizza.refresh_from_db()
    assert pizza.topping_count == 0
    assert counts() == {"of default": 0}


# post_migrate


@pytest.fixture
def unheard_user():
    """A user whom no receiver heard of."""
    (user,) = User.objects.bulk_create([UserFactory.build(username="ada")])
    return user


@pytest.mark.django_db
def test_migrate_creates_the_missing_profiles_and_says_so(unheard_user):
    with_profile = UserFactory()
    out = StringIO()
    call_command("migrate", verbosity=1, stdout=out)
    assert "Created 1 profiles in 'default'.\n" in out.getvalue()
    assert list(
        Profile.objects.order_by("display_name").values_list("display_name", flat=True)
    ) == ["ada", with_profile.username]


@pytest.mark.django_db
def test_migrate_says_nothing_of_profiles_when_quiet(unheard_user, capsys):
    call_command("migrate", verbosity=0)
    assert Profile.objects.exists()
    assert "profile" not in capsys.readouterr().out


@pytest.mark.django_db
def test_migrate_says_nothing_of_profiles_when_none_is_missing():
    UserFactory()
    out = StringIO()
    call_command("migrate", stdout=out)
    assert "profile" not in out.getvalue()


@pytest.mark.django_db(databases=["default", "other"])
def test_migrate_of_another_database_leaves_this_one_alone(unheard_user):
    UserFactory.build().save_base(using="other", raw=True)
    call_command("migrate", database="other", verbosity=0)
    assert Profile.objects.using("other").exists()
    assert not Profile.objects.exists()


def backfill(**kwargs):
    """Let Django send post_migrate as ``flush`` does, or with more of ``migrate``."""
    emit_post_migrate_signal(0, False, "default", **kwargs)


@pytest.mark.django_db
def test_flush_sends_less_and_is_understood(unheard_user, capsys):
    emit_post_migrate_signal(1, False, "default")
    assert Profile.objects.exists()
    assert capsys.readouterr().out == "Created 1 profiles in 'default'.\n"


@pytest.mark.django_db
def test_nothing_is_created_for_a_database_without_profiles(settings, unheard_user):
    settings.DATABASE_ROUTERS = [f"{__name__}.NothingOfUs"]
    backfill()
    assert not Profile.objects.exists()
    settings.DATABASE_ROUTERS = []
    backfill()
    assert Profile.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("migrated", ["contenttypes", "auth"])
def test_models_that_are_not_migrated_are_left_alone(migrated, unheard_user):
    loader = MigrationLoader(connection)
    state = loader.project_state(loader.graph.leaf_nodes(migrated))
    backfill(apps=state.apps)
    assert not Profile.objects.exists()


@pytest.mark.django_db
def test_tables_that_a_faked_migration_did_not_make_are_left_alone(
    unheard_user, monkeypatch
):
    monkeypatch.setattr(Profile._meta, "db_table", "missing")
    backfill()
    monkeypatch.undo()
    assert not Profile.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_migrate_survives_an_app_that_is_going_and_coming(unheard_user):
    try:
        call_command("migrate", "signals_demo", "zero", verbosity=0)
    finally:
        call_command("migrate", verbosity=0)
    assert Profile.objects.get().user == unheard_user


@pytest.mark.django_db
def test_nothing_to_create_costs_two_queries():
    def cost():
        with CaptureQueriesContext(connection) as queries:
            backfill()
        return len(queries)

    UserFactory()
    heard = cost()
    receiver, sender = signals.backfill_profiles, apps.get_app_config("signals_demo")
    uid = "signals_demo.backfill_profiles"
    assert post_migrate.disconnect(sender=sender, dispatch_uid=uid)
    unheard = cost()
    post_migrate.connect(receiver, sender=sender, dispatch_uid=uid)
    assert heard - unheard == 2


# got_request_exception


@pytest.mark.urls(__name__)
def test_an_exception_is_logged_without_the_data_of_its_request(caplog):
    Client(raise_request_exception=False).get("/fail/hunter2/")
    (record,) = (r for r in caplog.records if r.name == "signals_demo.errors")
    assert record.getMessage() == "ValueError, route 'fail/<str:secret>/'"


@pytest.mark.urls(__name__)
def test_an_exception_in_a_coroutine_is_logged_likewise(caplog):
    client = AsyncClient(raise_request_exception=False)
    async_to_sync(client.get)("/fail/hunter2/")
    (record,) = (r for r in caplog.records if r.name == "signals_demo.errors")
    assert record.getMessage() == "ValueError, route 'fail/<str:secret>/'"


@pytest.mark.urls(__name__)
def test_an_exception_before_the_route_is_known_is_logged_without_it(caplog, settings):
    settings.MIDDLEWARE = [f"{__name__}.failing_middleware"]
    Client(raise_request_exception=False).get("/fail/hunter2/")
    assert "ZeroDivisionError, route None" in caplog.messages
