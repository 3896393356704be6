import json

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models.signals import (
    m2m_changed,
    post_init,
    post_save,
    pre_init,
    pre_save,
)
from django.dispatch import Signal

from signals_demo.recorder import record
from signals_demo.recorder.findings import found

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shop")]

HERE = __name__
cooked = Signal()


def messages(recording, kind):
    return [each.message for each in found(recording) if each.kind == kind]


def count_shelves(sender, **kwargs):
    sender.objects.model._meta.apps.get_model("shop.Shelf").objects.count()


def count_carefully(sender, raw=False, **kwargs):
    if not raw:
        count_shelves(sender)


def nothing(sender, **kwargs):
    pass


def rename_and_count(sender, **kwargs):
    with transaction.atomic():
        count_shelves(sender)
        count_shelves(sender)


def in_a_savepoint(sender, **kwargs):
    with transaction.atomic():
        pass


@pytest.mark.parametrize("signal", [pre_init, post_init])
def test_a_query_for_each_object_is_found(shop, connect, signal):
    shop.Book.objects.bulk_create([shop.Book() for _ in range(3)])
    connect(rename_and_count, signal, sender=shop.Book)
    connect(nothing, signal, sender=shop.Author)
    with record() as recording:
        list(shop.Book.objects.all())
        shop.Author()
        shop.Shelf.objects.count()
        shop.Book()
    (finding,) = [each for each in found(recording) if each.kind == "init-query"]
    name = "pre_init" if signal is pre_init else "post_init"
    assert finding.message == (
        f"{HERE}.rename_and_count queries in {name} of shop.Book: 8 queries in 4 calls."
    )
    (first, _) = [
        each
        for each in recording.emissions()
        if each.name == name and each.sender == "shop.Book"
    ]
    assert finding.number == first.order
    assert finding.documentation.endswith(
        f"/ref/signals/#django.db.models.signals.{name}"
    )


def test_one_query_is_told_of_as_one(shop, connect):
    connect(count_shelves, post_init, sender=shop.Book)
    with record() as recording:
        shop.Book()
    (message,) = messages(recording, "init-query")
    assert message.endswith(": 1 query in 1 call.")


def test_queries_of_what_a_receiver_sends_count_too(shop, connect):
    def look_at_another(sender, **kwargs):
        shop.Author(name="Austen")

    connect(look_at_another, post_init, sender=shop.Book)
    connect(count_shelves, pre_save, sender=shop.Author)
    connect(count_shelves, post_init, sender=shop.Author)
    with record() as recording:
        shop.Book()
    # The innermost is the one to mend.
    (message,) = messages(recording, "init-query")
    assert message.startswith(f"{HERE}.count_shelves queries in post_init of shop.Auth")


def test_queries_elsewhere_are_no_finding(shop, connect):
    connect(nothing, post_init)
    connect(count_shelves, post_save, sender=shop.Book)
    connect(in_a_savepoint, post_init, sender=shop.Author)
    with record() as recording:
        shop.Book.objects.create()
        list(shop.Book.objects.all())
        shop.Author()
    assert found(recording) == []


@pytest.fixture
def fixture(tmp_path):
    """Return the path of a file of books that have genres."""
    path = tmp_path / "books.json"
    rows = [{"model": "shop.genre", "pk": 1, "fields": {"name": "Novel"}}]
    for pk in (1, 2):
        fields = {"title": "Emma", "genres": [1]}
        rows.append({"model": "shop.book", "pk": pk, "fields": fields})
    path.write_text(json.dumps(rows))
    return path


def load(path):
    with record() as recording:
        call_command("loaddata", path, verbosity=0)
    return recording


@pytest.mark.parametrize("signal", [pre_save, post_save])
def test_a_receiver_that_queries_for_a_fixture_is_found(shop, connect, fixture, signal):
    connect(count_shelves, signal, sender=shop.Book)
    connect(count_carefully, signal)
    recording = load(fixture)
    (finding,) = [each for each in found(recording) if each.kind == "raw-ignored"]
    name = "pre_save" if signal is pre_save else "post_save"
    assert finding.message == (
        f"{HERE}.count_shelves queries in {name} of shop.Book while a fixture is "
        "loaded (raw is True): 2 queries in 2 calls."
    )
    assert [each.kind for each in found(recording)] == ["raw-ignored"]


def test_a_receiver_that_writes_for_a_fixture_is_found(shop, connect, fixture):
    def write(sender, **kwargs):
        shop.Shelf.objects.create(name="A")

    connect(write, post_save, sender=shop.Book)
    (message,) = messages(load(fixture), "raw-ignored")
    assert message.endswith(": 2 queries in 2 calls.")


def test_what_is_saved_by_hand_may_be_asked_about(shop, connect):
    connect(count_shelves, post_save, m2m_changed)
    with record() as recording:
        shop.Book.objects.create().genres.add(shop.Genre.objects.create())
    assert found(recording) == []


def test_relations_of_a_fixture_are_found_where_django_tells(shop, connect, fixture):
    through = shop.Book.genres.through
    connect(count_shelves, m2m_changed, sender=through)
    connect(count_carefully, m2m_changed, sender=through)
    recording = load(fixture)
    told = {
        each.arguments.get("raw")
        for each in recording.emissions()
        if each.name == "m2m_changed"
    }
    expected = []
    if told == {True}:  # From Django 6.1 on.
        expected = [
            f"{HERE}.count_shelves queries in m2m_changed of shop.Book_genres while a "
            "fixture is loaded (raw is True): 4 queries in 4 calls."
        ]
    assert messages(recording, "m2m-raw-ignored") == expected


def test_a_signal_of_the_project_may_mean_something_else_by_raw(shop, connect):
    connect(count_shelves, cooked)
    with record() as recording:
        cooked.send(shop.Book, raw=True)
    (emission,) = recording.emissions()
    assert emission.arguments["raw"] is True
    assert found(recording) == []
