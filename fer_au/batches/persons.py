"""Training faces sorted by person: identity-pretrained networks, made from a data set's own faces."""

from __future__ import annotations

from collections.abc import Sequence

from fer_au.datasets.manifest import ManifestRow

_HELD_OUT = 10  # one face in so many is held out for each of two purposes
_FEWEST = 3  # a person with fewer faces has all of them trained on
_NO_SPLIT = ""


def person_splits(manifest: Sequence[ManifestRow], usable: Sequence[int], splits: Sequence[str]) -> list[str]:
    """Splits for telling persons apart, in which ``valid`` and ``test`` hold other faces of the same persons.

    Only the training faces of known persons take part, so that a network that goes on to expressions has never seen
    the persons of their ``valid`` and ``test``. Of each person's faces, in order of ids, the first tenth tests and the
    next one selects; these are pieces, not every tenth face, since neighbours are often frames of one clip.

    Args:
        manifest: All rows.
        usable: Indices of the rows that have a crop.
        splits: The split of every row for expressions.

    Returns:
        The split of every row; empty for those that take no part.
    """
    faces: dict[str, list[int]] = {}
    for row in usable:
        subject = manifest[row].subject
        if subject and splits[row] == "train":
            faces.setdefault(subject, []).append(row)
    result = [_NO_SPLIT] * len(manifest)
    for rows in faces.values():
        held = max(1, len(rows) // _HELD_OUT) if len(rows) >= _FEWEST else 0
        for place, row in enumerate(rows):
            result[row] = "test" if place < held else "valid" if place < 2 * held else "train"
    return result
