"""Entries as the live page gets them."""

import json
from collections import Counter, OrderedDict
from typing import Any, Final

from signals_demo.recorder import export
from signals_demo.recorder.live.depth import copied, everything, shallow
from signals_demo.recorder.live.groups import Group
from signals_demo.recorder.live.ring import SENT_SIZE, Sent
from signals_demo.recorder.trace import Described, Emission, Entry, Query
from signals_demo.recorder.transaction import Transaction

#: How many characters of JSON one entry may take.
MAX_TEXT: Final = 500_000
#: How many entries are left inside of each receiver of a larger one.
FEW: Final = 50
#: How many bytes of memory an entry takes for each character of its JSON: measured.
FACTOR: Final = 3
#: The largest number of which JavaScript knows each digit: Number.MAX_SAFE_INTEGER.
MAX_EXACT: Final = 2**53 - 1
#: How many transactions have numbers.
MAX_TRANSACTIONS: Final = 1_000


class Encoder(export.Writer):
    """Writes entries as the export does, but with numbers of the whole process.

    Times are nanoseconds since some moment before the first entry. Arguments that a
    browser would round are text.
    """

    def __init__(self, began: int) -> None:
        """Begin to count.

        Args:
            began: what times are counted from.
        """
        self.began = began
        self.numbered: OrderedDict[int, tuple[Transaction, int]] = OrderedDict()
        self.count = 0

    def number(self, order: int) -> int:
        """Return the number as it is."""
        return order

    def transaction(self, transaction: Transaction | None) -> int | None:
        """Return a number for a transaction, the same as long as it matters."""
        if transaction is None:
            return None
        key = id(transaction)
        if key not in self.numbered:
            self.count += 1
            self.numbered[key] = transaction, self.count
            if len(self.numbered) > MAX_TRANSACTIONS:
                self.numbered.popitem(last=False)
        return self.numbered[key][1]

    def entry(self, entry: Entry) -> dict[str, Any]:
        """Return an entry, with all that happened inside of it."""
        data = super().entry(entry)
        if isinstance(entry, Emission):
            data["arguments"] = exact(entry.arguments)
        return data

    def sent(self, entry: Entry, group: Group | None, dropped: Counter[str]) -> Sent:
        """Return an entry with its JSON.

        Args:
            entry: one that nothing is above.
            group: what it came in, or None.
            dropped: takes the names of what is left out because it is too much.
        """
        (kept,) = shallow([entry])
        if kept is entry:
            kept = copied(entry)  # What it becomes later is not told yet.
        else:
            _count_lost(entry, kept, dropped)
        text = self._text(kept, group)
        for most in (FEW, 0):
            if len(text) <= MAX_TEXT:
                break
            whole, kept = kept, copied(kept, most)
            _count_lost(whole, kept, dropped)
            text = self._text(kept, group)
        return Sent(kept, group, text, SENT_SIZE + FACTOR * len(text))

    def _text(self, entry: Entry, group: Group | None) -> str:
        data = {**self.entry(entry), "within": group.as_data() if group else None}
        return json.dumps(data, allow_nan=False)


def exact(value: Described) -> Described:
    """Return a value as JavaScript can show it, digit for digit."""
    if isinstance(value, dict):
        return {name: exact(each) for name, each in value.items()}
    if isinstance(value, list):
        return [exact(each) for each in value]
    if isinstance(value, int) and abs(value) > MAX_EXACT:
        return str(value)
    return value


def _count_lost(entry: Entry, whole: Entry, dropped: Counter[str]) -> None:
    kept = {each.order for each, _ in everything([whole])}
    for each, _ in everything([entry]):
        if each.order not in kept:
            dropped[_name(each)] += 1


def _name(entry: Entry) -> str:
    if isinstance(entry, Emission):
        return entry.signal
    return "query" if isinstance(entry, Query) else "on_commit"
