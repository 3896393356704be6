import re
from base64 import urlsafe_b64encode
from random import Random
from string import ascii_letters, ascii_uppercase, digits
from time import perf_counter
from uuid import UUID

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
    X-Api-Key x-auth HTTP_X_AUTH api-key auth-code backup-code Set-Cookie E-Mail
    inviteCode accessKey AWSAccessKeyId userPin userPIN recoveryCodes dbDSN passWord
    passcode invitecode userpin sid connect.sid PHPSESSID pass2 pin1 auth.code
    totp hotp TOTPSecret user_totp cvc pw db_pw passkey passKey card_number cardNumber
    sig request.sig hmac mnemonic
"""


@pytest.mark.parametrize("name", SECRET_NAMES.split())
def test_secrets_are_known_by_name(name):
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        *("passenger", "encoded", "keyboard", "author", "name", "inside", "spinner"),
        *("Monkey", "opinionId", "X-Forwarded-For", "assessed", "x" * MAX_LENGTH * 2),
        *("status_code", "exitCode", "error_codes", "language_code", "country_code"),
        *("currency_code", "return_code", "HTTPStatusCode", "secretary", "compass"),
        *("design", "signal", "card", "number", "raw_power"),
    ],
)
def test_other_names_are_no_secrets(name):
    assert not is_secret(name)


@pytest.mark.parametrize("length", [1, 198, 199, 200, 300, 391, 392, 10_000])
def test_names_are_looked_at_to_their_end(length):
    assert is_secret(f"{'x' * length}_password")


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
    "KANA-RIKA-NARI",
    "/i/KANAR-IKANA/",
    "password=kanari",
    "api-key: kanari",
    "otp=kanari",
    "inviteCode: KANARI",
    '{"recovery_codes": "kanari"}',
    "userPin=kanari",
    "X-Auth: kanari",
    "sid=kanari; PHPSESSID=kanari",
    '{"password": "my kanari"}',
    "{'sessionid': 'my kanari'}",
    "Cookie: a=kanari; b=kanari",
    "kanari0123456789",
    "a kanari/0123456789+abc= b",
    "/reset/kanari0123456789abcdef/",
    "kanari&x#9!-_y(=+zQw3rT",
    "SG.ngeVfQFYQlKU0ufo8x5d1A.KanariGABf9DHoTf-09kqeF8tAmbihYzrnopKc-1s5cr",
    "ya29.a0kanari_aaaaaaaaaaaaaaaa",
    "hvs.kanariaaaaaaaaaaaaaaaaaa",
    "MTk4NjIyNDgzNDcxOTI1MjQ4.Kanari.ZnCjm1XVW7vRze4b7Cq4se7kKWs",
    "dckr_pat.kAnArI1234EfGh5678IjKl",
    "kAnArIgHiJkLmNoPqRsTuV",
    "It is kanari0123456789.",
    '{"data": "{\\"password\\": \\"my kanari\\", \\"a\\": 1}"}',
    '{"password": "my \\"kanari"}',
    r"{\"Authorization\": \"kanari\"}",
    "<Password>kanari</Password>",
    '<ns:password type="text">my <![CDATA[kanari]]></ns:password>',
    "pass=kanari&passphrase=kanari&pw=kanari&totp=kanari&cvc=kanari",
    "manage.py --password kanari --db-password 'my kanari'",
    "password: correct kanari horse",
    "OTP: 123 kanari",
    "my-userpin=kanari, -pin: kanari",
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
        "X-FORWARDED-FOR",
        "status_code=404, exit-code: 1, {'error_code': 5}",
        "secretary: Ada, compass=north",
        "10-tips-for-django-devs",
        "/blog/10-tips-for-django-devs/",
        "Applying 0001_initial_migration... OK",
        "shop/product_123/image, name=user_profile_2_updated",
        "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
        "django.contrib.auth.models.User",
        "wagtail.signal_handlers.update_reference_index_on_save",
        "tests.test_debug.DebugTests.test_DEBUG_is_off_if_DJANGO_DEBUG_is_0",
        "python3.13-django6.1.tar.gz, Screenshot-2026-01-02-at-Noon.png",
        "db2.eu-central-1.rds.amazonaws.com, sha256, 5.2.1rc1",
        "HttpResponseRedirectToLoginPage, models.M2MRelatedManagerDescriptor",
        "SG.models.ProductOfTheYear",
        "a bypass: 1, two cards = 2, the password of Ada, pin > 2, token->next",
        "What is the basic idea of a Basic plan, and is the token count 5?",
    ],
)
def test_other_texts_are_kept(text):
    assert masked(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("password: my kanari, user: ada", f"{MASK}, user: ada"),
        ("password: my kanari; user: ada", f"{MASK}; user: ada"),
        ("pin: 1 2\nuser: ada", f"{MASK}�user: ada"),
        ("pin: 1, user: ada", f"{MASK} user: ada"),
        ("pin=1 user=ada", f"{MASK} user=ada"),
        ("--pin 1 --user ada", f"{MASK} --user ada"),
        ("<pin>1</pin><user>ada</user>", f"<{MASK}</pin><user>ada</user>"),
        (
            r"{\"pin\": \"1\", \"user\": \"ada\"}",
            rf"{{\"{MASK}, \"user\": \"ada\"}}",
        ),
    ],
)
def test_what_follows_a_secret_is_kept(text, expected):
    assert masked(text) == expected


SYMBOLS = ascii_uppercase + digits


def in_groups(random):
    return "-".join("".join(random.choices(SYMBOLS, k=4)) for _ in range(4))


@pytest.mark.parametrize(
    "draw",
    [
        in_groups,
        lambda random: in_groups(random).lower(),
        lambda random: f"{random.getrandbits(128):032x}",
        lambda random: str(UUID(int=random.getrandbits(128), version=4)),
        lambda random: urlsafe_b64encode(random.randbytes(32)).decode(),
        lambda random: urlsafe_b64encode(random.randbytes(15)).decode().lower(),
    ],
    ids=["code", "code in lower case", "hex", "uuid", "base64", "lower base64"],
)
def test_what_is_drawn_at_random_is_no_name(draw):
    random = Random(1)
    drawn = [draw(random) for _ in range(2000)]

    kept = [text for text in drawn if masked(text) != MASK]

    assert not [text for text in kept if re.search(r"\d", text)]


def test_dots_and_letters_alone_hide_nothing_that_is_drawn_at_random():
    random = Random(1)
    tokens = [urlsafe_b64encode(random.randbytes(36)).decode() for _ in range(2000)]
    letters = ["".join(random.choices(ascii_letters, k=64)) for _ in range(2000)]

    assert {masked(f"user.{text}.v1") for text in tokens} == {f"user.{MASK}"}
    assert {masked(text) for text in letters} == {MASK}


def test_half_a_secret_is_masked_too():
    secret = "kanari0" * 100

    for before in (0, 150, 380, 393, 395, 399):
        padding = ("kan " * 100)[:before]
        assert "ari0" not in masked(padding + secret)
        assert "ari0" not in masked("?" + "x" * (before - 2) + " " + secret)
        words = f"<pin>{'kanari ' * 100}</pin>"
        assert "ari" not in masked(padding + words)


HOSTILE = [
    *("a-", "AAA-", "set-cookie", "=", "'", "passw", "abcde-1/", "token ", "a.A1-"),
    *(
        "--pin ",
        "pin: a ",
        "pin> ",
        "<pin ",
        'pin: "',
        'pin="\\',
        "/*",
        "*/",
        "1.",
        "1_",
    ),
]


def test_long_texts_that_try_to_be_slow_to_search_are_searched_quickly():
    started = perf_counter()

    for text in HOSTILE:
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
        ("SELECT 12.34567, -1.234, .2345, 12_345", "SELECT '…', -'…', '…', '…'"),
        ("SELECT 1234.5, 1234., 1.5, 123, t1.c", "SELECT '…', '…', 1.5, 123, t1.c"),
        ("SELECT /* a /* b */ kanari */ 1", "SELECT"),
        ("SELECT /**/ 1 /* a * / b **/ + /*/ c */ 2", "SELECT 1 + 2"),
        ("SELECT 1 /* kanari", "SELECT 1"),
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
    assert url_path("/invite/WXYZABCD/") == f"/invite/{MASK}/"
    assert url_path("/i/WXYZABC-DEF") == f"/i/{MASK}"
    assert url_path("/API/README.md/------/") == "/API/README.md/------/"
    assert len(url_path("/a" * 1000)) <= MAX_LENGTH
