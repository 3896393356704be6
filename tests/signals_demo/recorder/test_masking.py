from time import perf_counter

import pytest

from signals_demo.recorder.masking import (
    MASK,
    MAX_LENGTH,
    MAX_SQL_LENGTH,
    clean,
    is_secret,
    masked,
    statement,
    url_path,
)

SECRET_NAMES = """
    password passwd pwd secret_key api_key apikey token csrftoken sessionid session_key
    authorization HTTP_AUTHORIZATION cookie credentials private_key code invite_code otp
    pin dsn DATABASE_DSN signature email hash salt
"""


@pytest.mark.parametrize("name", SECRET_NAMES.split())
def test_secrets_are_known_by_name(name):
    assert is_secret(name)


@pytest.mark.parametrize("name", ["passenger", "encoded", "keyboard", "author", "name"])
def test_other_names_are_no_secrets(name):
    assert not is_secret(name)


SECRETS = [
    "Authorization: Bearer kanari",
    "Basic a2FuYXJp",
    "eyJhbGciOi.kanari.kanari",
    "/next?kanari=1",
    "postgres://user:kanari@host/db",
    "postgres://user:p@/kanari@host/db",
    "pbkdf2_sha256$1$kanari",
    "django-insecure-kanari#x",
    "KANARI-123-ABC",
    "password=kanari",
    "api-key: kanari",
    "otp=kanari",
    '{"password": "my kanari"}',
    "{'sessionid': 'my kanari'}",
    "Cookie: a=kanari; b=kanari",
    "kanari0123456789",
    "a kanari/0123456789+abc= b",
    "/reset/kanari0123456789abcdef/",
    "kanari&x#9!-_y(=+zQw3rT",
]


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_are_known_by_their_look(text):
    assert "kanari" not in masked(text).lower()
    assert MASK in masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "What is number 3?",
        "signals_demo/tests/test_thing.py",
        "/home/ada/project2/app.py",
        "https://example.org/a/b",
        "2026-01-02T10:00:00+00:00",
        "v1.2.3-rc4",
    ],
)
def test_other_texts_are_kept(text):
    assert masked(text) == text


def test_half_a_secret_is_masked_too():
    secret = "kanari0" * 100

    for before in (0, 150, 380, 393, 395, 399):
        padding = ("kan " * 100)[:before]
        assert "ari0" not in masked(padding + secret)
        assert "ari0" not in masked("?" + "x" * (before - 2) + " " + secret)


def test_long_texts_that_try_to_be_slow_to_search_are_searched_quickly():
    started = perf_counter()

    for text in ("a-", "AAA-", "set-cookie", "=", "'", "passw"):
        masked(text * 1000)
        statement(text * 10_000)

    assert perf_counter() - started < 1


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 'a' FROM t", "SELECT '…' FROM t"),
        ("SELECT 'it''s a', \"a\"", "SELECT '…', \"a\""),
        ("SELECT \"it's\", 'a', `it's`", "SELECT \"it's\", '…', `it's`"),
        ("SELECT 'it\\'s a' , 'a'", "SELECT '…'"),
        ("SELECT 'C:\\x' FROM t", "SELECT '…' FROM t"),
        ("SELECT $x$it's a$x$, 'a'", "SELECT '…', '…'"),
        ("SELECT -- it's\n 'a'", "SELECT '…'"),
        ("SELECT /* it's */ 'a' # it's", "SELECT '…'"),
        ("SELECT a #> 'a'", "SELECT a #> '…'"),
        ("SELECT 12345, 0xAB, LIMIT 21", "SELECT '…', '…', LIMIT 21"),
        ("SELECT  %s\n\tFROM \x1b t2024", "SELECT %s FROM t2024"),
    ],
)
def test_statements_are_kept_without_literals(sql, expected):
    assert statement(sql) == expected


def test_text_in_double_quotes_is_a_literal_on_mysql():
    assert statement('SELECT `a` = "b"', "mysql") == "SELECT `a` = '…'"


def test_long_statements_are_cut_but_not_within_a_literal():
    assert "a" not in statement(f"SELECT '{'a' * 10_000}', 'a'")
    assert "a" not in statement(f"SELECT $${'a' * 10_000}$$, 'a'")
    assert len(statement("x" * 10_000)) == MAX_SQL_LENGTH


def test_no_text_is_too_long_or_steers_a_terminal():
    assert clean("x" * 1000) == "x" * (MAX_LENGTH - 1) + "…"
    assert clean("\x1b[2J\u202e\ud800 é 中 🐍") == "�[2J�� é 中 🐍"
    assert clean("non\u00a0breaking") == "non\u00a0breaking"


def test_paths_are_kept_without_tokens():
    assert url_path("/books/12345678/edit/") == "/books/12345678/edit/"
    assert url_path("/i/k3J9x2/") == f"/i/{MASK}/"
    assert len(url_path("/a" * 1000)) <= MAX_LENGTH
