"""Compare maps with those of a control, which learnt shuffled labels (Adebayo et al., NeurIPS 2018).

A control is an experiment that differs from another in ``train.labels: shuffled`` alone. A map of the trained model
that is nearly the same in the control doesn't show what was learnt about expressions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from fer_au.config.entries import build_experiment
from fer_au.config.external import UNTRAINED
from fer_au.config.reading import PARAMS
from fer_au.evaluation.audit_metrics import ATTENTION, BOUND, MEASURES
from fer_au.evaluation.bootstrap import PairedDifference, paired_bootstrap
from fer_au.results.experiment import ExperimentResult
from fer_au.results.reading import Entry, Results

_BLOCK = 512  # images whose maps are in memory at a time

_Own = TypeVar("_Own", bound=ExperimentResult)


@dataclass(frozen=True)
class LabelAudit:
    """How similar a map is to the control's.

    Attributes:
        map: Name of the map: ``att``, the attention of the last layer, or ``cam.<cam>``.
        similarities: Measure of ``audit_metrics.MEASURES`` -> mean similarity over the test images, with its interval.
    """

    map: str
    similarities: dict[str, PairedDifference]

    @property
    def survives(self) -> bool:
        """Whether the map hardly depends on the labels: by its interval, it is not clearly below the bound."""
        return self.similarities["rank"].high >= BOUND

    @property
    def verdict(self) -> str:
        """The same in words."""
        return "fails: nearly the same map without the labels" if self.survives else "depends on the labels"


def find_controls(
    experiments: Sequence[_Own], params: Mapping[str, Any], path: Path = PARAMS
) -> list[tuple[_Own, _Own]]:
    """Find the experiments whose settings differ from those of a control in the labels alone.

    Args:
        experiments: Evaluated experiments.
        params: Content of ``params.yaml``.
        path: Its path, used in messages.

    Returns:
        Pairs of an experiment and its control.
    """
    known: dict[str, dict[str, _Own]] = {}
    for one in experiments:
        config, train = build_experiment(dict(params), one.name, path)
        if config.train != UNTRAINED:
            own = config.model_dump(mode="json", exclude={"train", "group"})
            settings = [own, train.model_dump(mode="json", exclude={"labels", "early_stopping"})]
            known.setdefault(json.dumps(settings, sort_keys=True), {}).setdefault(train.labels, one)
    return [(pair["given"], pair["shuffled"]) for pair in known.values() if len(pair) == 2]


def audit_labels(own: ExperimentResult, control: ExperimentResult) -> list[LabelAudit]:
    """Compare the stored maps of a model with its control's on the same test images, CAMs of the true class."""
    shared = [id_ for id_ in own.results.ids if id_ in control.results.index]
    if not shared:
        return []
    rows = [np.array([one.results.index[id_] for id_ in shared]) for one in (own, control)]
    audits = []
    for name, column in _maps(own).items():
        if column in control.results.columns:
            values = _similarities(own, control, column, rows[0], rows[1])
            means = [paired_bootstrap(measure, np.zeros(len(measure))) for measure in values.T]
            audits.append(LabelAudit(name, dict(zip(MEASURES, means, strict=True))))
    return audits


def _maps(result: ExperimentResult) -> dict[str, str]:
    cams = [name for name in result.results.columns if name.startswith("cam/")]
    return {ATTENTION: f"attention/{result.layers[-1]}", **{name.replace("/", "."): name for name in cams}}


def _similarities(
    own: ExperimentResult, control: ExperimentResult, column: str, rows: np.ndarray, others: np.ndarray
) -> np.ndarray:
    from fer_au.evaluation.map_similarity import similarities  # takes torch

    found = []
    for start in range(0, len(rows), _BLOCK):
        block = slice(start, start + _BLOCK)
        pair = own.results.take(column, rows[block]), control.results.take(column, others[block])
        found.append(similarities(*(np.asarray(maps, np.float32) for maps in pair)))
    return np.concatenate(found)


def control_text(entry: Entry, found: Results) -> str:
    """Say how similar the maps of an experiment are to its control's; empty where there is none.

    Args:
        entry: The experiment, or an entry of ``cross``, which has no control.
        found: Results of everything that ``params.yaml`` names.
    """
    evaluated = [one.result for one in found.experiments if one.result is not None]
    for own, control in find_controls(evaluated, found.params):
        if entry.result is own:
            parts = [f"{one.map} {one.verdict} (rank correlation {_bounds(one)})" for one in audit_labels(own, control)]
            return f"Beside the control {control.name}, which learnt shuffled labels: {'; '.join(parts)}."
    return ""


def _bounds(audit: LabelAudit) -> str:
    rank = audit.similarities["rank"]
    return f"{rank.difference:.2f}, 95 % interval {rank.low:.2f} to {rank.high:.2f}"
