"""Score a split block by block: maps and scores come and go, and what stays are sums by label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fer_au.config.experiments import EvaluateConfig
from fer_au.evaluation.averages import ScoreTotals
from fer_au.evaluation.baselines import FOLLOWING, reference_maps
from fer_au.evaluation.comparison import comparison_maps
from fer_au.evaluation.full_scores import (
    attention_scores,
    cosine_scores,
    full_scores,
    grid_of,
    grid_text,
    reduced,
)
from fer_au.evaluation.inference import FloatMaps, Outputs, SplitRunner, move_maps, scaled, spread_rows
from fer_au.evaluation.map_scores import FloatArray, centered_cosine
from fer_au.evaluation.overlap import TargetOverlap
from fer_au.evaluation.paper_cosine import PaperCosine
from fer_au.evaluation.scores import (
    Scores,
    floor_scores,
    map_agreement,
    map_faults,
    map_places,
    motion_agreement,
    of_attention,
    of_cam,
    of_truth,
)
from fer_au.evaluation.specificity import OwnTargets
from fer_au.evaluation.truth import Truth, TruthReader
from fer_au.resizing import Frame

_MODULE = "module."


class SplitScorer:
    """Scores of a model on a split.

    Args:
        runner: Model and faces.
        truth: References of the faces.
        layers: Layers whose attention is scored; the last of them is that of the headline.
        config: Section ``evaluate``.

    Attributes:
        totals: Sums of the scores of all images, by metric.
        late: Names of the scores that come in the end, with ``finish``; known after the first block.
        probabilities: (N, C) class probabilities.
        att_ccos: (N,) centred cosine of the attention with the AU map, NaN where there is none; for slices.
        overlap: How much the AU maps of the expressions overlap.
        grids: Metric -> grid of the last layer's, the head's and the CAMs' maps, such as ``12x12``.
    """

    def __init__(self, runner: SplitRunner, truth: TruthReader, layers: Sequence[str], config: EvaluateConfig) -> None:
        count = len(runner.dataset)
        self._runner, self._truth, self._layers, self._config = runner, truth, tuple(layers), config
        self._cosine = PaperCosine(Frame(config.resize, runner.preprocess.image_size))
        self._own_targets = OwnTargets(truth.labels, truth.valid)
        self._hidden = spread_rows(count, config.faithfulness_images)
        self._hidden_maps: list[FloatMaps] = []
        self.totals = ScoreTotals()
        self.late: list[str] = []
        self.probabilities = np.zeros((count, len(runner.model.classes)), np.float32)
        self.att_ccos = np.full(count, np.nan, np.float32)
        self.overlap = TargetOverlap(truth.expressions)
        self.grids: dict[str, str] = {}

    def blocks(self) -> Iterator[tuple[Outputs, Truth, Scores]]:
        """Run the model, and score block after block.

        Yields:
            A block's outputs, references and scores.
        """
        moved = self._truth.valid & np.bool_(self._config.moved)
        for outputs in self._runner.blocks(self._layers, self._config.cams, moved):
            truth = self._truth.block(outputs.start, outputs.stop)
            self.probabilities[outputs.start : outputs.stop] = outputs.probabilities
            scores = self._score(outputs, truth)
            self.att_ccos[outputs.start : outputs.stop] = scores["att_ccos"]
            self.overlap.add(truth)
            self.totals.add(scores, truth.labels)
            yield outputs, truth, scores

    def finish(self) -> Iterator[tuple[NDArray[np.int64], Scores]]:
        """Add the scores that compare images of several blocks, or need passes of their own.

        Yields:
            Positions of images in the split, and their scores.
        """
        yield from self._added(self._own_targets.rows, self._own_targets.scores())
        if len(self._hidden):
            areas = self._runner.faithfulness(self._hidden.tolist(), np.concatenate(self._hidden_maps))
            curves = {"faithfulness.deletion": areas.deletion, "faithfulness.insertion": areas.insertion}
            yield from self._added(self._hidden, curves)

    def _added(self, rows: NDArray[np.int64], scores: Scores) -> Iterator[tuple[NDArray[np.int64], Scores]]:
        self.totals.add(scores, [self._truth.labels[row] for row in rows])
        yield rows, scores

    def _comes_late(self, names: Iterable[str]) -> None:
        self.totals.reserve(names)
        self.late += [name for name in names if name not in self.late]

    def _score(self, outputs: Outputs, truth: Truth) -> Scores:
        attention, head, last = outputs.maps.attention, outputs.maps.module, self._layers[-1]
        if len(self._hidden):
            self._hidden_maps.append(attention[last][_inside(self._hidden, outputs)])
            self._comes_late(["faithfulness.deletion", "faithfulness.insertion"])
        scores: Scores = {}
        for layer, maps in attention.items():
            scores |= of_attention(attention_scores(maps, truth, self._cosine), f"layer.{layer}.")
            scores |= of_truth(motion_agreement(maps, truth), f"layer.{layer}")
        for cam, maps in outputs.cams.items():
            self.grids[f"cam_grid.{cam}"] = grid_text(maps)
            # Agreement as published, of the map scaled to its range; places of the evidence itself, since scaling a
            # signed map lifts it everywhere.
            shown = scaled(maps)
            cosine = cosine_scores(self._cosine.of_cam(shown, truth.targets), truth)
            scores |= of_cam(cosine | map_agreement(shown, truth) | map_places(maps, truth) | map_faults(maps), cam)
            scores |= of_truth(motion_agreement(shown, truth), f"cam.{cam}")
        moved, drawn = outputs.moved, reference_maps(truth)
        own = moved.attention[last] if moved else None
        scores |= self._score_fully(attention[last], own, drawn, outputs, truth, "")
        scores |= floor_scores(truth, grid_of(attention[last]))
        scores |= of_truth(motion_agreement(truth.targets, truth), "au")
        if head is not None:
            scores |= of_truth(motion_agreement(head, truth), "module")
            scores |= self._score_fully(head, moved.module if moved else None, drawn, outputs, truth, _MODULE)
        return scores

    def _score_fully(
        self,
        maps: FloatMaps,
        moved: FloatMaps | None,
        drawn: Mapping[str, NDArray[Any]],
        outputs: Outputs,
        truth: Truth,
        prefix: str,
    ) -> Scores:
        """Score attention, its references on the same grid, and all of them on moved images."""
        self.grids[f"{prefix}att_grid"] = grid_text(maps)
        scores, everything = full_scores(maps, drawn, truth, self._cosine, prefix)
        if self._config.moved:
            scores |= self._score_moved(moved, drawn, outputs, truth, prefix)
        specific = {f"{name}att_specificity": own for name, own in everything.items()}
        self._own_targets.add(outputs.start, truth, specific)
        self._comes_late(list(specific))
        return scores

    def _score_moved(
        self,
        maps: FloatMaps | None,
        drawn: Mapping[str, NDArray[Any]],
        outputs: Outputs,
        truth: Truth,
        prefix: str,
    ) -> Scores:
        """Compute ``cos_moved`` and ``ccos_moved`` of maps on moved images, and of their references.

        References that are drawn from landmarks move with the face; blank map, Gaussian and class mean stay where they
        are.
        """
        rows, count = outputs.moved_rows, len(truth.labels)
        if maps is None:  # no image of the block was moved
            nothing = {"cos_moved": np.full(count, np.nan), "ccos_moved": np.full(count, np.nan)}
            names = [prefix, *(f"{prefix}{name}." for name in drawn)]
            return {key: values for name in names for key, values in of_attention(nothing, name).items()}
        grid, targets = grid_of(maps), _moved(truth.targets[rows], outputs.moves)
        looks: dict[str, tuple[FloatArray, NDArray[Any]]] = {prefix: (self._cosine.of_attention(maps, targets), maps)}
        for name, own in drawn.items():
            fine = _moved(own[rows], outputs.moves) if name in FOLLOWING else own[rows]
            looks[f"{prefix}{name}."] = self._cosine.of_reference(fine, grid, targets), reduced(fine, grid)
        scores: Scores = {}
        for name, (cosine, raw) in looks.items():
            centred = centered_cosine(comparison_maps(raw, truth.size), targets.astype(np.float64))
            found = {"cos_moved": cosine, "ccos_moved": centred}
            scores |= of_attention({key: _scattered(values, rows, count) for key, values in found.items()}, name)
        return scores


def _scattered(values: FloatArray, rows: NDArray[np.int64], count: int) -> FloatArray:
    """Put the scores of some images in their places among ``count``, and NaN elsewhere."""
    everywhere = np.full(count, np.nan)
    everywhere[rows] = values
    return everywhere


def _moved(maps: NDArray[Any], moves: torch.Tensor) -> NDArray[np.float32]:
    tensor = torch.from_numpy(np.ascontiguousarray(maps, np.float32))
    return np.asarray(move_maps(tensor, moves).numpy(), np.float32)


def _inside(rows: NDArray[np.int64], outputs: Outputs) -> NDArray[np.int64]:
    """Find the positions of some images of the split that lie in a block, counted from its start."""
    return rows[(rows >= outputs.start) & (rows < outputs.stop)] - outputs.start
