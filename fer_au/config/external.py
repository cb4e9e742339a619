"""Settings of a model that was made elsewhere: who makes it, the pictures that it wants, and what it calls classes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from fer_au.config.reading import StrictModel
from fer_au.expressions import EXPRESSIONS, parse_expression
from fer_au.registry import near_names

EXTERNAL = "external"
"""The ``model.backbone`` of models that were made elsewhere."""

UNTRAINED = "none"
"""The ``train`` of experiments whose model is measured as it is."""

_FACTORY = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
ONNX, PT2 = ".onnx", ".pt2"
FILES = (ONNX, PT2)
"""Ends of names of the files that hold a network as data."""
_OTHER_FILES = (".pt", ".pth", ".tflite", ".safetensors", ".h5", ".keras")

_BYTE, _ROUNDED = 255, 1e-3
_SMALLEST = 0.001  # of a divisor; that of a network of pixels from 0 to 255 is 0.004


def _level(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError("should be from 0 to 1, as pixels are; 127.5 of 255 is 0.5")
    return value


def _spread(value: float) -> float:
    if not _SMALLEST <= value <= 1:
        raise ValueError(f"should be from {_SMALLEST} to 1, as pixels are from 0 to 1; 127.5 of 255 is 0.5")
    return value


Level = Annotated[float, AfterValidator(_level)]
Spread = Annotated[float, AfterValidator(_spread)]


class InputConfig(StrictModel):
    """The pictures that an external model wants.

    Attributes:
        size: Side of the square pictures in pixels.
        channels: Order of the channels, or ``gray`` for one channel of luma.
        mean: Mean that is subtracted from pixels in [0, 1], in the order of ``channels``; one number is that of all. A
            network of pixels from 0 to 255 takes 0.
        std: Divisor after that; a network of pixels from 0 to 255 takes 0.00392156862745098, which is 1/255.
        template: Template of the crops that it was trained on, as ``align.template`` names it; other crops are
            refused. null where that isn't known.
    """

    size: Annotated[int, Field(ge=16, le=1024)]
    channels: Literal["rgb", "bgr", "gray"] = "rgb"
    mean: tuple[Level, ...]
    std: tuple[Spread, ...]
    template: Literal["loose", "arcface", "tight", "none"] | None = None

    @field_validator("mean", "std", mode="before")
    @classmethod
    def _one_for_all(cls, value: object) -> object:
        return (value,) if isinstance(value, int | float) and not isinstance(value, bool) else value

    @field_validator("mean", "std")
    @classmethod
    def _per_channel(cls, value: tuple[float, ...], known: ValidationInfo) -> tuple[float, ...]:
        allowed = (1,) if known.data.get("channels") == "gray" else (1, 3)
        if len(value) not in allowed:
            raise ValueError("should be one number" + (", or three, of the three channels" if 3 in allowed else ""))
        return value

    @property
    def count(self) -> int:
        """Number of channels."""
        return 1 if self.channels == "gray" else 3

    @property
    def rgb_mean(self) -> tuple[float, float, float]:
        """Mean of red, green and blue."""
        return self._of_rgb(self.mean)

    @property
    def rgb_std(self) -> tuple[float, float, float]:
        """Divisor of red, green and blue."""
        return self._of_rgb(self.std)

    @property
    def keeps_bytes(self) -> bool:
        """Whether pixels stay what they are in bytes, from 0 to 255."""
        return max(self.mean) == 0 and all(abs(std * _BYTE - 1) < _ROUNDED for std in self.std)

    def _of_rgb(self, values: tuple[float, ...]) -> tuple[float, float, float]:
        first, second, third = values if len(values) == 3 else values * 3
        return (third, second, first) if self.channels == "bgr" else (first, second, third)


def factory_fault(factory: str) -> str:
    """Say why a text can't name a model or the function that makes it; empty if it can.

    Example:
        >>> factory_fault("my_nets.resnet:create")
        ''
    """
    if _FACTORY.fullmatch(factory) or is_file(factory):
        return ""
    if factory.endswith(_OTHER_FILES):
        return "of files, .onnx and .pt2 can be read; or write package.module:function, which gives a torch.nn.Module"
    return "should be package.module:function, whose function gives a torch.nn.Module, or a file .onnx or .pt2"


def is_file(factory: str | None) -> bool:
    """Tell whether a ``model.factory`` is a file, which is data, and no code."""
    return factory is not None and factory.endswith(FILES)


def has_gradients(factory: str | None) -> bool:
    """Tell whether a ``model.factory`` gives a network with gradients, so that it can be trained: not an ONNX file."""
    return not (factory or "").endswith(ONNX)


def read_classes(classes: object) -> dict[str, str | None]:
    """Read which output of a model means which expression.

    Args:
        classes: Name or number of each output -> expression; None leaves an output out.

    Returns:
        Name of each output, in the order of the outputs -> canonical expression, or None.

    Raises:
        ValueError: It is something else, an expression is unknown or there twice, or fewer than two are left.
    """
    if not isinstance(classes, Mapping):
        raise ValueError("should be a mapping from the model's classes to expressions")
    named = {_name(key): _expression(key, value) for key, value in classes.items()}
    if len(named) < len(classes):
        raise ValueError("a class is there twice")
    if any(key.isdigit() for key in named):
        if {key for key in named if key.isdigit()} != {str(n) for n in range(len(named))}:
            raise ValueError(f"numbers of outputs should be 0 to {len(named) - 1}, each of them once")
        named = {str(n): named[str(n)] for n in range(len(named))}
    kept = [one for one in named.values() if one is not None]
    if twice := next((one for one in kept if kept.count(one) > 1), None):
        raise ValueError(f"{twice} is meant by two classes; leave one out by null")
    if 0 < len(kept) < 2 or (named and not kept):
        raise ValueError("should name at least two expressions")
    return named


def _name(key: object) -> str:
    if isinstance(key, bool) or not isinstance(key, int | str) or key == "":
        raise ValueError(f"a class should be a name or a number, not {key!r}")
    return str(key)


def _expression(key: object, value: object) -> str | None:
    if value is None:
        return None
    found = parse_expression(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{key}: no expression {value!r}; {near_names(str(value), EXPRESSIONS)}")
    return found
