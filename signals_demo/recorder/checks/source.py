"""What the source of a module says, without running it."""

import ast
import re
from collections.abc import Iterator
from typing import Final

_RECEIVER: Final = re.compile(r"django\.dispatch\.(dispatcher\.)?receiver")
_CONNECT: Final = re.compile(r"(?!celery\.)(.*\.)?\w*signals\.\w+\.connect")


def connects(source: bytes) -> bool:
    """Return whether the source connects receivers to signals.

    Args:
        source: of one module, in any encoding that Python takes.

    Raises:
        SyntaxError: it is no Python.
        ValueError: it is no Python either: it has a null byte.
    """
    tree = ast.parse(source)
    known = dict(_known(tree))
    called = [
        _name(node.func, known) for node in ast.walk(tree) if isinstance(node, ast.Call)
    ]
    return any(_RECEIVER.fullmatch(name) or _CONNECT.fullmatch(name) for name in called)


def _known(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the names that the module has from others, and their dotted names there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module or ''}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    yield alias.asname, alias.name
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            made = _name(node.value.func, {}).endswith("Signal")
            for target in node.targets if made else ():
                if isinstance(target, ast.Name):
                    yield target.id, f"signals.{target.id}"


def _name(node: ast.AST, known: dict[str, str]) -> str:
    """Return the dotted name of what stands there, as far as it has one."""
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value, known)}.{node.attr}"
    return known.get(node.id, node.id) if isinstance(node, ast.Name) else ""
