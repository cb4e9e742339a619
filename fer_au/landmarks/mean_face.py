"""The average neutral frontal face of the project, exactly symmetric, in inter-ocular units.

x is right, y down, the midpoint of the outer eye corners is the origin and their distance is 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_au.landmarks.scheme import MIRROR, N_POINTS

_RIGHT_HALF: dict[int, tuple[float, float]] = {
    0: (-0.825, 0.030), 1: (-0.805, 0.230), 2: (-0.775, 0.435), 3: (-0.735, 0.640), 4: (-0.660, 0.840),
    5: (-0.545, 1.010), 6: (-0.390, 1.150), 7: (-0.205, 1.255), 8: (0.000, 1.290),
    17: (-0.670, -0.180), 18: (-0.570, -0.275), 19: (-0.435, -0.305), 20: (-0.295, -0.285), 21: (-0.165, -0.235),
    27: (0.000, -0.020), 28: (0.000, 0.115), 29: (0.000, 0.250), 30: (0.000, 0.385),
    31: (-0.165, 0.475), 32: (-0.085, 0.500), 33: (0.000, 0.520),
    36: (-0.500, 0.000), 37: (-0.415, -0.055), 38: (-0.300, -0.055), 39: (-0.205, 0.010), 40: (-0.305, 0.030),
    41: (-0.415, 0.030),
    48: (-0.310, 0.785), 49: (-0.200, 0.725), 50: (-0.080, 0.695), 51: (0.000, 0.710), 59: (-0.205, 0.855),
    58: (-0.090, 0.895), 57: (0.000, 0.905),
    60: (-0.265, 0.785), 61: (-0.080, 0.760), 62: (0.000, 0.768), 67: (-0.080, 0.800), 66: (0.000, 0.808),
}  # fmt: skip


def _complete() -> NDArray[np.float64]:
    points = np.full((N_POINTS, 2), np.nan)
    for index, (x, y) in _RIGHT_HALF.items():
        points[index] = x, y
        points[MIRROR[index]] = -x, y
    points.flags.writeable = False
    return points


MEAN_FACE: NDArray[np.float64] = _complete()
"""(68, 2) points of the average face, inter-ocular units."""
