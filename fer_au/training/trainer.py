"""The training loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from fer_au.batches.faces import FaceDataset
from fer_au.batches.loading import BatchLoader, balanced, cut_batches, shuffled
from fer_au.batches.preprocess import Preprocessing
from fer_au.batches.seeds import generator_for, seed_layers
from fer_au.compute import log
from fer_au.config.experiments import TrainConfig
from fer_au.models.freezing import check_phases, phase_at, set_trainable
from fer_au.models.network import FerModel
from fer_au.training.checkpoint import Checkpoint, TrainingState, optimizer_tensors, restore_optimizer
from fer_au.training.guidance import Guidance
from fer_au.training.history import HistoryRow, best_epoch, has_stalled, write_history
from fer_au.training.meter import Meter
from fer_au.training.optimizer import WeightAverage, set_lr
from fer_au.training.processes import Processes
from fer_au.training.progress import EpochProgress, log_epoch
from fer_au.training.schedule import lr_factor
from fer_au.training.scoring import score_split
from fer_au.training.updater import NotFiniteError, Updater


@dataclass(frozen=True)
class Fitted:
    """A finished training: one history row per epoch, the selected epoch and its tensors (first process only)."""

    history: list[HistoryRow]
    epoch: int
    tensors: dict[str, Tensor]


class Trainer:
    """Trains one model.

    Every random draw derives from the seed and the epoch, and the state between epochs is checkpointed, so that a
    killed training that is started again ends in the same weights (bit for bit on a CPU in fp32). Several processes
    train as one does; see ``processes``. Only batch normalisation and dropout differ: each process drops its own, and
    normalises its own part of a batch unless ``sync_batch_norm`` is on and it has a GPU.

    Args:
        name: Of the experiment, for messages.
        model: The model; it is trained in place.
        guidance: Its guidance.
        config: The settings.
        seed: The experiment's.
        preprocessing: From crop to input.
        class_weights: (C,) weights of the classes in the cross-entropy; None for equal ones.
        processes: Those that train together; default those that were launched.

    Raises:
        ConfigError: A precision or a number of processes that can't be had, or a phase that freezes what isn't there.
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
        self.processes = processes or Processes()
        self.name, self.config, self.seed = name, config, seed
        self.guidance, self.preprocessing = guidance, preprocessing
        self.updater = Updater(model, guidance, config, preprocessing, class_weights, self.processes)
        self.model, self.optimizer, self.scaler = self.updater.model, self.updater.optimizer, self.updater.scaler
        self.device, self.precision, self.step = self.updater.device, self.updater.precision, self.updater.step
        self.average = WeightAverage(self.model, config.ema) if config.ema is not None else None
        self._phase: int | None = None

    def fit(self, train: FaceDataset, selection: FaceDataset, checkpoint: Checkpoint, history_path: Path) -> Fitted:
        """Train for the configured epochs or until early stopping, or go on from the checkpoint.

        Args:
            train: What is learned from.
            selection: What selects the best epoch.
            checkpoint: Where the state is kept.
            history_path: ``history.csv``, rewritten after each epoch.

        Raises:
            NotFiniteError: A loss became NaN or infinite.
        """
        loader, selection_loader = BatchLoader(train), BatchLoader(selection)
        state = self._restore(checkpoint)
        history, best = state.history, state.best
        while len(history) < self.config.epochs and not has_stalled(history, self.config.early_stopping):
            epoch = len(history)
            meter, lr, speed = self._train_epoch(epoch, loader, [row.valid_loss for row in history])
            names = [*(["loss_aux"] if meter.has("loss_aux") else []), *(term.name for term in self.guidance.terms)]
            scored = self.average.model if self.average else self.model
            scores = score_split(
                scored, selection_loader, self.preprocessing, self.precision, self.config.batch_size, self.processes
            )
            row = HistoryRow(
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
            history.append(row)
            if self.processes.first:
                selected = best_epoch(history) == epoch
                if selected:
                    best = {name: value.detach().cpu().clone() for name, value in scored.state_dict().items()}
                log_epoch(self._title(epoch), row, selected)
                write_history(history_path, history)
                checkpoint.save(self._state(history, best))
        if len(history) < self.config.epochs:
            log(f"{self.name}: stopped early, no better epoch since {best_epoch(history) + 1}")
        return Fitted(history, best_epoch(history), best)

    def _train_epoch(self, epoch: int, loader: BatchLoader, losses: Sequence[float]) -> tuple[Meter, float, float]:
        """One pass over the training split: means of its losses, last learning rate, images per second."""
        self._begin(epoch)
        seed_layers(self.seed, epoch, self.processes.index)
        generator = generator_for(self.seed, "augmentation", epoch)
        batches = cut_batches(self._order(loader.dataset, epoch), self.config.batch_size)
        parts = [self.processes.part(len(batch)) for batch in batches]
        mine = [batch[part.rows] for batch, part in zip(batches, parts, strict=True)]
        meter, lr = Meter(), 0.0
        with EpochProgress(self._title(epoch), len(loader.dataset), self.processes.first) as progress:
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
                    self.average.update(self.model, epoch * len(batches) + step + 1)
                for name, value in result.losses.items():
                    meter.add(name, value, result.counts[name])
                meter.add("correct", result.correct / part.total, part.total)
                progress.advance(part.total, result.losses)
        return meter, lr, progress.speed

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
            self.updater.rewrap()

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

    def _restore(self, checkpoint: Checkpoint) -> TrainingState:
        state = self.processes.from_first(checkpoint.load() if self.processes.first else None)
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
