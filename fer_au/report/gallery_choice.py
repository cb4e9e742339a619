"""Choose the test images of the gallery: all of them if they fit, else some of every class and of every outcome."""

from __future__ import annotations

from collections.abc import Sequence

from fer_au.report.collect import Experiment


def choose_images(experiments: Sequence[Experiment], usable: Sequence[str], count: int) -> list[str]:
    """Choose images so that every class and outcome is there, spread evenly over the split.

    An outcome is: all experiments right, some, or none. Half of the places are shared out by how many images an outcome
    of a class has, half evenly, so that mistakes, which readers look for, are more frequent than in the split.

    Args:
        experiments: Experiments that answered the images, at least one.
        usable: Ids to choose from, in the order of the split.
        count: Largest number of images.

    Returns:
        Ids in the order of ``usable``.
    """
    if len(usable) <= count:
        return list(usable)
    outcomes: dict[tuple[str, str], list[int]] = {}
    for place, id_ in enumerate(usable):
        outcomes.setdefault(_outcome(id_, experiments), []).append(place)
    groups = [outcomes[key] for key in sorted(outcomes)]
    places = [
        group[int((k + 0.5) * len(group) / own)]
        for group, own in zip(groups, share_out([len(group) for group in groups], count), strict=True)
        for k in range(own)
    ]
    return [usable[place] for place in sorted(places)]


def share_out(sizes: Sequence[int], count: int) -> list[int]:
    """Share ``count`` places out to groups, half by their size and half evenly; a group gets at most its size.

    Each place goes to the group that has fewest for its weight, the larger group first (Adams's method), so that no
    group stays without while there are enough places.

    >>> share_out([970, 20, 10], 100)
    [71, 19, 10]
    """
    given = [0] * len(sizes)
    weights = [size / sum(sizes) + 1 / len(sizes) for size in sizes]
    for _ in range(min(count, sum(sizes))):
        open_groups = [k for k in range(len(sizes)) if given[k] < sizes[k]]
        chosen = min(open_groups, key=lambda k: (given[k] / weights[k], -weights[k], k))
        given[chosen] += 1
    return given


def _outcome(id_: str, experiments: Sequence[Experiment]) -> tuple[str, str]:
    rows = [(one, one.results.index[id_]) for one in experiments if id_ in one.results.index]
    right = [bool(one.correct[row]) for one, row in rows]
    first, row = rows[0]
    return first.labels[row], "all right" if all(right) else "some right" if any(right) else "none right"
