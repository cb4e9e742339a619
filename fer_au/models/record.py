"""What ``config.json`` of a model may say: the entries that anything reads, each of its type and within its bounds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fer_au.config.wording import short
from fer_au.errors import DataError

_LARGEST = 4096  # side of a stored picture in pixels
_LARGEST_INPUT = 1024  # side of a network's images, as `train.image_size` bounds it
_MOST_CLASSES = 10_000  # persons are classes, too

Number = Annotated[float, Field(allow_inf_nan=False)]
Scale = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Side = Annotated[int, Field(ge=1, le=_LARGEST)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^\w[\w.-]{0,99}$")]  # of the model's folder itself
Name = Annotated[str, Field(max_length=1000)]


class _Entries(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Align(_Entries):
    """How crops were made; other entries, such as a detector's version, are for people."""

    detector: Name | None = None
    keypoints: Literal["detector", "dlib5", "dlib68"] | None = None
    template: Literal["loose", "arcface", "tight", "none"] | None = None
    choose: Literal["largest", "central", "best-iou"] | None = None
    image_size: Side | None = None
    place: Annotated[str, Field(pattern=r"^-?\d+\.\d+ -?\d+\.\d+ \d+\.\d+$", max_length=100)] | None = None
    context_size: Annotated[int, Field(ge=0, le=_LARGEST)] | None = None


class _Preprocessing(_Entries):
    """What is missing here is asked for by whoever needs it."""

    image_size: Annotated[int, Field(ge=1, le=_LARGEST_INPUT)] | None = None
    channels: Literal[1, 3] | None = None
    mean: Annotated[list[Number], Field(min_length=3, max_length=3)] | None = None
    std: Annotated[list[Scale], Field(min_length=3, max_length=3)] | None = None
    align: _Align | None = None


class _Record(_Entries):
    model: dict[str, Any]
    classes: Annotated[list[Name], Field(min_length=1, max_length=_MOST_CLASSES)]
    weights_sha256: Digest
    files: dict[FileName, Digest] | None = None
    preprocessing: _Preprocessing | None = None
    experiment: dict[str, Any] | None = None
    train: dict[str, Any] | None = None
    data: dict[str, Any] | None = None
    seed: int | None = None
    selected_epoch: Annotated[int, Field(ge=0)] | None = None
    selected_on: Name | None = None
    precision: Name | None = None
    train_images_per_second: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


def check_record(path: Path, record: Mapping[str, Any]) -> None:
    """Check the entries of a model's ``config.json``; the network itself is checked where it is built.

    Args:
        path: Path of the file, used in messages.
        record: Its entries.

    Raises:
        DataError: An entry is missing, of another type or out of bounds; one line that names it.
    """
    try:
        _Record.model_validate(record)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        got = "" if first["type"] == "missing" else f", got {short(first['input'])}"
        raise DataError(f"{path}: {key}: {first['msg'][:1].lower()}{first['msg'][1:]}{got}") from error
