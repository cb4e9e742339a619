"""Sum up what needs all answers of a model at once: intervals, calibration, slices, and overlapping classes."""

from __future__ import annotations

from collections.abc import Sequence

from fer_au.batches.faces import FaceDataset
from fer_au.classification import confusion_matrix
from fer_au.evaluation.calibration import calibration_error
from fer_au.evaluation.metrics_file import Metric
from fer_au.evaluation.overlap import overlap_metrics
from fer_au.evaluation.scoring import SplitScorer
from fer_au.evaluation.slices import (
    SplitAnswers,
    class_intervals,
    cut_slices,
    person_metrics,
    slice_metrics,
    whole_intervals,
)
from fer_au.evaluation.traits import Traits


def group_metrics(
    scorer: SplitScorer, dataset: FaceDataset, classes: Sequence[str], traits: Traits
) -> dict[str, Metric]:
    """Compute the metrics that need all answers at once.

    Args:
        scorer: Scorer that has seen the whole split.
        dataset: The split.
        classes: Classes of the model.
        traits: What is known of the faces beside their label.
    """
    predicted = scorer.probabilities.argmax(axis=1)
    answers = SplitAnswers(dataset.labels, predicted, classes, scorer.att_ccos)
    confusion = confusion_matrix(dataset.labels, predicted, len(classes))
    return {
        "ece": calibration_error(scorer.probabilities, dataset.labels),
        **whole_intervals(answers),
        **class_intervals(answers),
        **slice_metrics(cut_slices(traits), answers),
        **person_metrics(traits.get("subject"), answers),
        **overlap_metrics(scorer.overlap, classes, confusion),
    }
