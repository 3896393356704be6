"""Which row a statement is about, as far as its text tells."""

import re
from typing import Any, Final

from signals_demo.recorder.related import model_of
from signals_demo.recorder.trace import Emission, Query

_NAME: Final = r"(?:[\"`]?\w+[\"`]?\.)?[\"`]?(\w+)[\"`]?"
#: What else a row must be like, as a condition that guards a change of it says.
_GUARDS: Final = r"(?: AND [\"`]?\1[\"`]?\.(?:(?!\b(?:AND|OR|SELECT)\b).)*?)*"
#: A statement about one table, and one key; parameters are not known.
_ONE_ROW: Final = re.compile(
    rf"^(?:SELECT .*? FROM|UPDATE|DELETE FROM) {_NAME} .*?"
    rf"\bWHERE \(?{_NAME} (?:= %s|IN \(%s\)){_GUARDS}\)?"
    r"(?: (?:ORDER|LIMIT|FOR) .*)?$",
    re.DOTALL,
)


def is_of_instance(query: Query, emission: Emission) -> bool:
    """Return whether a statement is about one row, by key, of the signal's model.

    Args:
        query: a statement inside of a receiver.
        emission: of a signal with an instance, which that receiver ran for.
    """
    label = str(emission.arguments.get("instance")).partition("(")[0]
    model, found = model_of(label), _ONE_ROW.match(query.sql)
    if model is None or found is None:
        return False
    parents: Any = model._meta.all_parents
    return any(
        found.groups() == (each._meta.db_table, each._meta.pk.column)
        for each in (model, *parents)
    )
