import django
import pytest
from django.db import models
from django.test.utils import isolate_apps

from signals_demo.recorder.related import cascading, model_of, relation

pytestmark = pytest.mark.usefixtures("shop")


def test_a_model_has_a_label(shop):
    assert model_of("shop.Book") is shop.Book
    assert model_of("shop.NoSuch") is None
    assert model_of("AppConfig auth") is None
    assert model_of(None) is None


@pytest.mark.parametrize(
    ("waits_for", "came_from", "words"),
    [
        ("shop.Book", "shop.PaperBook", "; shop.PaperBook is a proxy"),
        ("shop.PaperBook", "shop.Book", "; shop.PaperBook is a proxy"),
        ("shop.Book", "shop.Novel", ", its parent"),
        ("shop.Novel", "shop.Book", ", which is derived from it"),
        ("shop.Customer", "shop.Member", ", which is swapped for it"),
    ],
)
def test_models_belong_together(waits_for, came_from, words):
    assert relation(waits_for, came_from, "post_save").startswith(words)


@pytest.mark.parametrize(
    ("waits_for", "came_from"),
    [
        ("shop.Book", "shop.Book"),
        ("shop.Book", "shop.Shelf"),
        ("shop.Book", "shop.Loan"),
        ("shop.Customer", "shop.Shelf"),
        ("shop.Book", None),
        (None, "shop.Book"),
    ],
)
def test_others_do_not(waits_for, came_from):
    assert relation(waits_for, came_from, "post_save") == ""


@pytest.mark.parametrize("model", ["Book", "Genre", "Reader"])
def test_a_relation_of_many_to_many_sends_from_the_model_between(model):
    through = "shop.Loan" if model == "Reader" else "shop.Book_genres"
    words = ", whose relation sends from its through model"
    assert relation(f"shop.{model}", through, "m2m_changed") == words
    assert relation("shop.Shelf", through, "m2m_changed") == ""


@pytest.mark.skipif(django.VERSION < (6, 1), reason="DB_CASCADE came with Django 6.1")
def test_rows_that_the_database_deletes_have_a_field_that_says_so(shop):
    for model in (shop.Imprint, shop.Label):
        field = cascading(model, {"shop_publisher"})
        assert field is model._meta.fields[1]


@pytest.mark.skipif(django.VERSION < (6, 1), reason="DB_CASCADE came with Django 6.1")
@isolate_apps("tests.signals_demo.recorder.shop")
def test_rows_that_delete_each_other_have_an_end():
    class Hen(models.Model):
        egg = models.ForeignKey("Egg", models.DB_CASCADE)

        class Meta:
            app_label = "shop"

    class Egg(models.Model):
        hen = models.ForeignKey(Hen, models.DB_CASCADE)

        class Meta:
            app_label = "shop"

    assert cascading(Hen, {"shop_publisher"}) is None


def test_no_others_have(shop):
    assert cascading(shop.Label, {"shop_author"}) is None
    assert cascading(shop.Book, {"shop_author"}) is None
    assert cascading(None, {"shop_author"}) is None
