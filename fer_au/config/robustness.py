"""Names of the disturbances that test images can be scored under: the choices of ``evaluate.robustness``."""

from __future__ import annotations

from typing import Literal, get_args

Disturbance = Literal[
    "moved",
    "blurred",
    "shrunk",
    "darkened",
    "jpeg",
    "eyes_occluded",
    "brows_occluded",
    "nose_occluded",
    "mouth_occluded",
    "background_occluded",
    "background_swapped",
]
DISTURBANCES: tuple[Disturbance, ...] = get_args(Disturbance)
Robustness = Literal["none", "all"] | tuple[Disturbance, ...]
"""What a user writes: none of them, all, or a list."""


def chosen_disturbances(choice: Robustness) -> tuple[Disturbance, ...]:
    """List the disturbances that a choice names, in their own order and each once.

    Example:
        >>> chosen_disturbances(("jpeg", "moved", "jpeg")), chosen_disturbances("none")
        (('moved', 'jpeg'), ())
    """
    if choice == "none":
        return ()
    return DISTURBANCES if choice == "all" else tuple(name for name in DISTURBANCES if name in choice)
