"""Configuration of a network: ``model`` of an experiment."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, PositiveInt, ValidationInfo, field_validator

from fer_au.config.external import EXTERNAL, InputConfig, factory_fault, is_file, read_classes
from fer_au.config.reading import NameOrPath, StrictModel
from fer_au.config.unread import ReadIf
from fer_au.expressions import ordered

NAMED_WEIGHTS = ("none", "imagenet", "faces")
"""Choices of ``model.weights`` that aren't paths."""
_USUAL_CHANNELS: Literal[3] = 3
DEFAULT_HEAD = "gap"
"""Head of a network that names none; a whole network has one of its own."""


class ModelConfig(StrictModel):
    """The network that an experiment trains.

    Attributes:
        backbone: Name of a timm model, or of a network of the project; whole networks have a head of their own.
        backbone_options: Options of the backbone itself: of a timm architecture (such as ``drop_path_rate``), or of a
            network.
        head: Classifier on the last feature map; null means ``gap``, or the whole network's own head.
        head_options: Options of the head itself.
        weights: Weights of the backbone before training: ``none`` (fresh), ``imagenet``, ``faces`` (of face
            recognition), or the path of a file, which DVC doesn't track. Excludes the experiment's ``base``.
        cut_after: Number of the feature layer after which the backbone ends, so that the head reads an inner layer's
            map; null for the whole backbone.
        output_stride: Input pixels per cell of the last feature map, where the backbone supports it.
        large_maps: Run the last two stages at stride 1, as the AU-cue paper does.
        in_chans: Channels of the input: 3 (RGB) or 1 (grey).
        factory: Maker of an ``external`` backbone, ``package.module:function``: code of yours, found among the
            installed packages and beside ``params.yaml``, which gives a ``torch.nn.Module`` with its weights. Nobody
            else's is ever run. Or the path of a ``.pt2`` or ONNX file, which is data.
        layers: Feature layers of an ``external`` backbone: names of its modules, or of an ONNX file's tensors, in the
            order in which they run; the first is layer 1.
        input: Pictures that an ``external`` backbone wants.
        classes: Outputs of an ``external`` backbone, by name in their order, or by number from 0 -> expressions; null
            leaves one out, and the probabilities of the others then sum up to 1.
        scores: What an ``external`` backbone gives for each class: ``logits``, or ``probabilities``.
    """

    READ_IF = (
        *(
            ReadIf(key, lambda model: model.backbone != EXTERNAL, "an external backbone is a whole network")
            for key in ("backbone_options", "head", "head_options", "cut_after", "output_stride", "large_maps")
        ),
        ReadIf(
            "weights",
            lambda model: model.backbone != EXTERNAL or model.weights == "none",
            "an external backbone has the weights that its factory gives it",
        ),
        ReadIf(
            "in_chans",
            lambda model: model.backbone != EXTERNAL or model.in_chans == _USUAL_CHANNELS,
            "input.channels says it of an external backbone",
        ),
        *(
            ReadIf(key, lambda model: model.backbone == EXTERNAL, "backbone external alone reads it")
            for key in ("factory", "layers", "input", "classes")
        ),
        ReadIf(
            "scores",
            lambda model: model.backbone == EXTERNAL or model.scores == "logits",
            "backbone external alone reads it",
        ),
    )

    backbone: str
    backbone_options: dict[str, Any] = Field(default_factory=dict)
    head: str | None = None
    head_options: dict[str, Any] = Field(default_factory=dict)
    weights: NameOrPath = "none"
    cut_after: PositiveInt | None = None
    output_stride: Literal[4, 8, 16, 32] | None = None
    large_maps: bool = False
    in_chans: Literal[1, 3] = _USUAL_CHANNELS
    factory: NameOrPath | None = Field(default=None, validate_default=True)
    layers: tuple[str, ...] = Field(default=(), validate_default=True)
    input: InputConfig | None = Field(default=None, validate_default=True)
    classes: dict[str, str | None] = Field(default_factory=dict, validate_default=True)
    scores: Literal["logits", "probabilities"] = "logits"

    @field_validator("classes", mode="before")
    @classmethod
    def _known_classes(cls, classes: object) -> dict[str, str | None]:
        return read_classes(classes)

    @field_validator("factory", "layers", "input", "classes")
    @classmethod
    def _given(cls, value: Any, known: ValidationInfo) -> Any:  # noqa: ANN401 (of each key its own)
        if known.data.get("backbone") == EXTERNAL and not value:
            raise ValueError("backbone external needs it")
        if known.field_name == "factory" and value is not None and (fault := factory_fault(value)):
            raise ValueError(fault)
        if known.field_name == "layers" and (twice := [one for one in value if value.count(one) > 1]):
            raise ValueError(f"{twice[0]} is there twice")
        return value

    @property
    def channels(self) -> int:
        """Channels of the input."""
        return self.in_chans if self.input is None else self.input.count

    @property
    def code(self) -> str | None:
        """Code that makes an external backbone; None where it is a file, and of all others."""
        return None if is_file(self.factory) else self.factory

    @property
    def outputs(self) -> tuple[str, ...]:
        """Expressions of an external backbone, in canonical order."""
        return ordered(one for one in self.classes.values() if one is not None)
