"""How the faces lie in a data set's pictures, measured on a few of them."""

from __future__ import annotations

import math
from pathlib import Path

from fer_au.data_check.holdings import Holdings, spread
from fer_au.data_check.result import Frame
from fer_au.datasets.inside import PictureFiles
from fer_au.faces.frame_survey import SAMPLE, survey_frames

QUICK = 64
"""Most pictures that are looked at unasked; fewer of large ones."""

_LEAST = 16
_QUICK_PIXELS = 64_000_000  # of all those pictures together


def measure_frame(root: Path, holdings: Holdings, *, thorough: bool) -> Frame | None:
    """Measure how the faces lie; None where no picture could be opened.

    Args:
        root: Root of the data set.
        holdings: What the data set holds.
        thorough: Whether ``SAMPLE`` pictures are looked at, however large they are.
    """
    rows = {row.path: row for row in holdings.opened_rows}
    if not rows:
        return None
    number = SAMPLE
    if not thorough:
        pixels = sum(row.width * row.height for row in rows.values()) / len(rows)
        number = int(min(QUICK, max(_LEAST, _QUICK_PIXELS // pixels)))
    files = PictureFiles(root.resolve())
    chosen = spread([rows[path] for path in sorted(rows)], number)
    survey = survey_frames([files.path(row.path, row.sha256) for row in chosen])
    return Frame(
        pictures=survey.pictures,
        found=dict(survey.found),
        missing=survey.missing,
        detector=survey.detector,
        aligned=survey.aligned,
        shift=_finite(survey.shift, 2),
        tilt=_finite(survey.tilt, 1),
        face=_finite(survey.face, 2),
        outside={name: round(share, 2) for name, share in survey.outside.items()},
        align=survey.settings(),
    )


def _finite(value: float, digits: int) -> float | None:
    return round(value, digits) if math.isfinite(value) else None
