"""Compare guided experiments with plain ones: each with the plain one that is most like it, and all in a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fer_au.evaluation import PairedDifference
from fer_au.report.collect import Experiment
from fer_au.report.statistics import Comparison

_SIGNIFICANT = 0.05


def plain_twin(experiment: Experiment, experiments: Sequence[Experiment]) -> Experiment | None:
    """Find the experiment without guidance that is most like another one; None if there is none.

    Of equal network, training, base, fold and seed, in this order, as far as there is such a one; the first of several.
    An experiment without guidance is compared with the first of all.

    Args:
        experiment: The one to compare.
        experiments: Experiments on its data set, in the order of ``params.yaml``.
    """
    plain = [one for one in experiments if not one.config.guidance]
    if not plain:
        return None
    if not experiment.config.guidance:
        return plain[0]
    own = _kind(experiment)
    likeness = [[mine == other for mine, other in zip(own, _kind(one), strict=True)] for one in plain]
    return plain[likeness.index(max(likeness))]


def _kind(experiment: Experiment) -> tuple[object, ...]:
    config = experiment.config
    return config.model, config.train, config.base, config.fold, config.seed


def summary_sentence(comparisons: Sequence[Comparison]) -> str:
    """Say in a sentence what guidance does to all experiments together; empty where fewer than two are compared.

    Args:
        comparisons: Comparisons of guided experiments with plain ones.
    """
    if len(comparisons) < 2:
        return ""
    gaze = [one.att_ccos for one in comparisons if one.att_ccos.n]
    parts = [f"accuracy is {_counted([one.accuracy for one in comparisons], 'higher', 'lower')}"]
    parts += [f"attention agrees with the AU map {_counted(gaze, 'better', 'worse')}"] if gaze else []
    mean = 100 * math.fsum(one.accuracy.difference for one in comparisons) / len(comparisons)
    text = (
        f"Of {len(comparisons)} guided experiments, each beside the plain one most like it: {'; '.join(parts)}. "
        f"On average, guidance moves accuracy by {mean:+.1f} points"
    )
    if gaze:
        text += f" and att_ccos by {math.fsum(one.difference for one in gaze) / len(gaze):+.2f}"
    return f"{text}.".replace("-", "−")


def _counted(differences: Sequence[PairedDifference], up: str, down: str) -> str:
    clear = [one for one in differences if one.n > 0 and one.p < _SIGNIFICANT]
    above = sum(one.difference > 0 for one in clear)
    rest = len(differences) - len(clear)
    counts = {f"significantly {up}": above, f"significantly {down}": len(clear) - above, "not clearly different": rest}
    return ", ".join(f"{words} in {count}" for words, count in counts.items() if count)
