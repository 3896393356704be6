import json
import math
import random
import secrets
import string
import subprocess
import sys
from collections import Counter
from itertools import combinations
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from invite_code.codes import CROCKFORD, IN_ORDER, MAX_LENGTH, SEPARATORS, CodeFormat
from invite_code.errors import Malformed

DEFAULT = CodeFormat()
CLASSIC = CodeFormat(string.ascii_uppercase + string.digits, 8, check_symbol=False)
LOWER = CodeFormat(string.ascii_lowercase + string.digits, 8, check_symbol=False)
MIXED = CodeFormat(string.ascii_letters + string.digits, 12, check_symbol=False)
RFC_4648 = CodeFormat("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
BINARY = CodeFormat("01", MAX_LENGTH, check_symbol=False)
LOWER_CROCKFORD = CodeFormat(CROCKFORD.lower())
#: Too short for all the symbols by which codes are put in order, or just long enough.
SHORT = [
    *(CodeFormat("zyxAb9", length, check_symbol=False) for length in range(1, 6)),
    *(CodeFormat(length=length) for length in range(2, 7)),
]
FORMATS = [DEFAULT, CLASSIC, LOWER, MIXED, RFC_4648, BINARY, LOWER_CROCKFORD]
every_format = pytest.mark.parametrize(
    "code_format",
    FORMATS,
    ids=["default", "classic", "lower", "mixed", "rfc", "binary", "low32"],
)

#: A code with a K, an S, a 0 and a 1, for what looks like one of them.
CODE = "K1S0ABCDEFGHJKM7"

#: Far above what chance gives with some 30 symbols (once in 10^15), far below what a
#: bias of a byte taken modulo 36 gives.
UNBIASED = 150

steady = hypothesis_settings(database=None, deadline=None)


def chi_square(symbols, alphabet):
    expected = len(symbols) / len(alphabet)
    counts = Counter(symbols)
    return sum((counts[symbol] - expected) ** 2 / expected for symbol in alphabet)


def full_width(text):
    return "".join(chr(ord(symbol) + 0xFEE0) for symbol in text)


def spellings(symbol):
    ascii_ones = {"0": "0Oo", "1": "1IiLl"}.get(symbol, symbol + symbol.lower())
    return ascii_ones + full_width(ascii_ones)


@st.composite
def spelled_codes(draw):
    randomness = random.Random(draw(st.integers(0, 2**128)))
    with mock.patch("secrets.token_bytes", randomness.randbytes):
        [code] = DEFAULT.generate(1)
    gaps = st.text(SEPARATORS + full_width("-"), max_size=2)
    text = "".join(draw(st.sampled_from(spellings(s))) + draw(gaps) for s in code)
    return code, draw(gaps) + text


@every_format
def test_a_code_has_the_length_and_the_symbols_of_its_format(code_format):
    codes = code_format.generate(1000)
    assert len(codes) == 1000
    assert {len(code) for code in codes} == {code_format.length}
    assert set("".join(codes)) == set(code_format.alphabet)


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_as_many_codes_are_generated_as_asked(count):
    for code_format in (DEFAULT, CLASSIC):
        assert len(code_format.generate(count)) == count
        assert len(json.loads(code_format.generate_json(count))) == count


@pytest.mark.parametrize("code_format", [*FORMATS, *SHORT])
def test_codes_as_json_are_codes_with_their_first_symbols_in_order(code_format):
    drawn = []
    for generate in code_format.generate, code_format.generate_json:
        with mock.patch("secrets.token_bytes", random.Random(1).randbytes):
            drawn.append(generate(1000))
    codes, in_order = drawn[0], json.loads(drawn[1])
    assert all(code_format.normalize(code) == code for code in in_order)
    # Whatever has been drawn to stand beside first symbols has stayed in its place.
    rest = slice(IN_ORDER, code_format.random_length)
    assert [code[rest] for code in in_order] == [code[rest] for code in codes]
    # What has been drawn for those is the ranks of the symbols.
    with mock.patch("secrets.token_bytes", random.Random(1).randbytes):
        columns = code_format._columns(1000)[:IN_ORDER]
    by_rank = sorted(code_format.alphabet)
    first_symbols = slice(min(IN_ORDER, code_format.random_length))
    assert [code[first_symbols] for code in in_order] == sorted(
        "".join(map(by_rank.__getitem__, ranks)) for ranks in zip(*columns, strict=True)
    )


@every_format
def test_a_generated_code_is_itself_normalized_in_any_display(code_format):
    for code in code_format.generate(200):
        assert code_format.normalize(code) == code
        assert code_format.normalize(code_format.display(code)) == code
        assert code_format.normalize(full_width(code)) == code


@every_format
def test_either_case_will_do_unless_case_tells_codes_apart(code_format):
    [code] = code_format.generate(1)
    if code_format.case_sensitive:
        assert code_format.normalize("aA" * 6) != code_format.normalize("Aa" * 6)
    else:
        assert code_format.normalize(code.lower()) == code
        assert code_format.normalize(code.upper()) == code


@steady
@given(spelled_codes())
def test_a_code_is_found_in_every_spelling_of_it(code_and_text):
    code, text = code_and_text
    assert DEFAULT.normalize(text) == code


@steady
@given(st.text() | spelled_codes().map(lambda spelled: spelled[1]))
@example("K1S0-ABCD-EFGH-JKM7")
def test_normalizing_is_done_once_or_refused(text):
    try:
        code = DEFAULT.normalize(text)
    except Malformed:
        return
    assert DEFAULT.normalize(code) == code
    assert len(code) == 16
    assert set(code) <= set(CROCKFORD)


def test_check_symbols_stay_what_they_are_for_the_codes_in_databases():
    assert DEFAULT.normalize("K1S0-ABCD-EFGH-JKM7") == CODE
    assert DEFAULT.normalize("0000-0000-0000-0000") == "0" * 16
    assert DEFAULT.normalize("0123-4567-89AB-CDE4") == "0123456789ABCDE4"


@pytest.mark.parametrize("code_format", [DEFAULT, RFC_4648], ids=["default", "rfc"])
def test_every_wrong_symbol_is_refused(code_format):
    for code in code_format.generate(10):
        for place in range(16):
            for symbol in set(code_format.alphabet) - {code[place]}:
                with pytest.raises(Malformed, match="mistyped"):
                    code_format.normalize(code[:place] + symbol + code[place + 1 :])


@pytest.mark.parametrize("code_format", [DEFAULT, RFC_4648], ids=["default", "rfc"])
def test_every_swap_of_neighbors_is_refused(code_format):
    swaps = 0
    for code in code_format.generate(200):
        for place in range(15):
            left, right = code[place : place + 2]
            if left != right:
                swaps += 1
                with pytest.raises(Malformed, match="mistyped"):
                    code_format.normalize(
                        code[:place] + right + left + code[place + 2 :]
                    )
    assert swaps > 2000


def test_every_pair_of_symbols_differs_from_its_swap_at_every_place():
    # A swap is caught or not by its two symbols and its place, whatever is around.
    for place in range(14):
        for left, right in combinations(CROCKFORD, 2):
            symbols = "0" * place + left + right + "0" * (13 - place)
            code = next(symbols + s for s in CROCKFORD if accepted(symbols + s))
            assert not accepted(code[:place] + right + left + code[place + 2 :])


def accepted(text):
    try:
        return bool(DEFAULT.normalize(text))
    except Malformed:
        return False


def test_without_a_check_symbol_a_wrong_symbol_is_another_code():
    assert CLASSIC.normalize("AAAA-AAAB") == "AAAAAAAB"
    assert CLASSIC.normalize("AAAA-AABA") == "AAAAAABA"


REFUSED = {
    "nothing": "",
    "only separators": " - -\t",
    "a symbol short": CODE[:-1],
    "a symbol long": CODE + "0",
    "U, which Crockford leaves out": CODE.replace("A", "U"),
    "punctuation": CODE.replace("A", "*"),
    "underscores": "_".join(CODE),
    "NUL inside": CODE[:8] + "\0" + CODE[8:],
    "NUL at the end": CODE + "\0",
    "half a surrogate pair": CODE.replace("A", "\ud800"),
    "an added surrogate": CODE + "\udcff",
    "zero width space": CODE[:8] + "\u200b" + CODE[8:],
    "zero width joiner": CODE[:8] + "\u200d" + CODE[8:],
    "byte order mark": "\ufeff" + CODE,
    "right-to-left override": "\u202e" + CODE,
    "combining acute": CODE.replace("A", "A\u0301"),
    "precomposed acute": CODE.replace("A", "\u00c1"),
    "Turkish dotless i": CODE.replace("1", "\u0131"),
    "Turkish dotted I": CODE.replace("1", "\u0130"),
    "Kelvin sign": CODE.replace("K", "\u212a"),
    "long s": CODE.replace("S", "\u017f"),
    "sharp s": CODE.replace("S", "\u00df"),
    "ligature that upper() expands": CODE.replace("F", "\ufb00"),
    "NFKC bomb of 18 letters": "\ufdfa",
    "many NFKC bombs": "\ufdfa" * 16,
    "square that NFKC makes letters": CODE.replace("C", "\u33c4"),
    "megabytes of symbols": "0" * 5_000_000,
    "megabytes of separators": "-" * 5_000_000 + CODE,
    "emoji": CODE.replace("A", "\U0001f600"),
    "Cyrillic look-alike": CODE.replace("A", "\u0410"),
    "Greek look-alike": CODE.replace("A", "\u0391"),
    "Arabic-Indic digits": CODE.replace("1", "\u0661"),
    "Devanagari digits": CODE.replace("1", "\u0967"),
    "superscript digit": CODE.replace("1", "\u00b9"),
    "circled letter": CODE.replace("A", "\u24b6"),
    "mathematical letter": CODE.replace("A", "\U0001d400"),
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_is_no_code_is_refused(text):
    with pytest.raises(Malformed):
        DEFAULT.normalize(text)


def test_the_code_inside_what_is_refused_is_accepted_by_itself():
    assert DEFAULT.normalize(CODE) == CODE
    assert len(set(REFUSED.values()) - {CODE}) == len(REFUSED)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0" * 65, "too long"),
        (CODE.replace("A", "U"), "a symbol that no code has"),
        (CODE[1:], "A code has 16 symbols"),
        (CODE[:-1] + "0", "mistyped"),
    ],
)
def test_the_message_says_what_is_wrong_and_does_not_repeat_the_text(text, message):
    with pytest.raises(Malformed, match=message) as caught:
        DEFAULT.normalize(text)
    assert text not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("OOOO0000", "OOOO0000"),  # Both are in the alphabet: two symbols.
        ("IL1l-oO0z", "IL1LOO0Z"),
        ("abcd efgh", "ABCDEFGH"),
    ],
)
def test_the_classic_form_keeps_symbols_apart_that_look_alike(text, code):
    assert CLASSIC.normalize(text) == code


def test_a_lower_case_alphabet_is_stored_in_lower_case():
    assert LOWER.normalize("ABCD-EFG1") == "abcdefg1"
    low32 = "k1s0abcdefghjkm7"
    assert LOWER_CROCKFORD.normalize("KLSO-ABCD-EFGH-JKM7") == low32


def test_a_mixed_case_alphabet_keeps_case():
    assert MIXED.case_sensitive
    assert MIXED.normalize("aBcD-eFgH-Il1O") == "aBcDeFgHIl1O"
    assert not DEFAULT.case_sensitive


def test_an_alphabet_with_some_letters_in_one_case_takes_these_in_both():
    base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    code_format = CodeFormat(base58, 4, check_symbol=False)
    assert code_format.normalize("O0oI") == "oooi"
    assert code_format.normalize("lLiA") == "LLiA"


def test_base32_of_rfc_4648_takes_0_for_o_and_refuses_1():
    code_format = CodeFormat(RFC_4648.alphabet, 4, check_symbol=False)
    assert code_format.normalize("O0o\uff10") == "OOOO"
    assert code_format.normalize("ILil") == "ILIL"
    with pytest.raises(Malformed, match="a symbol that no code has"):
        code_format.normalize("1OOO")


@pytest.mark.parametrize(
    ("group_size", "shown"),
    [(4, "ABCD-EFGH-IJ"), (3, "ABC-DEF-GHI-J"), (0, "ABCDEFGHIJ"), (99, "ABCDEFGHIJ")],
)
def test_a_code_is_shown_in_groups(group_size, shown):
    code_format = CodeFormat(string.ascii_uppercase, 10, False, group_size)
    assert code_format.display("ABCDEFGHIJ") == shown
    assert code_format.normalize(shown) == "ABCDEFGHIJ"


@pytest.mark.parametrize("as_json", [False, True], ids=["list", "json"])
def test_every_place_of_a_code_has_every_symbol_equally_often(as_json):
    generate = DEFAULT.generate_json if as_json else DEFAULT.generate
    codes = generate(20_000)
    for column in zip(*(json.loads(codes) if as_json else codes), strict=True):
        assert chi_square(column, CROCKFORD) < UNBIASED


def test_an_alphabet_of_36_symbols_is_drawn_without_bias():
    symbols = "".join(CLASSIC.generate(50_000))
    assert chi_square(symbols, CLASSIC.alphabet) < UNBIASED


def test_bytes_modulo_36_would_be_biased(monkeypatch):
    monkeypatch.setattr(
        CodeFormat,
        "_random_values",
        lambda self, count: bytes(byte % 36 for byte in secrets.token_bytes(count)),
    )
    symbols = "".join(CLASSIC.generate(50_000))
    assert chi_square(symbols, CLASSIC.alphabet) > 2 * UNBIASED


def test_bytes_that_are_dropped_are_drawn_anew(monkeypatch):
    blocks = iter([b"\xfc\xfd\xfe\xff\x00\x01\xfb\x02", b"\xff\x03\x04\x05", b"\x06"])
    asked = []
    monkeypatch.setattr(
        "secrets.token_bytes", lambda count: asked.append(count) or next(blocks)
    )
    assert CLASSIC.generate(1) == ["AB9CDEFG"]  # 0xfb is 251, and 251 % 36 is 35.
    assert asked == [8, 4, 1]


def test_all_codes_come_from_one_block_of_the_randomness_of_the_system(monkeypatch):
    asked = []

    def token_bytes(count):
        asked.append(count)
        return b"\x0a" * count

    monkeypatch.setattr("secrets.token_bytes", token_bytes)
    assert len(set(DEFAULT.generate(100))) == 1
    assert asked == [1500]


def test_seeding_the_pseudo_random_numbers_foretells_no_code():
    state = random.getstate()
    try:
        random.seed(1)
        first = DEFAULT.generate(3)
        random.seed(1)
        assert not set(first) & set(DEFAULT.generate(3))
    finally:
        random.setstate(state)


@pytest.mark.parametrize(
    ("code_format", "capacity"),
    [(DEFAULT, 2**75), (CLASSIC, 36**8), (RFC_4648, 2**75), (BINARY, 2**64)],
)
def test_the_number_of_possible_codes_and_its_logarithm(code_format, capacity):
    assert code_format.capacity() == capacity
    assert code_format.entropy_bits() == pytest.approx(math.log2(capacity))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alphabet": "0123456789-"}, "ASCII letters and digits"),
        ({"alphabet": "ABCDÉ"}, "ASCII letters and digits"),
        ({"alphabet": "ABCD "}, "ASCII letters and digits"),
        ({"alphabet": "٠١٢٣"}, "ASCII letters and digits"),
        ({"alphabet": "ABCA"}, "repeats a symbol"),
        ({"alphabet": ""}, "at least two"),
        ({"alphabet": "A"}, "at least two"),
        ({"length": 0}, "1 to 64"),
        ({"length": -1}, "1 to 64"),
        ({"length": 65}, "1 to 64"),
        ({"group_size": -1}, "0 or more"),
        ({"length": 1}, "check symbol"),
        ({"alphabet": string.ascii_uppercase}, "check symbol"),
        ({"alphabet": CROCKFORD + "U"}, "check symbol"),
    ],
)
def test_a_format_that_no_code_can_have_raises(arguments, message):
    with pytest.raises(ValueError, match=message):
        CodeFormat(**arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"length": 2},
        {"length": 64},
        {"length": 1, "check_symbol": False},
        {"alphabet": "01", "check_symbol": False},
        {"group_size": 0},
    ],
)
def test_a_format_at_the_border_of_the_possible_works(arguments):
    code_format = CodeFormat(**arguments)
    [code] = code_format.generate(1)
    assert code_format.normalize(code_format.display(code)) == code


def test_codes_need_no_django():
    program = "import sys, invite_code.codes; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("value", [None, 5, b"0" * 16, ["0"] * 16, {}])
def test_what_is_no_text_is_no_code(value):
    with pytest.raises(Malformed, match="A code is a text"):
        CodeFormat().normalize(value)
