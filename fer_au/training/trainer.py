"""The training loop: one model, updated batch by batch, scored and checkpointed after every epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import torch
from timm.layers import convert_sync_batchnorm
from torch import Generator, Tensor, nn
from torch.nn import functional

from fer_au.batches.faces import Batch, FaceDataset
from fer_au.batches.loading import BatchLoader, balanced, cut_batches, shuffled
from fer_au.batches.precision import Precision, autocast, resolve_precision
from fer_au.batches.preprocess import Preprocessing
from fer_au.batches.seeds import generator_for, seed_layers
from fer_au.batches.similarities import mirrored
from fer_au.compute import log
from fer_au.config.experiments import TrainConfig
from fer_au.errors import FerAuError
from fer_au.models.freezing import check_phases, phase_at, set_trainable
from fer_au.models.network import FerModel, ModelOutput
from fer_au.training.augment import Augmenter, Draws
from fer_au.training.batch_size import check_batch_size
from fer_au.training.checkpoint import Checkpoint, TrainingState, optimizer_tensors, restore_optimizer
from fer_au.training.curves import CurveLog
from fer_au.training.guidance import Guidance
from fer_au.training.history import HistoryRow, Meter, best_epoch, has_stalled, write_history
from fer_au.training.objective import cross_entropy
from fer_au.training.optimizer import average_of, create_optimizer, largest_decay, lr_factor, set_lr
from fer_au.training.processes import Part, Processes
from fer_au.training.progress import TrainingProgress
from fer_au.training.pull import Targets
from fer_au.training.scoring import SplitScores, score_split


class NotFiniteError(FerAuError):
    """A loss became NaN or infinite; the message names the step."""


@dataclass(frozen=True)
class StepResult:
    """Figures of one update, over all processes.

    Attributes:
        losses: ``loss``, ``loss_ce``, ``loss_aux`` of models with auxiliary logits, and each active guidance loss,
            unweighted.
        counts: Number of images that each of these is a mean over.
        correct: Number of images that were classified right.
    """

    losses: dict[str, float]
    counts: dict[str, int]
    correct: int


@dataclass
class Fitted:
    """A training so far, or a finished one.

    Attributes:
        history: One row per epoch.
        tensors: The selected epoch's tensors (first process only).
        takes_last: Whether the last epoch is selected, and not the best one.
    """

    history: list[HistoryRow] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    takes_last: bool = False

    @property
    def epoch(self) -> int:
        """Selected epoch, counted from 0."""
        return self.history[-1].epoch if self.takes_last else best_epoch(self.history)


class Trainer:
    """Trains one model, in place.

    Every random draw derives from the seed and the epoch, and the state between epochs is checkpointed, so that a
    killed training that is started again ends in the same weights (bit for bit on a CPU in fp32). Several processes
    train as one does; see ``processes``. Only batch normalisation and dropout differ: each process drops its own, and
    normalises its own part of a batch unless ``sync_batch_norm`` is on and it has a GPU.

    Args:
        name: Experiment name, used in messages.
        model: Model to train.
        guidance: Guidance of that model.
        config: Training settings.
        seed: Seed of order, augmentation and dropout.
        preprocessing: Conversion of augmented crops to model inputs.
        class_weights: (C,) weights of the classes in the cross-entropy; None for equal ones.
        processes: Processes that train together; default those that were launched.

    Attributes:
        model: The model on its device, never wrapped.
        optimizer: Optimiser of all its parameters.
        scaler: Gradient scaler; does nothing unless ``precision`` is fp16.
        average: Moving average of the weights in ``module``, or None.
        precision: Numeric precision that ``config.precision`` amounts to here.

    Raises:
        ConfigError: A precision or a number of processes that can't be had, a phase that freezes what isn't there, or
            single images for a model that needs more of them at a time.
    """

    def __init__(
        self,
        name: str,
        model: FerModel,
        guidance: Guidance,
        config: TrainConfig,
        seed: int,
        preprocessing: Preprocessing,
        class_weights: Tensor | None = None,
        processes: Processes | None = None,
    ) -> None:
        check_phases(config.freeze, model)
        check_batch_size(config, model)
        self.processes = processes or Processes()
        self.device = self.processes.device
        self.precision: Precision = resolve_precision(config.precision, self.device)
        self.name, self.config, self.seed = name, config, seed
        self.guidance, self.preprocessing = guidance, preprocessing
        self.augmenter = Augmenter(config.augment)
        if config.sync_batch_norm and self.processes.count > 1 and self.device.type == "cuda":
            model = convert_sync_batchnorm(model)
        self.model = model.to(self.device).to(memory_format=torch.channels_last)
        self.class_weights = None if class_weights is None else class_weights.to(self.device)
        self.optimizer = create_optimizer(self.model, config.optimizer)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")
        self.average = None if config.ema is None else average_of(self.model, config.ema)
        self._largest_norm = torch.zeros((), device=self.device)  # of the gradient, in this run
        self._phase: int | None = None
        self._wrapped: nn.Module | None = None

    def fit(
        self, train: FaceDataset, selection: FaceDataset, checkpoint: Checkpoint, history_path: Path,
        curves: CurveLog | None = None,
    ) -> Fitted:  # fmt: skip
        """Train for the configured epochs or until early stopping, or go on from the checkpoint.

        Args:
            train: Faces to learn from.
            selection: Faces that select the best epoch.
            checkpoint: Place of the state between epochs.
            history_path: ``history.csv``, rewritten after each epoch.
            curves: Where those who watch find the same; default nowhere.

        Raises:
            NotFiniteError: A loss became NaN or infinite.
            StoreError: The disk refuses.
        """
        loader, selection_loader = BatchLoader(train), BatchLoader(selection)
        fitted = self._restore(checkpoint)
        history, epochs, begun = fitted.history, self.config.epochs, len(fitted.history)
        if curves is not None:
            curves.write(history)
        self._tell_decay(len(train))
        progress = TrainingProgress(
            self.name,
            epochs,
            len(history),
            (len(train), len(selection)),
            shown=self.processes.first,
            slow_backbone=self.model.config.backbone if self.device.type == "cpu" else None,
        )
        patience = None if fitted.takes_last else self.config.early_stopping
        while len(history) < epochs and not has_stalled(history, patience):
            meter, lr = self._train_epoch(len(history), loader, [row.valid_loss for row in history], progress)
            scores = score_split(
                self._scored, selection_loader, self.preprocessing, self.precision, self.config.batch_size,
                self.processes,
            )  # fmt: skip
            history.append(self._row(len(history), meter, lr, progress.speed, scores))
            if self.processes.first:
                selected = fitted.epoch == len(history) - 1
                if selected:
                    state = self._scored.state_dict()
                    fitted.tensors = {name: value.detach().cpu().clone() for name, value in state.items()}
                checkpoint.save(self._state(fitted))
                write_history(history_path, history)
                if curves is not None:
                    curves.write(history)
                progress.close_epoch(history[-1], selected)  # an epoch that has its line is kept
        if len(history) < epochs:
            log(f"{self.name}: stopped early, no better epoch since {fitted.epoch + 1}")
        if not begun:  # what earlier runs of a training that goes on have seen isn't known
            self._tell_norm()
        return fitted

    def _tell_decay(self, faces: int) -> None:
        """Say that the moving average is no longer in this training than a lower decay makes it."""
        updates = len(cut_batches(range(faces), self.config.batch_size)) * self.config.epochs
        decay, most = self.config.ema, largest_decay(updates)
        if decay is not None and decay > most and self.processes.first:
            text = f"in {updates} updates the average keeps {most:.3f} of itself at most, as with any decay above"
            log(f"{self.name}: train.ema {decay:g} is not reached: {text}")

    def _tell_norm(self) -> None:
        """Say that no gradient was clipped."""
        limit, norm = self.config.clip_grad, float(self._largest_norm)
        if limit is not None and norm <= limit and self.processes.first:
            log(f"{self.name}: train.clip_grad {limit:g} was without effect: the largest norm was {norm:.3g}")

    def step(self, batch: Batch, time: float, generator: Generator, part: Part | None = None) -> StepResult:
        """Update the model once.

        Args:
            batch: Faces as they come from the data set: this process's part.
            time: Time of the training in epochs; decides which guidance is active.
            generator: Source of the augmentation's draws; the same in all processes.
            part: Part of the whole batch that these faces are; default all of it.

        Raises:
            NotFiniteError: A loss is NaN or infinite; the model is left as it was.
        """
        part = part or Part(slice(None), len(batch))
        draws = self.augmenter.draw(part.total, generator).part(part.rows)
        inputs, shares, targets = self._prepare(batch.to(self.device), draws, part.counts)
        labels = shares.argmax(1)
        if self._wrapped is None:
            self._wrapped = self.processes.wrap(self.model, inputs[:2])
        with autocast(self.device, self.precision):
            output = self._wrapped(inputs, labels)
        losses = self._losses(output, shares, targets, time)
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

    def _prepare(self, batch: Batch, draws: Draws, counts: bool) -> tuple[Tensor, Tensor, list[Targets]]:
        """Augment and mix a batch.

        Returns:
            The model's inputs; (N, classes) float32, each image's shares of the classes, all zero where the images
            don't count; and one ``Targets`` per guidance term.
        """
        targets = self.guidance.targets(batch, mirrored(draws.matrices).to(self.device))
        images, maps = self.augmenter(batch.images.float().div_(255), [cue.maps for cue in targets], draws)
        targets = [target._replace(maps=cue) for cue, target in zip(maps, targets, strict=True)]
        shares = batch.shares
        if shares is None:
            shares = functional.one_hot(batch.labels, len(self.model.classes)).float()
        if draws.mix is not None:
            images, shares = draws.mix.images(images), draws.mix.shares(shares)
            targets = [draws.mix.targets(target) for target in targets]
        if not counts:
            shares = torch.zeros_like(shares)
            targets = [target._replace(valid=torch.zeros_like(target.valid)) for target in targets]
        return self.preprocessing(images).contiguous(memory_format=torch.channels_last), shares, targets

    def _losses(
        self, output: ModelOutput, shares: Tensor, targets: Sequence[Targets], time: float
    ) -> dict[str, Tensor]:
        """Compute the training's loss and its parts, by the names of ``StepResult.losses``."""

        def entropy(logits: Tensor) -> Tensor:
            return cross_entropy(logits, shares, self.class_weights, self.config.label_smoothing, self.processes.mean)

        parts = {"loss_ce": entropy(output.logits)}
        if output.auxiliary:
            parts["loss_aux"] = torch.stack([entropy(logits) for logits in output.auxiliary]).sum()
        guided = self.guidance.losses(output, targets, shares, time, self.processes.mean)
        plain = sum(parts.values(), torch.zeros_like(parts["loss_ce"]))
        return {"loss": plain + self.guidance.weighted(guided, time), **parts, **guided}

    def _update(self, loss: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        if self.config.clip_grad is not None:
            self.scaler.unscale_(self.optimizer)
            norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_grad)
            self._largest_norm = torch.fmax(self._largest_norm, norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def _train_epoch(
        self, epoch: int, loader: BatchLoader, losses: Sequence[float], progress: TrainingProgress
    ) -> tuple[Meter, float]:
        """Pass over the training split once; returns the means of its losses and the last learning rate."""
        self._begin(epoch)
        seed_layers(self.seed, epoch, self.processes.index)
        generator = generator_for(self.seed, "augmentation", epoch)
        batches = cut_batches(self._order(loader.dataset, epoch), self.config.batch_size)
        parts = [self.processes.part(len(batch)) for batch in batches]
        mine = [batch[part.rows] for batch, part in zip(batches, parts, strict=True)]
        meter, lr = Meter(), 0.0
        with progress.epoch(epoch):
            for step, (batch, part) in enumerate(zip(loader(mine), parts, strict=True)):
                time = epoch + (step + 0.5) / len(batches)
                lr = self.config.optimizer.lr * lr_factor(self.config.schedule, time, self.config.epochs, losses)
                set_lr(self.optimizer, lr)
                try:
                    result = self.step(batch, time, generator, part)
                except NotFiniteError as error:
                    where = f"{self.name}: epoch {epoch}, step {step} of {len(batches)}"
                    advice = "lower train.optimizer.lr, set train.clip_grad or take precision fp32"
                    raise NotFiniteError(f"{where}: {error}; {advice}") from error
                if self.average is not None:
                    self.average.update_parameters(self.model)
                for name, value in result.losses.items():
                    meter.add(name, value, result.counts[name])
                meter.add("correct", result.correct / part.total, part.total)
                progress.advance(part.total, result.losses)
        return meter, lr

    def _order(self, faces: FaceDataset, epoch: int) -> Sequence[int]:
        if self.config.sampling == "balanced":
            return balanced(faces.labels.tolist(), self.seed, epoch)
        return shuffled(len(faces), self.seed, epoch)

    def _begin(self, epoch: int) -> None:
        """Put the model into training mode, and freeze what doesn't train in this epoch."""
        self.model.train()
        phase = phase_at(self.config.freeze, epoch)
        if phase != self._phase:
            self._phase = phase
            set_trainable(self.model, phase)
            self._wrapped = None  # the next step wraps the parameters that train now

    @property
    def _scored(self) -> FerModel:
        """Weights that are scored and kept: those of the average, if there is one."""
        return self.model if self.average is None else cast(FerModel, self.average.module)

    def _row(self, epoch: int, meter: Meter, lr: float, speed: float, scores: SplitScores) -> HistoryRow:
        names = [*(["loss_aux"] if meter.has("loss_aux") else []), *(term.name for term in self.guidance.terms)]
        return HistoryRow(
            epoch=epoch,
            lr=lr,
            loss=meter.mean("loss"),
            loss_ce=meter.mean("loss_ce"),
            parts={name: meter.mean(name) for name in names},
            train_accuracy=meter.mean("correct"),
            valid_accuracy=scores.accuracy,
            valid_balanced_accuracy=scores.balanced_accuracy,
            valid_loss=scores.loss,
            images_per_second=speed,
        )

    def _state(self, fitted: Fitted) -> TrainingState:
        return TrainingState(
            epoch=len(fitted.history),
            model=dict(self.model.state_dict()),
            optimizer=optimizer_tensors(self.optimizer),
            average={} if self.average is None else dict(self.average.state_dict()),
            best=fitted.tensors,
            history=fitted.history,
            scale=self.scaler.state_dict(),
        )

    def _restore(self, checkpoint: Checkpoint) -> Fitted:
        parameters = [one for group in self.optimizer.param_groups for one in group["params"]]
        loaded = checkpoint.load(self._state(Fitted()), parameters) if self.processes.first else None
        state = self.processes.from_first(loaded)
        takes_last = self.config.keeps_last_epoch
        if state is None:
            return Fitted(takes_last=takes_last)
        self.model.load_state_dict(state.model)
        if self.average is not None:
            self.average.load_state_dict(state.average)
        restore_optimizer(self.optimizer, state.optimizer)
        if state.scale:
            self.scaler.load_state_dict(state.scale)
        log(f"{self.name}: goes on after epoch {state.epoch} of {self.config.epochs}")
        return Fitted(state.history, state.best, takes_last)
