"""Compare experiments in pairs on the same test images, and say in words what was found, or could have been found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from fer_au.evaluation.bootstrap import PairedDifference, paired_bootstrap
from fer_au.evaluation.power import LEVEL, POWER, detectable_difference
from fer_au.results.experiment import CrossResult, ExperimentResult
from fer_au.results.reading import Entry, Results

TOO_LARGE = 0.1
"""Accuracies that would have to differ by more than this to be told apart are of too few test images."""

_Own = TypeVar("_Own", bound=ExperimentResult)


@dataclass(frozen=True)
class Comparison:
    """Comparison of an experiment with its plain twin, the ``reference``, on the same images."""

    experiment: str
    reference: str
    accuracy: PairedDifference
    att_ccos: PairedDifference

    @property
    def tells_power(self) -> bool:
        """Whether a difference isn't significant, so that the smallest one that would have shown is told."""
        return not all(gap.p < LEVEL for gap in (self.accuracy, self.att_ccos))


def plain_twin(experiment: _Own, experiments: Sequence[_Own]) -> _Own | None:
    """Find the experiment that another one is compared with: the one without guidance that is most like it.

    Of equal training data, network, training, base, fold and seed, in this order, as far as there is such a one; the
    first of several.
    An experiment without guidance is compared with the first of all, or a repeat of it.

    Args:
        experiment: The one to compare.
        experiments: Experiments that were scored on the same data set, in the order of ``params.yaml``.

    Returns:
        The other experiment; None where all have guidance, and for the first without and its repeats.
    """
    plain = [one for one in experiments if not one.config.guidance]
    if not experiment.config.guidance:
        plain = [one for one in plain if one is plain[0] or _repeats(one, plain[0])]
        if any(one is experiment for one in plain):
            return None
    if not plain:
        return None
    own = _kind(experiment)
    likeness = [[mine == other for mine, other in zip(own, _kind(one), strict=True)] for one in plain]
    return plain[likeness.index(max(likeness))]


def _repeats(one: ExperimentResult, other: ExperimentResult) -> bool:
    """Tell whether two experiments are repeats of one group, which differ by chance alone."""
    return one.config.group is not None and one.config.group == other.config.group


def _kind(experiment: ExperimentResult) -> tuple[object, ...]:
    config = experiment.config
    return config.dataset, config.model, config.train, config.base, config.fold, config.seed


def compare(experiment: ExperimentResult, reference: ExperimentResult) -> Comparison | None:
    """Compare two experiments by paired bootstrap: accuracy over images, centred cosine within expressions.

    Returns:
        The comparison; None if the two have no test image in common.
    """
    shared = [id_ for id_ in experiment.results.ids if id_ in reference.results.index]
    if not shared:
        return None
    own = [experiment.results.index[id_] for id_ in shared]
    other = [reference.results.index[id_] for id_ in shared]
    labels = [experiment.labels[row] for row in own]
    return Comparison(
        experiment.name,
        reference.name,
        paired_bootstrap(experiment.correct[own], reference.correct[other]),
        paired_bootstrap(
            experiment.image_scores("att_ccos")[own], reference.image_scores("att_ccos")[other], strata=labels
        ),
    )


def finding(comparison: Comparison) -> str:
    """Put one paired comparison into words; the experiment is its subject, and not named."""
    found = comparison.accuracy
    accuracy = _direction(found, "higher", "lower", "not significantly different")
    text = f"Its accuracy is {accuracy}: {_interval(found, 100, 1)} percentage points."
    return f"{_gaze(comparison)} {text}{_power(found, 100, 1, ' percentage points')}"


def difference_text(entry: Entry, found: Results) -> str:
    """Compare an experiment with the plain one that is most like it; empty where there is nothing to compare.

    Args:
        entry: The experiment, or an entry of ``cross``, which is compared with the others of ``cross``.
        found: Results of everything that ``params.yaml`` names.
    """
    if entry.result is None:
        return ""
    others = found.cross if isinstance(entry.result, CrossResult) else found.experiments
    evaluated = [one.result for one in others if one.result is not None and one.dataset == entry.dataset]
    reference = plain_twin(entry.result, evaluated)
    comparison = compare(entry.result, reference) if reference is not None else None
    return "" if comparison is None else f"Beside {comparison.reference}, {entry.name} {finding(comparison)}"


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


def significant(difference: PairedDifference) -> bool:
    """Tell whether a difference is significant at 5 %."""
    return difference.n > 0 and difference.p < LEVEL


def _counted(differences: Sequence[PairedDifference], up: str, down: str) -> str:
    clear = [one for one in differences if significant(one)]
    above = sum(one.difference > 0 for one in clear)
    rest = len(differences) - len(clear)
    counts = {f"significantly {up}": above, f"significantly {down}": len(clear) - above, "not clearly different": rest}
    return ", ".join(f"{words} in {count}" for words, count in counts.items() if count)


def _gaze(comparison: Comparison) -> str:
    found = comparison.att_ccos
    if not found.n:
        return (
            f"has no test image with an AU map, so its attention can't be compared with that of {comparison.reference}."
        )
    gaze = _direction(found, "more closely than", "less closely than", "about as closely as")
    return (
        f"has attention that agrees with the AU map {gaze} that of {comparison.reference}: "
        f"centred cosine {_interval(found, 1, 2)}.{_power(found, 1, 2)}"
    )


def _power(difference: PairedDifference, factor: float, digits: int, unit: str = "") -> str:
    """Say which difference would have been found where none was; nothing where one was."""
    smallest = detectable_difference(difference)
    if significant(difference) or not math.isfinite(smallest):
        return ""
    size = f"{smallest * factor:.{digits}f}{unit}"
    images = f"{difference.n} test image{'s' if difference.n > 1 else ''}"
    if smallest > TOO_LARGE:
        return f" That shows nothing: on {images}, a difference below {size} would hardly have been found."
    return f" On these {images}, a difference of {size} would have been found with {POWER * 100:.0f} % power."


def _direction(difference: PairedDifference, up: str, down: str, same: str) -> str:
    if not significant(difference):
        return same
    return up if difference.difference > 0 else down


def _interval(difference: PairedDifference, factor: float, digits: int) -> str:
    if not math.isfinite(difference.difference):
        return "undefined"
    ends = difference.difference, difference.low, difference.high
    middle, low, high = (round(value * factor, digits) + 0.0 for value in ends)  # no negative zero
    between = "no interval" if low == high else f"95 % interval {low:+.{digits}f} to {high:+.{digits}f}"
    return f"{middle:+.{digits}f} ({between})".replace("-", "−")
