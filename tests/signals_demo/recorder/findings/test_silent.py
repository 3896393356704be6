import json

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.sql import (
    emit_post_migrate_signal,
    emit_pre_migrate_signal,
)
from django.db import IntegrityError, connection, transaction
from django.db.migrations.state import ProjectState
from django.db.models.signals import (
    m2m_changed,
    post_delete,
    post_save,
    pre_delete,
    pre_save,
)

from signals_demo.recorder import record
from signals_demo.recorder.findings.silent import (
    models_by_table,
    silent_writes,
    tables_of,
    write_of,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shop")]

HERE = __name__


def listen(sender, **kwargs):
    pass


def refuse(sender, **kwargs):
    raise ValueError("no")


@pytest.fixture
def all_heard(connect):
    """Have somebody listen to whatever a model may send."""
    connect(listen, pre_save, post_save, pre_delete, post_delete, m2m_changed)


def found(recording):
    return [str(each) for each in silent_writes(recording)]


@pytest.mark.parametrize(
    ("sql", "verb", "table"),
    [
        ('INSERT INTO "shop_book" ("title") VALUES (%s)', "INSERT", "shop_book"),
        ("insert ignore into `shop_book` values (1)", "INSERT", "shop_book"),
        ("INSERT OR REPLACE INTO shop_book VALUES (1)", "INSERT", "shop_book"),
        ("REPLACE INTO shop_book VALUES (1)", "REPLACE", "shop_book"),
        ('UPDATE "public"."shop_book" SET x = 1', "UPDATE", "shop_book"),
        ("UPDATE ONLY public.shop_book SET x = 1", "UPDATE", "shop_book"),
        ('UPDATE "My Books" SET x = 1', "UPDATE", "My Books"),
        ("DELETE `shop_book` FROM `shop_book` INNER JOIN", "DELETE", "shop_book"),
        ('DELETE FROM "shop_book"', "DELETE", "shop_book"),
    ],
)
def test_a_write_has_a_verb_and_a_table(sql, verb, table):
    assert write_of(sql) == (verb, table)


@pytest.mark.parametrize("sql", ["SELECT 1", "SAVEPOINT x", "PRAGMA foreign_keys", ""])
def test_other_statements_write_nothing(sql):
    assert write_of(sql) is None


def test_of_two_models_on_a_table_that_which_django_made_it_for_counts(shop):
    assert shop.BookRow._meta.db_table == "shop_book"
    assert models_by_table()["shop_book"] is shop.Book


def test_tables_are_those_of_parents_too(shop):
    assert set(tables_of("shop.Novel")) == {"shop_novel", "shop_book"}
    assert tables_of("shop.PaperBook") == ["shop_book"]
    assert tables_of("shop.NoSuch") == tables_of("nothing") == tables_of(None) == []


@pytest.mark.usefixtures("all_heard")
def test_objects_that_are_saved_or_deleted_one_by_one_are_no_silent_writes(shop):
    with record() as recording:
        author = shop.Author(name="Austen")
        author.save()
        author.save(update_fields=["name"])
        shop.Novel.objects.create(title="Emma", author=author)
        shop.PaperBook.objects.create(title="Emma", author=author)
        for _ in range(2):
            shop.Shelf.objects.get_or_create(name="A")
            shop.Shelf.objects.update_or_create(name="A", defaults={"name": "A"})
        shop.Shelf.objects.get().delete()
        shop.Author.objects.all().delete()
    assert list(recording.queries())
    assert found(recording) == []


@pytest.mark.usefixtures("all_heard")
def test_cascades_and_set_null_are_no_silent_writes(shop):
    author, shelf = shop.Author.objects.create(), shop.Shelf.objects.create()
    book = shop.Book.objects.create(author=author, shelf=shelf)
    book.genres.add(shop.Genre.objects.create())
    reader = shop.Reader.objects.create(likes=book.genres.get())
    shop.Loan.objects.create(book=book, reader=reader)
    with record() as recording:
        shelf.delete()
        author.delete()
        reader.likes.delete()
    assert not shop.Loan.objects.exists()
    reader.refresh_from_db()
    assert reader.likes is None
    assert found(recording) == []


@pytest.mark.usefixtures("all_heard")
def test_relations_of_many_to_many_are_no_silent_writes(shop):
    book, genre = shop.Book.objects.create(), shop.Genre.objects.create()
    reader = shop.Reader.objects.create()
    with record() as recording:
        book.genres.add(genre)
        book.genres.set([])
        genre.book_set.add(book)
        book.genres.remove(genre)
        book.genres.clear()
        book.readers.add(reader)
        book.readers.set([])
        book.readers.add(reader)
        book.readers.clear()
    assert found(recording) == []


def test_nobody_waits_for_rows_of_a_relation(shop, connect):
    connect(listen, pre_save, post_delete)
    book, genre = shop.Book.objects.create(), shop.Genre.objects.create()
    with record() as recording:
        book.genres.add(genre)
        book.genres.clear()
    assert found(recording) == []


@pytest.mark.usefixtures("all_heard")
def test_fixtures_are_no_silent_writes(shop, tmp_path):
    path = tmp_path / "books.json"
    rows = [
        {"model": "shop.genre", "pk": 1, "fields": {"name": "Novel"}},
        {"model": "shop.book", "pk": 1, "fields": {"title": "Emma", "genres": [1]}},
        {"model": "shop.novel", "pk": 1, "fields": {"plot": "long"}},
    ]
    path.write_text(json.dumps(rows))
    with record() as recording:
        call_command("loaddata", path, verbosity=0)
    assert shop.Novel.objects.get().genres.count() == 1
    assert found(recording) == []


@pytest.mark.usefixtures("all_heard")
def test_what_django_writes_after_migrations_is_no_silent_write(shop):
    from django.contrib.auth.models import Permission

    with record() as recording:
        call_command("migrate", verbosity=0)
    assert Permission.objects.filter(content_type__app_label="shop").exists()
    assert "INSERT" in " ".join(query.sql for query in recording.queries())
    assert not [each for each in found(recording) if "invite_code" not in each]


def test_receivers_of_a_model_do_not_wait_for_that_of_a_migration(shop, connect):
    connect(listen, post_save, sender=shop.Book)
    book = ProjectState.from_apps(apps).apps.get_model("shop", "Book")
    with record() as recording:
        emit_pre_migrate_signal(0, False, "default")
        bulk_create(book)
        emit_post_migrate_signal(0, False, "default")
    assert found(recording) == []
    with record() as recording:
        bulk_create(shop.Book)
        emit_pre_migrate_signal(0, False, "default")
        emit_post_migrate_signal(0, False, "default")
        bulk_create(shop.Book)
    assert len(found(recording)) == 2
    connect(refuse, post_save)
    with record() as recording:
        emit_pre_migrate_signal(0, False, "default")
        bulk_create(book)
    (only,) = found(recording)
    assert only.endswith(f": {HERE}.refuse did not run.")


def bulk_create(model):
    model.objects.bulk_create([model(title="Emma")])


def update(model):
    model.objects.update(title="Emma")


def bulk_update(model):
    model.objects.bulk_update(list(model.objects.all()), ["title"])


def raw_update(model):
    with connection.cursor() as cursor:
        cursor.execute("  update shop_book set title = 'Emma'")


def raw_insert(model):
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO shop_book (title) VALUES (%s)", [["Emma"]])


def raw_delete(model):
    model.objects.all()._raw_delete("default")


@pytest.mark.parametrize(
    ("write", "verb", "names"),
    [
        (bulk_create, "INSERT", "pre_save and post_save"),
        (raw_insert, "INSERT", "pre_save and post_save"),
        (update, "UPDATE", "pre_save and post_save"),
        (bulk_update, "UPDATE", "pre_save and post_save"),
        (raw_update, "UPDATE", "pre_save and post_save"),
        (raw_delete, "DELETE", "pre_delete and post_delete"),
    ],
)
@pytest.mark.usefixtures("all_heard")
def test_bulk_writes_are_found(shop, write, verb, names):
    shop.Book.objects.create()
    with record() as recording:
        write(shop.Book)
        shop.Book.objects.create()
    assert found(recording) == [
        f"{verb} of shop.Book sent no {names}: {HERE}.listen did not run."
    ]


def test_only_what_somebody_waits_for_is_found(shop, connect):
    connect(listen, post_delete)
    connect(listen, post_save, sender=shop.Author)
    with record() as recording:
        bulk_create(shop.Book)
    assert found(recording) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("all_heard")
def test_bulk_writes_of_receivers_and_commit_hooks_are_found(shop, connect):
    def relabel(sender, **kwargs):
        shop.Book.objects.update(title="Emma")

    def later(sender, **kwargs):
        transaction.on_commit(lambda: shop.Shelf.objects.update(name="B"))

    connect(relabel, pre_save, sender=shop.Book)
    connect(later, post_save, sender=shop.Book)
    with record() as recording:
        shop.Book.objects.create()
    assert [each.split()[2] for each in found(recording)] == ["shop.Book", "shop.Shelf"]


@pytest.mark.usefixtures("all_heard")
def test_a_save_that_fails_announces_nothing(shop, connect):
    book = shop.Book.objects.create()
    with record() as recording, transaction.atomic():
        with pytest.raises(IntegrityError), transaction.atomic():
            shop.Book(pk=book.pk).save(force_insert=True)
        bulk_create(shop.Book)
    assert len(found(recording)) == 1
    connect(refuse, pre_save, sender=shop.Book)
    with record() as recording:
        with pytest.raises(ValueError, match="no"):
            shop.Book.objects.create()
        bulk_create(shop.Book)
    assert len(found(recording)) == 1


@pytest.mark.usefixtures("all_heard")
def test_a_write_that_fails_is_no_silent_write(shop):
    book = shop.Book.objects.create()
    with record() as recording, pytest.raises(IntegrityError), transaction.atomic():
        shop.Book.objects.bulk_create([shop.Book(pk=book.pk)])
    assert found(recording) == []


@pytest.mark.usefixtures("all_heard")
def test_before_there_are_models_nothing_is_found(shop, monkeypatch):
    with record() as recording:
        bulk_create(shop.Book)
    assert found(recording)
    monkeypatch.setattr(apps, "models_ready", False)
    assert found(recording) == []
