"""Backgrounds behind the head: walls, gradients and out-of-focus rooms; never a second face."""

from __future__ import annotations

import cv2
import numpy as np

from fer_au.demo.asset import Floats


def sample_background(rng: np.random.Generator, size: int) -> Floats:
    """Draw a random background, (size, size, 3) float32 sRGB, 0..255."""
    kind = rng.choice(["plain", "gradient", "room", "bokeh"], p=[0.2, 0.3, 0.3, 0.2])
    base = rng.uniform(25, 230) + rng.normal(0, 12, 3)
    other = rng.uniform(25, 230) + rng.normal(0, 16, 3)
    small = np.empty((48, 48, 3), np.float32)
    small[:] = base
    if kind != "plain":
        angle = rng.uniform(0, 2 * np.pi)
        across = np.linspace(-1, 1, 48)
        ramp = 0.5 + 0.5 * (np.cos(angle) * across[None, :] + np.sin(angle) * across[:, None]) / 1.42
        small += ramp[..., None].astype(np.float32) * (other - base).astype(np.float32)
    for _ in range({"room": 7, "bokeh": 14}.get(str(kind), 0)):
        colour = (rng.uniform(0, 255) + rng.normal(0, 22, 3)).tolist()
        x, y = rng.integers(-8, 56, 2).tolist()
        if kind == "room":
            w, h = rng.integers(4, 30, 2).tolist()
            cv2.rectangle(small, (x, y), (x + w, y + h), colour, -1)
        else:
            cv2.circle(small, (x, y), int(rng.integers(2, 8)), colour, -1)
    blurred = cv2.GaussianBlur(small, (0, 0), float(rng.uniform(1.2, 4.0)))
    picture = cv2.resize(blurred, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(picture, 0, 255), np.float32)
