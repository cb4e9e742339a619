"""Find what has changed since a result was computed: settings in ``params.yaml``, or the files that it came from.

``dvc.lock`` knows the settings with which every stage ran. Where it doesn't know a result, because stages were run
without DVC, the model's ``config.json`` tells those of its training. Edits of code and of pictures are not looked at;
``dvc status`` does that, and takes its time.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from fer_au.config.data import DemoConfig, HeatmapsConfig
from fer_au.config.dataset_settings import OVERRIDABLE, without_own
from fer_au.config.differences import find_differences, mapping
from fer_au.config.entries import merge
from fer_au.config.experiments import EvaluateConfig, ExperimentConfig, TrainConfig
from fer_au.config.external import UNTRAINED
from fer_au.config.lock import LOCK, Lock, LockedStage, read_lock
from fer_au.config.model import DEFAULT_HEAD
from fer_au.config.reading import SECTIONS, StrictModel
from fer_au.datasets.base import examine_dataset
from fer_au.errors import ConfigError, DataError
from fer_au.gate import SETTINGS, read_bytes
from fer_au.models.config_file import read_config

_MOST_KEYS = 3  # in a line; the csv has them all
_MOST_NAMES = 6
_PREPARING: Mapping[str, type[StrictModel]] = {
    **{name: section.model for name, section in OVERRIDABLE.items()},
    "heatmaps": HeatmapsConfig,
}
_DECIDING = tuple(section for section in SECTIONS if section != "cross")
_ALL_KNOWN: frozenset[str] = frozenset()
_SAME_SPEED = 0.011  # two roundings to two digits
_LIMIT = "max_reject_fraction"  # decides whether a stage fails, and no number
_APART = ("dataset", "base", "train", "group")
"""Keys of an experiment that are compared by what stands there, whatever its name; a group changes no number."""


@dataclass(frozen=True)
class Change:
    """What is no longer as it was when a result was computed; false if nothing is known to have changed.

    Attributes:
        keys: Keys of ``params.yaml`` with another value.
        files: Files that were made anew since, or that DVC didn't make last.
        others: Files that were made anew since, with other settings than those of ``params.yaml``.
        unchecked: Sections of ``params.yaml`` of whose earlier values there is no record.
    """

    keys: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.keys or self.files or self.others)

    def __add__(self, other: Change) -> Change:
        pairs = ((getattr(self, one.name), getattr(other, one.name)) for one in fields(Change))
        return Change(*(tuple(dict.fromkeys([*own, *more])) for own, more in pairs))

    def text(self) -> str:
        """Say in a few words what has changed since."""
        if self.keys:
            return f"params.yaml has changed since ({shorten(self.keys, _MOST_KEYS)})"
        if self.others:
            verb = "was" if len(self.others) == 1 else "were"
            return f"{shorten(self.others, _MOST_KEYS)} {verb} made anew since, with other settings"
        return f"made with earlier files ({shorten(self.files, _MOST_KEYS)})"


NO_CHANGE = Change()


def shorten(names: Sequence[str], most: int = _MOST_NAMES) -> str:
    """List names; of many, the first ones and a number."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def change_lines(changes: Mapping[str, Change]) -> list[str]:
    """Write one line for each cause, with the results that it is about.

    Args:
        changes: Name of an experiment, or entry of ``cross`` -> what has changed since its evaluation.
    """
    causes: dict[str, list[str]] = {}
    for name, change in changes.items():
        if change:
            causes.setdefault(f"{change.text()}; run `dvc repro`", []).append(name)
    for name, change in changes.items():
        if change.unchecked:
            sections = [section for section in _DECIDING if section in change.unchecked]
            what = "params.yaml" if len(sections) == len(_DECIDING) else f"{', '.join(sections)} in params.yaml"
            text = f"no record in {LOCK}; changes of {what} since the evaluation can't be seen"
            causes.setdefault(text, []).append(name)
    return [f"{shorten(names)}: {text}" for text, names in causes.items()]


def stray_lines(strays: Mapping[Path, str]) -> list[str]:
    """Say which metrics are not shown, because ``params.yaml`` names nothing that they belong to.

    Args:
        strays: File -> experiment that has the same settings under a new name; empty if there is none.
    """
    lines = [
        f"{path}: not shown; these are the settings of {name}: `dvc repro evaluate@{name}` gives it the numbers again"
        for path, name in strays.items()
        if name
    ]
    if others := [str(path) for path, name in strays.items() if not name]:
        lines.append(f"{shorten(others)}: not shown, as params.yaml names nothing so; delete what nobody needs")
    return lines


class Trail:
    """Follows results back through the stages that made them, and compares the settings of each with those of today.

    Args:
        params: Content of ``params.yaml``.
        root: Project folder, with ``dvc.lock``, ``metrics`` and ``models``. A lock that is missing or broken knows no
            result.
    """

    def __init__(self, params: Mapping[str, Any], root: Path) -> None:
        self._params, self._root = params, root
        try:
            self._lock = read_lock(root / LOCK)
        except ConfigError:
            self._lock = Lock()
        self._trainings: dict[tuple[str, str, frozenset[str]], Change | None] = {}
        self._datasets: dict[tuple[str, str, frozenset[str]], Change] = {}

    def experiment(self, name: str, split: str | None = None, speed: float = math.nan) -> Change:
        """Find what has changed since an experiment of ``params.yaml`` was evaluated.

        Args:
            name: Name of the experiment.
            split: Split that was scored, if the evaluation says so itself.
            speed: The metric ``train_images_per_second``, which tells a model's trainings apart; NaN if there is none.
        """
        stage, metrics = f"evaluate@{name}", f"metrics/{name}.json"
        if (locked := self._recorded(stage, metrics)) is None:
            return self._beside_lock(stage, metrics, name, split, speed)
        remade = self._remade(stage)
        lost = frozenset(remade.values())
        return self._or_files(self._evaluation(locked) + self._training_of(name, lost), remade)

    def cross(self, name: str, speed: float = math.nan) -> Change:
        """Find what has changed since an entry of ``cross`` was evaluated; ``speed`` as in ``experiment``."""
        stage, metrics, key = f"cross@{name}", f"metrics/cross/{name}.json", f"cross.{name}"
        now = self._entry("cross", name)
        if (locked := self._recorded(stage, metrics)) is None:
            return self._beside_lock(stage, metrics, str(now.get("experiment")), None, speed)
        then, remade = mapping(locked.params.get(key)), self._remade(stage)
        lost = frozenset(remade.values())
        change = self._evaluation(locked)
        change += self._start(now.get("experiment"), then.get("experiment"), f"{key}.experiment", lost)
        change += self._faces(now.get("dataset"), then.get("dataset"), f"{key}.dataset", lost)
        return self._or_files(change, remade)

    def same_training(self, name: str, earlier: str) -> bool:
        """Tell whether an experiment has the settings of one that had another name and was evaluated."""
        training = self._training(name, earlier)
        return training is not None and not training and not training.unchecked

    def _entry(self, section: str, name: object) -> Mapping[str, Any]:
        return mapping(mapping(self._params.get(section)).get(str(name)))

    def _recorded(self, stage: str, metrics: str) -> LockedStage | None:
        """Find the stage that made the metrics on the disk; None if ``dvc.lock`` knows others, or none."""
        locked = self._lock.stages.get(stage)
        if locked is None:
            return None
        try:
            content = read_bytes(self._root / metrics, SETTINGS)
        except OSError:
            return None
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return locked if locked.outs.get(metrics, digest) == digest else None

    def _beside_lock(self, stage: str, metrics: str, name: str, split: str | None, speed: float) -> Change:
        """Judge metrics that DVC didn't make, or not last: by the record of the model on the disk, if it has one."""
        record = self._record(name)
        own = record.get("train_images_per_second")
        if isinstance(own, int | float) and math.isfinite(speed) and abs(own - speed) > _SAME_SPEED:
            return self._or_files(NO_CHANGE, {f"models/{name}": f"train@{name}"})
        change = self._training_of(name, by_hand=True)
        if split is not None:
            scored = {**mapping(self._params.get("evaluate")), "split": split}
            change += Change(tuple(_compare(EvaluateConfig, self._params.get("evaluate"), scored, "evaluate")))
        if stage in self._lock.stages and not change and not record:
            return change + Change(files=(metrics,))
        return change + Change(unchecked=("evaluate",))

    def _record(self, name: str) -> Mapping[str, Any]:
        """Read what the model of an experiment on the disk tells of its training; empty if there is nothing."""
        try:
            return mapping(read_config(self._root / "models" / name))
        except DataError:
            return {}

    def _evaluation(self, locked: LockedStage) -> Change:
        pair = self._params.get("evaluate"), locked.params.get("evaluate")
        return Change(tuple(_compare(EvaluateConfig, *pair, "evaluate")))

    def _training_of(self, name: str, lost: frozenset[str] = _ALL_KNOWN, *, by_hand: bool = False) -> Change:
        training = self._compare_training(name, name, lost, by_hand=True) if by_hand else None
        training = self._training(name, name, lost) if training is None else training
        return Change(unchecked=_DECIDING) if training is None else training

    def _training(self, name: str, then_name: str, lost: frozenset[str] = _ALL_KNOWN) -> Change | None:
        """Compare an experiment with a training that ran under a name, maybe another; None if nobody knows it.

        Args:
            name: Name in ``params.yaml``.
            then_name: Name of the training.
            lost: Stages that ran again since: what ``dvc.lock`` knows of them, and of those before them, is not about
                the result.
        """
        place = (name, then_name, lost)
        if place not in self._trainings:
            self._trainings[place] = None  # where bases go round in a circle, it ends here
            self._trainings[place] = self._compare_training(name, then_name, lost)
        return self._trainings[place]

    def _compare_training(
        self, name: str, then_name: str, lost: frozenset[str], *, by_hand: bool = False
    ) -> Change | None:
        if f"train@{then_name}" in lost:
            return NO_CHANGE
        key, now = f"experiments.{name}", self._entry("experiments", name)
        then, shared = self._trained(then_name, by_hand=by_hand)
        if not then:
            return None
        keys = [*_compare(ExperimentConfig, _own(now), _own(then), key), *self._train_keys(key, now, then, shared)]
        return (
            Change(tuple(keys))
            + self._start(now.get("base", "none"), then.get("base", "none"), f"{key}.base", lost)
            + self._faces(now.get("dataset"), then.get("dataset"), f"{key}.dataset", lost)
        )

    def _trained(self, name: str, *, by_hand: bool) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Give entry and shared settings of a training that ran under a name; empty where nobody knows them."""
        locked = self._lock.stages.get(f"train@{name}")
        if locked and not by_hand:
            return mapping(locked.params.get(f"experiments.{name}")), mapping(locked.params.get("train"))
        record = self._record(name)
        entry = mapping(record.get("experiment"))
        return {**entry, "model": record.get("model")} if entry else {}, mapping(record.get("train"))

    def _train_keys(
        self, key: str, now: Mapping[str, Any], then: Mapping[str, Any], shared: Mapping[str, Any]
    ) -> Iterator[str]:
        """List training settings that differ, each under the key that holds it: the experiment's own, or the shared."""
        if UNTRAINED in (now.get("train"), then.get("train")):
            if now.get("train") != then.get("train"):
                yield f"{key}.train"
            return
        own, earlier = mapping(now.get("train")), mapping(then.get("train"))
        merged = merge(mapping(self._params.get("train")), own)
        for path in _compare(TrainConfig, merged, merge(shared, earlier), "train"):
            inside = path.removeprefix("train.")
            yield f"{key}.{path}" if _holds(own, inside) or _holds(earlier, inside) else path

    def _start(self, now: object, then: object, key: str, lost: frozenset[str]) -> Change:
        """Compare the training that an entry starts from, or scores."""
        if "none" in (now, then):
            return NO_CHANGE if now == then else Change((key,))
        return _named(self._training(str(now), str(then), lost), now, then, key)

    def _faces(self, now: object, then: object, key: str, lost: frozenset[str]) -> Change:
        """Compare the settings of all stages that prepared the data set of an entry."""
        place = (str(now), str(then), lost)
        if place not in self._datasets:
            self._datasets[place] = self._compare_datasets(*place)
        return _named(self._datasets[place], now, then, key)

    def _compare_datasets(self, name: str, then_name: str, lost: frozenset[str]) -> Change:
        keys: list[str] = []
        unchecked: list[str] = []
        if f"ingest@{then_name}" in lost:
            pass
        elif (ingested := self._lock.stages.get(f"ingest@{then_name}")) and (
            then := ingested.of_dataset("ingest", then_name)
        ) is not None:
            now = self._entry("datasets", name)
            built = examine_dataset(name, now)[0]
            keys += _compare(type(built) if built is not None else None, without_own(now), then, f"datasets.{name}")
            rendered = self._lock.stages.get(f"render@{then_name}")
            if rendered and rendered.outs.items() & ingested.deps.items():
                now, then = self._entry("render", name), rendered.params.get(f"render.{then_name}")
                keys += _compare(DemoConfig, now, then, f"render.{name}")
        else:
            unchecked += ["datasets", "render"]
        for stage in _PREPARING:
            if f"{stage}@{then_name}" in lost:
                continue
            found = self._preparing_keys(stage, name, then_name)
            if found is None:
                unchecked.append(stage)
            keys += found or []
        return Change(tuple(keys), unchecked=tuple(unchecked))

    def _preparing_keys(self, stage: str, name: str, then_name: str) -> list[str] | None:
        """List settings of a preparing stage that differ, each under the key that holds it today; None if not known."""
        if (locked := self._lock.stages.get(f"{stage}@{then_name}")) is None:
            return None
        if (section := OVERRIDABLE.get(stage)) is None:
            return _compare(_PREPARING[stage], self._params.get(stage), locked.params.get(stage), stage)
        if (then := locked.of_dataset(stage, then_name)) is None:
            return None  # recorded by an earlier release
        found = _compare(section.model, section.merge(self._params, name), then, stage)
        return [section.place(self._params, name, path.partition(".")[2]) for path in found]

    def _or_files(self, change: Change, remade: Mapping[str, str]) -> Change:
        """Add, where no setting has changed, what was made anew since: with today's settings, or with others."""
        if change:
            return change
        others = {path for path, maker in remade.items() if self._made_otherwise(maker)}
        return change + Change(files=tuple(path for path in remade if path not in others), others=tuple(others))

    def _made_otherwise(self, stage: str) -> bool:
        """Tell whether a stage ran last with other settings than those of ``params.yaml``."""
        kind, _, name = stage.partition("@")
        if kind == "train":
            return bool(self._training(name, name))
        if kind in _PREPARING or kind == "ingest":
            return bool(self._faces(name, name, f"datasets.{name}", _ALL_KNOWN))
        return False

    def _remade(self, stage: str) -> dict[str, str]:
        """Find the inputs of a stage, and of those before it, that aren't as they were when it ran, with their stages.

        What lies before an input that was made anew isn't followed: its record is that of another run.
        """
        found: dict[str, str] = {}
        waiting, seen = [stage], {stage}
        while waiting:
            for path, digest in self._lock.stages[waiting.pop()].deps.items():
                maker = self._lock.makers.get(path)
                if maker is None or self._is_abandoned(maker):
                    continue
                if self._lock.stages[maker].outs[path] != digest:
                    found[path] = maker
                elif maker not in seen:
                    seen.add(maker)
                    waiting.append(maker)
        return found

    def _is_abandoned(self, stage: str) -> bool:
        """Tell whether a stage rendered faces that ``params.yaml`` no longer names; another folder took their place."""
        kind, _, name = stage.partition("@")
        return kind == "render" and name not in mapping(self._params.get("render"))


def _named(change: Change | None, now: object, then: object, key: str) -> Change:
    """Judge an entry that names another: under another name, it must be known to be the same."""
    if now != then and (change is None or change or change.unchecked):
        return Change((key,))
    return NO_CHANGE if change is None else change


def _own(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take what an experiment says of itself, with the head that a missing one means."""
    model = mapping(data.get("model"))
    own = {key: value for key, value in data.items() if key not in _APART}
    return {**own, "dataset": "", "model": {**model, "head": model.get("head") or DEFAULT_HEAD}}


def _compare(model: type[StrictModel] | None, now: object, then: object, prefix: str) -> list[str]:
    found = find_differences(model, now, then, prefix)
    return [path for path in found if path.rpartition(".")[2] != _LIMIT]


def _holds(data: object, path: str) -> bool:
    """Tell whether plain data has a key at a dotted path, or ends before it."""
    first, _, rest = path.partition(".")
    if not isinstance(data, Mapping) or first not in data:
        return False
    return not rest or not isinstance(data[first], Mapping) or _holds(data[first], rest)
