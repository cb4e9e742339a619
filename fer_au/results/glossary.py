"""Explain every metric in plain language, in the order in which the report and docs/metrics.md list them."""

from __future__ import annotations

from dataclasses import dataclass

from fer_au.evaluation.metrics_file import match_key


@dataclass(frozen=True)
class Entry:
    """Explanation of one kind of metric.

    Attributes:
        family: Heading under which the metric is listed.
        key: Key of the metric; ``<...>`` stands for any name, and fills ``{0}``, ``{1}`` in ``meaning``.
        meaning: Sentence or two for a reader who doesn't know the code; empty where the family's note says it all.
    """

    family: str
    key: str
    meaning: str = ""


FAMILIES = {
    "Recognition": "",
    "Attention against the AU map": "Attention is the channel mean of the last layer.",
    "Does the map follow the image?": "",
    "CAM against the AU map": "The CAM is that of the true class.",
    "Baseline: blank map": "The same scores of a map that is one everywhere: looking nowhere in particular.",
    "Baseline: class mean": "The same scores of the training set's mean AU map of the class; it never sees the image.",
    "Ceiling": "The same scores of the AU map itself, after the layer's own coarse grid: the most one can get.",
    "Attention by layer": "The same scores of each layer's attention; layers count from the input.",
    "Where the attention lies": "Share of the attention's sum that falls on each part of the picture.",
    "Faithfulness": "",
    "Per class": "Share of a class's images that are recognised, their number, and the mean scores of their attention.",
    "Counts and conditions": "",
    "Other": "",
}
"""Heading of each family of metrics, in the page's order -> a sentence that holds for all its keys."""

ENTRIES = (
    Entry("Recognition", "accuracy", "Share of test images whose expression is named correctly, all classes together."),
    Entry(
        "Recognition",
        "balanced_accuracy",
        "Mean over the classes of the share recognised: every class weighs the same.",
    ),
    Entry("Recognition", "macro_f1", "Mean over the classes of F1, which also punishes false alarms."),
    Entry(
        "Attention against the AU map",
        "att_cos",
        "Cosine between attention and AU map, mean over the six or seven non-neutral expressions. The published score; "
        "a map that is one everywhere already gets about 0.4 to 0.5.",
    ),
    Entry(
        "Attention against the AU map",
        "att_ccos",
        "The same after both maps' means are subtracted (their correlation). 0 is chance, 1 is identity.",
    ),
    Entry(
        "Attention against the AU map",
        "att_auc",
        "Chance that a pixel inside the AU regions gets more attention than one outside; 0.5 is chance.",
    ),
    Entry(
        "Attention against the AU map",
        "att_auc_motion",
        "The same against the pixels that the expression really moved, where the data set knows them.",
    ),
    Entry("Attention by layer", "layer.<layer>.<score>"),
    Entry("CAM against the AU map", "cam_cos.<cam>", "Cosine between the {0} map and the AU map."),
    Entry("CAM against the AU map", "cam_ccos.<cam>", "Centred cosine of the {0} map with the AU map."),
    Entry("CAM against the AU map", "cam_auc.<cam>", "Area under the ROC curve of the {0} map against the AU regions."),
    Entry(
        "Does the map follow the image?",
        "att_specificity",
        "Chance that an image's attention fits its own AU map better than that of another image of its class. "
        "0.5: the map depends on the class alone; above: it follows this very face.",
    ),
    Entry(
        "Does the map follow the image?",
        "att_cos_moved",
        "att_cos on test images that were shifted, turned and scaled at random: an average map can't follow.",
    ),
    Entry(
        "Does the map follow the image?",
        "att_ccos_moved",
        "att_ccos on test images that were shifted, turned and scaled at random: an average map can't follow.",
    ),
    Entry("Baseline: blank map", "baseline.blank.<score>"),
    Entry("Baseline: class mean", "baseline.class_mean.<score>"),
    Entry("Ceiling", "ceiling.<score>"),
    Entry("Where the attention lies", "region.<region>"),
    Entry(
        "Where the attention lies",
        "floor.region.<region>",
        "The least share of {0} that the layer's coarse grid allows: all attention in its best cell.",
    ),
    Entry(
        "Faithfulness",
        "faithfulness.deletion",
        "Mean class probability while the most attended pixels are removed first; lower: those pixels mattered.",
    ),
    Entry(
        "Faithfulness",
        "faithfulness.insertion",
        "Mean class probability while the most attended pixels are shown first; higher: those pixels suffice.",
    ),
    Entry("Per class", "per_class.<class>.<score>"),
    Entry("Counts and conditions", "n", "Test images."),
    Entry("Counts and conditions", "n_cos", "Test images with an AU map: not neutral, landmarks found."),
    Entry(
        "Counts and conditions", "selected_on", "Split on which the best epoch was chosen; “test” flatters the scores."
    ),
    Entry("Counts and conditions", "seed", "Seed of weights, order and augmentation."),
    Entry("Counts and conditions", "train_images_per_second", "Speed of training on the machine that ran it."),
    Entry("Counts and conditions", "environment.<part>", "{0} where the experiment ran."),
)


def look_up(key: str) -> tuple[str, str]:
    """Find family and meaning of a metric key; ``("Other", "")`` for one that nobody described.

    >>> look_up("cam_cos.native")
    ('CAM against the AU map', 'Cosine between the native map and the AU map.')
    """
    for entry in ENTRIES:
        if (names := match_key(entry.key, key)) is not None:
            return entry.family, entry.meaning.format(*names)
    return "Other", ""


def rank(key: str) -> int:
    """Find the place of a key's entry in the list, for sorting; unknown keys come last."""
    places = (place for place, entry in enumerate(ENTRIES) if match_key(entry.key, key) is not None)
    return next(places, len(ENTRIES))
