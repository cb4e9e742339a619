"""Guidance: pull the attention of some layers to a cue, as an experiment's ``guidance`` list says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fer_au.batches.faces import Batch, FaceDataset
from fer_au.config.experiments import GuidanceConfig
from fer_au.config.options import construct
from fer_au.config.unread import no_effect
from fer_au.cues.au import AUCue
from fer_au.cues.cue import CUES, create_cue, unread_options
from fer_au.errors import ConfigError, DataError
from fer_au.models.network import FerModel, ModelOutput
from fer_au.resizing import Frame
from fer_au.stores.reader import Store
from fer_au.training.attention import AttentionSource, coarse_lines, resolve_source, true_class_maps
from fer_au.training.cue_maps import CueMaps, known_faces
from fer_au.training.landmark_noise import LandmarkNoise
from fer_au.training.losses.base import LOSSES, GuidanceLoss
from fer_au.training.pull import Targets, mean_distance, share_of_batch


@dataclass(frozen=True)
class Term:
    """One entry of ``guidance``, resolved for a model and a data set.

    Attributes:
        name: Name of its loss in histories and messages, such as ``loss_au``.
        config: The entry.
        source: Part of the model that its attention comes from.
        loss: Distance between attention and cue.
        cue_maps: Maps of its cue; None where it takes those of heatmaps.h5.
        frame: Frame of the attention's grid, to which the cue is brought.
    """

    name: str
    config: GuidanceConfig
    source: AttentionSource
    loss: GuidanceLoss
    cue_maps: CueMaps | None
    frame: Frame

    def active(self, time: float) -> bool:
        """Tell whether it counts at a time of the training, in epochs."""
        end = self.config.end_epoch
        return self.config.start_epoch <= time and (end is None or time < end)

    def weight(self, time: float) -> float:
        """Return the factor of its loss at a time of the training, in epochs."""
        ramp = self.config.warmup_epochs
        return self.config.weight * (min((time - self.config.start_epoch) / ramp, 1.0) if ramp else 1.0)

    def value(self, attention: Sequence[Tensor], targets: Targets, time: float) -> Tensor:
        """Compute the unweighted loss in float32: the mean over attention maps, each compared on the map's own grid.

        Args:
            attention: Attention maps (N, h, w), one per layer.
            targets: Cue maps of the same images.
            time: Time of the training, in epochs.
        """
        return mean_distance(self.loss, attention, targets, self.frame, time)


class Guidance:
    """All guidance of an experiment.

    Args:
        entries: The experiment's ``guidance``.
        model: Model whose attention the entries name.
        faces: Training faces. An entry that overrides the codebook or the geometry of their heatmaps.h5 keeps the
            other.
        seed: Seed of the experiment; decides the noise of entries with ``landmark_noise``.
        clusters: The experiment's ``clusters.h5``, for entries whose cue is drawn from it.

    Attributes:
        terms: One term per entry, in order.

    Raises:
        ConfigError: An unknown cue, loss, layer or codebook, attention that the model doesn't have, or a cue that
            needs clusters without clusters.
        DataError: The data set lacks what a cue needs.
    """

    def __init__(
        self,
        entries: Sequence[GuidanceConfig],
        model: FerModel,
        faces: FaceDataset,
        seed: int,
        clusters: Store | None = None,
    ) -> None:
        self._class_maps = model.class_maps
        for number, entry in enumerate(entries):
            _check_options(entry, f"guidance.{number}")
        losses = [
            construct(LOSSES, entry.loss, entry.loss_options, key=f"guidance.{number}.loss_options")
            for number, entry in enumerate(entries)
        ]
        names = _distinct([f"loss_{entry.cue}" for entry in entries])
        self.terms = tuple(
            Term(
                name=name,
                config=entry,
                source=resolve_source(entry, type(loss), model, faces.image_size, f"guidance.{number}"),
                loss=loss,
                cue_maps=_cue_maps(entry, faces, seed, clusters),
                frame=Frame(entry.resize, faces.image_size),
            )
            for number, (name, entry, loss) in enumerate(zip(names, entries, losses, strict=True))
        )

    def check_cues(self, faces: FaceDataset) -> list[str]:
        """Refuse terms whose cue no training face has; say of the others which attention maps are too coarse for it.

        Args:
            faces: The training faces.

        Returns:
            Lines for people, each with the key of its term.

        Raises:
            DataError: No face has a map of some term's cue, so that the term would change nothing.
        """
        lines = []
        for number, term in enumerate(self.terms):
            maps = faces.au_maps() if term.cue_maps is None else term.cue_maps.some()
            if not maps.any():
                raise DataError(
                    f"{faces.dataset_dir}: guidance.{number} has no effect: no training face has a map of cue "
                    f"{term.config.cue!r}; see its landmarks, and the expressions of the codebook"
                )
            key = f"guidance.{number}.{'layers' if term.source.kind == 'features' else 'source'}"
            lines += [f"{key}: {line}" for line in coarse_lines(term.source, torch.from_numpy(maps))]
        return lines

    def targets(self, batch: Batch, mirrored: Tensor) -> list[Targets]:
        """Look up the cue maps of a batch, one per term; they move with the images when these are augmented.

        Args:
            batch: Faces as they come from the data set.
            mirrored: (N,) bool: which images the augmentation will mirror, and their maps with them.
        """
        stored = Targets(batch.maps.float() / 255, batch.valid)
        mirrored = mirrored.to(batch.maps.device)
        return [Targets(*term.cue_maps(batch.ids, mirrored)) if term.cue_maps else stored for term in self.terms]

    def losses(
        self,
        output: ModelOutput,
        targets: Sequence[Targets],
        labels: Tensor,
        time: float,
        mean_count: Callable[[Tensor], Tensor] = torch.clone,
    ) -> dict[str, Tensor]:
        """Compute the unweighted losses of the terms that are active, by name.

        Args:
            output: Output of the model for the augmented images.
            targets: Cue maps, one per term, moved and mixed with the images.
            labels: (N, classes) float: each image's shares of the classes, one-hot unless images were mixed.
            time: Time of the training, in epochs.
            mean_count: Mean of a count over the processes that share a batch. A loss is scaled by it, so that the mean
                of all processes' gradients is the gradient of the batch's mean.
        """
        pairs = [(term, target) for term, target in zip(self.terms, targets, strict=True) if term.active(time)]
        wanted = any(term.source.kind == "cam" for term, _ in pairs)
        cam = true_class_maps(self._class_maps(output), labels) if wanted else None
        losses = {}
        for term, target in pairs:
            share = share_of_batch(target.valid, mean_count)
            losses[term.name] = share * term.value(term.source.maps(output, cam), target, time)
        return losses

    def weighted(self, losses: Mapping[str, Tensor], time: float) -> Tensor | float:
        """Sum up the results of ``losses``, times the entries' weights at that time."""
        return sum((term.weight(time) * losses[term.name] for term in self.terms if term.name in losses), 0.0)


def _check_options(entry: GuidanceConfig, where: str) -> None:
    """Refuse what an entry says of its maps, and its cue doesn't read.

    Raises:
        ConfigError: There is such a key.
    """
    for option, why in unread_options(entry.cue).items():
        if getattr(entry, option):
            raise ConfigError(f"{where}.{option}: {no_effect(why)}")


def _cue_maps(entry: GuidanceConfig, faces: FaceDataset, seed: int, clusters: Store | None) -> CueMaps | None:
    """Prepare the maps of an entry's cue; None for the very maps of heatmaps.h5."""
    overridden = entry.codebook is not None or entry.geometry is not None or entry.landmark_noise > 0
    if CUES.get(entry.cue) is AUCue and not overridden:
        return None
    codebook = entry.codebook or faces.codebook
    geometry = entry.geometry or str(faces.heatmap_options["geometry"])
    cue = create_cue(entry.cue, codebook=codebook, geometry=geometry)
    return CueMaps(cue, faces.ids, known_faces(cue, faces, LandmarkNoise(entry.landmark_noise, seed), clusters))


def _distinct(names: Sequence[str]) -> list[str]:
    """Number repeated names: loss_au, loss_au_2, ..."""
    return [f"{name}_{names[:i].count(name) + 1}" if name in names[:i] else name for i, name in enumerate(names)]
