"""Modules that receivers live in."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Final

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Info, Warning

from signals_demo.recorder.checks.source import connects
from signals_demo.recorder.checks.wording import about, at, short
from signals_demo.recorder.inventory import connections
from signals_demo.recorder.naming import contents

#: What modules with receivers are called.
NAMES: Final = ("signals", "receivers", "handlers", "signal_handlers", "listeners")


def check_imports(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Check that modules with receivers are imported: signals_demo.W006.

    They are found without an import, and their source is read only if nothing has
    imported them.
    """
    return [
        Warning(
            "Nothing has imported it by now, so none of its receivers is connected"
            f" ({path}).",
            hint=f"Import it in ready() of {type(config).__name__}: import {name}.",
            obj=name,
            id="signals_demo.W006",
        )
        for config in app_configs or apps.get_app_configs()
        for name, path in _left_out(config)
    ]


def _left_out(config: AppConfig) -> Iterator[tuple[str, Path]]:
    """Yield the modules of an app that connect receivers, but are not imported."""
    for name, spec in _specs(config):
        if name in sys.modules or not spec.origin or not spec.origin.endswith(".py"):
            continue
        if _connects(path := Path(spec.origin)) and not _is_loaded(spec.origin):
            yield name, path


def _specs(config: AppConfig) -> Iterator[tuple[str, ModuleSpec]]:
    places = getattr(config.module, "__path__", None)
    for spec in _found(config.name, NAMES if places else (), places):
        yield spec.name, spec
        if inside := spec.submodule_search_locations:
            names = [each.name for each in iter_modules(inside)]
            meant = [each for each in names if not _is_of_tests(each)]
            for inner in _found(spec.name, meant, inside):
                yield inner.name, inner


def _is_of_tests(name: str) -> bool:
    return name.startswith("test") or name == "conftest"


def _found(
    package: str, names: Iterable[str], places: Sequence[str] | None
) -> Iterator[ModuleSpec]:
    specs = (PathFinder.find_spec(f"{package}.{name}", places) for name in names)
    return filter(None, specs)


def _is_loaded(path: str) -> bool:
    """Return whether a module of that file is there by another name."""
    return any(
        contents(module).get("__file__") == path
        for module in list(sys.modules.values())
    )


def _connects(path: Path) -> bool:
    try:
        return connects(path.read_bytes())
    except (OSError, SyntaxError, ValueError):  # Whoever imports it will hear of it.
        return False


def check_homes(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Check that receivers live in modules of their own: signals_demo.I003.

    It is a matter of taste, so it is not registered; a project can do so.
    """
    configs = list(app_configs or apps.get_app_configs())
    roots = {config.name for config in configs}
    homes = roots | {f"{name}.models" for name in roots}
    return [
        Info(
            f"This receiver of {short(each.signal)} is in {each.receiver.__module__}"
            f"{at(each)}.",
            hint="Put it into a module signals, which ready() of AppConfig imports.",
            obj=about(each),
            id="signals_demo.I003",
        )
        for each in connections()
        if each.is_alive
        and getattr(each.receiver, "__module__", "") in homes
        and not each.name.startswith("django.")
    ]
