"""Expressions of the demo: the AUs that each shows, how often and how strongly.

The AUs are those of the codebook that the project calls ``corrected`` (EMFACS; for disgust AU10, not AU5). A core AU
is always present, an optional AU with its probability: people rarely show a whole prototype, and a classifier that
needs every AU would learn nothing transferable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_au.demo.action_units import AU_NAMES

# expression -> {AU: (chance, lowest intensity, highest intensity)}
RECIPES: dict[str, dict[str, tuple[float, float, float]]] = {
    "neutral": {},
    "happiness": {"AU12": (1.0, 0.6, 1.0), "AU6": (0.9, 0.35, 1.0), "AU25": (0.75, 0.5, 1.0), "AU26": (0.2, 0.15, 0.4)},
    "surprise": {
        "AU1": (1.0, 0.5, 1.0),
        "AU2": (1.0, 0.5, 1.0),
        "AU5": (0.9, 0.4, 1.0),
        "AU25": (0.8, 0.3, 0.8),
        "AU26": (1.0, 0.4, 1.0),
        "AU27": (0.5, 0.3, 1.0),
    },
    "fear": {
        "AU1": (1.0, 0.5, 1.0),
        "AU2": (0.8, 0.3, 0.9),
        "AU4": (0.9, 0.3, 0.8),
        "AU5": (1.0, 0.5, 1.0),
        "AU20": (1.0, 0.5, 1.0),
        "AU25": (0.9, 0.5, 1.0),
        "AU26": (0.5, 0.15, 0.5),
    },
    "anger": {
        "AU4": (1.0, 0.6, 1.0),
        "AU5": (0.4, 0.2, 0.6),
        "AU7": (0.9, 0.4, 1.0),
        "AU23": (0.8, 0.4, 1.0),
        "AU24": (0.6, 0.4, 1.0),
        "AU17": (0.4, 0.2, 0.6),
        "AU10": (0.15, 0.2, 0.4),
    },
    "disgust": {
        "AU9": (1.0, 0.5, 1.0),
        "AU10": (1.0, 0.4, 1.0),
        "AU16": (0.4, 0.2, 0.6),
        "AU17": (0.5, 0.2, 0.7),
        "AU25": (0.5, 0.2, 0.7),
        "AU26": (0.2, 0.1, 0.3),
    },
    "sadness": {
        "AU1": (1.0, 0.5, 1.0),
        "AU4": (0.85, 0.2, 0.6),
        "AU15": (1.0, 0.45, 1.0),
        "AU17": (0.75, 0.3, 0.9),
        "AU6": (0.25, 0.1, 0.4),
    },
}

# An AU that does not belong to the expression appears this often, weakly: faces move for other reasons too.
_STRAY_CHANCE = 0.15
_STRAY_RANGE = (0.05, 0.2)
# The jaw is one bone.
_MIDLINE = ("AU26", "AU27")
_STRAY = ("AU1", "AU2", "AU4", "AU6", "AU7", "AU12", "AU14", "AU17", "AU25")


@dataclass(frozen=True)
class Activation:
    """AU intensities of one picture, 0..1, on both sides of the face; absent AUs are 0."""

    left: dict[str, float]
    right: dict[str, float]

    def mean_vector(self) -> list[float]:
        """Average the sides' intensities, in the order of ``AU_NAMES``, as ``truth.h5`` holds them."""
        return [(self.left.get(au, 0.0) + self.right.get(au, 0.0)) / 2 for au in AU_NAMES]


def sample_activation(expression: str, rng: np.random.Generator) -> Activation:
    """Draw the AUs of one picture.

    The whole expression has a strength, each AU its own; the sides differ by up to a third. Neutral is exactly neutral,
    so that its motion map is empty.
    """
    recipe = RECIPES[expression]
    strength = rng.uniform(0.7, 1.1)
    lean = rng.normal(0, 0.12)
    left: dict[str, float] = {}
    right: dict[str, float] = {}
    for au, (chance, lowest, highest) in recipe.items():
        shown, amount = rng.random() < chance, rng.uniform(lowest, highest)
        asymmetry = float(np.clip(lean + rng.normal(0, 0.06), -0.33, 0.33))
        if au in _MIDLINE:
            asymmetry = 0.0
        if shown:
            left[au] = float(np.clip(strength * amount * (1 + asymmetry), 0, 1))
            right[au] = float(np.clip(strength * amount * (1 - asymmetry), 0, 1))
    if recipe and rng.random() < _STRAY_CHANCE:
        au = _STRAY[int(rng.integers(len(_STRAY)))]
        if au not in left:
            left[au] = right[au] = float(rng.uniform(*_STRAY_RANGE))
    return Activation(left, right)
