"""Replace methods of classes for a while, and put the very same ones back."""

from collections.abc import Callable, Iterable
from functools import wraps
from types import FunctionType
from typing import Any

#: Takes the function that a class has, and returns the one that takes its place.
Replacing = Callable[[Callable[..., Any]], Callable[..., Any]]


class Patches:
    """Methods that are replaced from ``install()`` to ``remove()``."""

    def __init__(self) -> None:
        """Begin with nothing replaced."""
        self._replaced: list[tuple[type, str, Any, Any]] = []

    @property
    def installed(self) -> bool:
        """Whether something is replaced now."""
        return bool(self._replaced)

    def install(self, classes: Iterable[type], replacing: dict[str, Replacing]) -> None:
        """Replace those methods that the classes define themselves.

        Args:
            classes: the classes.
            replacing: what takes the place of each method, by its name.
        """
        for kind in classes:
            for name, replace in replacing.items():
                original: Any = vars(kind).get(name)
                is_of_class = isinstance(original, classmethod)
                function = original.__func__ if is_of_class else original
                # A mock, or a descriptor, is not called as a method is.
                if not isinstance(function, FunctionType):
                    continue
                replacement: Any = wraps(function)(replace(function))
                if is_of_class:
                    replacement = classmethod(replacement)
                setattr(kind, name, replacement)
                self._replaced.append((kind, name, original, replacement))

    def remove(self) -> None:
        """Put back all that is still ours; others may have replaced it since."""
        while self._replaced:
            kind, name, original, replacement = self._replaced.pop()
            if vars(kind).get(name) is replacement:
                setattr(kind, name, original)


def with_subclasses(kind: type) -> list[type]:
    """Return the class and all that are derived from it."""
    classes = [kind]
    for each in classes:
        found: list[type] = type.__subclasses__(each)
        classes += [subclass for subclass in found if subclass not in classes]
    return classes
