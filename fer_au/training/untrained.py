"""An experiment with ``train: none``: the model that was made elsewhere becomes ``models/<exp>/`` as it is."""

from __future__ import annotations

import platform
from pathlib import Path

import timm
import torch

from fer_au.batches.faces import FaceDataset
from fer_au.batches.preprocess import Preprocessing
from fer_au.compute import log
from fer_au.config.experiments import ExperimentConfig
from fer_au.errors import ConfigError
from fer_au.models.config_file import HISTORY
from fer_au.models.external import ExternalTrunk, check_template
from fer_au.models.files import save_model
from fer_au.models.network import build_model
from fer_au.stores.locks import output_lock
from fer_au.training.history import write_history

_SPLITS = ("train", "valid", "test")


def keep_untrained(name: str, experiment: ExperimentConfig, dataset_dir: Path, out_dir: Path) -> None:
    """Write the folder of a model that isn't trained here.

    Its history has no epoch, and ``config.json`` no entry of a training. The data set says how the crops were made on
    which it will be scored.

    Args:
        name: Experiment name, used in messages.
        experiment: Entry of the experiment, with an external backbone.
        dataset_dir: Folder ``data/<key>``.
        out_dir: ``models/<name>``: gets model.safetensors, config.json and history.csv.

    Raises:
        ConfigError: The network can't be made, or is another than the configuration says.
        DataError: The data set is missing, damaged, or has crops of another template.
        StoreError: The disk refuses.
    """
    config = experiment.model
    if config.input is None:
        raise ConfigError(f"experiments.{name}.train: none is for backbone external alone")
    splits = [FaceDataset(dataset_dir, split, classes=config.outputs, fold=experiment.fold) for split in _SPLITS]
    frame = splits[0].align_options
    check_template(config, frame, dataset_dir)
    try:
        model = build_model(config, config.outputs, seed=0).eval()
    except ConfigError as error:
        raise ConfigError(f"experiments.{name}.{error}") from error
    trunk = model.backbone
    if isinstance(trunk, ExternalTrunk):
        layers = ", ".join(f"{number} {module}" for number, module in trunk.modules_of_layers.items())
        log(f"{name}: {config.factory}, layers {layers}")
    for faces in splits:
        if faces.skipped:
            many = f"faces of {faces.split} have" if faces.skipped > 1 else f"face of {faces.split} has"
            log(f"{name}: {faces.skipped} {many} a class that the model lacks; left out of all scores")
    preprocessing = Preprocessing(config.input.size, config.channels, config.input.rgb_mean, config.input.rgb_std)
    record = {
        "experiment": experiment.model_dump(mode="json", exclude={"model"}),
        "preprocessing": {**preprocessing.to_meta(), "align": frame},
        "seed": 0,
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "timm": timm.__version__},
    }
    with output_lock(out_dir):
        write_history(out_dir / HISTORY, [])
        save_model(out_dir, model, record, (HISTORY,))
    count = sum(one.numel() for one in model.parameters())
    log(f"train {name}: nothing to train; {count} parameters as {config.factory} gives them; {out_dir}")
