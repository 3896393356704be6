"""The number of toppings, true whatever happens at the same time.

A statement sees what was committed when it began. So the rows are locked by one
statement before the toppings change, and counted by a later one.
"""

from django.db.models import F, Func, IntegerField, OuterRef, QuerySet, Subquery

from signals_demo.models import Pizza, Topping

PizzaTopping = Pizza.toppings.through


def follow(action: str, pizza_ids: set[int], using: str) -> None:
    """Lock pizzas before their toppings change, and count these afterwards.

    Args:
        action: one of ``m2m_changed``.
        pizza_ids: primary keys of the pizzas.
        using: alias of the database.
    """
    pizzas = Pizza.objects.using(using).filter(pk__in=pizza_ids)
    if action.startswith("pre_"):
        lock(pizzas)
    else:
        recount(pizzas)


def lock(pizzas: QuerySet[Pizza]) -> None:
    """Make others wait for these pizzas until the transaction ends.

    In the order of the keys, so that two transactions do not wait for each other.
    """
    list(pizzas.order_by("pk").select_for_update().values_list("pk"))


def recount(pizzas: QuerySet[Pizza]) -> None:
    """Write down how many toppings each of these pizzas has."""
    rows = PizzaTopping._default_manager.filter(pizza_id=OuterRef("pk"))
    # Count() would group, and a pizza without toppings would get no number.
    count = Func(F("pk"), function="COUNT", output_field=IntegerField())
    pizzas.update(topping_count=Subquery(rows.values_list(count)))


def withdraw(topping: Topping, using: str) -> None:
    """Count a topping off all pizzas that have it, before it leaves them."""
    # Locked, it cannot be put on a further pizza.
    list(Topping.objects.using(using).filter(pk=topping.pk).select_for_update())
    rows = PizzaTopping._default_manager.filter(topping_id=topping.pk)
    pizzas = Pizza.objects.using(using).filter(pk__in=rows.values("pizza_id"))
    lock(pizzas)
    pizzas.update(topping_count=F("topping_count") - 1)
