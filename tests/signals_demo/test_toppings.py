from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from signals_demo import toppings
from signals_demo.models import Pizza
from tests.factories import PizzaFactory, ToppingFactory

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor == "sqlite", reason="SQLite lets one transaction write"
    ),
]


@pytest.fixture
def others():
    """Threads, each with a transaction of its own."""
    with ThreadPoolExecutor() as pool:
        yield pool


def wait_a_second(future):
    """Let another transaction overtake this one, unless it has to wait for it."""
    wait([future], timeout=1)


def alone(action, *args):
    """Do something in a thread, and close the connection it opened."""
    try:
        action(*args)
    finally:
        connection.close()


def counted_and_real():
    return [
        (pizza.topping_count, pizza.toppings.count())
        for pizza in Pizza.objects.order_by("pk")
    ]


@pytest.fixture
def without_locks(monkeypatch):
    monkeypatch.setattr(QuerySet, "select_for_update", lambda queryset: queryset)


@pytest.fixture
def add_two_at_once(others):
    def add_two_at_once():
        pizza = PizzaFactory()
        mine, theirs = ToppingFactory.create_batch(2)
        same_pizza = Pizza.objects.get()
        with transaction.atomic():
            pizza.toppings.add(mine)
            future = others.submit(alone, same_pizza.toppings.add, theirs)
            wait_a_second(future)
        future.result()

    return add_two_at_once


def test_two_who_add_at_once_are_both_counted(add_two_at_once):
    add_two_at_once()
    assert counted_and_real() == [(2, 2)]


@pytest.mark.skipif(
    connection.vendor == "mysql", reason="its foreign keys lock the pizza by themselves"
)
@pytest.mark.usefixtures("without_locks")
def test_without_locks_one_of_them_is_not(add_two_at_once):
    add_two_at_once()
    assert counted_and_real() == [(1, 2)]


@pytest.fixture
def add_while_leaving(monkeypatch, others):
    """Let a topping leave all pizzas, while somebody puts it on one more."""

    def add_while_leaving(leave):
        topping, pizza = ToppingFactory(), PizzaFactory()
        withdraw, topping_id = toppings.withdraw, topping.pk

        def slow_withdraw(*args):
            withdraw(*args)
            wait_a_second(others.submit(alone, pizza.toppings.add, topping_id))

        monkeypatch.setattr(toppings, "withdraw", slow_withdraw)
        leave(topping)
        others.shutdown()

    return add_while_leaving


def test_a_topping_that_leaves_all_pizzas_is_put_on_one_more_afterwards(
    add_while_leaving,
):
    add_while_leaving(lambda topping: topping.pizzas.clear())
    assert counted_and_real() == [(1, 1)]


def test_a_topping_being_deleted_is_put_on_no_pizza(add_while_leaving):
    add_while_leaving(lambda topping: topping.delete())
    assert counted_and_real() == [(0, 0)]


@pytest.mark.usefixtures("without_locks")
def test_without_locks_it_is_counted_and_gone(add_while_leaving):
    add_while_leaving(lambda topping: topping.pizzas.clear())
    assert counted_and_real() == [(1, 0)]


def test_many_changes_at_once_end_with_true_numbers_and_without_a_deadlock(others):
    pizzas = PizzaFactory.create_batch(5)

    def change(topping, pizzas):
        for _ in range(15):
            topping.pizzas.add(*pizzas)
            topping.pizzas.remove(*pizzas[1:])
            topping.pizzas.clear()
            topping.pizzas.set(pizzas[:2])

    first, second = ToppingFactory.create_batch(2)
    futures = [
        others.submit(alone, change, first, pizzas),
        others.submit(alone, change, second, pizzas[::-1]),
    ]
    for future in futures:
        future.result()
    assert counted_and_real() == [(1, 1), (1, 1), (0, 0), (1, 1), (1, 1)]


def test_pizzas_are_locked_in_the_order_of_their_keys():
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        toppings.lock(Pizza.objects.all())
    assert any(
        "ORDER BY" in query["sql"] and query["sql"].endswith("FOR UPDATE")
        for query in queries
    )
