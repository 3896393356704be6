import pytest
from django.contrib import admin
from django.urls import reverse

from signals_demo.models import Pizza, Profile, Question, Topping
from tests.factories import ToppingFactory


@pytest.mark.parametrize("model", [Pizza, Profile, Question, Topping])
def test_each_model_is_in_the_admin(model, admin_client):
    assert admin.site.is_registered(model)
    url = reverse(f"admin:signals_demo_{model._meta.model_name}_changelist")
    assert admin_client.get(url).status_code == 200


def test_toppings_chosen_in_the_admin_are_counted(admin_client):
    toppings = ToppingFactory.create_batch(2)
    data = {"name": "margherita", "toppings": [topping.pk for topping in toppings]}
    admin_client.post(reverse("admin:signals_demo_pizza_add"), data)
    assert Pizza.objects.get().topping_count == 2
