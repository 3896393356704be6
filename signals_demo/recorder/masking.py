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

# Words in a name are told apart as in snake_case, whatever it is written in.
_BETWEEN_WORDS: Final = re.compile(
    r"[\W_]+|(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
)
# Some names are public, though a word in them is that of a secret.
_SECRET_WORD: Final = r"secret(?!ar(?:y|ies))"
_CODES: Final = (
    r"(?<!country[ _-])(?<!currency[ _-])(?<!error[ _-])(?<!exit[ _-])"
    r"(?<!language[ _-])(?<!return[ _-])(?<!status[ _-])codes?"
)
_SECRET_NAME: Final = re.compile(
    rf"(?<!com)pass(wor[dt]|wd|phrase)?\d*(_|$)|passw|pwd|{_SECRET_WORD}|token|cookie"
    r"|session|sess_?id|credential|authori[sz]ation|csrf|signature|private"
    r"|(api|access)_?key"
    r"|(pass|invite|auth|access|backup|recovery)_?code"
    rf"|(^|_)((pass)?key|{_CODES}|[ht]?otp|(user)?pin|pw|sid|dsn|auth|salt|nonce|hash"
    r"|sig|hmac|mnemonic|jwt|bearer|e_?mail|cv[cv]|card_?number|iban|ssn)\d*(_|$)"
)
# All of what an alternative finds is replaced. The first ones begin with a name, and
# each such name holds a part that is quick to find.
_PART_OF_NAME: Final = re.compile(
    "pass|secret|token|key|sess|csrf|auth|code|pw|otp|pin|sid|dsn|cookie|cv[cv]|card"
    "|mnemonic"
)
_AFTER_NAME: Final = re.compile("[=:>]|--")
_NAMED: Final = (
    r"(?i:\b(?:set-)?(?:cookie|authorization)\\*[\"']?\s*[=:].*)"  # header
    rf"|(?i:(?<![\w-])(?P<option>--)?(?:[\w-]*(?:passw|{_SECRET_WORD}|token"
    r"|(?:api|access)[_-]?key|sess(?:ion)?[_-]?id|csrf|x-auth"
    r"|(?:pass|invite|auth|access|backup|recovery)[_-]?code)[\w-]*+"
    r"|(?:[\w-]*[_-])?(?:user)?(?:pass(?:phrase|key)?|pwd?|[ht]?otp|pin|sid|dsn|cv[cv]"
    rf"|card[_-]?number|mnemonic|{_CODES}))"
    r"(?:(?:\s[^<>]*)?(?<![\s-])>(?!\s*<[^!])(?s:.*?)(?=</|\Z)"  # text of an element
    r"|(?:\\*[\"']?\s*[=:]\s*|(?(option)\s+|(?!)))"
    # In quotes, maybe ones with backslashes; several words, after a colon; or one.
    r"(?:(?P<quote>\\*[\"'])(?s:.*?)(?:(?<!\\)(?P=quote)|\Z)"
    r"|(?<=:\s)\S+(?:(?<![,;\"'\])}])[ \t]+[^\s,;\"']+)*|\S+)))"
)
# A slug, the name of a migration, a path: words and short numbers are not random. At
# least one word is longer than a group of a code, and none is without vowels.
_NOT_WORDS: Final = (
    r"(?!(?=[\w/=-]*[a-z]{5})(?![\w/=-]*[b-df-hj-np-tv-xz]{5})"
    r"[_/=-]*(?:[a-z]+|\d{1,4})(?:[_/=-]+(?:[a-z]+|\d{1,4}))*[_/-]*(?![\w+/=-]))"
)
_KNOWN_BY_LOOK: Final = (
    r"\?[^\s#\"'<>]+"  # query string
    r"|(?<=://)[^\s\"'<>]*@"  # user and password of a DSN
    r"|\b(?:(?i:(?:bearer\s+|(?:basic|digest|token)\s+"  # Authorization, no basic plan
    r"(?!(?-i:[a-z]{1,12})(?:[\s.,;:!?)]|\Z)))\S+)"
    r"|eyJ[\w-]+\.[\w-]*(?:\.[\w-]*)*"  # JSON Web Token
    r"|(?i:pbkdf2_|argon2|bcrypt|scrypt|md5\$|\$2[aby]\$|django-insecure-)\S+"
    r"|(?:SG\.[\w-]{16,}|ya29|hv[bsr])\.[\w-]{16,}"  # SendGrid, Google, Vault
    # Code in groups; without a digit, they must be alike to be known.
    r"|(?:(?=[A-Z0-9-]*\d)[A-Z0-9]{3,}(?:-[A-Z0-9]{3,})+"
    r"|[A-Z]{4}(?:-[A-Z]{4})+|[A-Z]{5}(?:-[A-Z]{5})+)\b(?:-[\w-]*)?)"
    # What looks random, but is no name of a file.
    r"|(?<![\w./-])(?=[\w+/=-]*\d)(?=[\w+/=-]*[A-Za-z])"
    rf"{_NOT_WORDS}[\w+/=-]{{16,}}+(?!\.\w)"
    rf"|(?<=/)(?=[\w=-]*\d)(?=[\w=-]*[A-Za-z]){_NOT_WORDS}[\w=-]{{20,}}(?![\w.-])"
    # Of what is part of a name with dots, or has no digit, 11 letters and digits must
    # not belong to words: random symbols do so, class names seldom do.
    r"|(?<![\w-])(?=[A-Za-z\d_-]{20})(?=[A-Z\d_-]*[a-z])(?=[a-z\d_-]*[A-Z])"
    r"(?:(?:[A-Z]?[a-z]{3,}+|[A-Z]{2,}(?![^\W_])|[_-])*+[A-Za-z\d]){11}[\w.-]*"
    r"|(?<!\S)(?=\S*\d)(?=\S*[a-zA-Z])(?=\S*[!@#$%^&*])[^\s/]{20,}"
)
_SECRET_VALUE: Final = re.compile(f"{_NAMED}|{_KNOWN_BY_LOOK}")
_SECRET_WITHOUT_NAME: Final = re.compile(_KNOWN_BY_LOOK)
# What a statement holds beside its words. A literal that was cut off has no end, and
# after a backslash before a quote databases differ about where it is: mask the rest.
# They also differ about the end of a comment in which another one begins.
_LITERAL: Final = re.compile(
    r"""
    (?P<name> "[^"]*" | `[^`]*` )
    | (?P<gone> -- [^\n]* | \#(?![>#=-]) [^\n]*
        | /\* (?: [^*/] | \*(?!/) | /(?!\*) )* (?: \*/ | .* ) )
    | ' (?: [^'\\] | '' | \\(?!') )* (?: ' | \\'.* | \Z )
    | \$(?P<tag>\w*)\$ .*? (?: \$(?P=tag)\$ | \Z )
    | (?<! [\w."`$%] ) (?: 0x[0-9A-F]+ | (?= \.? (?: \d[._]? ){4} ) [\d_]* \.? [\d_]* )
    """,
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
_SEGMENT: Final = re.compile(
    r"(?=[^/]*\d)(?=[^/]*[A-Za-z])[^/]{6,}|^(?=[^/]*[A-Z])[A-Z-]{6,}$"
)
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
        return clean(_without_secrets(text))
    # What was cut through is no longer known as a secret, so that end must go.
    head = _without_secrets(text[: MAX_LENGTH * 2])[:-MAX_LENGTH]
    return clean(f"{head[: MAX_LENGTH - 1]}…")


def _without_secrets(text: str) -> str:
    secret = _SECRET_WITHOUT_NAME
    if _AFTER_NAME.search(text) and _PART_OF_NAME.search(text.casefold()):
        secret = _SECRET_VALUE
    return secret.sub(MASK, text)


def is_secret(name: str) -> bool:
    """Return whether what has such a name must not be kept."""
    # Of a longer one nobody knows what it says.
    return len(name) > MAX_LENGTH * 2 or _is_secret(name)


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    words = _BETWEEN_WORDS.sub("_", name).lower()
    return _SECRET_NAME.search(words) is not None


def statement(sql: str, vendor: str = "") -> str:
    """Return a statement without its literals, and no longer than allowed.

    Numbers of fewer than four digits are kept: a limit says much, and is no secret.

    Args:
        sql: the statement.
        vendor: of the database. On ``mysql`` what stands in double quotes is text;
            elsewhere it is a name, though SQLite takes one that it does not know
            for text.
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
