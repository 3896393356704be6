"""Which templates a test run rendered, to find those that no test covers."""

from pathlib import Path

from django.template.base import Template

#: Names of the templates rendered so far; those of strings have none.
rendered: set[str] = set()


def record(template: Template) -> None:
    """Note that a template was rendered."""
    if template.name:
        rendered.add(template.name)


def unrendered(folder: Path) -> list[str]:
    """Return the names of the templates in a folder that nothing has rendered."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))
    return sorted(set(names) - rendered)
