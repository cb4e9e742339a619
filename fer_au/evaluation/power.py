"""The smallest difference that a set of images could have shown: what "not significant" is worth."""

from __future__ import annotations

import math
from statistics import NormalDist

from fer_au.evaluation.bootstrap import PairedDifference

POWER = 0.8
"""Chance with which the test would have found a difference of that size."""

LEVEL = 0.05
"""p-value below which a difference counts as found."""

_SPREADS = NormalDist().inv_cdf(1 - LEVEL / 2) + NormalDist().inv_cdf(POWER)  # 2.80


def detectable_difference(found: PairedDifference) -> float:
    """Give the smallest true difference that a paired comparison would have found with 80 % power, at p < 0.05.

    It is 2.80 standard errors of the difference (Cohen 1988, 2.3), and these come from the comparison's own resamples:
    two models that mostly err on the same images can be told apart on fewer of them. For accuracies this agrees with
    the power of McNemar's test (Connor 1987). Where the scores differ on no image, the error is what it would be if
    they differed by 1 on one image more.

    Args:
        found: A comparison of scores in [0, 1], or of cosines.

    Returns:
        The difference in units of the scores; NaN where nothing was compared.
    """
    if found.n == 0:
        return math.nan
    error = found.error or math.sqrt(found.n / (found.n + 1)) / (found.n + 1)
    return _SPREADS * error
