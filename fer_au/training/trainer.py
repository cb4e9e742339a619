"""The training loop."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Generator, Tensor
from torch.nn import functional

from fer_au.compute import log
from fer_au.config.experiments import TrainConfig
from fer_au.errors import ConfigError, FerAuError
from fer_au.models.network import FerModel
from fer_au.training.augment import Augmenter
from fer_au.training.checkpoint import Checkpoint, TrainingState, optimizer_tensors, restore_optimizer
from fer_au.training.data import Batch, FaceDataset
from fer_au.training.geometry import mirrored
from fer_au.training.guidance import Guidance
from fer_au.training.history import HistoryRow, best_epoch, write_history
from fer_au.training.loading import BatchLoader, cut_batches, shuffled
from fer_au.training.meter import Meter
from fer_au.training.optimizer import WeightAverage, create_optimizer, set_lr
from fer_au.training.precision import Precision, autocast, resolve_precision
from fer_au.training.preprocess import Preprocessing
from fer_au.training.progress import EpochProgress, log_epoch
from fer_au.training.schedule import lr_factor
from fer_au.training.scoring import score_split
from fer_au.training.seeds import generator_for, seed_layers


class NotFiniteError(FerAuError):
    """A loss became NaN or infinite; the message names the step."""


@dataclass(frozen=True)
class Fitted:
    """A finished training: one history row per epoch, the selected epoch and its tensors."""

    history: list[HistoryRow]
    epoch: int
    tensors: dict[str, Tensor]


@dataclass(frozen=True)
class StepResult:
    """What one update was made of.

    Attributes:
        losses: ``loss``, ``loss_ce``, and each active guidance loss, unweighted.
        counts: How many images each of these is a mean over.
        correct: How many images were classified right.
    """

    losses: dict[str, float]
    counts: dict[str, int]
    correct: int


class Trainer:
    """Trains one model.

    Every random draw derives from the seed and the epoch, and the state between epochs is checkpointed, so that a
    killed training that is started again ends in the same weights (bit for bit on a CPU in fp32).

    Args:
        name: Of the experiment, for messages.
        model: The model; it is trained in place.
        guidance: Its guidance.
        config: The settings.
        seed: The experiment's.
        preprocessing: From crop to input.
        class_weights: (C,) weights of the classes in the cross-entropy; None for equal ones.

    Raises:
        ConfigError: A precision or a number of processes that can't be had.
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
    ) -> None:
        # Autocast is entered here and not left to accelerate, which would copy every feature map to float32.
        accelerator = Accelerator(mixed_precision="no")
        if accelerator.num_processes > 1:
            raise ConfigError("training runs in one process; start it without torchrun or accelerate launch")
        self.device: torch.device = accelerator.device
        self.precision: Precision = resolve_precision(config.precision, self.device)
        self.name, self.config, self.seed = name, config, seed
        self.model = model.to(self.device).to(memory_format=torch.channels_last)
        self.guidance = guidance
        self.preprocessing = preprocessing
        self.class_weights = None if class_weights is None else class_weights.to(self.device)
        self.augmenter = Augmenter(config.augment)
        self.optimizer = create_optimizer(self.model, config.optimizer)
        self.average = WeightAverage(self.model, config.ema) if config.ema is not None else None
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")

    def fit(self, train: FaceDataset, selection: FaceDataset, checkpoint: Checkpoint, history_path: Path) -> Fitted:
        """Train for the configured epochs, or go on from the checkpoint.

        Args:
            train: What is learned from.
            selection: What selects the best epoch.
            checkpoint: Where the state is kept.
            history_path: ``history.csv``, rewritten after each epoch.

        Raises:
            NotFiniteError: A loss became NaN or infinite.
        """
        loader, selection_loader = BatchLoader(train), BatchLoader(selection)
        state = self._restore(checkpoint.load())
        history, best = state.history, state.best
        for epoch in range(state.epoch, self.config.epochs):
            meter, lr, speed = self._train_epoch(epoch, loader)
            scored = self.average.model if self.average else self.model
            scores = score_split(scored, selection_loader, self.preprocessing, self.precision, self.config.batch_size)
            row = HistoryRow(
                epoch=epoch,
                lr=lr,
                loss=meter.mean("loss"),
                loss_ce=meter.mean("loss_ce"),
                guidance={term.name: meter.mean(term.name) for term in self.guidance.terms},
                train_accuracy=meter.mean("correct"),
                valid_accuracy=scores.accuracy,
                valid_balanced_accuracy=scores.balanced_accuracy,
                valid_loss=scores.loss,
                images_per_second=speed,
            )
            history.append(row)
            selected = best_epoch(history) == epoch
            if selected:
                best = {name: value.detach().cpu().clone() for name, value in scored.state_dict().items()}
            log_epoch(self._title(epoch), row, selected)
            write_history(history_path, history)
            checkpoint.save(self._state(history, best))
        return Fitted(history, best_epoch(history), best)

    def step(self, batch: Batch, time: float, generator: Generator) -> StepResult:
        """Update the model once.

        Args:
            batch: Faces as they come from the data set.
            time: Of the training, in epochs; decides which guidance is active.
            generator: Of the augmentation.

        Raises:
            NotFiniteError: A loss is NaN or infinite; the model is left as it was.
        """
        batch = batch.to(self.device)
        matrices = self.augmenter.draw(len(batch), generator)
        targets = self.guidance.targets(batch, mirrored(matrices).to(self.device))
        images, maps = self.augmenter(batch.images.float() / 255, [cue.maps for cue in targets], matrices, generator)
        moved = [target._replace(maps=cue) for cue, target in zip(maps, targets, strict=True)]
        inputs = self.preprocessing(images).contiguous(memory_format=torch.channels_last)
        with autocast(self.device, self.precision):
            output = self.model(inputs, batch.labels)
        logits = output.logits.float()
        cross_entropy = functional.cross_entropy(
            logits, batch.labels, weight=self.class_weights, label_smoothing=self.config.label_smoothing
        )
        shares = functional.one_hot(batch.labels, logits.shape[1]).float()
        parts = self.guidance.losses(output, moved, shares, time)
        loss = cross_entropy + self.guidance.weighted(parts, time)
        correct = (logits.argmax(1) == batch.labels).sum()
        counts = [target.valid.sum() for target in targets]
        # One transfer from the device for all figures of the step.
        values = torch.stack([loss, cross_entropy, *parts.values(), correct, *counts]).tolist()
        losses = dict(zip(["loss", "loss_ce", *parts], values, strict=False))
        if wrong := [f"{name} is {value}" for name, value in losses.items() if not math.isfinite(value)]:
            raise NotFiniteError(", ".join(wrong))
        self._update(loss)
        valid_counts = dict(zip([term.name for term in self.guidance.terms], values[-len(counts) :], strict=False))
        sizes = {name: int(valid_counts.get(name, len(batch))) for name in losses}
        return StepResult(losses, sizes, int(values[len(losses)]))

    def _update(self, loss: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        if self.config.clip_grad is not None:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_grad)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def _train_epoch(self, epoch: int, loader: BatchLoader) -> tuple[Meter, float, float]:
        """One pass over the training split: means of its losses, last learning rate, images per second."""
        seed_layers(self.seed, epoch)
        generator = generator_for(self.seed, "augmentation", epoch)
        count = len(loader.dataset)
        batches = cut_batches(shuffled(count, self.seed, epoch), self.config.batch_size)
        meter, lr = Meter(), 0.0
        self.model.train()
        with EpochProgress(self._title(epoch), count) as progress:
            for step, batch in enumerate(loader(batches)):
                time = epoch + (step + 0.5) / len(batches)
                lr = self.config.optimizer.lr * lr_factor(self.config.schedule, time, self.config.epochs)
                set_lr(self.optimizer, lr)
                try:
                    result = self.step(batch, time, generator)
                except NotFiniteError as error:
                    where = f"{self.name}: epoch {epoch}, step {step} of {len(batches)}"
                    advice = "lower train.optimizer.lr, set train.clip_grad or take precision fp32"
                    raise NotFiniteError(f"{where}: {error}; {advice}") from None
                if self.average is not None:
                    self.average.update(self.model, epoch * len(batches) + step + 1)
                for name, value in result.losses.items():
                    meter.add(name, value, result.counts[name])
                meter.add("correct", result.correct / len(batch), len(batch))
                progress.advance(len(batch), result.losses)
        return meter, lr, progress.speed

    def _title(self, epoch: int) -> str:
        return f"{self.name} {epoch + 1}/{self.config.epochs}"

    def _state(self, history: list[HistoryRow], best: dict[str, Tensor]) -> TrainingState:
        return TrainingState(
            epoch=len(history),
            model=dict(self.model.state_dict()),
            optimizer=optimizer_tensors(self.optimizer),
            average=dict(self.average.model.state_dict()) if self.average else {},
            best=best,
            history=history,
            scale=self.scaler.state_dict(),
        )

    def _restore(self, state: TrainingState | None) -> TrainingState:
        if state is None:
            return TrainingState()
        self.model.load_state_dict(state.model)
        if self.average is not None:
            self.average.model.load_state_dict(state.average)
        restore_optimizer(self.optimizer, state.optimizer)
        if state.scale:
            self.scaler.load_state_dict(state.scale)
        log(f"{self.name}: goes on after epoch {state.epoch} of {self.config.epochs}")
        return state
