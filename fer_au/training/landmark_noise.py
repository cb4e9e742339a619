"""Noise on landmarks, to measure how much guidance suffers from a worse extractor.

Each of the 68 points is moved by an independent Gaussian of standard deviation ``sigma`` x inter-ocular distance in x
and in y. The unit is that of landmark errors, so a level can be read off a benchmark: the mean distance of the noise
from the truth is ``sigma`` x sqrt(pi / 2), about 1.25 ``sigma`` (the mean of a Rayleigh distribution).

The AU-cue paper (Belharbi et al., FG 2024, arXiv 2402.00281) trains on the points as they are found and defines no such
noise. Its readers ask for a test with corrupted points; this definition is ours.

An image keeps its noise for the whole training, as it would keep the points of a bad extractor; noise that is drawn
anew in each epoch would average out and act as augmentation. The noise derives from the experiment's seed and the
image's id alone. All levels of one seed are therefore the same noise, scaled: a sweep compares like with like.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_au.ibug68 import LEFT_EYE_OUTER, N_POINTS, RIGHT_EYE_OUTER


@dataclass(frozen=True)
class LandmarkNoise:
    """The noise of one guidance entry.

    Attributes:
        sigma: Standard deviation per coordinate, in inter-ocular distances of the face.
        seed: Seed of the experiment.
    """

    sigma: float
    seed: int

    def __call__(self, points: Tensor, ids: Sequence[str]) -> Tensor:
        """Move the points of some faces.

        Args:
            points: (N, 68, 2) float32 xy in pixels, on any device; NaN where there are none.
            ids: N ids of the images.

        Returns:
            (N, 68, 2) on the same device; NaN stays NaN, and a face without eye corners becomes NaN.
        """
        if not self.sigma:
            return points
        noise = torch.from_numpy(np.stack([standard_noise(self.seed, id_) for id_ in ids])).to(points)
        across = points[:, LEFT_EYE_OUTER] - points[:, RIGHT_EYE_OUTER]
        # Single rounded operations, so that every device gives the same bits.
        distance = torch.sqrt((across * across).sum(1))
        return points + noise * (self.sigma * distance)[:, None, None]


def standard_noise(seed: int, id_: str) -> NDArray[np.float32]:
    """Draw the (68, 2) standard normal numbers of one image, a function of seed and id alone."""
    digest = hashlib.sha256(f"{seed}/landmark noise/{id_}".encode()).digest()
    stream = np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "big")))
    return stream.standard_normal((N_POINTS, 2)).astype(np.float32)
