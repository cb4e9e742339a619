"""Keys that nothing reads, because another key switches them off: a value that is written there would be ignored.

A model says in ``READ_IF`` which of its keys are read beside which values. Only keys that are written count, and only
values that ask for something: ``0``, ``false``, ``null`` and empty lists say what happens anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

Place = tuple[str | int, ...]
"""Keys and positions that lead to a value."""


class ReadIf(NamedTuple):
    """When a key is read.

    Attributes:
        key: The key.
        test: Tells of a model whether it is; it may look at any of the model's keys.
        why: Who reads it, for the message.
    """

    key: str
    test: Callable[[Any], bool]
    why: str


class Unread(NamedTuple):
    """A written value that nothing reads.

    Attributes:
        place: Keys that lead to it.
        why: Who would read it.
    """

    place: Place
    why: str

    @property
    def text(self) -> str:
        """Message about it."""
        return no_effect(self.why)


NO_EFFECT = "has no effect: "


def no_effect(why: str) -> str:
    """Say of a written value that nothing reads it."""
    return f"{NO_EFFECT}{why}; delete it"


def find_unread(model: BaseModel, place: Place = ()) -> Iterator[Unread]:
    """List the written values of a model, and of all models in it, that nothing reads.

    Args:
        model: The model, as it was built of what is written.
        place: Place of the model.
    """
    rules: Sequence[ReadIf] = getattr(type(model), "READ_IF", ())
    for key in type(model).model_fields:
        if key not in model.model_fields_set:
            continue
        value = getattr(model, key)
        broken = next((rule for rule in rules if rule.key == key and value and not rule.test(model)), None)
        if broken is not None:
            yield Unread((*place, key), broken.why)
        elif isinstance(value, BaseModel):
            yield from find_unread(value, (*place, key))
        elif isinstance(value, tuple | list):
            for number, item in enumerate(value):
                if isinstance(item, BaseModel):
                    yield from find_unread(item, (*place, key, number))


def is_written(data: object, place: Place) -> bool:
    """Tell whether plain data have a value at a place."""
    for part in place:
        if isinstance(data, Mapping):
            inside: Collection[object] = data
        else:
            inside = range(len(data)) if isinstance(data, list | tuple) else ()
        if part not in inside:
            return False
        data = data[part]  # type: ignore[index]
    return True


def drop_inherited(model: type[BaseModel], merged: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what overrides switch off of the settings beneath them, so that it decides nothing.

    ``{name: adam}`` over a section with ``{name: sgd, momentum: 0.9}`` is no mistake.

    Args:
        model: Model of the settings.
        merged: The settings with the overrides, plain data.
        own: The overrides alone; what is written there stays.

    Returns:
        The settings; as they are where they have other faults.
    """
    return drop_unread(model, merged, own, find_unread)


def drop_unread(
    model: type[BaseModel],
    merged: dict[str, Any],
    own: Mapping[str, Any],
    find: Callable[[Any], Iterator[Unread]],
) -> dict[str, Any]:
    """Leave out inherited settings as ``drop_inherited`` does; ``find`` lists the values that nothing reads."""
    try:
        built = model.model_validate(merged)
    except ValidationError:
        return merged
    for place, _ in find(built):
        if not is_written(own, place):
            merged = _without(merged, place)
    return merged


def _without(data: Any, place: Place) -> Any:  # noqa: ANN401 (plain data of any form)
    """Copy plain data without the value at a place."""
    first, *rest = place
    if isinstance(data, Mapping):
        if not rest:
            return {key: value for key, value in data.items() if key != first}
        return {key: _without(value, tuple(rest)) if key == first else value for key, value in data.items()}
    return [_without(value, tuple(rest)) if rest and number == first else value for number, value in enumerate(data)]
