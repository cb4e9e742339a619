"""Options of parts (heads, detectors, extractors, ...): a nested class ``Options``, checked before the part is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar, Protocol, TypeVar, cast

from pydantic import BeforeValidator, ConfigDict, Field, PositiveInt

from fer_au.config.reading import StrictModel, validate
from fer_au.registry import Registry

Share = Annotated[float, Field(gt=0, le=1)]
"""A share of a whole, in (0, 1]."""


def _listed(value: object) -> object:
    if not isinstance(value, list | tuple):
        raise ValueError("should be a list of whole numbers")
    return tuple(value)


Counts = Annotated[tuple[PositiveInt, ...], BeforeValidator(_listed)]
"""Whole numbers >= 1, written as a list; it may be empty."""


class PartOptions(StrictModel):
    """Base of the options of parts, without options itself; types are strict: ``2.0`` and ``true`` aren't integers."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class Configurable(Protocol):
    """A part that takes options as keyword arguments, and declares them in a nested class.

    Attributes:
        Options: Options with their types, defaults and descriptions.
    """

    Options: ClassVar[type[PartOptions]]


PartT = TypeVar("PartT", bound=Configurable)


def construct(
    registry: Registry[type[PartT]], name: str, options: Mapping[str, object], *args: object, key: str = ""
) -> PartT:
    """Make a registered part from a user's options.

    Args:
        registry: Registry of the part's class.
        name: Name of the part.
        options: Options of the part, plain values.
        args: Arguments that stand before the options.
        key: Key of the configuration that holds the options, used in messages.

    Raises:
        UnknownNameError: There is no such part; the message lists near names.
        ConfigError: The part doesn't have an option, or refuses its value.
    """
    return construct_part(registry.get(name), options, *args, key=key, owner=f"{registry.kind} {name!r}")


def construct_part(part: type[PartT], options: Mapping[str, object], *args: object, key: str, owner: str) -> PartT:
    """Make a part from a user's options; ``owner`` names it in messages, other arguments as in ``construct``.

    Raises:
        ConfigError: The part doesn't have an option, or refuses its value.
    """
    validate(part.Options, options, key, owner)
    return cast(Callable[..., PartT], part)(*args, **options)
