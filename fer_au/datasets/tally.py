"""Numbers of faces by split, fold and expression, and what ingest, training and evaluation refuse of them.

The same rules hold for a manifest, and for what an adapter counts before a picture is opened.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from fer_au.datasets.manifest import ManifestRow, Split
from fer_au.datasets.splits import planned_splits
from fer_au.expressions import ordered

FEW_TO_SELECT = 20
"""Faces below which it is chance which epoch is best on a split."""

Place = tuple[Split | None, str | None, str]
"""Split, fold and expression of a face; the configured fractions decide about a face without a split."""


@dataclass(frozen=True)
class Tally:
    """Numbers of labelled faces.

    Attributes:
        faces: Place -> number of faces.
        unknown: Label that names no expression -> number of faces.
    """

    faces: Mapping[Place, int]
    unknown: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[ManifestRow]) -> Tally:
        """Count the rows of a manifest."""
        return cls(Counter((row.split, row.fold, row.label) for row in rows))

    @property
    def folds(self) -> frozenset[str]:
        """Names of the folds."""
        return frozenset(fold for _, fold, _ in self.faces if fold)

    def classes(
        self, valid_fraction: float = 0.0, test_fraction: float = 0.0, fold: str | None = None
    ) -> dict[Split, frozenset[str]]:
        """Tell which expressions each split has; one that is cut from train may have all of train's.

        Args:
            valid_fraction: Share of train that becomes ``valid`` where the set has none, see ``assign_splits``.
            test_fraction: Share of train that becomes ``test`` where the set has none.
            fold: This fold becomes ``test``, and the set's own ``test`` faces of other folds train.

        Returns:
            Split -> its expressions; none for a split without faces.
        """
        given = {split for split, _, _ in self.faces}
        cut = planned_splits(given, valid_fraction=valid_fraction, test_fraction=test_fraction) - given - {"train"}
        found: dict[Split, set[str]] = {"train": set(), "valid": set(), "test": set()}
        for split, own_fold, label in self.faces:
            places: set[Split] = {split or "train"}
            if "train" in places:
                places |= cut
            if fold is not None:
                places = {"test"} if own_fold == fold else {"train" if one == "test" else one for one in places}
            for place in places:
                found[place].add(label)
        return {split: frozenset(labels) for split, labels in found.items()}

    def training_faces(self, valid_fraction: float = 0.0, test_fraction: float = 0.0, fold: str | None = None) -> float:
        """Estimate how many faces ``train`` will have, by the arguments of ``classes``; some of them may be lost."""
        given = {split for split, _, _ in self.faces}
        cut = planned_splits(given, valid_fraction=valid_fraction, test_fraction=test_fraction) - given
        lost = {"valid": valid_fraction} | ({"test": test_fraction} if fold is None else {})
        kept = math.prod(1 - share for part, share in lost.items() if part in cut)
        trained = {None: kept, "train": kept, "test": 0 if fold is None else 1}
        return sum(
            count * trained.get(split, 0)
            for (split, own_fold, _), count in self.faces.items()
            if fold is None or own_fold != fold
        )


@dataclass(frozen=True)
class SplitFault:
    """What training or evaluation refuses of a split.

    Attributes:
        what: What is wrong, such as ``is empty``.
        why: What the split is for.
        remedy: What to change.
        empty: Whether it has no face at all.
    """

    what: str
    why: str
    remedy: str
    empty: bool = False


_EMPTY: dict[Split, tuple[str, str]] = {
    "train": ("no experiment can train on it", "give it a part to train on"),
    "valid": (
        "training looks for its best epoch there",
        "set valid_fraction: 0.1, or train.select_on: test to repeat a paper's protocol",
    ),
    "test": ("evaluate scores its faces", "set test_fraction: 0.2, or evaluate.split to one that it has"),
}


def find_split_fault(
    split: Split, classes: Collection[str], trained: Collection[str] | None = None, *, cuttable: bool = True
) -> SplitFault | None:
    """Find what training or evaluation refuses of a split; None if they take it.

    Args:
        split: The split.
        classes: Its expressions.
        trained: Expressions of the training that uses it; None if not known.
        cuttable: Whether the set has a part to train on, from which the split can be cut.
    """
    if not classes:
        why, remedy = _EMPTY[split]
        return SplitFault("is empty", why, remedy if cuttable else _EMPTY["train"][1], empty=True)
    if split == "train" and len(classes) == 1:
        return SplitFault(f"has no class but {min(classes)}", "training needs two", "see label_map and root")
    if split != "train" and trained is not None and len(trained) > 1 and not {*classes} & {*trained}:
        why = f"training knows {', '.join(ordered(trained))}"
        return SplitFault(f"has only {', '.join(ordered(classes))}", why, "see label_map")
    return None


def find_share_fault(drawn: float, faces: float, fraction: float, batch_size: int) -> str:
    """Say what training refuses of a share of the training faces; nothing if it takes it.

    Args:
        drawn: Faces of the share.
        faces: Faces of the split.
        fraction: The share, ``train.fraction``.
        batch_size: Images per update.
    """
    if fraction == 1 or drawn >= batch_size:
        return ""
    text = f"{fraction:g} of {faces:.0f} training faces are {drawn:.0f}, less than one batch of {batch_size}"
    return f"{text}; raise it, or lower train.batch_size"
