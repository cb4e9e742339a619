"""Remarks on results: sentences whose subjects are the experiments that they are about, for pages and terminals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fer_au.config.experiments import LAST_EPOCH
from fer_au.results.changes import Change
from fer_au.results.experiment import ExperimentResult
from fer_au.results.looking import looks_at_units

_FULL_SPLIT = "test"


@dataclass(frozen=True)
class Remark:
    """The rest of a sentence, after its subject.

    Attributes:
        one: What is said of a single experiment, from the verb on.
        many: The same of several.
    """

    one: str
    many: str

    def of(self, count: int) -> str:
        """Give the words that follow a number of subjects."""
        return self.one if count == 1 else self.many

    def about(self, names: Sequence[str]) -> str:
        """Write the whole sentence about some experiments.

        Example:
            >>> Remark("is slow.", "are slow.").about(["a", "b", "c"])
            'a, b and c are slow.'
        """
        return f"{enumerate_names(names)} {self.of(len(names))}"


SHIFTED = Remark(
    "has its att_cos and cam_cos in the frame of the published code, which shifts maps by up to a cell.",
    "have their att_cos and cam_cos in the frame of the published code, which shifts maps by up to a cell.",
)
CONTROL = Remark(*(f"{verb} learnt shuffled labels: a control, and no classifier." for verb in ("has", "have")))
MIRRORED = Remark(
    "has probabilities that are means of those of each image and of its mirror image.",
    "have probabilities that are means of those of each image and of its mirror image.",
)
LOOKS = Remark(
    *(
        f"{verb} at action units: att_ccos is above that of every map that knows no class (blank, a Gaussian in the "
        "middle, a mask of the face, all action units)."
        for verb in ("looks", "look")
    )
)
LOOKS_NOT = Remark(
    *(
        f"{verb} no sign of looking at action units: a map that knows no class has an att_ccos at least as good."
        for verb in ("shows", "show")
    )
)
GUESSES = Remark(
    "is no more accurate than an answer that is always the most common expression.",
    "are no more accurate than an answer that is always the most common expression.",
)
NO_MAPS = Remark(
    *(
        f"{verb} no test image with an AU map (all are neutral, or no landmarks were found), so no attention is scored."
        for verb in ("has", "have")
    )
)
BELOW_BLANK = Remark(
    *(
        f"{verb} an att_cos below that of a blank map, which is worse than looking nowhere in particular."
        for verb in ("has", "have")
    )
)
BELOW_CLASS_MEAN = Remark(
    *(
        f"{verb} an att_ccos below that of the class-mean map, which knows the label and never sees the image."
        for verb in ("has", "have")
    )
)
CHOSEN_ON_TEST = Remark(
    "had its best epoch chosen on the test split, so its scores are flattered.",
    "had their best epochs chosen on the test split, so their scores are flattered.",
)


def enumerate_names(names: Sequence[str]) -> str:
    """List names as a sentence does: commas, and a last ``and``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def limits(result: ExperimentResult) -> list[Remark]:
    """List what limits the scores of a result: the split that was scored or chose the epoch, the frame of cosines."""
    found = []
    split = str(result.results.attributes.get("split", _FULL_SPLIT))
    if split != _FULL_SPLIT:
        found.append(Remark(*(f"{verb} scored on the split {split}." for verb in ("was", "were"))))
    if result.metrics.get("selected_on") == "test":
        found.append(CHOSEN_ON_TEST)
    if result.metrics.get("selected_on") == LAST_EPOCH:
        found.append(CONTROL)
    if result.metrics.get("resize") == "published":
        found.append(SHIFTED)
    if result.metrics.get("mirrored"):
        found.append(MIRRORED)
    return found


def looking(result: ExperimentResult) -> Remark | None:
    """Say whether attention looks at action units: whether it beats what knows no class; None if nobody can tell."""
    answer = looks_at_units(result)
    return None if answer is None else LOOKS if answer else LOOKS_NOT


def weaknesses(result: ExperimentResult) -> list[Remark]:
    """List in what a result doesn't beat an answer or a map that ignores the image."""
    score, found = result.number, []
    if score("accuracy") <= majority_share(result.labels):
        found.append(GUESSES)
    if score("n_cos") == 0:
        found.append(NO_MAPS)
    if score("att_cos") < score("baseline.blank.att_cos"):
        found.append(BELOW_BLANK)
    if score("att_ccos") < score("baseline.class_mean.att_ccos"):
        found.append(BELOW_CLASS_MEAN)
    return found


def not_current(change: Change) -> Remark:
    """Say that results are older than what they should come from; ``change`` is one."""
    return Remark(*(f"{verb} not up to date: {change.text()}." for verb in ("is", "are")))


def majority_share(labels: Sequence[str]) -> float:
    """Compute the share of the most common label: the accuracy of a constant answer; NaN without labels."""
    return max(Counter(labels).values()) / len(labels) if labels else math.nan
