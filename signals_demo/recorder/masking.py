"""Texts that can be kept: without secrets, bounded, and harmless to a terminal."""

import re
from functools import lru_cache
from typing import Final

#: Stands in for what must not be kept.
MASK: Final = "********"
#: Longest text that is kept, in characters.
MAX_LENGTH: Final = 200
#: Longest statement that is kept, in characters.
MAX_SQL_LENGTH: Final = 2_000

#: A word with fewer characters does not look like a secret.
_LEAST_SECRET: Final = 16

_SECRET_NAME: Final = re.compile(
    r"pass(wor[dt]|wd|phrase)?(_|\b|$)|passw|pwd|secret|token|cookie|session|credential"
    r"|authori[sz]ation|csrf|signature|private|api_?key|(^|_)(key|code|codes|otp|pin"
    r"|dsn|auth|salt|nonce|hash|jwt|bearer|email|cvv|iban|ssn)(_|$)",
    re.IGNORECASE,
)
# All of what an alternative finds is replaced.
_SECRET_VALUE: Final = re.compile(
    r"(?i:\b(?:bearer|basic|digest|token)\s+\S+)"  # Authorization
    r"|(?i:\b(?:set-)?(?:cookie|authorization)[\"']?\s*[=:].*)"  # header
    r"|\beyJ[\w-]+\.[\w-]*(?:\.[\w-]*)*"  # JSON Web Token
    r"|\?[^\s#\"'<>]+"  # query string
    r"|(?<=://)[^\s\"'<>]*@"  # user and password of a DSN
    r"|\b(?i:pbkdf2_|argon2|bcrypt|scrypt|md5\$|\$2[aby]\$|django-insecure-)\S+"
    r"|\b(?=[A-Z0-9-]*\d)[A-Z0-9]{3,}(?:-[A-Z0-9]{3,})+\b"  # code in groups
    # What is called a secret.
    r"|(?i:\b(?:[\w-]*(?:passw|secret|token|api[_-]?key|sessionid|csrf)[\w-]*|pwd|otp|pin"
    r"|code|dsn)[\"']?\s*[=:]\s*(?:\"[^\"]*\"?|'[^']*'?|\S+))"
    # What looks random, but is no name of a file.
    r"|(?<![\w./-])(?=[\w+/=-]*\d)(?=[\w+/=-]*[A-Za-z])[\w+/=-]{16,}(?![\w./])"
    r"|(?<=/)(?=[\w=-]*\d)(?=[\w=-]*[A-Za-z])[\w=-]{20,}(?![\w.-])"
    r"|(?<!\S)(?=\S*\d)(?=\S*[a-zA-Z])(?=\S*[!@#$%^&*])[^\s/]{20,}",
)
# What a statement holds beside its words. A literal that was cut off has no end, and
# after a backslash before a quote databases differ about where it is: mask the rest.
_LITERAL: Final = re.compile(
    r"""
    (?P<name> "[^"]*" | `[^`]*` )
    | (?P<gone> -- [^\n]* | /\* .*? (?: \*/ | \Z ) | \#(?![>#=-]) [^\n]* )
    | ' (?: [^'\\] | '' | \\(?!') )* (?: ' | \\'.* | \Z )
    | \$(?P<tag>\w*)\$ .*? (?: \$(?P=tag)\$ | \Z )
    | (?<! [\w."`$%] ) (?: 0x[0-9A-F]+ | \d{4,} (?: \.\d+ )? )
    """,
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
_SEGMENT: Final = re.compile(r"(?=[^/]*\d)(?=[^/]*[A-Za-z])[^/]{6,}")
_CONTROL: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)


def clean(text: str) -> str:
    """Return the text with no control characters, and no longer than allowed."""
    if len(text) > MAX_LENGTH:
        text = f"{text[: MAX_LENGTH - 1]}…"
    return text if text.isprintable() else _CONTROL.sub("�", text)


def masked(text: str) -> str:
    """Return the text without what looks like a secret."""
    if len(text) < _LEAST_SECRET and text.isidentifier():  # To look would take longer.
        return text
    if len(text) <= MAX_LENGTH * 2:
        return clean(_SECRET_VALUE.sub(MASK, text))
    # What was cut through is no longer known as a secret, so that end must go.
    head = _SECRET_VALUE.sub(MASK, text[: MAX_LENGTH * 2])[:-MAX_LENGTH]
    return clean(f"{head[: MAX_LENGTH - 1]}…")


def is_secret(name: str) -> bool:
    """Return whether what has such a name must not be kept."""
    return _is_secret(name[:MAX_LENGTH])


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def statement(sql: str, vendor: str = "") -> str:
    """Return a statement without its literals, and no longer than allowed.

    Args:
        sql: the statement.
        vendor: of the database; text may stand in double quotes on ``mysql`` alone.
    """
    return _statement(sql[: MAX_SQL_LENGTH * 2], vendor)


@lru_cache(maxsize=1024)
def _statement(sql: str, vendor: str) -> str:
    def word(found: re.Match[str]) -> str:
        name: str | None = found["name"]
        if name is not None and not (vendor == "mysql" and name.startswith('"')):
            return name
        return "" if found["gone"] is not None else "'…'"

    sql = _LITERAL.sub(word, sql)
    if len(sql) > MAX_SQL_LENGTH:
        sql = f"{sql[: MAX_SQL_LENGTH - 1]}…"
    return " ".join(_CONTROL.sub(" ", sql).split())


def url_path(value: str) -> str:
    """Return a path without those of its segments that may be a code or a token."""
    parts = value[:MAX_LENGTH].split("/")
    return clean("/".join(masked(_SEGMENT.sub(MASK, part)) for part in parts))
