"""Run a trained model over a split, block by block: probabilities, attention, CAMs of the true class, moved images.

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
from fer_au.cam.compute import CamRun
from fer_au.compute import Progress, batched
from fer_au.config.experiments import AugmentConfig
from fer_au.evaluation.faithfulness import Faithfulness, deletion_insertion
from fer_au.evaluation.map_scores import FloatArray
from fer_au.maps import channel_mean, min_max
from fer_au.models.network import FerModel, ModelOutput

FloatMaps = NDArray[np.float32]
_STEPS = 8  # of a curve of deletion or insertion
# One draw for every experiment and every data set: scores on moved images are paired across models.
MOVE_SEED = 0
# Far beyond what training usually shows (8 degrees, 5 %), so that no average map can keep a good score: the class mean
# falls to a centred cosine of about .4. A mirror image would move nothing: a class mean is nearly symmetric.
MOVES = AugmentConfig(flip=0.0, rotate=25.0, scale=(0.8, 1.25), shift=0.20)
_BLOCK = 256  # images that are scored together: bounds the memory of their maps, whatever the size of the split


@dataclass(frozen=True)
class Maps:
    """Raw maps that a model makes without being asked for a class, each on its own grid; signed where features are.

    Attributes:
        attention: Layer -> (N, h, w) float32 channel means.
        module: (N, h, w) float32 attention map of the head itself; None if it has none.
    """

    attention: dict[str, FloatMaps]
    module: FloatMaps | None


@dataclass(frozen=True)
class Outputs:
    """Outputs of a model for a block of faces, in the split's order.

    Attributes:
        start: Position of the first face in the split.
        probabilities: (N, C) float32 class probabilities.
        maps: Attention of the layers and of the head.
        cams: CAM -> (N, h, w) float32 raw evidence, always of the TRUE class; what is positive speaks for it.
        moved_rows: (M,) positions in the block of the faces that were moved.
        moves: (M, 2, 3) how they were moved.
        moved: Attention of the last layer and of the head on the moved images; None if none was moved.
    """

    start: int
    probabilities: FloatMaps
    maps: Maps
    cams: dict[str, FloatMaps]
    moved_rows: NDArray[np.int64]
    moves: Tensor
    moved: Maps | None

    @property
    def stop(self) -> int:
        """Position in the split behind the last face."""
        return self.start + len(self.probabilities)


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
        mirrored: Whether probabilities are the means of those of each image and of its mirror image.
    """

    model: FerModel
    dataset: FaceDataset
    loader: BatchLoader
    preprocess: Preprocessing
    device: torch.device
    batch_size: int
    progress: Progress
    mirrored: bool = False

    def blocks(self, layers: Sequence[str], cams: Sequence[str], moved: NDArray[np.bool_]) -> Iterator[Outputs]:
        """Compute everything of the split in one pass, block by block; each picture is decoded once.

        Args:
            layers: Layers whose attention is wanted; moved images give that of the last of them.
            cams: CAMs.
            moved: (N,) faces that are scored again after they were moved.
        """
        moves = draw_moves(len(self.dataset), MOVE_SEED)
        parts: list[Outputs] = []
        start = 0
        for batch, images in self.batches(range(len(self.dataset))):
            rows = slice(start, start + len(images))
            parts.append(self._batch(start, batch, images, layers, cams, moved[rows], moves[rows]))
            start = rows.stop
            if start - parts[0].start >= _BLOCK:
                yield _joined_outputs(parts)
                parts = []
        if parts:
            yield _joined_outputs(parts)

    def _batch(
        self,
        start: int,
        batch: Batch,
        images: Tensor,
        layers: Sequence[str],
        cams: Sequence[str],
        moved: NDArray[np.bool_],
        moves: Tensor,
    ) -> Outputs:
        run = CamRun(self.model, images, cams)
        found = {cam: maps.cpu().numpy() for cam, maps in run.maps(batch.labels, normalize=False).items()}
        rows = np.flatnonzero(moved)
        again = self._moved(images[rows], moves[rows], layers[-1]) if rows.size else None
        self.progress.advance((1 + self.mirrored) * len(images) + len(rows))
        probabilities = run.output.logits.detach().float().softmax(dim=1)
        if self.mirrored:
            probabilities = (probabilities + self._of_mirror_images(images)) / 2
        return Outputs(start, probabilities.cpu().numpy(), _maps(run.output, layers), found, rows, moves[rows], again)

    @torch.inference_mode()
    def _of_mirror_images(self, images: Tensor) -> Tensor:
        mirrored = images.flip(3).contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.model(mirrored).logits
        return logits.float().softmax(dim=1)

    @torch.inference_mode()
    def _moved(self, images: Tensor, moves: Tensor, layer: str) -> Maps:
        face, rest = images[:, : self.face_channels], images[:, self.face_channels :]
        seen = torch.cat([move_images(face, moves.to(self.device)), rest], dim=1)
        return _maps(self.model(seen.contiguous(memory_format=torch.channels_last)), [layer])

    def faithfulness(self, rows: Sequence[int], attention: FloatMaps) -> Faithfulness:
        """Score deletion and insertion of the attention on some images.

        Args:
            rows: Positions of the images in the split.
            attention: (len(rows), h, w) their attention.
        """
        deletion: list[FloatArray] = []
        insertion: list[FloatArray] = []
        start = 0
        for _, images in self.batches(rows):
            own = torch.from_numpy(attention[start : start + len(images)]).to(self.device)
            part = deletion_insertion(
                self.probabilities,
                images,
                own,
                steps=_STEPS,
                batch_size=self.batch_size,
                channels=self.face_channels,
            )
            deletion.append(part.deletion)
            insertion.append(part.insertion)
            start += len(images)
        return Faithfulness(_concatenated(deletion), _concatenated(insertion))

    @property
    def face_channels(self) -> int:
        """Number of channels of the face; the whole picture follows them, and attention says nothing about it."""
        return self.model.config.channels

    @property
    def probabilities(self) -> Callable[[Tensor], Tensor]:
        """Function from images to probabilities in the fastest precision: the curves take hundreds of passes."""
        precision = resolve_precision("auto", self.device)

        def probabilities(images: Tensor) -> Tensor:
            with autocast(self.device, precision):
                logits: Tensor = self.model(images.contiguous(memory_format=torch.channels_last)).logits
            # A blank image, which stands for many, is none of those that were counted before.
            self.progress.advance(min(len(images), self.progress.total - self.progress.done))
            return logits.float().softmax(dim=1)

        return probabilities

    def batches(self, rows: Sequence[int]) -> Iterator[tuple[Batch, Tensor]]:
        """Read the faces at some positions of the split, and preprocess them, batch by batch."""
        for batch in self.loader(batched(rows, self.batch_size)):
            images = self.preprocess(batch.images.to(self.device))
            yield batch, images.contiguous(memory_format=torch.channels_last)  # a third faster on a CPU


def count_passes(images: int, moved: int, faithfulness: int, mirrored: bool = False) -> int:
    """Count the images that all forward passes of an evaluation see, for its progress.

    Args:
        images: Images of the split.
        moved: Images that are scored again after they were moved.
        faithfulness: Largest number of images whose faithfulness is scored.
        mirrored: Whether mirror images are scored, too.
    """
    return (1 + mirrored) * images + moved + 2 * _STEPS * len(spread_rows(images, faithfulness))


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


def scaled(maps: FloatMaps) -> FloatMaps:
    """Scale raw CAMs to [0, 1] by their own ranges, as they are compared and shown; a constant one becomes 0."""
    return np.asarray(min_max(torch.from_numpy(maps)).numpy(), np.float32)


def _maps(output: ModelOutput, layers: Sequence[str]) -> Maps:
    attention = {layer: channel_mean(output.features[layer]).cpu().numpy() for layer in layers}
    return Maps(attention, None if output.attention is None else output.attention.float().cpu().numpy())


def _joined_maps(parts: Sequence[Maps]) -> Maps:
    attention = {layer: np.concatenate([part.attention[layer] for part in parts]) for layer in parts[0].attention}
    heads = [part.module for part in parts if part.module is not None]
    return Maps(attention, np.concatenate(heads) if heads else None)


def _joined_outputs(parts: Sequence[Outputs]) -> Outputs:
    start, moved = parts[0].start, [part.moved for part in parts if part.moved is not None]
    return Outputs(
        start,
        np.concatenate([part.probabilities for part in parts]),
        _joined_maps([part.maps for part in parts]),
        {cam: np.concatenate([part.cams[cam] for part in parts]) for cam in parts[0].cams},
        np.concatenate([part.moved_rows + part.start - start for part in parts]),
        torch.cat([part.moves for part in parts]),
        _joined_maps(moved) if moved else None,
    )


def _concatenated(parts: list[FloatArray]) -> FloatArray:
    return np.concatenate(parts) if parts else np.zeros(0)
