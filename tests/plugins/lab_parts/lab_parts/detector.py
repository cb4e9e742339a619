"""A face detector: another one's surest face."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fer_au.faces import Detection, Detector, create_detector


class LabSingle(Detector):
    """Finds the one face of which detector ``dlib-hog`` is surest."""

    name = "lab-single"
    version = 1  # raised whenever the code gives other faces

    def constants(self) -> Mapping[str, object]:
        """Return the fingerprint of the detector that does the work."""
        return {"detector": create_detector("dlib-hog").fingerprint}

    def check(self) -> None:
        """Find what that detector loads."""
        create_detector("dlib-hog").check()

    def detect(self, image: NDArray[np.uint8], hint: ArrayLike | None = None) -> list[Detection]:
        """Find at most one face; the hint is not used."""
        found = create_detector("dlib-hog").detect(image)
        return sorted(found, key=lambda face: -face.score)[:1]
