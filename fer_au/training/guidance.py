"""Guidance: pull the attention of some layers to a cue, as an experiment's ``guidance`` list says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from fer_au.cam.maps import channel_mean, resize_maps
from fer_au.config.experiments import GuidanceConfig
from fer_au.cues.cue import Cue, create_cue
from fer_au.models.network import FerModel, ModelOutput
from fer_au.training.data import Batch, FaceDataset
from fer_au.training.landmark_noise import LandmarkNoise
from fer_au.training.losses import GuidanceLoss, create_loss

STORED_CUE = "au"


class Targets(NamedTuple):
    """The cue of a batch for one term.

    Attributes:
        maps: (N, s, s) float32 in [0, 1].
        valid: (N,) bool, False where an image has no cue.
        known: (N, s, s) in [0, 1], the part of each image whose cue is known, after images were mixed; None: all of it.
    """

    maps: Tensor
    valid: Tensor
    known: Tensor | None = None


@dataclass(frozen=True)
class Rendering:
    """A cue that is rendered from a batch's landmarks, since heatmaps.h5 doesn't hold it."""

    cue: Cue
    crop_size: float
    map_size: int
    noise: LandmarkNoise

    def __call__(self, batch: Batch, classes: Sequence[str]) -> Targets:
        """Render a batch's maps on its device."""
        labels = [classes[label] for label in batch.labels.tolist()]
        maps, valid = self.cue.render(self.noise(batch.points, batch.ids), labels, self.crop_size, self.map_size)
        return Targets(torch.as_tensor(maps), torch.as_tensor(valid))


@dataclass(frozen=True)
class Term:
    """One entry of ``guidance``, resolved for a model.

    Attributes:
        name: Of its loss in histories and messages, such as ``loss_au``.
        config: The entry.
        layers: The model's feature layers it acts on.
        loss: Its distance.
        rendering: None where it takes the maps of heatmaps.h5.
    """

    name: str
    config: GuidanceConfig
    layers: tuple[str, ...]
    loss: GuidanceLoss
    rendering: Rendering | None

    def active(self, time: float) -> bool:
        """Whether it counts at a time of the training, in epochs."""
        end = self.config.end_epoch
        return self.config.start_epoch <= time and (end is None or time < end)

    def weight(self, time: float) -> float:
        """What its loss is multiplied by at a time of the training, in epochs."""
        ramp = self.config.warmup_epochs
        return self.config.weight * (min((time - self.config.start_epoch) / ramp, 1.0) if ramp else 1.0)

    def value(self, output: ModelOutput, targets: Targets) -> Tensor:
        """The unweighted loss in float32: its mean over layers, each compared on the layer's own grid."""
        with torch.autocast(targets.maps.device.type, enabled=False):
            losses = []
            for layer in self.layers:
                attention = channel_mean(output.features[layer])
                grid = attention.shape[1], attention.shape[2]
                losses.append(self.loss(attention, resize_maps(targets.maps, grid), targets.valid))
            return torch.stack(losses).mean()


class Guidance:
    """All guidance of an experiment.

    Args:
        entries: The experiment's ``guidance``.
        model: Whose layers they name.
        faces: What it trains on: the size of crops and maps, and the codebook and geometry of heatmaps.h5, of which
            an entry that overrides one keeps the other.
        seed: The experiment's; decides the noise of entries with ``landmark_noise``.

    Attributes:
        terms: One per entry, in order.

    Raises:
        ConfigError: An unknown cue, loss, layer or codebook.
    """

    def __init__(self, entries: Sequence[GuidanceConfig], model: FerModel, faces: FaceDataset, seed: int) -> None:
        self.classes = model.classes
        names = _distinct([f"loss_{entry.cue}" for entry in entries])
        self.terms = tuple(
            Term(
                name=name,
                config=entry,
                layers=model.resolve_layers(entry.layers),
                loss=create_loss(entry.loss),
                rendering=_rendering(entry, faces, seed),
            )
            for name, entry in zip(names, entries, strict=True)
        )

    def targets(self, batch: Batch, mirrored: Tensor) -> list[Targets]:
        """The cues of a batch, one per term; they move with the images when these are augmented.

        Args:
            batch: Faces as they come from the data set.
            mirrored: (N,) bool: which images the augmentation will mirror, and their maps with them.
        """
        stored = Targets(batch.maps.float() / 255, batch.valid)
        return [term.rendering(batch, self.classes) if term.rendering else stored for term in self.terms]

    def losses(self, output: ModelOutput, targets: Sequence[Targets], labels: Tensor, time: float) -> dict[str, Tensor]:
        """The unweighted losses of the terms that are active, by name.

        Args:
            output: Of the model for the augmented images.
            targets: One per term, moved and mixed with the images.
            labels: (N, classes) float: each image's shares of the classes, one-hot unless images were mixed.
            time: Of the training, in epochs.
        """
        pairs = zip(self.terms, targets, strict=True)
        return {term.name: term.value(output, target) for term, target in pairs if term.active(time)}

    def weighted(self, losses: Mapping[str, Tensor], time: float) -> Tensor | float:
        """The sum of what ``losses`` gave, times the entries' weights at that time."""
        return sum((term.weight(time) * losses[term.name] for term in self.terms if term.name in losses), 0.0)


def _rendering(entry: GuidanceConfig, faces: FaceDataset, seed: int) -> Rendering | None:
    """What renders an entry's cue; None for the very maps of heatmaps.h5."""
    if entry.cue == STORED_CUE and entry.codebook is None and entry.geometry is None and not entry.landmark_noise:
        return None
    codebook = entry.codebook or str(faces.heatmap_options["codebook"])
    geometry = entry.geometry or str(faces.heatmap_options["geometry"])
    cue = create_cue(entry.cue, codebook=codebook, geometry=geometry)
    return Rendering(cue, faces.crop_size, faces.map_size, LandmarkNoise(entry.landmark_noise, seed))


def _distinct(names: Sequence[str]) -> list[str]:
    """Number repeated names: loss_au, loss_au_2, ..."""
    return [f"{name}_{names[:i].count(name) + 1}" if name in names[:i] else name for i, name in enumerate(names)]
