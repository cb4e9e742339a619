"""Judge what an attention score proves: beside maps that know no class, and on the grid that it was drawn on."""

from __future__ import annotations

import math
from typing import NamedTuple

from fer_au.evaluation.metrics_file import CLASS_BLIND
from fer_au.results.experiment import ExperimentResult
from fer_au.results.references import REFERENCES, reference_metric

_FEWEST_CELLS = 7  # on a 4x4 grid the map of a moved class mean comes near that of the moved face itself


class Rival(NamedTuple):
    """A baseline in words, and its score."""

    words: str
    score: float


def best_blind(result: ExperimentResult, key: str = "att_ccos") -> Rival:
    """Find the baseline that knows no class with the highest score beside a metric; NaN if there are no baselines."""
    names = [f"baseline.{name}" for name in CLASS_BLIND]
    scores = {name: result.number(reference_metric(result, name, key)) for name in names}
    found = {name: score for name, score in scores.items() if math.isfinite(score)}
    name = max(found, key=lambda one: found[one], default=names[0])
    return Rival(REFERENCES[name], found.get(name, math.nan))


def looks_at_units(result: ExperimentResult, key: str = "att_ccos") -> bool | None:
    """Tell whether a map beats every baseline that knows no class; None if there is nothing to compare.

    Args:
        result: Result of an evaluation.
        key: Centred cosine of the map with the AU map.
    """
    own, rival = result.number(key), best_blind(result, key).score
    return own > rival if math.isfinite(own) and math.isfinite(rival) else None


def looking_text(result: ExperimentResult) -> str:
    """Say in a sentence whether the attention looks at action units; empty if there is nothing to compare."""
    verdict, rival = looks_at_units(result), best_blind(result)
    if verdict is None:
        return ""
    score = f"att_ccos {result.number('att_ccos'):.3f}"
    best = f'"{rival.words}" ({rival.score:.3f})'
    if verdict:
        return f"It looks at action units: {score} is above the best map that knows no class, {best}."
    return f"It shows no sign of looking at action units: {score} is not above {best}, which knows no class."


def is_too_coarse(result: ExperimentResult, key: str) -> bool:
    """Tell whether a score on moved images was taken on a grid that can't tell a moved face from an average one."""
    if not key.endswith("_moved"):
        return False
    grid = result.metrics.get("module.att_grid" if key.startswith("module.") else "att_grid")
    return isinstance(grid, str) and min(int(cells) for cells in grid.split("x")) < _FEWEST_CELLS
