"""Rows of a video's table, in the spelling of ``fer-au predict``: one per face and frame, and one per frame without."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from fer_au.atomic import AtomicFile
from fer_au.csv_files import LineFeeds
from fer_au.rejects import Reason
from fer_au.use.table import BEHIND, FACE, face_cells
from fer_au.video.answering import Moment

_FRAME = ("frame", "time", "track")
_SMOOTH = "smooth_"


class TableWriter:
    """Writes the rows of frames as they come.

    Args:
        file: New file.
        classes: Classes of the model.
        smoothed: Whether smoothed probabilities have columns of their own.
    """

    def __init__(self, file: AtomicFile, classes: Sequence[str], *, smoothed: bool) -> None:
        self._file, self._classes, self._smoothed, self._place = file, classes, smoothed, 0
        more = [f"{_SMOOTH}{name}" for name in ("predicted", "confidence", *classes)] if smoothed else []
        self._answers = len(FACE) + len(classes) + len(more)
        self._write([(*_FRAME, *FACE, *classes, *more, *BEHIND)])

    def write(self, moment: Moment) -> None:
        """Write the rows of a frame that was looked at.

        Raises:
            StoreError: The disk refuses.
        """
        begin = (str(moment.frame.number), f"{moment.frame.time:.6f}")
        if moment.faces:
            self._write([*self._faces(begin, moment)])
        else:
            self._write([(*begin, "", *[""] * self._answers, Reason.NO_FACE.value, "no face was found")])

    def end_early(self, number: int, reason: Reason, detail: str) -> None:
        """Write the row that says why the frames end.

        Args:
            number: Number of the first frame that could not be read.
            reason: Reason, from the fixed enumeration.
            detail: Explanation for people.
        """
        self._write([(str(number), "", "", *[""] * self._answers, reason.value, detail)])

    def _faces(self, begin: Sequence[str], moment: Moment) -> Iterator[Sequence[str]]:
        for number, face in enumerate(moment.faces):
            label = self._classes[int(face.scores.argmax())]
            cells = face_cells(number, face.found, label, face.scores.tolist())
            if self._smoothed:
                smooth = face.smooth.tolist()
                cells.append(self._classes[int(face.smooth.argmax())])
                cells += (f"{score:.6f}" for score in (max(smooth), *smooth))
            yield (*begin, str(face.track), *cells, "", "")

    def _write(self, rows: Sequence[Sequence[str]]) -> None:
        text = io.StringIO()
        csv.writer(LineFeeds(text), lineterminator="\r\n").writerows(rows)
        data = text.getvalue().encode()
        self._file.write(self._place, data)
        self._place += len(data)
