"""The ``train`` stage: one experiment from its configuration to ``models/<exp>/``."""

from __future__ import annotations

import contextlib
import platform
from functools import partial
from pathlib import Path

import timm
import torch
from torch import Tensor

from fer_au.atomic import write_atomically
from fer_au.batches.faces import FaceDataset
from fer_au.batches.fraction import draw_fraction
from fer_au.batches.loading import shuffled
from fer_au.compute import log
from fer_au.config.experiments import ExperimentConfig, TrainConfig
from fer_au.config.external import UNTRAINED
from fer_au.datasets.tally import FEW_TO_SELECT, find_share_fault
from fer_au.errors import ConfigError, DataError
from fer_au.gate import TABLES, read_bytes
from fer_au.models.config_file import CLUSTERS, CONFIG, HISTORY, WEIGHTS, check_folder, read_config, write_config
from fer_au.models.external import check_template
from fer_au.models.files import load_model, save_model
from fer_au.models.network import count_views
from fer_au.models.trained import Training
from fer_au.shards.finished import FinishedWork
from fer_au.stores.locks import output_lock
from fer_au.stores.reader import Store
from fer_au.terminal import counted
from fer_au.training.checkpoint import Checkpoint
from fer_au.training.clusters import needs_clusters, prepare_clusters
from fer_au.training.curves import CurveLog
from fer_au.training.guidance import Guidance
from fer_au.training.history import training_speed, write_history
from fer_au.training.origin import Origin
from fer_au.training.processes import Processes
from fer_au.training.start import Start, start_network
from fer_au.training.trainer import Fitted, Trainer
from fer_au.training.untrained import keep_untrained

_FILES = (WEIGHTS, CONFIG, HISTORY, CLUSTERS)
_LOCK_SECONDS = 10.0  # a second run of the same training would last as long as the first: don't wait for it


def train_experiment(
    name: str,
    experiment: ExperimentConfig,
    train: TrainConfig,
    dataset_dir: Path,
    base_dir: Path,
    out_dir: Path,
    base_training: Training | None = None,
) -> None:
    """Train one experiment and write its model's folder.

    A training that was finished before, under any name, is fetched and not repeated; a killed one goes on after its
    last complete epoch. Both are found by what decides them, see ``origin``. Processes that were launched together
    train together, and the first one writes; see ``processes``.

    Args:
        name: Experiment name, used in messages.
        experiment: Entry of the experiment.
        train: Training settings, the experiment's overrides included.
        dataset_dir: Folder ``data/<key>``.
        base_dir: Folder of the model to start from; ignored if ``experiment.base`` is ``none``.
        base_training: Settings that the model to start from must have been trained with; default any.
        out_dir: ``models/<name>``: gets model.safetensors, config.json, history.csv, and clusters.h5 if a cue needs it.

    Raises:
        ConfigError: An unknown cue, loss, layer, backbone or head, an image size that the backbone can't take, or a
            precision this machine doesn't have, or no file of pretrained weights.
        MissingDependencyError: ImageNet weights that are neither installed nor can be fetched, or curves are to be
            written without the package that does so.
        DataError: Artefacts that are missing, damaged or don't fit together, or splits that can't train or select.
        FerAuError: A loss became NaN or infinite, or another process trains the same experiment.
    """
    if experiment.train == UNTRAINED:
        keep_untrained(name, experiment, dataset_dir, out_dir)
        return
    processes = Processes()
    curves = CurveLog(name, processes.first)
    faces, selection = _splits(experiment, train, dataset_dir)
    origin = _gather(name, experiment, train, faces, base_dir, base_training, processes)
    training = _Run(name, origin, selection, out_dir)
    with output_lock(out_dir, _LOCK_SECONDS) if processes.first else contextlib.nullcontext():
        if not processes.from_first(processes.first and training.take()):
            training.fit(curves)
        # DVC deletes the model of a run that ends with an error, be it in its last moment: what goes on after the last
        # epoch is removed only when the finished training lies where DVC doesn't look.
        if processes.first:
            training.checkpoint.remove()
    processes.close()


def _gather(
    name: str,
    experiment: ExperimentConfig,
    train: TrainConfig,
    faces: FaceDataset,
    base_dir: Path,
    base_training: Training | None,
    processes: Processes,
) -> Origin:
    """Bring together what the training starts from; arguments as of ``train_experiment``."""
    start = _start(name, experiment, faces, base_dir, base_training)
    clusters = _clusters(name, experiment, faces, base_dir, processes.device)
    guidance = Guidance(experiment.guidance, start.model, faces, experiment.seed, clusters)
    for line in guidance.check_cues(faces):
        log(f"{name}: {line}")
    weights = balanced_weights(faces) if train.class_weights == "balanced" else None
    trainer = Trainer(name, start.model, guidance, train, experiment.seed, start.preprocessing, weights, processes)
    return Origin(experiment, train, faces, start.pretrained, start.base, clusters, trainer)


class _Run:
    """A training that is fetched where it was finished before, and else carried out.

    Args:
        name: Experiment name, used in messages.
        origin: What it starts from.
        selection: The faces that select the epoch.
        out_dir: The model's folder.
    """

    def __init__(self, name: str, origin: Origin, selection: FaceDataset, out_dir: Path) -> None:
        self._name, self._origin, self._selection, self._out_dir = name, origin, selection, out_dir
        identity = origin.identity()
        self._finished = FinishedWork("training", identity)
        self.checkpoint = Checkpoint(identity)

    def take(self) -> bool:
        """Fetch a finished training, and tell whether there was one; it gets this experiment's entry of params.yaml."""
        check = partial(_check_finished, code=self._origin.experiment.model.code)
        if not self._finished.take({file: self._out_dir / file for file in _FILES}, check):
            return False
        write_config(self._out_dir / CONFIG, {**read_config(self._out_dir), "experiment": self._origin.entry()})
        log(
            f"train {self._name}: trained before with these settings, data and code; "
            f"{self._out_dir} taken from {self._finished.folder.parent}"
        )
        return True

    def fit(self, curves: CurveLog) -> None:
        """Train; the first process writes the model's folder, and keeps it where it is fetched from."""
        origin, trainer, processes = self._origin, self._origin.trainer, self._origin.trainer.processes
        if processes.first:
            self._finished.check_writable()
        few = ", so few that chance selects" if len(self._selection) < FEW_TO_SELECT else ""
        log(
            f"{self._name}: {len(origin.faces)} faces of {len(origin.faces.classes)} classes, "
            f"{origin.train.image_size} px, {trainer.precision} on {processes}, "
            f"selected on {origin.train.select_on} ({len(self._selection)} faces{few})"
        )
        if origin.clusters is not None and processes.first:
            write_atomically(self._out_dir / CLUSTERS, read_bytes(origin.clusters.path, TABLES))
        learnt = _learnt(origin.faces, origin.experiment, origin.train)
        with contextlib.closing(curves):
            fitted = trainer.fit(learnt, self._selection, self.checkpoint, self._out_dir / HISTORY, curves)
        if processes.first:
            self._keep(fitted)

    def _keep(self, fitted: Fitted) -> None:
        _write(self._out_dir, self._origin, fitted)
        self._finished.keep({file: path for file in _FILES if (path := self._out_dir / file).exists()})
        accuracy = fitted.history[fitted.epoch].valid_accuracy
        log(
            f"train {self._name}: epoch {fitted.epoch + 1} of {len(fitted.history)} is selected, "
            f"{self._origin.train.select_on} accuracy {accuracy:.3f}; {self._out_dir}"
        )


def _check_finished(folder: Path, code: str | None) -> None:
    """Check that the files of a finished training are those of one model, which can be loaded."""
    check_folder(folder)
    load_model(folder, trust=code)


def _splits(experiment: ExperimentConfig, train: TrainConfig, dataset_dir: Path) -> tuple[FaceDataset, FaceDataset]:
    views = count_views(experiment.model)
    own = experiment.model.outputs or None  # of an external model, whose classes are what they are
    faces = FaceDataset(
        dataset_dir, "train", train.image_size, own, fold=experiment.fold, target=experiment.target, views=views
    )
    if experiment.target == "subject" and not len(faces):
        raise DataError(f"{dataset_dir}: target subject: manifest.csv names no subject of a training face")
    if len(faces) < 2 or (found := len(set(faces.labels.tolist()))) < 2:
        raise DataError(
            f"{dataset_dir}: training needs at least two faces of two classes, "
            f"the split train has {len(faces)} of {found if len(faces) else 0}"
        )
    if faces.skipped:
        log(f"{dataset_dir}: {counted(faces.skipped, 'face')} of train left out, the model lacks their class")
    faces = _drawn(faces, experiment, train)
    selection = FaceDataset(
        dataset_dir, train.select_on, train.image_size, faces.classes, fold=experiment.fold, views=views
    )
    if not len(selection):
        key = f"datasets.{dataset_dir.name}.valid_fraction"
        hint = f"raise {key}, or set train.select_on: test to repeat a paper's protocol"
        raise DataError(f"{dataset_dir}: the split {train.select_on} that selects the best epoch is empty; {hint}")
    if selection.skipped:
        who = "the model" if own else "train"
        lost = counted(selection.skipped, "face")
        log(f"{dataset_dir}: {lost} of {train.select_on} left out, {who} lacks their class")
    return faces, selection


def _drawn(faces: FaceDataset, experiment: ExperimentConfig, train: TrainConfig) -> FaceDataset:
    """Draw the share of the training faces that is trained on."""
    drawn = draw_fraction(faces, train.fraction, experiment.seed)
    if fault := find_share_fault(len(drawn), len(faces), train.fraction, train.batch_size):
        raise DataError(f"{faces.dataset_dir}: train.fraction: {fault}")
    if len(drawn) < len(faces):
        log(f"{faces.dataset_dir}: {len(drawn)} of {len(faces)} training faces are drawn, by train.fraction and seed")
    return drawn


def _learnt(faces: FaceDataset, experiment: ExperimentConfig, train: TrainConfig) -> FaceDataset:
    """Give the faces with the labels that are learnt; all else of the training knows them by their own."""
    if train.labels == "given":
        return faces
    return faces.labelled_as(shuffled(len(faces), experiment.seed, 0, "labels"))


def _start(
    name: str, experiment: ExperimentConfig, faces: FaceDataset, base_dir: Path, base_training: Training | None
) -> Start:
    """Make the network; a fault of one that was made elsewhere shows only when it runs, and names the experiment."""
    if experiment.model.input is not None:
        check_template(experiment.model, faces.align_options, faces.dataset_dir)
    try:
        return start_network(experiment, faces.image_size, faces.classes, base_dir, base_training)
    except ConfigError as error:
        if experiment.model.input is None:
            raise
        raise ConfigError(f"experiments.{name}.{error}") from error


def _clusters(
    name: str, experiment: ExperimentConfig, faces: FaceDataset, base_dir: Path, device: torch.device
) -> Store | None:
    """Prepare the clusters that the experiment's guidance needs, the first phase of training; None if it needs none."""
    if not needs_clusters(experiment.guidance):
        return None
    if experiment.base == "none":
        raise ConfigError(f"experiments.{name}.base: none; cue 'clusters' needs a base whose features are clustered")
    return prepare_clusters(faces, base_dir, device, trust=experiment.model.code)


def balanced_weights(faces: FaceDataset) -> Tensor:
    """Compute class weights inversely proportional to the classes' numbers of faces, with mean 1 over the faces.

    A class without a face, which an external model may know, weighs nothing.
    """
    counts = torch.bincount(torch.from_numpy(faces.labels.copy()), minlength=len(faces.classes))
    return len(faces) / (int((counts > 0).sum()) * counts.clamp_min(1).float()) * (counts > 0)


def _write(out_dir: Path, origin: Origin, fitted: Fitted) -> None:
    """Write the selected epoch's model and how it came about."""
    trainer = origin.trainer
    trainer.model.load_state_dict(fitted.tensors)
    meta = {
        **origin.record(),
        "preprocessing": {**trainer.preprocessing.to_meta(), "align": origin.faces.align_options},
        "selected_epoch": fitted.epoch,
        "train_images_per_second": round(training_speed(fitted.history), 2),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "timm": timm.__version__},
    }
    write_history(out_dir / HISTORY, fitted.history)  # a training that resumed after its last epoch wrote none
    save_model(out_dir, trainer.model, meta, (HISTORY, CLUSTERS))
