"""Draw everything known of one face as one picture: what the stages made of it, and a row for each experiment."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.atomic import write_atomically
from fer_au.datasets.inside import PictureFiles
from fer_au.decoding import ImageRejected, decode_image
from fer_au.faces.crops import decode_crop
from fer_au.faces.geometry import invert_matrix
from fer_au.gate import PICTURES, read_bytes
from fer_au.heat import Image, Map, fit, overlay
from fer_au.rejects import Reject
from fer_au.report.face_facts import face_facts
from fer_au.report.face_record import FaceAnswer, FaceRecord
from fer_au.report.face_text import answer_score, silent_lines
from fer_au.report.painter import draw_landmarks
from fer_au.shards.pictures import is_picture
from fer_au.stores import FaceStatus, LandmarkStatus
from fer_au.terminal import visible

_SIDE = 192  # pixels of a tile's picture
_TILE, _HEAD, _EDGE = 1.75, 0.3, 0.1  # inches: distance of tiles, height of a title, and what lies between tiles
_ROW = _TILE + _HEAD
_BESIDE = 3  # free tiles that are wide enough for the facts
_LINE = 0.15  # inches of a line of the facts
_LETTERS = 13  # characters of the facts in an inch
_DPI = 130
_STYLE: Any = {"font.size": 8, "font.family": ["DejaVu Sans"], "text.parse_math": False}
_LESS = "#c9cdd2"  # classes that are neither the label nor the answer
_RIGHT, _WRONG = "#7cc5a0", "#eb9a94"
_NUMBERS = "Beside a map's name: its centred cosine with the AU map. Each map is stretched to its own range."


@dataclass(frozen=True)
class Panel:
    """Tile of the picture.

    Attributes:
        title: What stands above it.
        image: (H, W, 3) RGB; None if there is none.
        note: What stands in place of a missing image.
        outlines: Closed polygons (K, 2) xy in pixels of the image, and their colours.
    """

    title: str
    image: Image | None
    note: str = ""
    outlines: tuple[tuple[NDArray[np.float64], str], ...] = ()


def draw_face(path: Path, record: FaceRecord) -> None:
    """Draw a face, its maps and the answers to it; equal records give equal pixels.

    Args:
        path: File ``.png``; replaced as a whole.
        record: The face.

    Raises:
        DataError: A store is damaged.
        StoreError: The disk refuses.
    """
    import matplotlib
    from matplotlib.figure import Figure

    first = stage_panels(record)
    rows = [(one, answer_panels(one, _crop(record))) for one in record.answers]
    columns = max([len(first), *(1 + len(panels) for _, panels in rows)])
    beside = columns - len(first) >= _BESIDE  # of the first row, so many tiles are free for the facts
    lines = list(_fact_lines(record, (columns - len(first) if beside else columns) * _TILE))
    facts = len(lines) * _LINE + _HEAD
    tops = [0.0, max(_ROW, facts) if beside else _ROW + facts]
    tops += [tops[1] + _ROW * number for number in range(1, len(rows) + 1)]
    content = io.BytesIO()
    with matplotlib.rc_context(_STYLE):
        sheet = _Sheet(Figure(dpi=_DPI), columns * _TILE, tops[-1] + _EDGE)
        for place, panel in enumerate(first):
            _draw_panel(sheet.tile(place, tops[0]), panel)
        _write_lines(sheet.tile(len(first) if beside else 0, tops[0] if beside else _ROW), lines)
        for top, (answer, panels) in zip(tops[1:], rows, strict=False):
            _draw_bars(sheet.tile(0, top), answer, record.row.label)
            for place, panel in enumerate(panels, start=1):
                _draw_panel(sheet.tile(place, top), panel)
        sheet.figure.savefig(content, format="png", dpi=_DPI, metadata={"Software": None})
    write_atomically(path, content.getvalue())


class _Sheet:
    """Figure of tiles that stand at given places.

    Args:
        figure: matplotlib's figure.
        width: Its width in inches.
        height: Its height in inches.
    """

    def __init__(self, figure: Any, width: float, height: float) -> None:  # noqa: ANN401 (matplotlib's Figure)
        self.figure, self._width, self._height = figure, width, height
        figure.set_size_inches(width, height)

    def tile(self, column: int, top: float) -> Any:  # noqa: ANN401 (matplotlib's Axes)
        """Add the axes of a tile, whose title has its place above them; ``top`` in inches from the sheet's edge."""
        left, side = column * _TILE + _EDGE / 2, _TILE - _EDGE
        lower = self._height - top - _HEAD - side
        return self.figure.add_axes((left / self._width, lower / self._height, side / self._width, side / self._height))


def stage_panels(record: FaceRecord) -> list[Panel]:
    """Lay out what the stages made of a face: the source, the crop, its points, its AU map, and the true motion."""
    crop = _crop(record)
    lost = "no crop" if "faces" in record.stores else "not aligned yet"
    panels = [_source_panel(record), Panel("crop", None if crop is None else fit(crop, _SIDE), lost)]
    points = _points(record)
    drawn = None
    if crop is not None and points is not None:
        drawn = draw_landmarks(fit(crop, _SIDE), points * (_SIDE / crop.shape[0]))
    panels.append(Panel("68 points", drawn, "no points"))
    heat = record.value("heatmaps", "map") if record.value("heatmaps", "valid") else None
    panels.append(Panel(f"AU map, {record.row.label}", _over(crop, heat), "no AU map"))
    motion = record.value("annotations", "motion")
    if motion is not None:
        picture = _source(record)
        shown = _over(_square(picture), motion) if isinstance(picture, np.ndarray) else None
        panels.append(Panel("true motion, on the source", shown, "no source picture"))
    return panels


def answer_panels(answer: FaceAnswer, crop: Image | None) -> list[Panel]:
    """Lay out all maps of an experiment on a face, each with its centred cosine."""
    store, panels = answer.result.results, []
    for source in answer.result.maps:
        heat = np.asarray(store.rows(source.column, answer.row, answer.row + 1)[0], np.float32)
        score = answer_score(answer, source.metric.format("ccos"))
        title = f"{source.title}, {score:.2f}" if math.isfinite(score) else source.title
        panels.append(Panel(title, _over(crop, heat), "no crop"))
    return panels


def _source_panel(record: FaceRecord) -> Panel:
    picture = _source(record)
    if isinstance(picture, str):
        return Panel("source", None, picture)
    outlines = []
    if record.value("faces", "status") in (FaceStatus.OK, FaceStatus.WHOLE_IMAGE, FaceStatus.PLACED):
        matrix, side = record.value("faces", "matrix"), int(record.stores["faces"].attributes.get("image_size", 0))
        if np.isfinite(matrix).all() and side:
            corners = np.array([(0, 0), (side, 0), (side, side), (0, side)], np.float64)
            back = invert_matrix(matrix)
            outlines.append((corners @ back[:, :2].T + back[:, 2], "#ffffff"))
    if record.value("faces", "status") == FaceStatus.OK:
        outlines.append((_corners(record.value("faces", "box")), "#ffc43d"))
    if record.row.box is not None:
        outlines.append((_corners(record.row.box), "#52c7c9"))
    return Panel("source: box and crop" if outlines else "source", picture, outlines=tuple(outlines))


def _source(record: FaceRecord) -> Image | str:
    """Read the source picture, if it still is the one of the manifest; else say why not."""
    if record.root is None:
        return "no root"
    file = PictureFiles(record.root.resolve()).find(record.row.path, record.row.sha256)
    if isinstance(file, Reject):
        return "not on this disk"
    try:
        data = read_bytes(file, PICTURES)
        whole = is_picture(file, data, record.row.sha256)
        return decode_image(data) if whole else "has changed since ingest"
    except (OSError, ImageRejected):
        return "can't be read"


def _crop(record: FaceRecord) -> Image | None:
    status = record.value("faces", "status")
    if status is None or int(status) == FaceStatus.REJECTED:
        return None
    return decode_crop(record.stores["faces"], record.place)


def _points(record: FaceRecord) -> NDArray[np.float64] | None:
    """Read the 68 points, in pixels of the stored crop."""
    if record.value("landmarks", "status") != LandmarkStatus.OK:
        return None
    return np.asarray(record.value("landmarks", "points"), np.float64)


def _over(face: Image | None, heat: Map | None) -> Image | None:
    return None if face is None or heat is None else overlay(fit(face, _SIDE), np.asarray(heat, np.float32))


def _square(picture: Image) -> Image:
    """Stretch a picture to a square, as its motion map is one."""
    return np.asarray(cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def _corners(box: Sequence[float]) -> NDArray[np.float64]:
    x0, y0, x1, y1 = (float(value) for value in box)
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float64)


def _fact_lines(record: FaceRecord, inches: float) -> Iterator[str]:
    """Write the facts as lines that fit: the answers stand in the rows of tiles."""
    letters = round(inches * _LETTERS)
    yield from textwrap.wrap(f"{record.row.id} of data set {record.dataset}", letters)
    for fact in face_facts(record):
        yield from textwrap.wrap(f"{fact.name}: {fact.text}", letters, subsequent_indent="    ")
    for line in (*silent_lines(record), *([_NUMBERS] if record.answers else [])):
        yield from textwrap.wrap(line, letters, subsequent_indent="    ")


def _draw_panel(axes: Any, panel: Panel) -> None:  # noqa: ANN401 (matplotlib's Axes)
    axes.set_title(panel.title, fontsize=7.5, pad=3)
    axes.set_axis_off()
    if panel.image is None:
        axes.text(0.5, 0.5, panel.note, ha="center", va="center", color="#6b7075", transform=axes.transAxes)
        return
    height, width = panel.image.shape[:2]
    axes.imshow(panel.image, interpolation="bilinear", extent=(0, width, height, 0))
    for outline, colour in panel.outlines:
        closed = np.vstack([outline, outline[:1]])
        axes.plot(closed[:, 0], closed[:, 1], color="#000000", linewidth=2.2)
        axes.plot(closed[:, 0], closed[:, 1], color=colour, linewidth=1.2)


def _write_lines(axes: Any, lines: Sequence[str]) -> None:  # noqa: ANN401 (matplotlib's Axes)
    axes.set_axis_off()
    text = "\n".join(visible(line) for line in lines)
    axes.text(0, 1, text, ha="left", va="top", linespacing=1.35, transform=axes.transAxes)


def _draw_bars(axes: Any, answer: FaceAnswer, label: str) -> None:  # noqa: ANN401 (matplotlib's Axes)
    """Draw the probabilities of an answer: green for the label, red for a wrong answer."""
    own = answer.probabilities
    wrong = {answer.predicted: _WRONG} if answer.predicted != label else {}
    colours = [{label: _RIGHT, **wrong}.get(name, _LESS) for name in own]
    axes.barh(range(len(own)), list(own.values()), color=colours, height=0.72)
    for place, (name, value) in enumerate(own.items()):  # in place of ticks, which would take room
        axes.text(0.03, place, f"{name}  {value:.2f}", va="center", fontsize=6.5)
    axes.set(xlim=(0, 1), ylim=(len(own) - 0.5, -0.5), xticks=[], yticks=[])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.set_title(textwrap.shorten(answer.result.name, 26, placeholder="…"), fontsize=7.5, pad=3, weight="bold")
