"""Configuration of models and their training: ``train``, ``evaluate``, ``experiments``, ``cross``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from fer_au.config.reading import PARAMS, StrictModel, entry, load_section, read_params, validate
from fer_au.errors import ConfigError
from fer_au.registry import near_names

Probability = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0)]


class ModelConfig(StrictModel):
    """The ``model`` of an experiment.

    Attributes:
        backbone: A timm model's name, or a whole network of the project, which has a head of its own.
        backbone_options: The backbone's own options: a timm architecture's (such as ``drop_path_rate``), or a
            network's.
        head: The classifier on its last feature map; default ``gap``.
        head_options: The head's own options.
        weights: Of the backbone before training: ``none`` (fresh), ``imagenet``, or the path of a file, which DVC
            doesn't track. An experiment's ``base`` excludes them.
        output_stride: Input pixels per cell of the last feature map, where the backbone supports it.
        large_maps: Run the last two stages at stride 1, as the AU-cue paper does.
        in_chans: Channels of the input: 3 (RGB) or 1 (grey).
    """

    backbone: str
    backbone_options: dict[str, Any] = Field(default_factory=dict)
    head: str | None = None
    head_options: dict[str, Any] = Field(default_factory=dict)
    weights: str = "none"
    output_stride: Literal[4, 8, 16, 32] | None = None
    large_maps: bool = False
    in_chans: Literal[1, 3] = 3


class GuidanceConfig(StrictModel):
    """One entry of ``guidance``: pull the attention of some layers to a cue.

    Attributes:
        cue: Where to look.
        loss: How the distance is measured.
        source: What counts as attention: ``features`` (a layer's channel mean), ``cam`` (the head's native map of the
            true class) or ``module`` (the head's own attention map).
        layers: Feature layers, by number or ``last`` or ``all``; their terms are averaged. Source ``features`` only.
        weight: The paper's lambda.
        codebook: Overrides ``heatmaps.codebook``; maps are then rendered from the landmarks.
        geometry: Overrides ``heatmaps.geometry``, likewise.
        landmark_noise: Standard deviation, per coordinate and in inter-ocular distances, of Gaussian noise on the
            landmarks before the cue is rendered from them: a stand-in for a worse extractor, fixed per image.
        start_epoch: First epoch (0-based) in which the term counts.
        end_epoch: First epoch in which it no longer does.
        warmup_epochs: The weight grows linearly from 0 over as many epochs from ``start_epoch`` on.
    """

    cue: str = "au"
    loss: str = "cosine"
    source: Literal["features", "cam", "module"] = "features"
    layers: tuple[str, ...] = ("last",)
    weight: NonNegative = 1.0
    codebook: str | None = None
    geometry: str | None = None
    landmark_noise: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    start_epoch: Annotated[int, Field(ge=0)] = 0
    end_epoch: PositiveInt | None = None
    warmup_epochs: NonNegative = 0.0

    @field_validator("layers", mode="before")
    @classmethod
    def _layer_names(cls, value: object) -> object:
        items = value if isinstance(value, list | tuple) else [value]
        if not items:
            raise ValueError("at least one layer is needed")
        return tuple(str(item) for item in items)


class OptimizerConfig(StrictModel):
    """``train.optimizer``."""

    name: Literal["sgd", "adam", "adamw"] = "sgd"
    lr: Annotated[float, Field(gt=0)] = 0.05
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = True
    weight_decay: NonNegative = 5e-4


class ScheduleConfig(StrictModel):
    """``train.schedule``: the learning rate over epochs, after a linear warm-up.

    Attributes:
        name: Half cosine to 0, ``gamma`` per ``step_epochs``, constant, or ``gamma`` whenever the selection split's
            loss has not fallen for ``patience`` epochs (``plateau``).
        warmup_epochs: Length of the warm-up.
        step_epochs: Of ``step``.
        gamma: Of ``step`` and ``plateau``.
        patience: Of ``plateau``, epochs.
    """

    name: Literal["cosine", "step", "constant", "plateau"] = "cosine"
    warmup_epochs: NonNegative = 1.0
    step_epochs: PositiveInt = 4
    patience: PositiveInt = 5
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.9


class AugmentConfig(StrictModel):
    """``train.augment``: geometry moves image and map together, the rest touches the image alone.

    Attributes:
        flip: Probability of mirroring.
        rotate: Largest rotation, degrees.
        scale: Range of the zoom factor.
        shift: Largest shift, as a share of the side.
        brightness: Largest relative change; likewise ``contrast`` and ``saturation``.
        hue: Largest turn of the colour circle, as a share of it.
        jitter: Probability that an image's brightness, contrast, saturation and hue change at all.
        grayscale: Probability.
        erase: Probability of erasing one random rectangle.
        erase_area: Range of its share of the image.
        noise: Standard deviation of Gaussian noise on pixels in [0, 1].
        mixup: Share of batches whose images are mixed in pairs, labels and cues with them; 0 for none.
        mixup_alpha: Of the Beta distribution of the mixing ratio.
        cutmix: Share of batches in which a rectangle of another image is pasted, its label and cue with it.
        cutmix_alpha: Of the Beta distribution of the area that stays.
    """

    flip: Probability = 0.5
    rotate: Annotated[float, Field(ge=0, le=180)] = 8.0
    scale: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (0.9, 1.15)
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    brightness: NonNegative = 0.3
    contrast: NonNegative = 0.3
    saturation: NonNegative = 0.3
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    jitter: Probability = 1.0
    grayscale: Probability = 0.1
    erase: Probability = 0.2
    erase_area: tuple[Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(gt=0, le=1)]] = (0.02, 0.2)
    noise: NonNegative = 0.0
    mixup: Probability = 0.0
    mixup_alpha: Annotated[float, Field(gt=0)] = 0.2
    cutmix: Probability = 0.0
    cutmix_alpha: Annotated[float, Field(gt=0)] = 1.0


class FreezeConfig(StrictModel):
    """One entry of ``train.freeze``: a phase in which only the head and the upper layers train.

    Attributes:
        epochs: Length of the phase; phases follow one another, and after the last everything trains.
        layers: How many of the backbone's last layers train with the head; 0 for the head alone.
    """

    epochs: PositiveInt
    layers: Annotated[int, Field(ge=0)] = 0


class TrainConfig(StrictModel):
    """Section ``train``: shared settings, which an experiment's own ``train`` may override key by key.

    Attributes:
        epochs: Length of the training.
        batch_size: Images per update, all processes together.
        image_size: Side of the input, pixels.
        optimizer: See there.
        schedule: See there.
        precision: ``auto`` takes what the hardware does fast.
        augment: See there.
        label_smoothing: Share of the target that goes to all classes alike.
        class_weights: ``balanced`` weighs the cross-entropy inversely to the classes' numbers of faces.
        sampling: ``balanced`` draws every class equally often, with repeats; an epoch keeps its length.
        select_on: Split that selects the best epoch; ``test`` only to repeat a paper's protocol.
        early_stopping: Stop when the selection has not improved for so many epochs; None for never.
        clip_grad: Largest norm of the gradient.
        ema: Decay of the moving average of weights, which is then what is scored and saved.
        freeze: Phases with a frozen backbone, at the start.
        sync_batch_norm: On several GPUs, normalise by the whole batch, as one would, and not by each GPU's part of it.
    """

    epochs: PositiveInt = 8
    batch_size: PositiveInt = 64
    image_size: Annotated[int, Field(ge=16, le=1024)] = 112
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    augment: AugmentConfig = AugmentConfig()
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    class_weights: Literal["none", "balanced"] = "none"
    sampling: Literal["shuffled", "balanced"] = "shuffled"
    select_on: Literal["valid", "test"] = "valid"
    early_stopping: PositiveInt | None = None
    clip_grad: Annotated[float, Field(gt=0)] | None = None
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    freeze: tuple[FreezeConfig, ...] = ()
    sync_batch_norm: bool = True


class EvaluateConfig(StrictModel):
    """Section ``evaluate``.

    Attributes:
        split: Which images are scored.
        cams: CAM methods.
        attention_layers: Feature layers whose attention is scored: ``all`` or a list.
        moved: Score the attention on randomly moved images, too.
        faithfulness_images: Images for the deletion and insertion curves; 0 for none.
        batch_size: Images per forward pass.
    """

    split: Literal["train", "valid", "test"] = "test"
    cams: tuple[str, ...] = ("native", "gradcam", "layercam")
    attention_layers: Literal["all"] | tuple[str, ...] = "all"
    moved: bool = True
    faithfulness_images: Annotated[int, Field(ge=0)] = 64
    batch_size: PositiveInt = 64


class ExperimentConfig(StrictModel):
    """One entry of ``experiments``.

    Attributes:
        dataset: Key of the data set.
        target: What is told apart: ``expression``, or ``subject``, the persons of the training split: a start for
            other experiments, which name it as their ``base``.
        seed: Of weights, order and augmentation.
        base: Experiment whose weights it starts from; ``none`` for none.
        model: What is trained.
        guidance: What its attention is pulled to; empty is a vanilla classifier.
        train: Overrides of the section ``train``.
        group: Experiments of one group are repeats; the report gives their mean and deviation.
        fold: The data set's fold that becomes ``test``.
    """

    dataset: str
    target: Literal["expression", "subject"] = "expression"
    seed: int = 0
    base: str = "none"
    model: ModelConfig
    guidance: tuple[GuidanceConfig, ...] = ()
    train: dict[str, Any] = Field(default_factory=dict)
    group: str | None = None
    fold: int | None = None

    @model_validator(mode="after")
    def _one_start(self) -> ExperimentConfig:
        if self.base != "none" and self.model.weights != "none":
            raise ValueError(f"base {self.base!r} and model.weights {self.model.weights!r} exclude each other")
        return self

    @model_validator(mode="after")
    def _guides_expressions(self) -> ExperimentConfig:
        if self.target == "subject" and self.guidance:
            raise ValueError("target subject takes no guidance, whose cues are expressions'")
        return self


class CrossConfig(StrictModel):
    """One entry of ``cross``: score an experiment's model on another data set."""

    experiment: str
    dataset: str


def load_experiment(name: str, path: Path = PARAMS) -> tuple[ExperimentConfig, TrainConfig]:
    """One experiment with its own training settings.

    Raises:
        ConfigError: A bad key or value, or a data set or base that params.yaml doesn't have.
    """
    params = read_params(path)
    experiment = validate(ExperimentConfig, entry("experiments", name, path), f"experiments.{name}", path)
    where = f"{path}: experiments.{name}"
    if experiment.dataset not in (params.get("datasets") or {}):
        known = near_names(experiment.dataset, params.get("datasets") or {})
        raise ConfigError(f"{where}.dataset: no data set {experiment.dataset!r}; {known}")
    if experiment.base != "none" and experiment.base not in params["experiments"]:
        raise ConfigError(
            f"{where}.base: no experiment {experiment.base!r}; {near_names(experiment.base, params['experiments'])}"
        )
    load_section("train", TrainConfig, path)
    merged = merge(params.get("train") or {}, experiment.train)
    return experiment, validate(TrainConfig, merged, f"experiments.{name}.train", path)


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Overlay nested mappings key by key; anything else is replaced."""
    merged = dict(base)
    for key, value in override.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged
