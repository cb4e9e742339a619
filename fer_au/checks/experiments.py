"""Experiments and crosses: their parts, what they name, the splits they need, and weights that can be had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

from fer_au.checks.datasets import Known, check_maps, complaint, heatmap_names
from fer_au.checks.memory import Memory
from fer_au.checks.networks import check_network
from fer_au.checks.outputs import Outputs
from fer_au.checks.parts import find_backbone_fault, find_part_fault, is_net
from fer_au.config.entries import examine_cross, examine_experiment, find_reference_faults, merge
from fer_au.config.experiments import EvaluateConfig, ExperimentConfig, GuidanceConfig, ModelConfig, TrainConfig
from fer_au.config.reading import Fault, salvage
from fer_au.datasets.manifest import Split
from fer_au.models.pretrained import PACKAGES, HubPlace, find_on_hub, find_pretrained, hub_place

Wanted = dict[tuple[str, Split], list[str]]
"""Data set and split -> the keys of ``params.yaml`` that need it."""


class ExperimentCheck:
    """Checks experiments and crosses one by one.

    Args:
        params: The whole of ``params.yaml``, its top level made sound.
        known: What is known of the data sets.
        evaluate: Section ``evaluate``; None if it has faults.
        outputs: What DVC has made.
        memory: Keeps what was found good.

    Attributes:
        wanted: Splits that the checked entries need.
    """

    def __init__(
        self,
        params: Mapping[str, Any],
        known: Mapping[str, Known],
        evaluate: EvaluateConfig | None,
        outputs: Outputs,
        memory: Memory,
    ) -> None:
        self.wanted: Wanted = {}
        self._params, self._known, self._evaluate = params, known, evaluate
        self._outputs, self._memory = outputs, memory
        self._missing: dict[str, str] = {}  # what is wrong with weights -> the first key that names them

    def experiment(self, name: str) -> list[Fault]:
        """List what is wrong with an experiment."""
        key, data = f"experiments.{name}", self._params["experiments"][name]
        config, train, faults = examine_experiment(self._params, name)
        if not isinstance(data, Mapping):
            return faults
        config, train = config or salvage(ExperimentConfig, data), train or self._salvaged_train(data)
        if "base" not in data:
            faults.append(Fault(f"{key}.base", "missing, and DVC needs it; write `base: none`, or an experiment"))
        faults += find_reference_faults(self._params, name)
        named = [*self._model_names(key, data), *self._guidance_names(key, data)]
        if config is not None:
            faults += self._weights(name, config)
            faults += self._data(key, config)
            self._want(key, config, train)
            if train is not None and not named:
                faults += check_network(key, config, train, self._evaluate, self._params, self._memory)
        return [*faults, *named]

    def cross(self, name: str) -> list[Fault]:
        """List what is wrong with an entry of ``cross``."""
        config, faults = examine_cross(self._params, name)
        if config is not None and self._evaluate is not None:
            self._need(config.dataset, self._evaluate.split, f"cross.{name}")
        return faults

    def _salvaged_train(self, data: Mapping[str, Any]) -> TrainConfig | None:
        own = data.get("train")
        return salvage(TrainConfig, merge(self._params["train"], own if isinstance(own, Mapping) else {}))

    def _model_names(self, key: str, data: Mapping[str, Any]) -> Iterator[Fault]:
        model = data.get("model")
        backbone, head = (model.get(part) if isinstance(model, Mapping) else None for part in ("backbone", "head"))
        if isinstance(backbone, str) and (fault := find_backbone_fault(backbone, self._memory)):
            yield Fault(f"{key}.model.backbone", fault)
        if isinstance(head, str) and (fault := find_part_fault("fer_au.heads", head, self._memory)):
            yield Fault(f"{key}.model.head", fault)

    def _guidance_names(self, key: str, data: Mapping[str, Any]) -> Iterator[Fault]:
        terms = data.get("guidance")
        for number, term in enumerate(terms if isinstance(terms, list) else []):
            if not isinstance(term, Mapping):
                continue
            place = f"{key}.guidance.{number}"
            cue, loss = term.get("cue", "au"), term.get("loss", "cosine")
            for part, group, name in (("cue", "fer_au.cues", cue), ("loss", "fer_au.losses", loss)):
                if isinstance(name, str) and (fault := find_part_fault(group, name, self._memory)):
                    yield Fault(f"{place}.{part}", fault)
                elif part == "cue" and isinstance(name, str):
                    yield from self._own_maps(place, name, term)

    def _own_maps(self, place: str, cue: str, term: Mapping[str, Any]) -> Iterator[Fault]:
        """Check the codebook and geometry of one term; those of the section ``heatmaps`` are checked there."""
        usual = heatmap_names(self._params)
        config = salvage(GuidanceConfig, term) or GuidanceConfig()
        own = config.codebook or usual[0], config.geometry or usual[1]
        if own != usual:
            yield from check_maps(place, cue, *own)

    def _data(self, key: str, config: ExperimentConfig) -> Iterator[Fault]:
        """Check that the data set has what the experiment takes from it, as far as its layout tells."""
        from fer_au.cues.cue import CUES

        terms = list(enumerate(config.guidance))
        cues = {number: CUES.get(term.cue) for number, term in terms if not complaint(partial(CUES.get, term.cue))}
        if config.base == "none" and (of_base := [n for n, cue in cues.items() if cue.source == "clusters"]):
            name = config.guidance[of_base[0]].cue
            yield Fault(f"{key}.base", f"none; cue {name!r} needs a base whose features are clustered")
        known = self._known.get(config.dataset)
        if known is None or (outline := known.outline) is None:
            return
        if config.fold is not None and not outline.folds:
            yield Fault(f"{key}.fold", f"data set {config.dataset!r} has no folds; adapter csv takes columns.fold")
        if config.target == "subject" and not outline.subjects:
            yield Fault(
                f"{key}.target", f"data set {config.dataset!r} names no persons; set subject_pattern or columns.subject"
            )
        for number, cue in cues.items():
            lacking = [column for column in cue.needs if column not in outline.columns]
            if lacking and cue.source == "annotations":
                text = f"needs {' and '.join(lacking)}, which data set {config.dataset!r} doesn't have"
                yield Fault(f"{key}.guidance.{number}.cue", f"{config.guidance[number].cue!r} {text}")

    def _want(self, key: str, config: ExperimentConfig, train: TrainConfig | None) -> None:
        self._need(config.dataset, "train", key)
        if config.target == "subject":
            return  # persons' splits are all cut from train
        if train is not None and not (train.select_on == "test" and config.fold is not None):
            self._need(config.dataset, train.select_on, key)
        if self._evaluate is not None and not (self._evaluate.split == "test" and config.fold is not None):
            self._need(config.dataset, self._evaluate.split, key)

    def _need(self, dataset: str, split: Split, key: str) -> None:
        users = self.wanted.setdefault((dataset, split), [])
        if key not in users:
            users.append(key)

    def _weights(self, name: str, config: ExperimentConfig) -> list[Fault]:
        """Check that pretrained weights can be had here, unless DVC has the model that was trained from them."""
        model = config.model
        if model.weights == "none" or find_backbone_fault(model.backbone, self._memory):
            return []
        if model.weights == "imagenet" and is_net(model.backbone):
            return []  # the network's own check says so
        if not (text := complaint(partial(self._find, model))):
            return []
        keys = (f"experiments.{name}", "train")
        if self._outputs.finished(f"train@{name}", *keys):
            return []
        key, text = f"experiments.{name}.model.weights", text.removeprefix("model.weights: ")
        first = self._missing.setdefault(text, key)
        return [Fault(key, text if first == key else f"the same as {first}")]

    def _find(self, model: ModelConfig) -> None:
        """Find weights, or learn that they can be had."""
        question = ("weights", model.weights, model.backbone)
        known = self._memory.recall(*question)
        if isinstance(known, str) and Path(known).is_file():
            return
        if model.weights != "imagenet" or model.backbone in PACKAGES:
            path = find_pretrained(model.weights, model.backbone)
        else:
            path = find_on_hub(model.backbone, self._place(model.backbone))
        if path is not None and model.weights == "imagenet":
            self._memory.keep(str(path), *question)

    def _place(self, backbone: str) -> HubPlace:
        """Ask where the hub has weights; timm is imported for it once."""
        known = self._memory.recall("hub", backbone)
        if isinstance(known, list):
            address, cached = cast(tuple[str, list[str]], known)
            return HubPlace(address, tuple(cached))
        place = hub_place(backbone)
        self._memory.keep([place.address, list(place.cached)], "hub", backbone)
        return place
