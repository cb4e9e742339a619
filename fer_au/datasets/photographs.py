"""Which pictures show one photograph: the same bytes, or encoded anew, scaled or cut a little otherwise.

Pairs that look alike (``looks.py``) are decoded and compared on their pixels: the middle of one is searched for in the
other, at a few sizes. What is told here as one photograph was compared so; the looks alone decide nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.compute import batched, map_ordered
from fer_au.datasets.looks import AS_THEY_ARE, MIRRORED, MOST_PAIRS, find_alike
from fer_au.decoding import decode_image
from fer_au.errors import DataError

SAME = 0.93
"""Least correlation of grey levels at which two pictures show one photograph; docs/leaks.md says how it was found."""

SAME_DETAIL = 0.7
"""Least agreement of the parts there: two dark heads before bright walls have the outline in common, and no more."""

_SIDE = 64  # pixels in each direction that are compared
_MIDDLES = (48, 52, 56, 60)  # sides of the middle that is searched for
_BATCH = 64
_PART, _STEP = 10, 5  # pixels: side and distance of the parts that are compared one by one
_PLAIN = 2.0  # grey levels of deviation below which a part shows nothing
_FEWEST = 8  # parts that show something, below which nothing is said
_SHARE = 35  # percent of the parts that may agree less

Locate = Callable[[str], Path | None]
"""Finds the file of a picture by its sha256; None where it is no more."""

_Edge = tuple[str, str, float, bool]  # two pictures of one photograph, their correlation, and whether one is mirrored


class Match(NamedTuple):
    """How far two pictures agree where they agree best.

    Attributes:
        whole: Correlation of grey levels, from -1 to 1, in hundredths.
        detail: Correlation within parts of a sixth of the side: 65 % of those that show something have it, or more.
    """

    whole: float
    detail: float

    @property
    def is_one_photograph(self) -> bool:
        """Whether the two show one photograph."""
        return self.whole >= SAME and self.detail >= SAME_DETAIL


@dataclass(frozen=True)
class Photographs:
    """Pictures that show one photograph.

    Attributes:
        groups: sha256 of a picture that shows what another one shows -> smallest sha256 of all that show it.
        likeness: sha256 -> largest correlation with another picture of its photograph.
        turned: sha256 of the pictures that show it mirrored, as seen from the one that names it.
        left: Pairs that look alike and were not compared, for there were too many.
    """

    groups: Mapping[str, str]
    likeness: Mapping[str, float]
    turned: frozenset[str] = frozenset()
    left: int = 0

    @property
    def notes(self) -> list[str]:
        """Lines about pairs that were not compared."""
        return [f"{self.left} more pairs of pictures look alike; their pixels were not compared"] if self.left else []

    def name(self, sha256: str) -> str:
        """Name the photograph that a picture shows."""
        return self.groups.get(sha256, sha256)


NONE = Photographs({}, {})


def find_photographs(
    looks: Mapping[str, bytes],
    locate: Locate,
    label: str,
    most: int = MOST_PAIRS,
    clips: Mapping[str, str] = MappingProxyType({}),
) -> Photographs:
    """Find the pictures that show one photograph.

    Args:
        looks: sha256 of each picture -> how it looks (``looks.describe_look``).
        locate: Finds the file of a picture, in this process.
        label: Name of the run in progress lines.
        most: Most pairs that are compared.
        clips: sha256 of a picture -> clip that it is a frame of; frames of one clip are not compared.
    """
    names = sorted(looks)
    pairs, left = find_alike([looks[name] for name in names], most, [clips.get(name) for name in names])
    files = {name: locate(name) for name in {names[index] for index in pairs[:, :2].ravel().tolist()}}
    wanted = [
        (first, second, str(files[first]), str(files[second]), way)
        for first, second, way in ((names[i], names[j], way) for i, j, way in pairs.tolist())
        if files[first] and files[second]
    ]
    batches = batched(wanted, _BATCH)
    results = map_ordered(_compare_pairs, batches, label=label, weights=[len(batch) for batch in batches])
    edges = [edge for result in results for edge in result]
    likeness: dict[str, float] = {}
    for first, second, value, _ in edges:
        for name in (first, second):
            likeness[name] = max(value, likeness.get(name, 0.0))
    groups = join_pairs([edge[:2] for edge in edges])
    return Photographs(groups, likeness, _find_turned(edges, groups), left)


def _compare_pairs(batch: Sequence[tuple[str, str, str, str, int]]) -> list[_Edge]:
    """Compare pairs of pictures; give those that show one photograph, with their correlation, and whether mirrored."""
    greys: dict[str, NDArray[np.uint8] | None] = {}
    for path in {path for one in batch for path in one[2:4]}:
        try:
            greys[path] = shrink(decode_image(path))
        except DataError:  # gone or changed since it was inspected: `align` finds that out
            greys[path] = None
    found = []
    for first, second, one, other, way in batch:
        a, b = greys[one], greys[other]
        if a is None or b is None:
            continue
        match = compare(a, b) if way != MIRRORED else Match(-1.0, -1.0)
        mirrored = not match.is_one_photograph and way != AS_THEY_ARE
        if mirrored:
            match = compare(a, np.ascontiguousarray(b[:, ::-1]))
        if match.is_one_photograph:
            found.append((first, second, match.whole, mirrored))
    return found


def _find_turned(edges: Sequence[_Edge], groups: Mapping[str, str]) -> frozenset[str]:
    """Find the pictures that are mirrored as seen from the first one of their group, by the shortest way to it."""
    near: dict[str, list[tuple[bool, str]]] = defaultdict(list)
    for first, second, _, mirrored in edges:
        near[first].append((mirrored, second))
        near[second].append((mirrored, first))
    turned: dict[str, bool] = {}
    for start in sorted({*groups.values()}):
        turned[start] = False
        waiting = [start]
        for name in waiting:  # it grows
            for mirrored, other in sorted(near[name]):
                if other not in turned:
                    turned[other] = turned[name] != mirrored
                    waiting.append(other)
    return frozenset(name for name, so in turned.items() if so)


def shrink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bring a picture, (H, W, 3) uint8 RGB, to the (64, 64) uint8 grey levels that are compared."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def compare(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Match:
    """Measure how far two pictures show one photograph, whatever their brightness, contrast and frame.

    A middle part of one is searched for in the other, by the correlation of grey levels, and both are compared there.

    Args:
        first: Grey levels as ``shrink`` gives them.
        second: Likewise.
    """
    best, parts = -1.0, None
    for one, other in ((first, second), (second, first)):
        for side in _MIDDLES:
            edge = (_SIDE - side) // 2
            middle = one[edge : edge + side, edge : edge + side]
            if middle.std() == 0:
                continue
            found = cv2.matchTemplate(other, middle, cv2.TM_CCOEFF_NORMED)
            found = np.where(np.abs(found) <= 1.01, np.nan_to_num(found, nan=-1.0), -1.0)
            if found.max() > best:
                top, left = np.unravel_index(found.argmax(), found.shape)
                best, parts = float(found.max()), (middle, other[top : top + side, left : left + side])
    if parts is None:
        return Match(-1.0, -1.0)
    return Match(round(min(best, 1.0), 2), _detail(*parts))


def _detail(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Compare two pictures of one size part by part, so that an outline, which is in few parts, counts for little."""
    parts = [_parts(grey) for grey in (first, second)]
    shown = np.minimum(*(values.std(1) for values in parts)) >= _PLAIN
    if shown.sum() < _FEWEST:
        return 0.0
    one, other = (values[shown] - values[shown].mean(1, keepdims=True) for values in parts)
    found = (one * other).sum(1) / np.sqrt((one**2).sum(1) * (other**2).sum(1))
    return round(float(np.percentile(found, _SHARE)), 2)


def _parts(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Cut a picture into overlapping parts, (n, pixels)."""
    windows = np.lib.stride_tricks.sliding_window_view(grey, (_PART, _PART))[::_STEP, ::_STEP]
    return windows.reshape(-1, _PART * _PART).astype(np.float32)


def join_pairs(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Name the groups that pairs make together by their smallest member."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while (above := parent.setdefault(name, name)) != name:
            parent[name] = parent[above]
            name = above
        return name

    for first, second in pairs:
        one, other = sorted((root(first), root(second)))
        parent[other] = one
    return {name: root(name) for name in list(parent)}
