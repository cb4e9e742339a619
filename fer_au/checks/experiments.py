"""Experiments and crosses: their parts, what they name, the splits they need, and weights that can be had."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

from fer_au.checks.cams import LackingCams
from fer_au.checks.datasets import Known, Need, check_maps, complaint, heatmap_names
from fer_au.checks.memory import Memory
from fer_au.checks.networks import check_network
from fer_au.checks.outputs import Outputs
from fer_au.checks.parts import find_backbone_fault, find_part_fault, is_net
from fer_au.config.data import AlignConfig
from fer_au.config.dataset_settings import ALIGN
from fer_au.config.entries import (
    examine_cross,
    examine_experiment,
    find_reference_faults,
    list_unreached,
    merge_train,
)
from fer_au.config.experiments import CrossConfig, EvaluateConfig, ExperimentConfig, GuidanceConfig, TrainConfig
from fer_au.config.external import UNTRAINED, InputConfig
from fer_au.config.model import NAMED_WEIGHTS, ModelConfig
from fer_au.config.reading import Fault, doubtful_keys, examine, salvage
from fer_au.config.unread import no_effect
from fer_au.datasets.spelling import find_code
from fer_au.datasets.tally import find_share_fault
from fer_au.models.pretrained import HubPlace, find_on_hub, find_package, find_pretrained, hub_place

_STAND_INS = {"dataset": "", "model": {"backbone": ""}, "model.backbone": ""}
"""What required keys hold where they are wrong, so that the others are looked at."""


class ExperimentCheck:
    """Checks experiments and crosses one by one.

    Args:
        params: The whole of ``params.yaml``, its top level made sound.
        known: What is known of the data sets.
        evaluate: Section ``evaluate``; None if it has faults.
        outputs: What DVC has made.
        memory: Keeps what was found good.

    Attributes:
        wanted: Splits that the checked entries need -> their keys of ``params.yaml``.
        lacking: CAMs that the networks of the checked experiments can't have.
    """

    def __init__(
        self,
        params: Mapping[str, Any],
        known: Mapping[str, Known],
        evaluate: EvaluateConfig | None,
        outputs: Outputs,
        memory: Memory,
    ) -> None:
        self.wanted: dict[Need, list[str]] = {}
        self.lacking = LackingCams()
        self._params, self._known, self._evaluate = params, known, evaluate
        self._outputs, self._memory = outputs, memory
        found = examine(TrainConfig, params["train"], "", unread=True)[1]
        self._doubtful_training = {f"train.{key}" for key in doubtful_keys(TrainConfig, found, "")}
        self._trained: dict[str, tuple[str, str | None]] = {}  # key -> data set and fold it is trained on

    def experiment(self, name: str) -> list[Fault]:
        """List what is wrong with an experiment."""
        key, data = f"experiments.{name}", self._params["experiments"][name]
        config, train, faults = examine_experiment(self._params, name)
        if not isinstance(data, Mapping):
            self.lacking.note(key, None)
            return faults
        doubtful = doubtful_keys(ExperimentConfig, faults, key) | self._doubtful_training
        config, train = config or salvage(ExperimentConfig, data, _STAND_INS), train or self._salvaged_train(data)
        if "base" not in data:
            faults.append(Fault(f"{key}.base", "missing, and DVC needs it; write `base: none`, or an experiment"))
        faults += find_reference_faults(self._params, name)
        named = [*self._model_names(key, data), *self._guidance_names(key, data)]
        if config is not None:
            faults += self._weights(name, config)
            faults += self._frame(key, config, doubtful)
            faults += self._data(key, config, doubtful)
            self._want(key, config, train, doubtful)
            doubtful |= {fault.key.removeprefix(f"{key}.") for fault in named}
            if train is not None:
                faults += list_unreached(key, config, train)
                faults += self._few_faces(key, config, train, doubtful)
        if config is not None and train is not None:
            faults += check_network(
                key, config, train, self._evaluate, self._params, self._memory, self.lacking, doubtful
            )
        else:
            self.lacking.note(key, None)
        return [*faults, *named]

    def cross(self, name: str) -> list[Fault]:
        """List what is wrong with an entry of ``cross``; its experiment has been looked at before."""
        config, faults = examine_cross(self._params, name)
        if config is not None and self._evaluate is not None:
            trained = self._trained.get(f"experiments.{config.experiment}")
            # A fold belongs to the data set that the model was trained on.
            fold = trained[1] if trained is not None and trained[0] == config.dataset else None
            self._need(Need(config.dataset, self._evaluate.split, fold, trained), f"cross.{name}")
        if config is not None:
            faults += self._other_crops(name, config)
        return faults

    def _other_crops(self, name: str, config: CrossConfig) -> Iterator[Fault]:
        """Tell where a model is scored on crops that are cut otherwise than those of its training."""
        entry = self._params["experiments"].get(config.experiment)
        trained = entry.get("dataset") if isinstance(entry, Mapping) else None
        if trained not in self._params["datasets"] or config.dataset not in self._params["datasets"]:
            return
        wanted = salvage(ModelConfig, entry.get("model")) if isinstance(entry.get("model"), Mapping) else None
        if wanted is not None and wanted.input is not None:
            yield from self._own_frame(f"cross.{name}.dataset", wanted.input, config.dataset)
            return
        theirs, ours = self._template(str(trained)), self._template(config.dataset)
        if theirs and ours and theirs != ours:
            text = f"its crops have align.template {ours!r}, those that {config.experiment!r} was trained on {theirs!r}"
            yield Fault(f"cross.{name}.dataset", text, stops=False)

    def _template(self, dataset: str) -> str:
        """Give the template of a data set's crops; empty where it isn't known."""
        align = salvage(AlignConfig, ALIGN.merge(self._params, dataset))
        return align.template if align is not None else ""

    def _salvaged_train(self, data: Mapping[str, Any]) -> TrainConfig | None:
        own = data.get("train")
        return salvage(TrainConfig, merge_train(self._params["train"], own if isinstance(own, Mapping) else {}))

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
                    yield from _unread_options(place, name, term)
                    yield from self._own_maps(place, name, term)

    def _own_maps(self, place: str, cue: str, term: Mapping[str, Any]) -> Iterator[Fault]:
        """Check the codebook and geometry of one term; those of the section ``heatmaps`` are checked there."""
        usual = heatmap_names(self._params)
        config = salvage(GuidanceConfig, term) or GuidanceConfig()
        own = config.codebook or usual[0], config.geometry or usual[1]
        if own != usual:
            yield from check_maps(place, cue, *own)

    def _data(self, key: str, config: ExperimentConfig, doubtful: Collection[str]) -> Iterator[Fault]:
        """Check that the data set has what the experiment takes from it, as far as its layout tells."""
        from fer_au.cues.cue import CUES

        terms = list(enumerate(config.guidance))
        cues = {number: CUES.get(term.cue) for number, term in terms if not complaint(partial(CUES.get, term.cue))}
        if (
            config.base == "none"
            and "base" not in doubtful
            and (of_base := [n for n, cue in cues.items() if cue.source == "clusters"])
        ):
            name = config.guidance[of_base[0]].cue
            yield Fault(f"{key}.base", f"none; cue {name!r} needs a base whose features are clustered")
        known = self._known.get(config.dataset)
        if known is None or (outline := known.outline) is None:
            return
        if config.fold is not None and not outline.folds:
            yield Fault(f"{key}.fold", f"data set {config.dataset!r} has no folds; adapter csv takes columns.fold")
        elif outline.tally is not None and not self._has_fold(config.dataset, config.fold):
            folds = ", ".join(sorted(outline.tally.folds)) or "none"
            yield Fault(f"{key}.fold", f"data set {config.dataset!r} has no fold {str(config.fold)!r}; it has {folds}")
        if config.target == "subject" and not outline.subjects:
            yield Fault(
                f"{key}.target", f"data set {config.dataset!r} names no persons; set subject_pattern or columns.subject"
            )
        if config.target == "soft" and "soft_label" not in outline.columns:
            text = "names one label for each face; ferplus with mode: probability has soft ones"
            yield Fault(f"{key}.target", f"soft needs soft labels; data set {config.dataset!r} {text}")
        for number, cue in cues.items():
            lacking = [column for column in cue.needs if column not in outline.columns]
            if lacking and cue.source == "annotations":
                text = f"needs {' and '.join(lacking)}, which data set {config.dataset!r} doesn't have"
                yield Fault(f"{key}.guidance.{number}.cue", f"{config.guidance[number].cue!r} {text}")

    def _few_faces(
        self, key: str, config: ExperimentConfig, train: TrainConfig, doubtful: Collection[str]
    ) -> Iterator[Fault]:
        """Say that the share of the training faces that is trained on is less than one batch."""
        known = self._known.get(config.dataset)
        if known is None or config.target == "subject" or {"fold", "target", "train.fraction"} & {*doubtful}:
            return
        faces = known.training_faces(self._fold_name(config.dataset, config.fold))
        if faces is None:
            return
        if text := find_share_fault(faces * train.fraction, faces, train.fraction, train.batch_size):
            yield Fault(f"{key}.train.fraction", text)

    def _want(self, key: str, config: ExperimentConfig, train: TrainConfig | None, doubtful: Collection[str]) -> None:
        if "fold" in doubtful or not self._has_fold(config.dataset, config.fold):
            return
        fold = self._fold_name(config.dataset, config.fold)
        if config.target == "subject" or "target" in doubtful:
            self._need(Need(config.dataset, "train", fold), key)  # the other splits of persons are cut from it
            return
        trained = config.dataset, fold
        if config.train == UNTRAINED:
            if self._evaluate is not None:
                self._need(Need(config.dataset, self._evaluate.split, fold), key)
            return
        self._trained[key] = trained
        self._need(Need(config.dataset, "train", fold, trained), key)
        if train is not None and "train.select_on" not in doubtful:
            self._need(Need(config.dataset, train.select_on, fold, trained), key)
        if self._evaluate is not None:
            self._need(Need(config.dataset, self._evaluate.split, fold, trained), key)

    def _has_fold(self, dataset: str, fold: str | int | None) -> bool:
        return fold is None or self._fold_name(dataset, fold) is not None

    def _fold_name(self, dataset: str, fold: str | int | None) -> str | None:
        """Give a fold's name as the data set writes it; None for none, and for one that it doesn't have."""
        known = self._known.get(dataset)
        tally = known.outline.tally if known is not None and known.outline is not None else None
        if fold is None or tally is None:
            return None if fold is None else str(fold)
        return find_code(str(fold), tally.folds)

    def _need(self, need: Need, key: str) -> None:
        users = self.wanted.setdefault(need, [])
        if key not in users:
            users.append(key)

    def _weights(self, name: str, config: ExperimentConfig) -> list[Fault]:
        """Check that pretrained weights can be had here, unless DVC has the model that was trained from them."""
        model = config.model
        if model.weights == "none":
            return []
        named = model.weights in NAMED_WEIGHTS
        if named and (not model.backbone or find_backbone_fault(model.backbone, self._memory)):
            return []  # of which network, isn't known
        if model.weights == "imagenet" and is_net(model.backbone):
            return []  # the network's own check says so
        if not (text := complaint(partial(self._find, model))):
            return []
        keys = (f"experiments.{name}", "train")
        if self._outputs.finished(f"train@{name}", *keys):
            return []
        return [Fault(f"experiments.{name}.model.weights", text.removeprefix("model.weights: "))]

    def _frame(self, key: str, config: ExperimentConfig, doubtful: Collection[str]) -> Iterator[Fault]:
        """Say where faces stand otherwise in their crops than in those that the weights were trained on."""
        if config.model.input is not None and "dataset" not in doubtful:
            yield from self._own_frame(f"{key}.model.input.template", config.model.input, config.dataset)
        package = find_package(config.model.weights, config.model.backbone)
        if package is None or "dataset" in doubtful:
            return
        template = self._template(config.dataset)
        if (wanted := package.card.template) and template and template != wanted:
            text = f"these weights were trained on crops of template {wanted!r}; in {template!r} the network sees "
            yield Fault(f"{key}.model.weights", f"{text}faces at other places and scales", stops=False)

    def _own_frame(self, key: str, wanted: InputConfig, dataset: str) -> Iterator[Fault]:
        """Say that an external model was trained on crops that are cut otherwise."""
        found = self._template(dataset)
        if wanted.template is not None and found and wanted.template != found:
            text = f"the crops of {dataset!r} have align.template {found!r}; set datasets.{dataset}.align.template, or"
            yield Fault(key, f"{text} measure on crops that the model knows, of {wanted.template!r}")

    def _find(self, model: ModelConfig) -> None:
        """Find weights, or learn that they can be had."""
        question = ("weights", model.weights, model.backbone)
        known = self._memory.recall(*question)
        if isinstance(known, str) and Path(known).is_file():
            return
        if model.weights != "imagenet" or find_package(model.weights, model.backbone) is not None:
            path = find_pretrained(model.weights, model.backbone)
        else:
            path = find_on_hub(model.backbone, self._place(model.backbone))
        if path is not None and model.weights in NAMED_WEIGHTS:
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


def _unread_options(place: str, cue: str, term: Mapping[str, Any]) -> Iterator[Fault]:
    from fer_au.cues.cue import unread_options

    for option, why in unread_options(cue).items():
        if term.get(option):
            yield Fault(f"{place}.{option}", no_effect(why))
