"""Run a trained model over a split: probabilities, attention of its layers, CAMs of the true class, moved images.

Aligned faces put every mouth in one place, so a model can score well by memorising one map per class. After a random
similarity (rotation, zoom, shift) of picture and target, only attention that follows the face still fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_au.batches.faces import Batch, FaceDataset
from fer_au.batches.loading import BatchLoader
from fer_au.batches.precision import autocast, resolve_precision
from fer_au.batches.preprocess import Preprocessing
from fer_au.batches.similarities import random_similarities, warp
from fer_au.cam.registry import CamInput, create_cam
from fer_au.compute import Progress, batched
from fer_au.config.experiments import AugmentConfig
from fer_au.evaluation.faithfulness import Faithfulness, deletion_insertion
from fer_au.evaluation.map_scores import FloatArray
from fer_au.maps import channel_mean, min_max, resize_maps, shift_non_negative
from fer_au.models.network import FerModel

FloatMaps = NDArray[np.float32]
_STEPS = 8  # of a curve of deletion or insertion
# One draw for every experiment and every data set: scores on moved images are paired across models.
MOVE_SEED = 0
# Beyond what training usually shows (8 degrees, 5 %), short of what turns a portrait into another picture. A mirror
# image would move nothing: a class mean is nearly symmetric.
MOVES = AugmentConfig(flip=0.0, rotate=20.0, scale=(0.85, 1.15), shift=0.10)


@dataclass(frozen=True)
class Outputs:
    """Outputs of a model for the faces of a split, in the split's order.

    Attributes:
        probabilities: (N, C) float32 class probabilities.
        attention: Layer -> (N, h, w) float32, raw channel means on the layer's own grid, signed where the features are.
        cams: CAM method -> (N, h, w) float32 in [0, 1], always of the TRUE class.
    """

    probabilities: FloatMaps
    attention: dict[str, FloatMaps]
    cams: dict[str, FloatMaps]


@dataclass(frozen=True)
class SplitRunner:
    """A model and the faces that it is scored on.

    Attributes:
        model: Model in evaluation mode, on ``device``.
        dataset: Faces, labelled in the model's class order.
        loader: Loader of the faces; keeps decoded images for the next pass where memory allows.
        preprocess: Preprocessing that the model was trained with.
        device: Device of the model.
        batch_size: Images per forward pass.
        progress: Counts the images of each forward pass; see ``count_passes``.
    """

    model: FerModel
    dataset: FaceDataset
    loader: BatchLoader
    preprocess: Preprocessing
    device: torch.device
    batch_size: int
    progress: Progress

    def outputs(self, layers: Sequence[str], cams: Sequence[str]) -> Outputs:
        """Compute probabilities, attention of ``layers`` and all ``cams`` in one pass."""
        probabilities: list[Tensor] = []
        attention: dict[str, list[Tensor]] = {layer: [] for layer in layers}
        maps: dict[str, list[Tensor]] = {cam: [] for cam in cams}
        for batch, images in self._batches(range(len(self.dataset))):
            with torch.no_grad():  # not inference mode: its tensors can't take part in a CAM's gradients
                output = self.model(images)
                probabilities.append(output.logits.float().softmax(dim=1).cpu())
                for layer in layers:
                    attention[layer].append(channel_mean(output.features[layer]).cpu())
                # What compute_cam does, without running the backbone again for every method.
                features = CamInput(self.model.head, output.trunk, batch.labels.to(self.device))
                for cam in cams:
                    maps[cam].append(min_max(create_cam(cam).maps(features)).cpu())
            self.progress.advance(len(images))
        return Outputs(_joined(probabilities), _joined_maps(attention), _joined_maps(maps))

    def moved(self, layer: str, rows: Sequence[int], targets: FloatMaps) -> tuple[FloatMaps, FloatMaps]:
        """Compute the attention of one layer on randomly moved images, and move the targets with them.

        Args:
            layer: Name of the layer.
            rows: Positions of the images in the split, at least one.
            targets: (N, S, S) AU maps of the whole split.

        Returns:
            (len(rows), S, S) attention and targets on the comparison grid.
        """
        moves = draw_moves(len(self.dataset), MOVE_SEED)[list(rows)]
        size = targets.shape[-1]
        found, start = [], 0
        for _, images in self._batches(rows):
            part = moves[start : start + len(images)]
            with torch.inference_mode():
                face, rest = images[:, : self._face_channels], images[:, self._face_channels :]
                output = self.model(torch.cat([move_images(face, part.to(self.device)), rest], dim=1))
                attention = shift_non_negative(channel_mean(output.features[layer]))
                found.append(resize_maps(attention, size).cpu())
            start += len(images)
            self.progress.advance(len(images))
        followed = move_maps(torch.from_numpy(targets[list(rows)]), moves)
        return _joined(found), followed.numpy()

    def faithfulness(self, attention: FloatMaps, count: int) -> tuple[NDArray[np.int64], Faithfulness]:
        """Score deletion and insertion of the attention on at most ``count`` images, spread evenly over the split.

        Args:
            attention: (N, h, w) attention of the whole split.
            count: Largest number of images.

        Returns:
            Positions of the scored images in the split, and their scores.
        """
        rows = spread_rows(len(self.dataset), count)
        deletion: list[FloatArray] = []
        insertion: list[FloatArray] = []
        start = 0
        for _, images in self._batches(rows.tolist()):
            own = torch.from_numpy(attention[rows[start : start + len(images)]]).to(self.device)
            part = deletion_insertion(
                self._probabilities,
                images,
                own,
                steps=_STEPS,
                batch_size=self.batch_size,
                channels=self._face_channels,
            )
            deletion.append(part.deletion)
            insertion.append(part.insertion)
            start += len(images)
        return rows, Faithfulness(_concatenated(deletion), _concatenated(insertion))

    @property
    def _face_channels(self) -> int:
        """Number of channels of the face; the whole picture follows them, and attention says nothing about it."""
        return self.model.config.in_chans

    @property
    def _probabilities(self) -> Callable[[Tensor], Tensor]:
        """Function from images to probabilities in the fastest precision: the curves take hundreds of passes."""
        precision = resolve_precision("auto", self.device)

        def probabilities(images: Tensor) -> Tensor:
            with autocast(self.device, precision):
                logits: Tensor = self.model(images.contiguous(memory_format=torch.channels_last)).logits
            # A blank image, which stands for many, is none of those that were counted before.
            self.progress.advance(min(len(images), self.progress.total - self.progress.done))
            return logits.float().softmax(dim=1)

        return probabilities

    def _batches(self, rows: Sequence[int]) -> Iterator[tuple[Batch, Tensor]]:
        for batch in self.loader(batched(rows, self.batch_size)):
            images = self.preprocess(batch.images.to(self.device))
            yield batch, images.contiguous(memory_format=torch.channels_last)  # a third faster on a CPU


def count_passes(images: int, moved: int, faithfulness: int) -> int:
    """Count the images that all forward passes of an evaluation see, for its progress.

    Args:
        images: Images of the split.
        moved: Images that are scored again after they were moved.
        faithfulness: Largest number of images whose faithfulness is scored.
    """
    return images + moved + 2 * _STEPS * len(spread_rows(images, faithfulness))


def spread_rows(images: int, count: int) -> NDArray[np.int64]:
    """Choose at most ``count`` positions, spread evenly over ``images``."""
    return np.unique(np.linspace(0, images - 1, min(count, images)).round().astype(np.int64))


def draw_moves(count: int, seed: int) -> Tensor:
    """Draw random similarities for a split, the same for every model that is scored on it.

    Args:
        count: Number of images; image k always gets the k-th transform.
        seed: Seed of the draw.

    Returns:
        (count, 2, 3) float32, normalised source points to normalised output points.
    """
    return random_similarities(count, MOVES, torch.Generator().manual_seed(seed))


def move_images(images: Tensor, moves: Tensor) -> Tensor:
    """Move (N, C, H, W) images; border pixels are repeated, as in training: a black wedge would attract attention."""
    return warp(images, moves, "border")


def move_maps(maps: Tensor, moves: Tensor) -> Tensor:
    """Move (N, h, w) targets with their images; parts that come into view are 0: they ask for no attention."""
    return warp(maps[:, None].float(), moves, "zeros")[:, 0]


def _joined(parts: list[Tensor]) -> FloatMaps:
    return torch.cat(parts).float().numpy()


def _joined_maps(parts: dict[str, list[Tensor]]) -> dict[str, FloatMaps]:
    return {name: _joined(maps) for name, maps in parts.items()}


def _concatenated(parts: list[FloatArray]) -> FloatArray:
    return np.concatenate(parts) if parts else np.zeros(0)
