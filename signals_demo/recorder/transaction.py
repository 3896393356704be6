"""A transaction of a database: how it ended, and what of it was undone before."""

from bisect import bisect_left
from math import inf

OPEN = "open"
COMMITTED = "committed"
ROLLED_BACK = "rolled back"


class Transaction:
    """One transaction of one connection, and what of it was undone.

    Attributes:
        alias: of the database.
        state: OPEN as long as neither of the other two is known.
        savepoints: the order number of each that stands, by its name.
        undone: between which order numbers all was taken back, the first ones first.
    """

    __slots__ = ("alias", "savepoints", "state", "undone")

    def __init__(self, alias: str) -> None:
        """Begin with nothing undone."""
        self.alias = alias
        self.state = OPEN
        self.savepoints: dict[str, int] = {}
        self.undone: list[tuple[int, int]] = []

    def undo(self, savepoint: str, until: int) -> None:
        """Take back what came since that savepoint.

        Args:
            savepoint: its name; that of one made before the recording is unknown,
                and takes back all.
            until: the order number of the moment.
        """
        since = self.savepoints.get(savepoint, 0)
        self._end_after(since)
        self.take_back(since, until)

    def release(self, savepoint: str) -> None:
        """Forget a savepoint, and those made inside of it."""
        self._end_after(self.savepoints.pop(savepoint, inf))

    def _end_after(self, order: float) -> None:
        while (
            self.savepoints and self.savepoints[next(reversed(self.savepoints))] > order
        ):
            self.savepoints.popitem()

    def take_back(self, since: int, until: int) -> None:
        """Note that all between two order numbers was undone.

        Args:
            since: the lower one; all known that ends after it becomes one with it.
            until: the higher one.
        """
        first = len(self.undone)
        while first and self.undone[first - 1][1] > since:
            first -= 1
        for each in self.undone[first:]:
            since, until = min(since, each[0]), max(until, each[1])
        self.undone[first:] = [(since, until)]

    def fate(self, order: int) -> str:
        """Return what became of the entry of that number: one of the three states."""
        index = bisect_left(self.undone, (order,))
        if any(order < until for _, until in self.undone[index - 1 : index]):
            return ROLLED_BACK
        return self.state
