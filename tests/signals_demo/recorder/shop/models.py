"""Models of an app that is only installed while a test asks for it."""

from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=50)


class Shelf(models.Model):
    name = models.CharField(max_length=50)


class Genre(models.Model):
    name = models.CharField(max_length=50)


class Book(models.Model):
    title = models.CharField(max_length=50)
    author = models.ForeignKey(Author, models.CASCADE, null=True)
    shelf = models.ForeignKey(Shelf, models.SET_NULL, null=True)
    genres = models.ManyToManyField(Genre)
    readers = models.ManyToManyField("Reader", through="Loan")


class PaperBook(Book):
    class Meta:
        proxy = True


class BookRow(models.Model):
    title = models.CharField(max_length=50)

    class Meta:
        managed = False
        db_table = "shop_book"


class Novel(Book):
    plot = models.CharField(max_length=50)


class Reader(models.Model):
    name = models.CharField(max_length=50)
    likes = models.ForeignKey(Genre, models.SET_NULL, null=True, related_name="+")


class Loan(models.Model):
    book = models.ForeignKey(Book, models.CASCADE)
    reader = models.ForeignKey(Reader, models.CASCADE)


class Publisher(models.Model):
    name = models.CharField(max_length=50)


DB_CASCADE = getattr(models, "DB_CASCADE", models.CASCADE)  # from Django 6.1 on


class Imprint(models.Model):
    publisher = models.ForeignKey(Publisher, DB_CASCADE)


class Label(models.Model):
    imprint = models.ForeignKey(Imprint, DB_CASCADE)


class Customer(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        swappable = "SHOP_CUSTOMER_MODEL"


class Member(models.Model):
    name = models.CharField(max_length=50)
