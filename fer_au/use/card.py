"""The folder of a trained model as others get it: the model's files, and a card that says what it is and what not."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_au.atomic import write_atomically
from fer_au.batches.preprocess import Preprocessing
from fer_au.compute import log
from fer_au.config.differences import mapping
from fer_au.config.experiments import ExperimentConfig
from fer_au.config.model import DEFAULT_HEAD
from fer_au.config.reading import name_fault, validate
from fer_au.errors import ConfigError, DataError
from fer_au.gate import WEIGHTS as MOST_BYTES
from fer_au.gate import read_bytes
from fer_au.models import FerModel, load_model
from fer_au.models.classes import are_subjects
from fer_au.models.config_file import CLUSTERS, CONFIG, HISTORY, WEIGHTS, check_folder
from fer_au.models.nets.base import own_head
from fer_au.results.experiment import ExperimentResult, read_experiment
from fer_au.results.looking import looking_text
from fer_au.results.references import REFERENCES, reference_metric
from fer_au.results.sheets import number
from fer_au.use.card_text import Card, Score, write_card
from fer_au.use.notes import crop_frame, licence_notice

README = "README.md"
FILES = (WEIGHTS, CONFIG, HISTORY, CLUSTERS)

_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}")
_RECOGNITION = ("accuracy", "balanced_accuracy", "macro_f1")
_ATTENTION = ("att_ccos", "att_cos", "att_auc", "att_class_rank")


@dataclass(frozen=True)
class Place:
    """Where a project keeps what a card tells of.

    Attributes:
        root: Folder of the project, with ``models``, ``metrics`` and ``evaluation``.
        name: Name of the experiment.
    """

    root: Path
    name: str

    @property
    def model(self) -> Path:
        """Folder of the model."""
        return self.root / "models" / self.name

    @property
    def results(self) -> list[Path]:
        """Files of the evaluation."""
        name = self.name
        return [self.root / one for one in (f"metrics/{name}.json", f"evaluation/{name}.h5")]


def write_folder(place: Place, target: Path, licence: str = "other") -> list[str]:
    """Write a model's files and its card into a folder, which ``Predictor.load`` takes, and a hub, too.

    Equal models and metrics give equal bytes. Nothing of the images goes along, but numbers.

    Args:
        place: The trained experiment.
        target: Folder to write; made if it is missing.
        licence: Identifier of the model's licence, as hubs list them.

    Returns:
        Names of the files.

    Raises:
        ConfigError: A licence that is no identifier, no name of an experiment, classes that are persons, or a target
            that is a part of the project.
        DataError: The model can't be used, or its metrics are damaged or of another model.
        StoreError: The disk refuses.
    """
    if not _LICENCE.fullmatch(licence):
        raise ConfigError(f"--license: expected an identifier such as cc-by-nc-4.0 or other, not {licence!r}")
    if name_fault(place.name):
        raise ConfigError(f"{place.name}: is no experiment's name; for models/NAME, say NAME")
    if target.resolve() == place.model.resolve():
        raise ConfigError(f"{target}: is the output of a stage; name another folder")
    model, meta = load_model(place.model)
    check_folder(place.model)
    if model.scores_itself:
        raise ConfigError(f"{place.name}: the model was made elsewhere; who made it says what it is: no card")
    if are_subjects(model.classes):
        raise ConfigError(f"{place.name}: its classes are persons of the data set, whose names would go along; no card")
    if Path(weights := model.config.weights).is_absolute():
        log(f"{place.model / CONFIG}: names the file of weights that the training began with, {weights}; it goes along")
    data = {name: _read(place.model / name) for name in FILES if name in (WEIGHTS, CONFIG) or _recorded(meta, name)}
    result = _result(place, meta)
    card = Card(
        name=place.name,
        licence=licence,
        notice=licence_notice(meta),
        classes=model.classes,
        meta=meta,
        model=model.config,
        head=_head(model),
        parameters=sum(one.numel() for one in model.parameters()),
        frame=crop_frame(meta, Preprocessing.from_meta(mapping(meta.get("preprocessing")))),
        split="" if result is None else str(result.results.attributes.get("split", "test")),
        scores=() if result is None else tuple(_scores(result)),
        looking="" if result is None else looking_text(result),
        files=data,
    )
    for name, content in data.items():
        write_atomically(target / name, content)
    write_atomically(target / README, write_card(card).encode())
    return [*data, README]


def _head(model: FerModel) -> str:
    own = own_head(model.config.backbone) is not None
    return "with a head of its own" if own else f"head `{model.config.head or DEFAULT_HEAD}`"


def _recorded(meta: Mapping[str, Any], name: str) -> bool:
    return name in mapping(meta.get("files"))


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path, MOST_BYTES)
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror})") from error


def _result(place: Place, meta: Mapping[str, Any]) -> ExperimentResult | None:
    """Read the experiment's evaluation; None if there is none.

    Raises:
        DataError: It is damaged, or of another model.
    """
    if not any(path.exists() for path in place.results):
        return None
    entry = {**mapping(meta.get("experiment")), "model": meta["model"]}
    config = validate(ExperimentConfig, entry, "experiment", place.model / CONFIG)
    return read_experiment(place.name, config, place.root, meta["weights_sha256"])


def _scores(result: ExperimentResult) -> Iterator[Score]:
    """Give the scores that a card shows, with their intervals over images and what they have to be read beside."""
    for key in (*_RECOGNITION, *_ATTENTION):
        value = result.number(key)
        if not math.isfinite(value):
            continue
        low, high = result.interval(key)
        beside = []
        if key in _ATTENTION:
            named = {words: result.number(reference_metric(result, name, key)) for name, words in REFERENCES.items()}
            beside = [f"{words} {number(key, score)}" for words, score in named.items() if math.isfinite(score)]
        bounds = f"{number(key, low)} to {number(key, high)}" if math.isfinite(low) else ""
        yield Score(key, value, number(key, value), bounds, key in _ATTENTION, tuple(beside))
