"""Audit the maps of a model: whether they change with its weights, and whether it needs what they show.

Maps are those of the class that the trained model predicts, whose probability the curves follow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_au.cam.compute import CamRun
from fer_au.compute import log
from fer_au.config.audits import Audit, chosen_audits
from fer_au.config.experiments import EvaluateConfig
from fer_au.evaluation.audit_metrics import ATTENTION, REFERENCES, STEPS, audited_maps, empty_audits
from fer_au.evaluation.baselines import gaussian_map
from fer_au.evaluation.class_means import class_mean_maps
from fer_au.evaluation.faithfulness import deletion_insertion
from fer_au.evaluation.inference import FloatMaps, SplitRunner, spread_rows
from fer_au.evaluation.map_scores import FloatArray
from fer_au.evaluation.map_similarity import similarities
from fer_au.evaluation.randomisation import fresh_network, randomised_states
from fer_au.evaluation.road import SHARES, remove_and_debias
from fer_au.maps import channel_mean
from fer_au.models.network import FerModel
from fer_au.resizing import resize_maps

_CURVE_STEPS = 28  # of deletion and insertion
_GRID = 28  # cells on a side of the grid on which two maps are compared
# Of the two networks of fresh weights: seeds that no experiment has, whose start would still be in its own weights.
_SEEDS = (2_018_120_801, 2_018_120_802)
Looks = dict[str, FloatMaps]


@dataclass(frozen=True)
class AuditRunner:
    """A model, and the maps that are audited.

    Attributes:
        runner: Model and faces.
        cams: CAMs, which are audited beside the last layer's attention.
        class_means: Label -> (S, S) mean AU map of the training split.
    """

    runner: SplitRunner
    cams: Sequence[str]
    class_means: Mapping[str, FloatArray]

    def results(self, audits: Sequence[Audit], rows: Sequence[int]) -> dict[str, NDArray[np.float32]]:
        """Audit the maps on some images.

        Args:
            audits: Audits; see ``choose_audits``.
            rows: Positions of the images in the split.

        Returns:
            Columns of ``audit_metrics.empty_audits``; the other images have NaN.
        """
        runner, start = self.runner, 0
        columns = empty_audits(len(runner.dataset), audits, self.cams)
        networks = _Cascade(runner.model) if "randomisation" in audits and len(rows) else None
        for batch, images in runner.batches(rows):
            places = np.asarray(rows[start : start + len(images)])
            target, looks = self._looks(runner.model, images)
            if networks is not None:
                for name, values in self._randomised(networks, images, target, looks).items():
                    columns[f"audit/randomisation/{name}"][places] = values
            if "faithfulness" in audits:
                labels = [runner.model.classes[index] for index in target.tolist()]
                looks |= self._references(batch.ids, labels, looks[ATTENTION].shape[1:])
                for name, maps in looks.items():
                    columns[f"audit/faithfulness/{name}"][places] = self._areas(images, maps)
            start += len(images)
        return columns

    def _looks(self, model: FerModel, images: Tensor, target: Tensor | None = None) -> tuple[Tensor, Looks]:
        """Compute the raw maps of a class, by default that which the model predicts; and give the class."""
        run = CamRun(model, images, self.cams)
        chosen = run.output.logits.argmax(dim=1) if target is None else target
        maps = {f"cam.{cam}": own.cpu().numpy() for cam, own in run.maps(chosen, normalize=False).items()}
        attention = channel_mean(run.output.features[model.layers[-1]]).cpu().numpy()
        self.runner.progress.advance(len(images))
        return chosen, {ATTENTION: attention, **maps}

    def _randomised(self, networks: _Cascade, images: Tensor, target: Tensor, looks: Looks) -> dict[str, FloatArray]:
        """Compare maps with those of the networks of fresh weights: map -> (B, 6, 3)."""
        found: dict[str, list[FloatArray]] = {name: [] for name in looks}
        others: Looks = {}
        for step in range(STEPS):
            others = self._looks(networks.step(step), images, target)[1]
            for name, maps in looks.items():
                found[name].append(similarities(maps, others[name]))
        unrelated = self._looks(networks.unrelated(), images, target)[1]
        for name, maps in others.items():
            found[name].append(similarities(maps, unrelated[name]))
        return {name: np.stack(values, axis=1) for name, values in found.items()}

    def _references(self, ids: Sequence[str], labels: Sequence[str], grid: tuple[int, ...]) -> Looks:
        """Draw the picture-blind maps of some images on the grid of the attention."""
        rows, columns = grid
        middle = resize_maps(gaussian_map(max(_GRID, rows, columns))[None], (rows, columns))
        size = next(iter(self.class_means.values())).shape[0] if self.class_means else 1
        means = class_mean_maps(dict(self.class_means), list(labels), size)
        maps = (
            np.stack([_random_map(id_, rows, columns) for id_ in ids]),
            np.ones((len(ids), rows, columns)),
            np.broadcast_to(middle, (len(ids), rows, columns)),
            resize_maps(means, (rows, columns)),
        )
        return {name: np.array(own, np.float32) for name, own in zip(REFERENCES, maps, strict=True)}

    def _areas(self, images: Tensor, maps: FloatMaps) -> FloatArray:
        """Compute the areas of ``CURVES`` for some images, (B, 4); NaN where a map holds a NaN."""
        areas = np.full((len(maps), 4), np.nan)
        finite = np.flatnonzero(np.isfinite(maps).all(axis=(1, 2)))
        if finite.size:
            runner, own = self.runner, torch.from_numpy(maps[finite]).to(images.device)
            pictures = images[torch.from_numpy(finite).to(images.device)]
            channels, size = runner.face_channels, runner.batch_size
            curves = deletion_insertion(
                runner.probabilities, pictures, own, steps=_CURVE_STEPS, batch_size=size, channels=channels
            )
            road = remove_and_debias(runner.probabilities, pictures, own, batch_size=size, channels=channels)
            areas[finite] = np.stack([curves.deletion, curves.insertion, road.morf, road.lerf], axis=1)
        return areas


class _Cascade:
    """A network that takes the weights of one step after another, so that memory holds few of them."""

    def __init__(self, model: FerModel) -> None:
        self._network = fresh_network(model, _SEEDS[0])
        fresh = {key: value.clone() for key, value in self._network.state_dict().items()}
        self._states = randomised_states(model.state_dict(), fresh)
        self._other = fresh_network(model, _SEEDS[1])

    def step(self, step: int) -> FerModel:
        """Give the network with the weights of a step; the one that was given before changes."""
        self._network.load_state_dict(self._states[step])
        return self._network

    def unrelated(self) -> FerModel:
        """Give a network of other fresh weights."""
        return self._other


def _random_map(id_: str, rows: int, columns: int) -> FloatArray:
    """Draw a map that the image's id decides, and neither its picture nor its place in a batch."""
    seed = int.from_bytes(hashlib.sha256(f"audit/{id_}".encode()).digest()[:8], "little")
    return np.random.default_rng(seed).random((rows, columns))


def choose_audits(
    config: EvaluateConfig, model: FerModel, images: int, title: str
) -> tuple[tuple[Audit, ...], list[int]]:
    """Choose the audits of ``evaluate.audits`` that a model can have; the log says which one it can't.

    Args:
        config: Section ``evaluate``.
        model: Model.
        images: Images of the split.
        title: What the log calls the evaluation.

    Returns:
        The audits, and the positions of their images; none without audits.
    """
    audits = chosen_audits(config.audits)
    if model.scores_itself and "randomisation" in audits:
        audits = tuple(audit for audit in audits if audit != "randomisation")
        log(f"{title}: without the audit randomisation: a network that was made elsewhere can't be given fresh weights")
    return audits, spread_rows(images, config.audit_images).tolist() if audits else []


def count_audited(images: int, audits: Sequence[Audit], cams: Sequence[str]) -> int:
    """Count the images that all forward passes of audits see, for a progress."""
    maps = len(audited_maps(cams))
    passes = 1 + (STEPS + 1) * ("randomisation" in audits)
    if "faithfulness" in audits:
        passes += (maps + len(REFERENCES)) * (2 * _CURVE_STEPS + 1 + 2 * len(SHARES))
    return images * passes if audits else 0
