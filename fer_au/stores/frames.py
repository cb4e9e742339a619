"""Frames that coordinates of stores count from: the picture, or the crop that was aligned to a face.

Every exported file that holds points says their frame in a column or array of its own, so that points of crops are not
taken for points of pictures.
"""

from __future__ import annotations

FRAME_COLUMN = "points_frame"
"""Name of the column of a csv, and of the array of an npz, that says the frame of ``points``."""

PICTURE = "picture"
"""Frame of the upright picture: pixels from its left and upper edge, so that the first pixel's centre is 0.5."""

CROP = "crop"
"""Frame of the aligned crop, likewise."""

POINTS_FRAMES = {"annotations": PICTURE, "truth": PICTURE, "landmarks": CROP}
"""Kind of store -> frame of its column ``points``."""


def points_frame(schema: str) -> str:
    """Name the frame of a store's points; empty if it has none.

    Args:
        schema: The store's attribute ``schema``.

    Example:
        >>> points_frame("fer_au.landmarks/1")
        'crop'
    """
    return POINTS_FRAMES.get(schema.removeprefix("fer_au.").partition("/")[0], "")
