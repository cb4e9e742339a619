"""Write the 68 points of an average head, ``fer_au/landmarks/head68.csv``: ``python -m tools.write_head_points``.

They are the places that ``fer_au/demo/landmarks68.csv`` has on the mean of the demo's head asset (CC0, see
``fer_au/demo/HEAD_ASSET.md``), made exactly symmetric: millimetres in the head's own frame, x to the person's left, y
up, z out of the face, origin between the eyeballs. ``fer_au/landmarks/head_pose.py`` fits them to points of pictures.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fer_au.csv_files import write_csv
from fer_au.demo.asset import load_asset
from fer_au.demo.landmarks68 import landmark_points, load_landmarks
from fer_au.ibug68 import MIRROR

OUTPUT = Path("fer_au/landmarks/head68.csv")


def main() -> None:
    """Write the table."""
    points = landmark_points(load_landmarks(), load_asset().mean).astype(np.float64) * 1000
    points = (points + points[MIRROR] * [-1, 1, 1]) / 2 + 0.0
    places = (points.round(2) + 0.0).tolist()
    rows = [[str(number), *(f"{value:.2f}" for value in place)] for number, place in enumerate(places)]
    write_csv(OUTPUT, ("point", "x", "y", "z"), rows)


if __name__ == "__main__":
    main()
