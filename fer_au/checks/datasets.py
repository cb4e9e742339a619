"""Data sets: their entries, roots, splits that will exist, and the maps that are drawn of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fer_au.checks.outputs import Outputs
from fer_au.config.data import DatasetConfig, DemoConfig, HeatmapsConfig
from fer_au.config.dataset_settings import OVERRIDABLE
from fer_au.config.reading import Fault, doubtful_keys, examine, salvage
from fer_au.config.unread import no_effect
from fer_au.datasets.base import LayoutError, Outline, create_adapter, examine_dataset, salvage_dataset
from fer_au.datasets.content import has_entries
from fer_au.datasets.files import check_root
from fer_au.datasets.manifest import Split
from fer_au.datasets.splits import planned_splits, unread_split_keys
from fer_au.datasets.summary import lost_labels_line
from fer_au.datasets.tally import SplitFault, find_split_fault
from fer_au.errors import DataError, FerAuError
from fer_au.home import at_home

_UNCOUNTED = frozenset(
    {"valid_fraction", "test_fraction", "seed", "max_reject_fraction", *OVERRIDABLE}
)  # no layout rests on them


@dataclass(frozen=True)
class Known:
    """What is known of a data set before it is ingested.

    Attributes:
        config: What is right of its entry.
        outline: What its layout tells; None where that can't be told, or the root is not here.
        doubtful: Keys of its entry that are wrong, or may be meant by a misspelt one.
    """

    config: DatasetConfig
    outline: Outline | None
    doubtful: frozenset[str] = frozenset()

    def classes(self, split: Split, fold: str | None = None) -> frozenset[str] | None:
        """Tell which expressions a split will have at most, also by a doubtful fraction; None if not known.

        Args:
            split: The split.
            fold: Fold that becomes ``test``.
        """
        if self.outline is None:
            return None
        fractions = {
            key: 0.5 if key in self.doubtful else getattr(self.config, key)
            for key in ("valid_fraction", "test_fraction")
        }
        if self.outline.tally is not None:
            return self.outline.tally.classes(**fractions, fold=fold)[split]
        lacks = split not in planned_splits(self.outline.splits, **fractions)
        return frozenset() if lacks and (fold is None or split == "valid") else None

    def training_faces(self, fold: str | None = None) -> float | None:
        """Estimate how many faces there will be to train on; None if not known.

        Args:
            fold: Fold that becomes ``test``.
        """
        tally = self.outline.tally if self.outline is not None else None
        if tally is None or self.doubtful & {"valid_fraction", "test_fraction"}:
            return None
        return tally.training_faces(self.config.valid_fraction, self.config.test_fraction, fold)


@dataclass(frozen=True)
class Need:
    """A split that something in ``params.yaml`` uses.

    Attributes:
        dataset: Name of the data set.
        split: The split.
        fold: Fold that becomes ``test`` there.
        trained: Data set and fold that the model is trained on; None where its classes are no expressions.
    """

    dataset: str
    split: Split
    fold: str | None = None
    trained: tuple[str, str | None] | None = None


def check_datasets(params: Mapping[str, Any], outputs: Outputs) -> tuple[dict[str, Known], list[Fault]]:
    """Check the sections ``datasets`` and ``render``.

    Returns:
        What is known of each data set, as far as its entry is right; and the faults.
    """
    known, faults = {}, []
    for name, data in params["datasets"].items():
        config, found = examine_dataset(name, data)
        faults += found
        if not isinstance(data, Mapping):
            continue
        config = config or salvage_dataset(data)
        doubtful = doubtful_keys(type(config) if config else DatasetConfig, found, f"datasets.{name}")
        outline, more = _look(name, data, config, doubtful, outputs)
        faults += more
        if config is not None:
            known[name] = Known(config, outline, doubtful)
    for name, data in params["render"].items():
        faults += examine(DemoConfig, data, f"render.{name}")[1]
    return known, faults


def _look(
    name: str, data: Mapping[str, Any], config: DatasetConfig | None, doubtful: frozenset[str], outputs: Outputs
) -> tuple[Outline | None, list[Fault]]:
    """Look at the folder of a data set, as far as its entry is right.

    Args:
        name: Name of the data set.
        data: Its entry.
        config: What is right of the entry; None if its adapter is not known.
        doubtful: Keys whose values can't be relied on.
        outputs: What DVC has made.
    """
    text = data.get("root")
    if not isinstance(text, str) or "root" in doubtful:
        return _sketch(config, doubtful), []  # reported by name, whatever lies there
    root = at_home(text)
    # Whoever has no pictures, or may not read them, works with what others made of them.
    if not has_entries(root) and (outputs.finished(f"ingest@{name}") or outputs.coming(root)):
        return None, []
    try:
        check_root(root)
    except (DataError, OSError) as error:
        return _sketch(config, doubtful), [Fault(f"datasets.{name}.root", _reason(error))]
    if config is None:
        return None, []
    relied = {key.partition(".")[0] for key in doubtful}
    try:
        outline = create_adapter(config.adapter).outline(config)
    except LayoutError as error:
        told = [Fault(f"datasets.{name}.{keys[0]}", text) for keys, text in error.faults if not relied & {*keys}]
        return _sketch(config, doubtful), told
    except (DataError, OSError) as error:
        told = [Fault(f"datasets.{name}", _reason(error))] if relied <= _UNCOUNTED else []
        return _sketch(config, doubtful), told
    if not relied <= _UNCOUNTED:
        return None, []
    if outline is None:
        return None, []
    unread = [
        Fault(f"datasets.{name}.{key}", no_effect(why))
        for key, why in unread_split_keys(outline.splits, config).items()
    ]
    if outline.tally is None or "max_reject_fraction" in relied:
        return outline, unread
    if text := lost_labels_line(outline.tally, config):
        return replace(outline, tally=None), [Fault(f"datasets.{name}", text)]  # what splits will hold rests on that
    return outline, unread


def _sketch(config: DatasetConfig | None, doubtful: frozenset[str]) -> Outline | None:
    """Say what the entry of a data set tells, where its folder can't be looked at."""
    usable = config is not None and {key.partition(".")[0] for key in doubtful} <= _UNCOUNTED | {"root", "labels"}
    return create_adapter(config.adapter).sketch(config) if config is not None and usable else None


def _reason(error: Exception) -> str:
    """Say which file can't be read, or what is wrong with it."""
    return f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)


def check_heatmaps(params: Mapping[str, Any]) -> list[Fault]:
    """Check the section ``heatmaps``: its codebook and geometry, and that one can draw the other."""
    _, faults = examine(HeatmapsConfig, params["heatmaps"], "heatmaps")
    codebook, geometry = heatmap_names(params)
    return [*faults, *check_maps("heatmaps", "au", codebook, geometry)]


def heatmap_names(params: Mapping[str, Any]) -> tuple[str, str]:
    """Name codebook and geometry of the section ``heatmaps``."""
    config = salvage(HeatmapsConfig, params["heatmaps"]) or HeatmapsConfig()
    return config.codebook, config.geometry


def check_maps(key: str, cue: str, codebook: str, geometry: str) -> list[Fault]:
    """Check that a cue can be drawn, with the codebook and geometry that stand below a key."""
    from fer_au.cues.codebook import create_codebook
    from fer_au.cues.cue import create_cue
    from fer_au.cues.geometries import create_geometry

    parts: dict[str, Callable[[], object]] = {
        f"{key}.codebook": lambda: create_codebook(codebook),
        f"{key}.geometry": lambda: create_geometry(geometry),
    }
    faults = [Fault(place, text) for place, make in parts.items() if (text := complaint(make))]
    if not faults and (text := complaint(lambda: create_cue(cue, codebook=codebook, geometry=geometry))):
        faults.append(Fault(key, text))
    return faults


def complaint(make: Callable[[], object]) -> str:
    """Say what is wrong with something that can't be made; nothing if it can."""
    try:
        make()
    except FerAuError as error:
        return str(error)
    return ""


def check_splits(
    params: Mapping[str, Any], known: Mapping[str, Known], outputs: Outputs, wanted: Mapping[Need, list[str]]
) -> Iterator[Fault]:
    """Check that training and evaluation can use the splits that will exist.

    Args:
        params: The whole of ``params.yaml``.
        known: What is known of the data sets.
        outputs: What DVC has made.
        wanted: What is needed -> what needs it, for messages.
    """
    found: dict[tuple[Need, SplitFault], list[str]] = {}
    for need, users in wanted.items():
        if (fault := _split_fault(need, known)) and not _is_rendered_anew(need.dataset, params, outputs):
            found.setdefault((Need(need.dataset, need.split), fault), []).extend(users)
    for (need, fault), users in found.items():
        more = f" and {len(users) - 3} more" if len(users) > 3 else ""
        why = "" if fault.empty else f" ({fault.why})"
        yield Fault(
            f"datasets.{need.dataset}",
            f"split {need.split!r}, which {', '.join(users[:3])}{more} need, {fault.what}{why}; {fault.remedy}",
        )


def _split_fault(need: Need, known: Mapping[str, Known]) -> SplitFault | None:
    """Find what training or evaluation will refuse of a split; None where that can't be told."""

    def ask(dataset: str, split: Split, fold: str | None) -> frozenset[str] | None:
        return known[dataset].classes(split, fold) if dataset in known else None

    classes = ask(need.dataset, need.split, need.fold)
    if classes is None or (classes and need.trained is None):
        return None
    trained = ask(need.trained[0], "train", need.trained[1]) if need.trained else None
    cuttable = need.split == "train" or ask(need.dataset, "train", None) != frozenset()
    return find_split_fault(need.split, classes, trained, cuttable=cuttable)


def _is_rendered_anew(name: str, params: Mapping[str, Any], outputs: Outputs) -> bool:
    """Tell whether DVC will render the faces of a data set first, so that those that lie there say nothing."""
    return name in params["render"] and not outputs.finished(f"render@{name}", f"render.{name}")
