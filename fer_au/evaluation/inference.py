"""Passes of a trained model over a split: probabilities, attention of its layers, CAMs of the true class."""

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
from fer_au.cam.registry import CamInput, cam_method
from fer_au.evaluation.arrays import FloatArray
from fer_au.evaluation.faithfulness import Faithfulness, deletion_insertion
from fer_au.evaluation.moved import draw_moves, move_images, move_maps
from fer_au.maps import channel_mean, min_max, resize_maps, shift_non_negative
from fer_au.models.network import FerModel

FloatMaps = NDArray[np.float32]
# One draw for every experiment and every data set: scores on moved images are paired across models.
MOVE_SEED = 0


@dataclass(frozen=True)
class Outputs:
    """What a model made of the faces of a split, in the split's order.

    Attributes:
        probabilities: (N, C) float32.
        attention: Layer -> (N, h, w) float32, raw channel means on the layer's own grid, signed where the features are.
        cams: CAM method -> (N, h, w) float32 in [0, 1], of the TRUE class.
    """

    probabilities: FloatMaps
    attention: dict[str, FloatMaps]
    cams: dict[str, FloatMaps]


@dataclass(frozen=True)
class SplitRunner:
    """A model with the faces that it is scored on.

    Attributes:
        model: In evaluation mode, on ``device``.
        dataset: The faces, labelled in the model's class order.
        loader: Loads them; keeps decoded images for the next pass where they fit.
        preprocess: The model's own preprocessing.
        device: Where the model is.
        batch_size: Images per forward pass.
    """

    model: FerModel
    dataset: FaceDataset
    loader: BatchLoader
    preprocess: Preprocessing
    device: torch.device
    batch_size: int

    def outputs(self, layers: Sequence[str], cams: Sequence[str]) -> Outputs:
        """One pass for probabilities, attention of ``layers``, and each of ``cams``."""
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
                    maps[cam].append(min_max(cam_method(cam)(features)).cpu())
        return Outputs(_joined(probabilities), _joined_maps(attention), _joined_maps(maps))

    def moved(self, layer: str, rows: Sequence[int], targets: FloatMaps) -> tuple[FloatMaps, FloatMaps]:
        """Attention of one layer on randomly moved images, and the targets moved with them.

        Args:
            layer: The layer.
            rows: Positions of the images, at least one.
            targets: (N, S, S) targets of the whole split.

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
        followed = move_maps(torch.from_numpy(targets[list(rows)]), moves)
        return _joined(found), followed.numpy()

    def faithfulness(self, attention: FloatMaps, count: int) -> tuple[NDArray[np.int64], Faithfulness]:
        """Deletion and insertion of the attention on at most ``count`` images, spread evenly over the split."""
        rows = np.unique(np.linspace(0, len(self.dataset) - 1, min(count, len(self.dataset))).round().astype(np.int64))
        deletion: list[FloatArray] = []
        insertion: list[FloatArray] = []
        start = 0
        for _, images in self._batches(rows.tolist()):
            own = torch.from_numpy(attention[rows[start : start + len(images)]]).to(self.device)
            part = deletion_insertion(
                self._probabilities, images, own, batch_size=self.batch_size, channels=self._face_channels
            )
            deletion.append(part.deletion)
            insertion.append(part.insertion)
            start += len(images)
        return rows, Faithfulness(_concatenated(deletion), _concatenated(insertion))

    @property
    def _face_channels(self) -> int:
        """Channels of the face; what follows them is the whole picture, which attention says nothing about."""
        return self.model.config.in_chans

    @property
    def _probabilities(self) -> Callable[[Tensor], Tensor]:
        """Fast probabilities for the hundreds of passes of the curves; two digits are enough there."""
        precision = resolve_precision("auto", self.device)

        def probabilities(images: Tensor) -> Tensor:
            with autocast(self.device, precision):
                logits: Tensor = self.model(images.contiguous(memory_format=torch.channels_last)).logits
            return logits.float().softmax(dim=1)

        return probabilities

    def _batches(self, rows: Sequence[int]) -> Iterator[tuple[Batch, Tensor]]:
        cuts = [rows[start : start + self.batch_size] for start in range(0, len(rows), self.batch_size)]
        for batch in self.loader(cuts):
            images = self.preprocess(batch.images.to(self.device))
            yield batch, images.contiguous(memory_format=torch.channels_last)  # a third faster on a CPU


def _joined(parts: list[Tensor]) -> FloatMaps:
    return torch.cat(parts).float().numpy()


def _joined_maps(parts: dict[str, list[Tensor]]) -> dict[str, FloatMaps]:
    return {name: _joined(maps) for name, maps in parts.items()}


def _concatenated(parts: list[FloatArray]) -> FloatArray:
    return np.concatenate(parts) if parts else np.zeros(0)
