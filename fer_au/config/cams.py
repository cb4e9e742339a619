"""How ``params.yaml`` and Python ask for a class activation map: ``gradcam``, or ``layercam@3`` at a feature layer."""

from __future__ import annotations

import re
from typing import NamedTuple

SKIP_REMEDY = "write `evaluate.on_missing_cam: skip` to evaluate without it"
"""What a project of several kinds of networks may do about a CAM that some of them can't have."""

_FORM = re.compile(r"([^@\s]+)(?:@(last|[1-9]\d*))?")


class CamChoice(NamedTuple):
    """A CAM method, and the feature layer that it explains.

    Attributes:
        method: Name of the method.
        layer: ``"1"`` to ``"L"`` or ``"last"``; None for the map that the head reads.
    """

    method: str
    layer: str | None = None

    @classmethod
    def parse(cls, text: str) -> CamChoice:
        """Read the name of a method, with ``@`` and a layer or without.

        Raises:
            ValueError: It is neither.

        Example:
            >>> CamChoice.parse("layercam@3")
            CamChoice(method='layercam', layer='3')
        """
        if not (found := _FORM.fullmatch(text)):
            raise ValueError(f"{text!r} should be a CAM method, or method@layer as in layercam@3 or layercam@last")
        return cls(found[1], found[2])
