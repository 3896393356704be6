"""How models belong together, as far as signals may take the one for the other."""

from typing import Any

from django.apps import apps
from django.db.models import Model


def model_of(label: str | None) -> type[Model] | None:
    """Return the model of that label, or None if there is none."""
    try:
        return apps.get_model(label or "")
    except (LookupError, ValueError):
        return None


def relation(waits_for: str | None, came_from: str | None, signal: str) -> str:
    """Return how two models belong together, in some words, or an empty string.

    Args:
        waits_for: the label of the sender that a receiver is connected with.
        came_from: the label of the sender that there was.
        signal: the name of the signal.
    """
    mine, other = model_of(waits_for), model_of(came_from)
    if mine is None or other is None or mine is other:
        return ""
    if signal == "m2m_changed":
        is_its = _is_through(mine, other)
        return ", whose relation sends from its through model" if is_its else ""
    if mine._meta.swapped and model_of(mine._meta.swapped) is other:
        return ", which is swapped for it"
    if mine._meta.concrete_model is other._meta.concrete_model:
        proxy = other if other._meta.proxy else mine
        return f"; {proxy._meta.label} is a proxy, and a signal has one sender"
    if issubclass(other, mine):
        return ", its parent: a signal comes from the class of the instance"
    if issubclass(mine, other):
        return ", which is derived from it"
    return ""


def _is_through(model: type[Model], through: type[Model]) -> bool:
    """Return whether a relation of the model, from either end, is kept there."""
    relations: list[Any] = [
        *(field.remote_field for field in model._meta.many_to_many),
        *model._meta.related_objects,
    ]
    return any(getattr(each, "through", None) is through for each in relations)


def cascading(
    model: type[Model] | None, deleted: set[str], above: tuple[Any, ...] = ()
) -> Any:
    """Return the field by which the database deletes rows of the model, or None."""
    for field in model._meta.fields if model is not None else ():
        on_delete = getattr(field.remote_field, "on_delete", None)
        target: Any = field.related_model
        way = (*above, model)
        if getattr(on_delete, "__name__", "") != "DB_CASCADE" or target in way:
            continue
        if target._meta.db_table in deleted or cascading(target, deleted, way):
            return field
    return None
