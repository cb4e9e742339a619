"""Lay out a short card of each experiment's model: network, data, training, scores and what limits them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fer_au.config.differences import mapping
from fer_au.config.model import DEFAULT_HEAD
from fer_au.gate import SETTINGS, open_regular, parse_json
from fer_au.gate import WEIGHTS as MOST_BYTES
from fer_au.models.config_file import WEIGHTS
from fer_au.report.collect import Experiment
from fer_au.results.looking import looking_text
from fer_au.results.remarks import limits, not_current, weaknesses

_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
_LENGTH = 8  # bytes of the header's length
_SCORES = ("accuracy", "balanced_accuracy", "macro_f1", "ece", "att_cos", "att_ccos", "att_class_rank")


@dataclass(frozen=True)
class ModelCard:
    """What a reader asks of one model.

    Attributes:
        name: Name of the experiment.
        line: The network in a few words.
        facts: What, and what is known of it.
        remarks: Sentences about what the model shows and what limits its scores.
    """

    name: str
    line: str
    facts: list[tuple[str, str]]
    remarks: list[str]


def model_cards(experiments: Sequence[Experiment], methods: Mapping[str, str], models: Path) -> list[ModelCard]:
    """Lay out the cards of experiments.

    Args:
        experiments: The experiments.
        methods: Experiment -> its guidance in words.
        models: Folder ``models`` of the project.
    """
    return [_card(one, methods[one.name], models / one.name) for one in experiments]


def _card(one: Experiment, method: str, folder: Path) -> ModelCard:
    model = one.config.model
    head = f"head {model.head or DEFAULT_HEAD}" if one.model.get("model") else ""
    count = count_parameters(folder / WEIGHTS)
    size = f"{count:,} parameters" if count is not None else ""
    line = ", ".join(part for part in (model.backbone, head, size) if part)
    remarks = [looking_text(one)] + [f"It {own.one}" for own in (*weaknesses(one), *limits(one))]
    remarks += [f"It {not_current(one.change).one}"] if one.change else []
    return ModelCard(one.name, line, list(_facts(one, line, method)), [text for text in remarks if text])


def _facts(one: Experiment, line: str, method: str) -> Iterator[tuple[str, str]]:
    yield "network", line
    yield "guidance", method
    start = f"from experiment {one.config.base}" if one.config.base != "none" else ""
    pretrained = mapping(one.model.get("pretrained")).get("origin")
    if start or pretrained:
        yield "start", start or f"weights of {pretrained}"
    split = one.results.attributes.get("split", "test")
    scored = f"scored on {len(one.results)} images of split {split}"
    yield "data", f"{one.config.dataset}; {len(one.classes)} expressions; {scored}"
    train = mapping(one.model.get("train"))
    known = {"epochs": "{} epochs", "batch_size": "batches of {}", "image_size": "{} px"}
    words = [text.format(train[key]) for key, text in known.items() if key in train]
    optimizer = mapping(train.get("optimizer"))
    words += [f"{optimizer['name']}, learning rate {optimizer['lr']:g}"] if {"name", "lr"} <= optimizer.keys() else []
    words += [f"seed {one.config.seed}"] + ([f"fold {one.config.fold}"] if one.config.fold is not None else [])
    if isinstance(epoch := one.model.get("selected_epoch"), int):
        words.append(f"epoch {epoch + 1} kept, by {one.metrics.get('selected_on', 'valid')}")
    yield "training", ", ".join(words)
    yield "scores", ", ".join(_scores(one))


def _scores(one: Experiment) -> Iterator[str]:
    for key in _SCORES:
        own = one.estimate(key)
        if math.isfinite(own.value):
            ends = f" ({own.low:.3f} to {own.high:.3f})" if math.isfinite(own.low) else ""
            yield f"{key} {own.value:.3f}{ends}"


def count_parameters(weights: Path) -> int | None:
    """Count the parameters of a model by the header of its file, without its buffers; None if it isn't there.

    The header is JSON behind its length (https://github.com/huggingface/safetensors#format).
    """
    try:
        with os.fdopen(open_regular(weights, MOST_BYTES), "rb") as file:
            length = int.from_bytes(file.read(_LENGTH), "little")
            header = parse_json(file.read(min(length, SETTINGS)))
    except (OSError, ValueError):
        return None
    shapes = (own["shape"] for name, own in header.items() if name != "__metadata__" and not name.endswith(_BUFFERS))
    return sum(int(math.prod(shape)) for shape in shapes)
