"""One update of a model: augment a batch, mix it, score it, measure the loss, step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from timm.layers import convert_sync_batchnorm
from torch import Generator, Tensor, nn
from torch.nn import functional

from fer_au.batches.faces import Batch
from fer_au.batches.precision import Precision, autocast, resolve_precision
from fer_au.batches.preprocess import Preprocessing
from fer_au.batches.similarities import mirrored
from fer_au.config.experiments import TrainConfig
from fer_au.errors import FerAuError
from fer_au.models.network import FerModel
from fer_au.training.augment import Augmenter
from fer_au.training.guidance import Guidance
from fer_au.training.objective import Objective
from fer_au.training.optimizer import create_optimizer
from fer_au.training.processes import Part, Processes


class NotFiniteError(FerAuError):
    """A loss became NaN or infinite; the message names the step."""


@dataclass(frozen=True)
class StepResult:
    """What one update was made of, over all processes.

    Attributes:
        losses: ``loss``, ``loss_ce``, ``loss_aux`` of models with auxiliary logits, and each active guidance loss,
            unweighted.
        counts: How many images each of these is a mean over.
        correct: How many images were classified right.
    """

    losses: dict[str, float]
    counts: dict[str, int]
    correct: int


class Updater:
    """Updates one model, in place, batch by batch.

    Args:
        model: The model.
        guidance: Its guidance.
        config: The settings.
        preprocessing: From augmented crop to input.
        class_weights: (C,) weights of the classes in the cross-entropy; None for equal ones.
        processes: Those that train together.

    Attributes:
        model: The model, on its device; never wrapped.
        optimizer: Of all its parameters that require a gradient now.
        scaler: Of gradients; does nothing unless ``precision`` is fp16.
        precision: What ``config.precision`` amounts to here.

    Raises:
        ConfigError: A precision that can't be had.
    """

    def __init__(
        self,
        model: FerModel,
        guidance: Guidance,
        config: TrainConfig,
        preprocessing: Preprocessing,
        class_weights: Tensor | None,
        processes: Processes,
    ) -> None:
        self.processes, self.guidance, self.config, self.preprocessing = processes, guidance, config, preprocessing
        self.device = processes.device
        self.precision: Precision = resolve_precision(config.precision, self.device)
        if config.sync_batch_norm and processes.count > 1 and self.device.type == "cuda":
            model = convert_sync_batchnorm(model)
        self.model = model.to(self.device).to(memory_format=torch.channels_last)
        weights = None if class_weights is None else class_weights.to(self.device)
        self.objective = Objective(guidance, config.label_smoothing, weights, processes.mean)
        self.augmenter = Augmenter(config.augment)
        self.optimizer = create_optimizer(self.model, config.optimizer)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")
        self._wrapped: nn.Module | None = None

    def rewrap(self) -> None:
        """Take notice, in the next step, that other parameters train from now on."""
        self._wrapped = None

    def step(self, batch: Batch, time: float, generator: Generator, part: Part | None = None) -> StepResult:
        """Update the model once.

        Args:
            batch: Faces as they come from the data set: this process's part.
            time: Of the training, in epochs; decides which guidance is active.
            generator: Of the augmentation; all processes' are alike.
            part: Which part of the whole batch these faces are; default all of it.

        Raises:
            NotFiniteError: A loss is NaN or infinite; the model is left as it was.
        """
        part = part or Part(slice(None), len(batch))
        draws = self.augmenter.draw(part.total, generator).part(part.rows)
        batch = batch.to(self.device)
        targets = self.guidance.targets(batch, mirrored(draws.matrices).to(self.device))
        images, maps = self.augmenter(batch.images.float().div_(255), [cue.maps for cue in targets], draws)
        targets = [target._replace(maps=cue) for cue, target in zip(maps, targets, strict=True)]
        shares = functional.one_hot(batch.labels, len(self.model.classes)).float()
        if draws.mix is not None:
            images, shares = draws.mix.images(images), draws.mix.shares(shares)
            targets = [draws.mix.targets(target) for target in targets]
        if not part.counts:
            shares = torch.zeros_like(shares)
            targets = [target._replace(valid=torch.zeros_like(target.valid)) for target in targets]
        inputs = self.preprocessing(images).contiguous(memory_format=torch.channels_last)
        labels = shares.argmax(1)
        if self._wrapped is None:
            self._wrapped = self.processes.wrap(self.model, inputs[:2])
        with autocast(self.device, self.precision):
            output = self._wrapped(inputs, labels)
        losses = self.objective(output, shares, targets, time)
        correct = ((output.logits.argmax(1) == labels) & part.counts).sum()
        # One transfer from the device for all figures of the step.
        figures = torch.stack([*losses.values(), correct, *(target.valid.sum() for target in targets)])
        values = self.processes.mean(figures).tolist()
        means = dict(zip(losses, values, strict=False))
        if wrong := [f"{name} is {value}" for name, value in means.items() if not math.isfinite(value)]:
            raise NotFiniteError(", ".join(wrong))
        self._update(losses["loss"])
        hits, *valid = (round(value * self.processes.count) for value in values[len(losses) :])
        counts = dict(zip([term.name for term in self.guidance.terms], valid, strict=True))
        return StepResult(means, {name: counts.get(name, part.total) for name in losses}, hits)

    def _update(self, loss: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        if self.config.clip_grad is not None:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_grad)
        self.scaler.step(self.optimizer)
        self.scaler.update()
