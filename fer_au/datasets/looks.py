"""How a picture looks, in 63 numbers, and which pictures look alike: candidates for copies that were encoded anew.

The numbers are the coarsest coefficients of a discrete cosine transform, as in the perceptual hash "pHash", but not
reduced to signs: what all faces of a set share is taken off, and each coefficient is measured by its spread, so that
two faces in one frame are not alike for being faces. Another size, quality or colour changes them little, and so does a
slightly other crop. Pairs are compared all with all, by products of whole numbers, which are exact on every machine.

A mirrored picture has the same coefficients, of which every second one across has the other sign. So the products of
the others (``even``) and of these (``odd``) tell both: their sum is the likeness as they are, their difference that of
one to the mirrored other.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 8
"""Coefficients in each direction; the first of all, the brightness, is left out."""

LENGTH = SIDE * SIDE - 1
MOST_PAIRS = 200_000
"""Pairs whose pixels are compared, the most alike of all."""

ALIKE = 0.8
"""Least cosine of a pair that is worth a look at its pixels."""

_GRID = 32  # pixels in each direction that the transform sees
_FLAT = 2.0  # grey levels of deviation: a picture with less shows nothing that could be compared
_WHOLE = 1000  # unit vectors are rounded to this many steps: sums of 63 products stay exact in 32 bits
_SHRINK = 100  # pictures: mean and spread of fewer are theirs, and not those of a kind of pictures
_ROWS, _COLUMNS = 256, 1024  # of a block of products, 1 MiB, which stays in a processor's cache
_ODD = np.arange(1, SIDE * SIDE) % SIDE % 2 == 1  # coefficients whose sign a mirror turns

Pairs = NDArray[np.int64]

AS_THEY_ARE, MIRRORED, EITHER = range(3)
"""How the pictures of a pair are alike; one that is nearly its own mirror image may be so in either way."""


def describe_look(image: NDArray[np.uint8]) -> bytes:
    """Describe how a picture looks.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        63 integers of 16 bits; nothing if the picture is flat.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_GRID, _GRID), interpolation=cv2.INTER_AREA).astype(np.float32)
    if small.std() < _FLAT:
        return b""
    coefficients = cv2.dct(small)[:SIDE, :SIDE].ravel()[1:]
    return np.rint(coefficients).astype(np.int16).tobytes()


def find_alike(looks: Sequence[bytes], most: int = MOST_PAIRS, clips: Sequence[str | None] = ()) -> tuple[Pairs, int]:
    """Find the pairs of pictures that look alike.

    Args:
        looks: Descriptions of N different pictures.
        most: Most pairs.
        clips: Clip of each that is a frame of one: frames of one clip are alike anyway, and no pairs.

    Returns:
        (P, 3) indices of the pairs, first < second, in their order, and how they are alike; and how many more there
        would be than the most that are looked at.
    """
    known = np.flatnonzero([len(look) > 0 for look in looks])
    if len(known) < 2:
        return np.empty((0, 3), np.int64), 0
    joined = np.frombuffer(b"".join(looks[index] for index in known.tolist()), np.int16).reshape(-1, LENGTH)
    units = _units(joined)
    numbers = {clip: number for number, clip in enumerate(dict.fromkeys(clips))} | {None: -1}
    of_clip = np.array([numbers[clips[index]] for index in known.tolist()], np.int64) if clips else None
    firsts, seconds, ways, scores = _compare(units, of_clip)
    order = np.lexsort((seconds, firsts, -scores))[:most]
    pairs = np.stack([known[firsts[order]], known[seconds[order]], ways[order]], axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))], len(firsts) - len(pairs)


def _units(looks: NDArray[np.int16]) -> NDArray[np.float32]:
    """Bring descriptions to unit vectors of whole numbers, (N, 63): each coefficient by its spread in the set."""
    values = looks.astype(np.float32)
    count = len(values)
    mean = values.mean(0, dtype=np.float64) * count / (count + _SHRINK)
    values -= mean.round(1).astype(np.float32)
    values /= _spread((values**2).mean(0, dtype=np.float64), count)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)
    rounded: NDArray[np.float32] = np.rint(values * _WHOLE).astype(np.float32)
    return rounded


def _spread(power: NDArray[np.float64], count: int) -> NDArray[np.float32]:
    """Estimate the spread of each coefficient; of few pictures, rather as photographs have it: less in finer ones."""
    across, down = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    fineness = np.hypot(across, down).ravel()[1:]
    usual = (power * fineness**2).mean() / fineness**2
    shrunk = (count * power + _SHRINK * usual) / (count + _SHRINK)
    return np.asarray(np.maximum(np.sqrt(shrunk).round(1), 1.0), np.float32)


def _compare(
    units: NDArray[np.float32], clips: NDArray[np.int64] | None
) -> tuple[Pairs, Pairs, Pairs, NDArray[np.float32]]:
    """Multiply all with all, block by block; return first and second of each pair that is alike, how, and its score.

    Pairs of one clip, by its number, are none; -1 stands for no clip.
    """
    least = ALIKE * _WHOLE**2
    even_units, odd_units = (np.ascontiguousarray(units[:, part]) for part in (~_ODD, _ODD))
    found: list[tuple[Pairs, Pairs, Pairs, NDArray[np.float32]]] = []
    for top in range(0, len(units), _ROWS):
        even_rows, odd_rows = (part[top : top + _ROWS] for part in (even_units, odd_units))
        for left in range(top, len(units), _COLUMNS):
            even = even_rows @ even_units[left : left + _COLUMNS].T
            odd = odd_rows @ odd_units[left : left + _COLUMNS].T
            scores = np.abs(odd)
            scores += even
            if scores.max() < least:
                continue
            at = np.flatnonzero(scores >= least)
            first, second = at // scores.shape[1] + top, at % scores.shape[1] + left
            upper = second > first
            if clips is not None:
                upper &= (clips[first] != clips[second]) | (clips[first] < 0)
            at, first, second = at[upper], first[upper], second[upper]
            evens, odds = even.ravel()[at], odd.ravel()[at]
            way = np.where(odds >= 0, AS_THEY_ARE, MIRRORED)
            way[evens - np.abs(odds) >= least] = EITHER
            found.append((first, second, way, scores.ravel()[at]))
    if not found:
        empty = np.empty(0, np.int64)
        return empty, empty, empty, np.empty(0, np.float32)
    firsts, seconds, ways, scores_ = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return firsts, seconds, ways, scores_
