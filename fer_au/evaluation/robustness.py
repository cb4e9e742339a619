"""Score a model on disturbed test images: what it answers, and where its attention goes, in each strength.

The pictures are decoded once, in bytes of the model's input size, and disturbed on the model's device. Only answers and
one score per face are kept, so memory hardly grows with the images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_au.batches.faces import Batch, FaceDataset
from fer_au.batches.loading import BatchLoader
from fer_au.batches.preprocess import Preprocessing
from fer_au.batches.similarities import warp
from fer_au.compute import Progress, batched
from fer_au.config.robustness import Disturbance as Name
from fer_au.cues.regions import region_labels
from fer_au.evaluation.comparison import comparison_maps
from fer_au.evaluation.disturbance_cards import CARDS, STRENGTHS
from fer_au.evaluation.disturbances import TABLE, Faces, Pictures, Swapped
from fer_au.evaluation.map_scores import FloatArray, centered_cosine
from fer_au.evaluation.robustness_metrics import CLEAN, CONTROL, Answers
from fer_au.evaluation.robustness_store import empty_answers
from fer_au.maps import channel_mean
from fer_au.models.network import FerModel


class FaceReader:
    """Reader of faces with all that their disturbances need.

    Args:
        dataset: Faces, at the model's input size.
        swaps: Whether backgrounds are swapped, so that every face has partners.
        device: Where pictures are disturbed.
    """

    def __init__(self, dataset: FaceDataset, *, swaps: bool, device: torch.device) -> None:
        self._dataset, self._device, self._loader = dataset, device, BatchLoader(dataset, keep=False)
        self._partners = find_partners(dataset) if swaps else None

    def faces(self, rows: Sequence[int]) -> Faces:
        """Read the faces at some positions of the split."""
        return next(self.batches([rows]))[1]

    def batches(self, parts: Sequence[Sequence[int]]) -> Iterator[tuple[Batch, Faces]]:
        """Read the faces at some positions, part by part; the next ones are decoded meanwhile."""
        wanted = [[*rows, *self._partner_rows(rows)] for rows in parts]
        for rows, batch in zip(parts, self._loader(wanted), strict=True):
            yield self._faces(rows, batch)

    def _partner_rows(self, rows: Sequence[int]) -> list[int]:
        if self._partners is None:
            return []
        # A face without a partner stands in for it, and isn't used.
        return [int(row if kind[row] < 0 else kind[row]) for kind in self._partners for row in rows]

    def _faces(self, rows: Sequence[int], batch: Batch) -> tuple[Batch, Faces]:
        count, side = len(rows), self._dataset.image_size
        images = batch.images[:, :3].to(self._device).float() / 255
        regions = torch.from_numpy(region_labels(batch.points.numpy(), self._dataset.crop_size, side)).to(self._device)
        own, *partners = (
            Pictures(images[start : start + count], regions[start : start + count])
            for start in range(0, len(images), count)
        )
        if self._partners is not None:
            for kind, pictures in zip(self._partners, partners, strict=True):
                pictures.regions[torch.from_numpy(kind[list(rows)] < 0)] = -1
        return batch, Faces(batch.ids[:count], own, *partners)


def find_partners(dataset: FaceDataset) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the faces whose backgrounds each face gets: one of another class, and another one of the same class.

    Faces with landmarks are put in an order that their ids decide; the partner is the next one in it, in a circle.

    Returns:
        Two arrays of (N,) positions in the split; -1 where there is none.
    """
    known = np.flatnonzero(np.isfinite(dataset.points).all(axis=(1, 2)))
    keys = [hashlib.sha256(f"background/{dataset.ids[row]}".encode()).digest() for row in known]
    order = [int(known[place]) for place in sorted(range(len(known)), key=keys.__getitem__)]
    other, alike = (np.full(len(dataset), -1, np.int64) for _ in range(2))
    following: dict[int, int] = {}  # class -> the next face of it; the class that comes first stands last
    for row in reversed(order + order):  # twice round: each face has seen all others in the end
        own = int(dataset.labels[row])
        other[row] = next((place for label, place in reversed(following.items()) if label != own), -1)
        next_alike = following.pop(own, -1)
        alike[row] = -1 if next_alike == row else next_alike
        following[own] = row
    return other, alike


@dataclass(frozen=True)
class RobustnessRunner:
    """A model, and the disturbances that it is scored under.

    Attributes:
        model: Model in evaluation mode, on ``device``.
        dataset: Faces, labelled in the model's class order.
        preprocess: Preprocessing that the model was trained with.
        device: Device of the model.
        batch_size: Images per forward pass.
        progress: Counts the images of each forward pass; see ``count_disturbed``.
    """

    model: FerModel
    dataset: FaceDataset
    preprocess: Preprocessing
    device: torch.device
    batch_size: int
    progress: Progress

    @torch.inference_mode()
    def answers(self, names: Sequence[Name]) -> dict[str, Answers]:
        """Ask the model about every image, as it is and under each disturbance.

        Args:
            names: Disturbances.

        Returns:
            ``clean``, each disturbance, and ``<disturbance>.control`` where it has a control -> answers.
        """
        count = len(self.dataset)
        found = empty_answers(count, names)
        swaps = any(isinstance(TABLE[name], Swapped) for name in names)
        reader = FaceReader(self.dataset, swaps=swaps, device=self.device)
        start = 0
        for batch, faces in reader.batches(batched(range(count), self.batch_size)):
            asked = _Batch(self, batch, faces, start, found)
            asked.ask(CLEAN, 0, torch.arange(len(faces.ids)), faces.images)
            for name in names:
                self._disturb(name, faces, asked)
            start += len(faces.ids)
        return found

    def _disturb(self, name: Name, faces: Faces, asked: _Batch) -> None:
        disturbance = TABLE[name]
        rows = disturbance.usable(faces).nonzero()[:, 0]
        if len(rows):
            for strength, disturbed in enumerate(disturbance(faces.part(rows))):
                asked.ask(name, strength, rows, disturbed.images, disturbed.moves)
        rows = disturbance.controllable(faces).nonzero()[:, 0]
        if disturbance.card.control and len(rows):
            asked.ask(f"{name}{CONTROL}", 0, rows, disturbance.control(faces.part(rows)))


@dataclass(frozen=True)
class _Batch:
    """A batch of faces that a model is asked about, and the arrays that its answers go into."""

    runner: RobustnessRunner
    batch: Batch
    faces: Faces
    start: int
    found: dict[str, Answers]

    def ask(self, name: str, strength: int, rows: Tensor, images: Tensor, moves: Tensor | None = None) -> None:
        """Ask about the disturbed images of some faces of the batch."""
        runner, places = self.runner, rows.cpu()
        # A second view, of the whole picture, stays as it is.
        rest = self.batch.images[places, 3:].to(runner.device).float() / 255
        seen = runner.preprocess(torch.cat([images.clamp(0, 1), rest], dim=1))
        output = runner.model(seen.contiguous(memory_format=torch.channels_last))
        runner.progress.advance(len(images))
        answers, own = self.found[name], self.start + places.numpy()
        answers.predicted[own, strength] = output.logits.argmax(dim=1).cpu().numpy()
        maps = channel_mean(output.features[runner.model.layers[-1]]).cpu().numpy()
        answers.att_ccos[own, strength] = self._fit(maps, places, moves)

    def _fit(self, maps: NDArray[np.float32], places: Tensor, moves: Tensor | None) -> FloatArray:
        targets, valid = self.batch.maps[places].float() / 255, self.batch.valid[places].numpy()
        if moves is not None:  # parts that come into view ask for no attention
            targets = warp(targets[:, None], moves.cpu(), "zeros")[:, 0]
        fit = centered_cosine(comparison_maps(maps, targets.shape[-1]), targets.numpy().astype(np.float64))
        return np.where(valid, fit, np.nan)


def count_disturbed(images: int, names: Sequence[Name]) -> int:
    """Count the images that all forward passes see, at most, for a progress."""
    passes = sum(STRENGTHS + bool(CARDS[name].control) for name in names)
    return images * (1 + passes) if names else 0
