"""Maps of all faces of a data set, with 8 bits per cell: the one loop behind ``heatmaps.h5`` and behind training."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from fer_au.compute import map_ordered, worker_count
from fer_au.cues.arrays import Array, namespace
from fer_au.cues.cue import Cue, FaceBatch

Maps = NDArray[np.uint8]
Flags = NDArray[np.bool_]

_ROWS = 1024  # faces drawn at a time: bounds the memory of the float maps


def draw_bytes(cue: Cue, faces: FaceBatch) -> tuple[Maps, Flags]:
    """Draw where to look: a cue to avoid is inverted.

    Args:
        cue: The cue.
        faces: N faces; points as a numpy array.

    Returns:
        maps (N, S, S) uint8, 255 = 1.0, zero where not valid; and valid (N,).
    """
    look, valid = draw_look(cue, faces)
    return np.rint(look * 255).astype(np.uint8), np.asarray(valid, np.bool_)


def draw_look(cue: Cue, faces: FaceBatch) -> tuple[Array, Array]:
    """Draw where to look, in the array library of the faces' points: a cue to avoid is inverted.

    Returns:
        maps (N, S, S) float32 in [0, 1], zero where not valid; and valid (N,) bool.
    """
    maps, valid = cue.render(faces)
    return (namespace(maps).where(valid[:, None, None], 1 - maps, 0) if cue.avoid else maps), valid


def draw_all(
    cue: Cue, faces: Callable[[range], FaceBatch], count: int, *, label: str
) -> Iterator[tuple[int, Maps, Flags]]:
    """Draw all faces of a data set, block by block, by threads: numpy draws without Python's lock.

    Args:
        cue: The cue.
        faces: Function that gives the faces at consecutive positions; several threads call it at once.
        count: Number of faces.
        label: Name of the work, for the progress line.

    Returns:
        An iterator over the blocks, in order: first position, and maps and flags as ``draw_bytes`` gives them.
    """
    blocks = [range(start, min(start + _ROWS, count)) for start in range(0, count, _ROWS)]

    def draw(block: range) -> tuple[int, Maps, Flags]:
        return block.start, *draw_bytes(cue, faces(block))

    weights = [len(block) for block in blocks]
    return map_ordered(draw, blocks, label=label, weights=weights, workers=worker_count(), threads=True)
