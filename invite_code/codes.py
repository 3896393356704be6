"""Invite codes as text: how they are made, written and read.

Pure Python: nothing here knows Django, a setting or a database.
"""

import math
import secrets
import string
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from invite_code.errors import Malformed

#: Digits and capitals without I, L, O and U.
#: Source: Douglas Crockford, https://www.crockford.com/base32.html
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

#: What stands between the symbols of a code that was copied or typed: blanks (the
#: no-break and the ideographic one too), hyphens, and the dashes that word
#: processors make of hyphens.
SEPARATORS = " \t\r\n\u00a0\u3000-\u2010\u2011\u2012\u2013\u2014\u2212"

#: Symbols that people take for one another, in both cases.
LOOKALIKES = ("0Oo", "1IiLl")

#: The longest code there is room for; the width of ``InviteCode.code``.
MAX_LENGTH = 64

#: By how many symbols the codes of one statement are put in order, which an index
#: takes best. More bring it nothing, and so many make a number of 32 bits.
IN_ORDER = 4

#: The distance of the full-width forms from ASCII: U+FF01 to U+FF5E stand for
#: U+0021 to U+007E. Source: Unicode, block "Halfwidth and Fullwidth Forms".
FULLWIDTH = 0xFF01 - 0x21

#: Twice each element of GF(32), as a table for ``bytes.translate``. The field is
#: that of the polynomial x^5 + x^2 + 1, which is primitive.
DOUBLE = bytes((n << 1) ^ (0b100101 if n & 16 else 0) for n in range(32)) + bytes(224)
#: Half of each, as such a table.
HALF = bytes.maketrans(DOUBLE[:32], bytes(range(32)))


@dataclass(frozen=True)
class CodeFormat:
    """The form all codes of a site have.

    Args:
        alphabet: the symbols, two or more different ASCII letters and digits.
        length: symbols in a code, the check symbol included; 1 to 64.
        check_symbol: whether the last symbol is computed from the others, so that
            a typo is known as a typo. Takes an alphabet of 32 symbols.
        group_size: symbols between two hyphens when shown; 0 shows no hyphens.

    Raises:
        ValueError: no code can have this form; the message says why.
    """

    alphabet: str = CROCKFORD
    length: int = 16
    check_symbol: bool = True
    group_size: int = 4

    def __post_init__(self) -> None:
        symbols = self.alphabet
        if not set(symbols) <= set(string.ascii_letters + string.digits):
            raise ValueError("The alphabet may hold ASCII letters and digits only.")
        if len(set(symbols)) != len(symbols):
            raise ValueError("The alphabet repeats a symbol.")
        if len(symbols) < 2:
            raise ValueError("The alphabet needs at least two symbols.")
        if not 1 <= self.length <= MAX_LENGTH:
            raise ValueError(f"A code has 1 to {MAX_LENGTH} symbols.")
        if self.group_size < 0:
            raise ValueError("A group has 0 or more symbols.")
        if self.check_symbol and (len(symbols) != 32 or self.length < 2):
            raise ValueError(
                "A check symbol takes an alphabet of 32 symbols and 2 or more of them"
                " in a code; switch it off for another form."
            )

    @property
    def random_length(self) -> int:
        """How many symbols of a code are random."""
        return self.length - self.check_symbol

    @property
    def case_sensitive(self) -> bool:
        """Whether two symbols differ in nothing but case."""
        return len(set(self.alphabet.lower())) < len(self.alphabet)

    def capacity(self) -> int:
        """Return how many codes are possible."""
        return int(len(self.alphabet) ** self.random_length)

    def entropy_bits(self) -> float:
        """Return the entropy of one code, in bits."""
        return self.random_length * math.log2(len(self.alphabet))

    def generate(self, count: int) -> list[str]:
        """Return `count` random codes, which may repeat."""
        return self._text(self._columns(count), "\n").splitlines()

    def generate_json(self, count: int) -> str:
        """Return `count` random codes, which may repeat, as a JSON array.

        They are in the order of their first symbols. No text is made for each code.
        """
        columns = self._columns(count)
        # Which of the others stand beside the first symbols is random anyway.
        columns[:IN_ORDER] = self._in_order(columns[:IN_ORDER])
        text = self._text(columns, '","')
        return f'["{text}"]' if count else "[]"

    def _in_order(self, columns: list[bytes]) -> list[bytes]:
        """Return values of the first places that put the codes in order.

        What was drawn is taken for ranks of the symbols there, not for their values:
        each is as likely as another. The ranks of a code make a number, because
        numbers sort quicker than texts.
        """
        numbers = bytearray(IN_ORDER * len(columns[0]))
        significance = reversed if sys.byteorder == "little" else iter
        places = [slice(i, None, IN_ORDER) for i in significance(range(IN_ORDER))]
        for place, column in zip(places, columns, strict=False):
            numbers[place] = column
        ordered = array("I", sorted(array("I", numbers))).tobytes()
        return [
            ordered[place].translate(values)
            for place, values in zip(places, self._by_rank, strict=False)
        ]

    def _columns(self, count: int) -> list[bytes]:
        """Return the random values at each place of so many codes.

        All come from one block of the operating system's randomness.
        """
        values = self._random_values(count * self.random_length)
        starts = [count * i for i in range(self.random_length)]
        return [values[start : start + count] for start in starts]

    def _text(self, columns: list[bytes], separator: str) -> str:
        """Return the codes, which are made a column at a time.

        First the first symbols of all codes, then the second ones, and so on to the
        check symbols, between separators that part the codes again.
        """
        if self.check_symbol:
            columns = [*columns, _xor(columns)]
        count, size = len(columns[0]), self.length + len(separator)
        text = bytearray((b" " * self.length + separator.encode()) * count)
        for i, column in enumerate(columns):
            text[i::size] = column.translate(self._symbols[i])
        return text.decode("ascii").removesuffix(separator)

    def display(self, code: str) -> str:
        """Return the code as people read it: ``XXXX-XXXX-XXXX-XXXX``."""
        size = self.group_size or self.length
        return "-".join(code[i : i + size] for i in range(0, len(code), size))

    def normalize(self, text: object) -> str:
        """Return the code that `text` spells, as it is stored.

        Takes either case, separators anywhere, full-width forms, and look-alikes
        of which only one is in the alphabet.

        Raises:
            Malformed: no code is spelled so. Nothing but `text` was looked at.
        """
        if not isinstance(text, str):
            raise Malformed("A code is a text.")
        if len(text) > 4 * self.length:
            raise Malformed("This is too long for a code.")
        code = text.translate(self._spellings)
        if code.strip(self.alphabet):  # Quicker than a set of its symbols.
            raise Malformed("This has a symbol that no code has.")
        if len(code) != self.length:
            raise Malformed(f"A code has {self.length} symbols.")
        if self.check_symbol and self._check(code):
            raise Malformed("The symbols do not fit together: one is mistyped.")
        return code

    def _random_values(self, count: int) -> bytes:
        # The bytes above the last whole multiple of the size would make the first
        # symbols more likely than the rest: they are dropped, and others drawn.
        surplus = bytes(range(256 - 256 % len(self.alphabet), 256))
        values = b""
        while len(values) < count:
            block = secrets.token_bytes(count - len(values))
            values += block.translate(self._remainders, surplus)
        return values

    def _check(self, code: str) -> int:
        """Return the state of the check after a code: zero after one that is right.

        Source: H. M. Damm, "Total anti-symmetrische Quasigruppen", 2004; here
        x * y = 2x + y in GF(32), which catches every wrong symbol and every swap of
        neighbors.
        """
        state = 0
        for symbol in code:
            state = DOUBLE[state] ^ self._values[symbol]
        return state

    @cached_property
    def _values(self) -> dict[str, int]:
        return {symbol: value for value, symbol in enumerate(self.alphabet)}

    @cached_property
    def _remainders(self) -> bytes:
        return bytes(n % len(self.alphabet) for n in range(256))

    @cached_property
    def _symbols(self) -> list[bytes]:
        """The symbol of each value that is drawn, for each place in a code.

        Where there is a check, a value is what the symbol adds to it, having been
        doubled for each symbol after it: so the check symbol is the sum of all values.
        """
        symbols = self.alphabet.encode().ljust(256)
        tables = [symbols]
        for _ in range(1, self.length):
            if self.check_symbol:
                symbols = HALF.translate(symbols)
            tables.insert(0, symbols)
        return tables

    @cached_property
    def _by_rank(self) -> list[bytes]:
        """The values by the ranks of their symbols, for each place that is in order."""
        values = range(len(self.alphabet))
        return [
            bytes(sorted(values, key=symbols.__getitem__)).ljust(256)
            for symbols in self._symbols[: min(IN_ORDER, self.random_length)]
        ]

    @cached_property
    def _spellings(self) -> dict[int, str]:
        table = dict.fromkeys(SEPARATORS, "")
        for symbol in self.alphabet:
            table[symbol.swapcase()] = symbol
        for group in LOOKALIKES:
            known = set(group) & set(self.alphabet)
            if len(known) == 1:
                table |= dict.fromkeys(group, known.pop())
        table |= dict(zip(self.alphabet, self.alphabet, strict=True))
        ascii_keys = [key for key in table if "!" <= key <= "~"]
        table |= {chr(ord(key) + FULLWIDTH): table[key] for key in ascii_keys}
        return str.maketrans(table)


def _xor(columns: Sequence[bytes]) -> bytes:
    """Return the sum of columns in GF(32)."""
    mixed = 0
    for column in columns:
        mixed ^= int.from_bytes(column)
    return mixed.to_bytes(len(columns[0]))
