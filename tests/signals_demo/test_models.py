import pytest
from django.core.management import call_command
from django.db.models import PositiveIntegerField

from signals_demo.models import CountField, Pizza, Profile, Question, Topping
from tests.factories import PizzaFactory, ToppingFactory


@pytest.fixture
def stale():
    """A pizza in memory that has not heard of its topping."""
    stale = PizzaFactory()
    Pizza.objects.get().toppings.add(ToppingFactory())
    assert stale.topping_count == 0
    return stale


@pytest.mark.django_db
def test_a_stale_pizza_does_not_write_its_count_back(stale):
    stale.save()
    assert Pizza.objects.get().topping_count == 1


@pytest.mark.django_db
def test_a_plain_number_would_be_written_back(stale, monkeypatch):
    monkeypatch.setattr(CountField, "pre_save", PositiveIntegerField.pre_save)
    stale.save()
    assert Pizza.objects.get().topping_count == 0


@pytest.mark.django_db
def test_a_new_pizza_begins_with_no_toppings():
    PizzaFactory(topping_count=5)
    Pizza.objects.bulk_create([PizzaFactory.build(topping_count=5)])
    assert set(Pizza.objects.values_list("topping_count", flat=True)) == {0}


@pytest.mark.parametrize(
    ("instance", "text"),
    [
        (Profile(display_name="Ada"), "Ada"),
        (Question(question_text="Why?"), "Why?"),
        (Topping(name="basil"), "basil"),
        (Pizza(name="margherita"), "margherita"),
    ],
)
def test_instances_are_shown_by_name(instance, text):
    assert str(instance) == text


@pytest.mark.django_db
def test_the_migrations_say_what_the_models_say():
    call_command("makemigrations", "signals_demo", check=True, dry_run=True)
