"""Configuration of models and their training: ``train``, ``evaluate``, ``experiments``, ``cross``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from fer_au.config.audits import Audits, chosen_audits
from fer_au.config.cams import CamChoice
from fer_au.config.data import Seed
from fer_au.config.external import UNTRAINED
from fer_au.config.keys import PartOf
from fer_au.config.model import ModelConfig
from fer_au.config.reading import NameOrPath, StrictModel
from fer_au.config.robustness import Robustness
from fer_au.config.unread import ReadIf
from fer_au.resizing import Resize

Probability = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(gt=0, le=1_000_000)]
"""A number of epochs or images; larger ones are slips of the keyboard, which no training ends with."""


LAST_EPOCH = "last epoch"
"""What a model was selected on where no split selected its epoch."""


class GuidanceConfig(StrictModel):
    """One term that pulls attention to a cue.

    Attributes:
        cue: Map of where to look.
        loss: Measure of the distance between attention and cue.
        loss_options: Options of the loss itself.
        source: Map that is pulled: ``features`` (a layer's channel mean), ``cam`` (the head's class map of the true
            class) or ``module`` (the head's own attention map).
        layers: Feature layers, by number or ``last`` or ``all``; their terms are averaged. Source ``features`` only.
        weight: Weight of the term beside the classification loss (the AU-cue paper's lambda).
        codebook: Codebook of this term alone, instead of ``heatmaps.codebook``; its maps are rendered on load.
        geometry: Geometry of this term alone, instead of ``heatmaps.geometry``; its maps are rendered on load.
        resize: Way of the cue's map to the attention's grid. ``corrected`` keeps every spot at its place;
            ``published`` moves it as the AU-cue paper's code does, to repeat its numbers.
        landmark_noise: Standard deviation, per coordinate and in inter-ocular distances, of Gaussian noise on the
            landmarks before the cue is rendered from them: a stand-in for a worse extractor, fixed per image.
        start_epoch: First epoch, counted from 0, in which the term counts.
        end_epoch: First epoch in which the term no longer counts; null for never.
        warmup_epochs: Epochs from ``start_epoch`` on over which the weight grows linearly from 0.
    """

    READ_IF = (
        ReadIf("layers", lambda term: term.source == "features", "source features alone takes layers"),
        ReadIf("warmup_epochs", lambda term: term.weight > 0, "the term's weight is 0"),
    )

    cue: str = "au"
    loss: str = "cosine"
    loss_options: dict[str, Any] = Field(default_factory=dict)
    source: Literal["features", "cam", "module"] = "features"
    layers: tuple[str, ...] = ("last",)
    weight: NonNegative = 1.0
    codebook: NameOrPath | None = None
    geometry: str | None = None
    resize: Resize = "corrected"
    landmark_noise: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    start_epoch: Annotated[int, Field(ge=0)] = 0
    end_epoch: Count | None = None
    warmup_epochs: NonNegative = 0.0

    @field_validator("layers", mode="before")
    @classmethod
    def _layer_names(cls, value: object) -> object:
        items = value if isinstance(value, list | tuple) else [value]
        if not items:
            raise ValueError("at least one layer is needed")
        return tuple(str(item) for item in items)


class OptimizerConfig(StrictModel):
    """Optimiser and its settings.

    Attributes:
        name: Optimiser.
        lr: Learning rate after the warm-up.
        momentum: Momentum of ``sgd``.
        nesterov: Nesterov momentum, in ``sgd``.
        weight_decay: Weight decay (in ``adamw``, decoupled from the gradient).
    """

    READ_IF = (
        ReadIf("momentum", lambda one: one.name == "sgd", "optimiser sgd alone has a momentum"),
        ReadIf("nesterov", lambda one: one.name == "sgd", "optimiser sgd alone has a momentum"),
        ReadIf("nesterov", lambda one: one.momentum > 0, "there is no momentum"),
    )

    name: Literal["sgd", "adam", "adamw"] = "sgd"
    lr: Annotated[float, Field(gt=0, le=100)] = 0.05
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = True
    weight_decay: NonNegative = 5e-4


class ScheduleConfig(StrictModel):
    """The learning rate over the epochs, after a linear warm-up.

    Attributes:
        name: Course of the rate: half a ``cosine`` down to 0; times ``gamma`` every ``step_epochs`` (``step``);
            ``constant``; or times ``gamma`` whenever the selection split's loss has not fallen for ``patience`` epochs
            (``plateau``).
        warmup_epochs: Length of the warm-up in epochs.
        step_epochs: Epochs between two steps of ``step``.
        patience: Epochs that ``plateau`` waits.
        gamma: Factor of ``step`` and ``plateau``.
    """

    READ_IF = (
        ReadIf("step_epochs", lambda one: one.name == "step", "schedule step alone reads it"),
        ReadIf("patience", lambda one: one.name == "plateau", "schedule plateau alone reads it"),
        ReadIf("gamma", lambda one: one.name in ("step", "plateau"), "schedules step and plateau alone read it"),
    )

    name: Literal["cosine", "step", "constant", "plateau"] = "cosine"
    warmup_epochs: NonNegative = 1.0
    step_epochs: Count = 4
    patience: Count = 5
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.9


class AugmentConfig(StrictModel):
    """Random changes of training images. Mirroring, rotation, zoom and shift move image and map together.

    Attributes:
        flip: Probability of mirroring.
        rotate: Largest rotation in degrees.
        scale: Range of the zoom factor.
        shift: Largest shift, as a share of the side.
        brightness: Largest relative change of the brightness.
        contrast: Largest relative change of the contrast.
        saturation: Largest relative change of the saturation.
        hue: Largest turn of the colour circle, as a share of it.
        jitter: Probability that an image's brightness, contrast, saturation and hue change at all.
        grayscale: Probability of removing the colour.
        erase: Probability of erasing one random rectangle.
        erase_area: Range of the erased share of the image.
        noise: Standard deviation of Gaussian noise on pixels in [0, 1].
        mixup: Share of batches whose images are mixed in pairs, labels and cues with them; 0 for none.
        mixup_alpha: Parameter of the Beta distribution that the mixing ratio is drawn from.
        cutmix: Share of batches in which a rectangle of another image is pasted, its label and cue with it.
        cutmix_alpha: Parameter of the Beta distribution that the area of the remaining image is drawn from.
    """

    OFF: ClassVar[Mapping[str, Any]] = {
        **dict.fromkeys(("flip", "rotate"), 0),
        "scale": [1, 1],
        **dict.fromkeys(("shift", "brightness", "contrast", "saturation", "grayscale", "erase"), 0),
    }
    """Keys with which images stay as they are."""
    READ_IF = (
        ReadIf("saturation", lambda one: one.grayscale < 1, "grayscale 1 takes the colour of every image"),
        ReadIf("hue", lambda one: one.grayscale < 1, "grayscale 1 takes the colour of every image"),
        ReadIf(
            "jitter",
            lambda one: one.brightness or one.contrast or one.saturation or one.hue,
            "brightness, contrast, saturation and hue are 0",
        ),
        ReadIf("erase_area", lambda one: one.erase, "erase is 0"),
        ReadIf("mixup_alpha", lambda one: one.mixup, "mixup is 0"),
        ReadIf("cutmix_alpha", lambda one: one.cutmix, "cutmix is 0"),
    )

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

    @field_validator("scale", "erase_area")
    @classmethod
    def _increasing(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] > value[1]:
            raise ValueError("should be (smallest, largest)")
        return value

    @field_validator("cutmix")
    @classmethod
    def _mixes_once(cls, cutmix: float, known: ValidationInfo) -> float:
        mixup = known.data.get("mixup", 0.0)
        if mixup + cutmix > 1:
            raise ValueError(f"should be {1 - mixup:g} at most beside mixup {mixup:g}: a batch is mixed in one way")
        return cutmix


class FreezeConfig(StrictModel):
    """One phase, at the start, in which only the head and the upper layers train.

    Attributes:
        epochs: Length of the phase; phases follow one another, and after the last everything trains.
        layers: How many of the backbone's last layers train with the head; 0 for the head alone.
    """

    epochs: Count
    layers: Annotated[int, Field(ge=0)] = 0


class TrainConfig(StrictModel):
    """Training settings that all experiments share; an experiment's own ``train`` overrides them key by key.

    Attributes:
        epochs: Length of the training in epochs, each a pass over the faces that are trained on.
        batch_size: Images per update, all processes together.
        fraction: Share of the training faces of every class that is trained on, drawn by the experiment's seed: one
            among those of every larger share. ``valid`` and ``test`` stay whole.
        labels: Labels that are learnt: ``shuffled`` deals those of the training faces out anew, by the seed, so that
            nothing about expressions can be learnt: a control, whose maps no explanation should share. The cues keep
            each face's own label, and the last epoch is kept.
        image_size: Side of the square input in pixels.
        optimizer: Optimiser and its settings.
        schedule: Course of the learning rate.
        precision: Number format of the forward pass; ``auto`` takes the fastest that the hardware supports.
        augment: Random changes of training images.
        label_smoothing: Share of the target that is spread over all classes.
        class_weights: ``balanced`` weights the cross-entropy inversely to the classes' numbers of faces.
        sampling: ``balanced`` draws every class equally often, with repeats; an epoch keeps its length.
        select_on: Split that selects the best epoch; ``test`` only to repeat a paper's protocol.
        early_stopping: Epochs without an improvement on ``select_on`` after which training stops; null for never.
        clip_grad: Largest norm of the gradient; null for no limit.
        ema: Decay of a moving average of the weights, which is then scored and saved instead; null for none.
        freeze: Phases with a frozen backbone, at the start.
        sync_batch_norm: On several GPUs, normalise over the whole batch instead of each GPU's part of it.
    """

    READ_IF = (ReadIf("early_stopping", lambda one: not one.keeps_last_epoch, "shuffled labels keep the last epoch"),)

    epochs: Count = 8
    batch_size: Count = 64
    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    labels: Literal["given", "shuffled"] = "given"
    image_size: Annotated[int, Field(ge=16, le=1024)] = 112
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    augment: AugmentConfig = AugmentConfig()
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    class_weights: Literal["none", "balanced"] = "none"
    sampling: Literal["shuffled", "balanced"] = "shuffled"
    select_on: Literal["valid", "test"] = "valid"
    early_stopping: Count | None = None
    clip_grad: Annotated[float, Field(gt=0)] | None = None
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    freeze: tuple[FreezeConfig, ...] = ()
    sync_batch_norm: bool = True

    @property
    def keeps_last_epoch(self) -> bool:
        """Whether the last epoch is kept, not the best: shuffled labels aren't those of the split that would select."""
        return self.labels == "shuffled"


class EvaluateConfig(StrictModel):
    """Evaluation of every trained model.

    Attributes:
        split: Split that is scored.
        cams: CAM methods that are scored, each alone or at a feature layer, as in ``layercam@3``.
        on_missing_cam: What to do where a network can't have one of ``cams``, such as ``rollout`` of a CNN: ``fail``
            before anything runs, or ``skip`` it for that network, which the metrics then say (``cam_skipped.<cam>``).
        attention_layers: Feature layers whose attention is scored: ``all``, or a list.
        resize: Way of attention and CAMs to the AU map, in the cosines alone (``att_cos``, ``cam_cos``). ``corrected``
            keeps every cell at its place in the picture; ``published`` is the AU-cue paper's code, to compare with its
            numbers.
        moved: Whether the attention is also scored on randomly moved images.
        mirrored: Whether probabilities are the means of those of each image and of its mirror image. Attention, CAMs
            and faithfulness are those of the image alone.
        faithfulness_images: Number of images for the deletion and insertion curves; 0 for none.
        robustness: Disturbances under which all images are scored again, in five strengths each: ``all``, ``none``, or
            a list. Each takes five times as long as the images alone.
        audits: Audits of the last layer's attention and of the CAMs: ``all``, ``none``, or a list of ``randomisation``
            (whether maps change with the weights) and ``faithfulness`` (whether the model needs what they show).
        audit_images: Number of images of each audit, spread over the split.
        batch_size: Images per forward pass.
    """

    READ_IF = (ReadIf("audit_images", lambda one: bool(chosen_audits(one.audits)), "there are no audits"),)

    split: Literal["train", "valid", "test"] = "test"
    cams: tuple[str, ...] = ("native", "gradcam", "layercam")
    on_missing_cam: Literal["fail", "skip"] = "fail"
    attention_layers: Literal["all"] | tuple[str, ...] = "all"
    resize: Resize = "corrected"
    moved: bool = True
    mirrored: bool = False
    faithfulness_images: Annotated[int, Field(ge=0, le=1_000_000)] = 64
    robustness: Robustness = "none"
    audits: Audits = "none"
    audit_images: Count = 64
    batch_size: Count = 64

    @field_validator("attention_layers")
    @classmethod
    def _some(cls, layers: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not layers:
            raise ValueError("at least one layer is needed; [last] is always scored")
        return layers

    @field_validator("cams")
    @classmethod
    def _readable(cls, cams: tuple[str, ...]) -> tuple[str, ...]:
        for cam in cams:
            CamChoice.parse(cam)
        return cams


ALL_FOLDS = "all"
"""Stands for all folds of a data set in presets, which write out an experiment for each."""


class ExperimentConfig(StrictModel):
    """One training: data set, model, guidance and overrides of the training settings.

    Attributes:
        dataset: Key of the data set, below ``datasets``.
        target: What training aims at: ``expression`` (each face's one label); ``soft`` (the shares of expressions in
            its soft label, where the data set has such, as FERPlus' votes; the best epoch and all scores still go by
            the one label); or ``subject`` (the persons of the training split), as a start for other experiments, which
            name this one as their ``base``.
        seed: Seed of weights, order and augmentation.
        base: Experiment whose weights this one starts from; ``none`` for a fresh start. DVC needs the key in every
            experiment.
        model: Network.
        guidance: Terms that pull the model's attention to cues; an empty list is a vanilla classifier.
        train: Overrides of the section ``train``, key by key; ``none`` for an ``external`` backbone that is to be
            measured as it is.
        group: Name that repeats (seeds, folds) share; the report gives the mean and deviation of a group.
        fold: Fold of the data set that becomes ``test``, by its name or number.
    """

    READ_IF = (ReadIf("seed", lambda experiment: experiment.train != UNTRAINED, "nothing is trained"),)

    dataset: str
    target: Literal["expression", "soft", "subject"] = "expression"
    seed: Seed = 0
    base: str = "none"
    model: ModelConfig
    guidance: tuple[GuidanceConfig, ...] = ()
    train: Annotated[dict[str, Any] | Literal["none"], PartOf(TrainConfig)] = Field(default_factory=dict)
    group: str | None = None
    fold: str | int | None = None

    @field_validator("base", mode="before")
    @classmethod
    def _names_a_base(cls, base: object) -> object:
        if base is None:
            raise ValueError("is empty, and DVC needs it; write `base: none`, or an experiment")
        return base

    @field_validator("fold")
    @classmethod
    def _one_fold(cls, fold: str | int | None) -> str | int | None:
        if fold == ALL_FOLDS:
            raise ValueError(
                "all folds are as many experiments, each of which DVC needs by name; write them by "
                "`fer-au presets write PRESET --grid fold=all`: docs/presets.md#folds"
            )
        return fold


class CrossConfig(StrictModel):
    """One model, scored on a data set that it was not trained on.

    For example, ``cross: {au-on-wild: {experiment: au, dataset: wild}}`` gives ``metrics/cross/au-on-wild.json``.

    Attributes:
        experiment: Key of the experiment, below ``experiments``.
        dataset: Key of the other data set, below ``datasets``.
    """

    experiment: str
    dataset: str
