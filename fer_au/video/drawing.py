"""Draw what a model says of a frame: maps, points, boxes with their labels, and the panel of scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.faces.geometry import Matrix, apply_matrix, invert_matrix
from fer_au.faces.warp import to_opencv
from fer_au.heat import PALETTE, enlarge, stretch
from fer_au.video.answering import Moment, ShownFace
from fer_au.video.layout import Area, Scale, box_area, free_place
from fer_au.video.lettering import DARK, WHITE, Colour, Picture, letters, paint, rounded, track_colour, width_of
from fer_au.video.panel import Panel

_HEAT_SIDE = 96  # pixels of a map before it is laid over its face
_HEAT = 0.75  # opacity of its highest value
_CURVE = 1.5  # above 1, the middle of its range covers less
_FADE = 0.08  # of a crop's side, over which a map fades out at its edges
_CORNER = 0.22  # length of a box's corners, in sides of the box
_SHADE = 0.74  # opacity of the ground of labels


class Drawer:
    """Draws on the frames of one video, in their order.

    Args:
        classes: Classes of the model.
        size: Height and width of the frames.
        crop: Side of the model's crops in pixels, as the matrices of faces give it.
        overlay: Name of the maps that are drawn; empty if none are.
        panel: Whether the scores of all classes are drawn.
    """

    def __init__(self, classes: Sequence[str], size: tuple[int, int], crop: int, overlay: str, *, panel: bool) -> None:
        self._classes, self._overlay = classes, overlay
        self._scale = Scale.of(size[1], size[0])
        self._to_heat = np.array([[_HEAT_SIDE / crop, 0, 0], [0, _HEAT_SIDE / crop, 0]])
        self._panel = Panel(classes, self._scale) if panel else None

    def draw(self, moment: Moment) -> Picture:
        """Draw on a frame.

        Args:
            moment: Frame and its faces.

        Returns:
            (H, W, 3) uint8 RGB: the frame's own image, which is changed.
        """
        picture = moment.frame.image if moment.frame.image.flags.writeable else moment.frame.image.copy()
        for face in moment.faces:
            if face.heat is not None:
                lay_heat(picture, face.heat, self._to_heat @ np.vstack([face.found.matrix, [0, 0, 1]]))
        for face in moment.faces:
            colour = track_colour(face.track)
            self._draw_box(picture, box_area(face.found.box), colour)
            if face.points is not None:
                self._draw_points(picture, face.points)
        taken = self._panel.draw(picture, moment.faces) if self._panel is not None else []
        for face in moment.faces:
            taken += self._draw_label(picture, face, taken)
        if not moment.faces:
            taken += self._draw_note(picture, "no face", [Area(self._scale.gap, self._scale.gap, 0, 0)], taken)
        if self._overlay and moment.faces:
            self._draw_legend(picture, taken)
        return picture

    def _draw_box(self, picture: Picture, box: Area, colour: Colour) -> None:
        """Draw the corners of a box, with a dark rim that stands out from any ground."""
        arm = max(round(_CORNER * min(box.width, box.height)), 2)
        for ink, thick in ((DARK, self._scale.line + 2), (colour, self._scale.line)):
            for x, along in ((box.x, arm), (box.right, -arm)):
                for y, down in ((box.y, arm), (box.bottom, -arm)):
                    ends = np.array([(x + along, y), (x, y), (x, y + down)], np.int32)
                    cv2.polylines(picture, [ends], False, ink, thick, cv2.LINE_AA)

    def _draw_points(self, picture: Picture, points: NDArray[np.float64]) -> None:
        radius = max(self._scale.font / 7, 1.0)
        for ink, reach in ((DARK, radius + 0.75), (WHITE, radius)):
            for x, y in points.tolist():  # sixteenths of a pixel; OpenCV counts from the middle of the first one
                place = (round(16 * (x - 0.5)), round(16 * (y - 0.5)))
                cv2.circle(picture, place, round(16 * reach), ink, -1, cv2.LINE_AA, 4)

    def _draw_label(self, picture: Picture, face: ShownFace, taken: Sequence[Area]) -> list[Area]:
        """Draw number, class and confidence of a face where there is room, in fewer words where there is little."""
        best = int(face.smooth.argmax())
        name, confidence = self._classes[best], f"{round(100 * float(face.smooth[best]))} %"
        number, box = str(face.track), box_area(face.found.box)
        for words in ((name, confidence), (name,), (confidence,), ()):
            size = self._label_size(number, words)
            if place := free_place(self._around(box, *size), taken, self._scale):
                self._draw_words(picture, place, number, words, track_colour(face.track))
                return [place]
        return []

    def _label_size(self, number: str, words: Sequence[str]) -> tuple[int, int]:
        font, gap = self._scale.font, self._scale.gap
        width = width_of(number, font, True) + gap + sum(width_of(word, font) + gap for word in words)
        return width + (gap if words else 0), letters("0", font).shape[0] + gap // 2

    def _around(self, box: Area, width: int, height: int) -> Iterator[Area]:
        """List places at a box: above it, below it, at its sides, and at its upper edge inside."""
        most, gap = self._scale.width - width, self._scale.gap // 2
        left, right = (min(max(x, 0), max(most, 0)) for x in (box.x, box.right - width))
        above, below = box.y - height - gap, box.bottom + gap
        yield from (Area(x, y, width, height) for y in (above, below) for x in (left, right))
        yield from (
            Area(x, y, width, height)
            for y in (box.y, box.bottom - height)
            for x in (box.right + gap, box.x - width - gap)
        )
        yield from (Area(left, y, width, height) for y in (box.y + gap, box.bottom - height - gap))

    def _draw_words(self, picture: Picture, area: Area, number: str, words: Sequence[str], colour: Colour) -> None:
        font, gap = self._scale.font, self._scale.gap
        radius = max(area.height // 4, 2)
        paint(picture, rounded(area.width, area.height, radius), area.x, area.y, DARK, _SHADE)
        chip = width_of(number, font, True) + gap
        paint(picture, rounded(chip, area.height, radius), area.x, area.y, colour)
        y = area.y + (area.height - letters("0", font).shape[0]) // 2
        paint(picture, letters(number, font, True), area.x + gap // 2, y, DARK)
        x = area.x + chip + gap
        for word in words:
            paint(picture, letters(word, font), x, y, WHITE)
            x += width_of(word, font) + gap

    def _draw_note(self, picture: Picture, text: str, corners: Sequence[Area], taken: Sequence[Area]) -> list[Area]:
        """Draw a line of text on a dark ground, at the first of some corners where there is room."""
        font, gap = self._scale.font, self._scale.gap
        line = letters(text, font)
        width, height = line.shape[1] + 2 * gap, line.shape[0] + gap // 2
        place = free_place((corner._replace(width=width, height=height) for corner in corners), taken, self._scale)
        if place is None:
            return []
        paint(picture, rounded(width, height, max(height // 4, 2)), place.x, place.y, DARK, _SHADE)
        paint(picture, line, place.x + gap, place.y + (height - line.shape[0]) // 2, WHITE)
        return [place]

    def _draw_legend(self, picture: Picture, taken: Sequence[Area]) -> None:
        """Draw the name of the maps and their colours, at the lower edge."""
        font, gap = self._scale.font, self._scale.gap
        height, bar = letters("0", font).shape[0] + gap // 2, 5 * font
        width = bar + width_of(self._overlay, font) + 3 * gap
        y = self._scale.height - gap - height
        most = self._scale.width - gap - width
        corners = (Area(x, y, width, height) for x in (gap, most, most // 2))
        if (place := free_place(corners, taken, self._scale)) is None:
            return
        paint(picture, rounded(width, height, max(height // 4, 2)), place.x, place.y, DARK, _SHADE)
        thick, x, y = max(font // 2, 3), place.x + gap, place.y + (height - max(font // 2, 3)) // 2
        picture[y : y + thick, x : x + bar] = PALETTE[np.linspace(0, 255, bar).round().astype(int)]
        top = place.y + (height - letters("0", font).shape[0]) // 2
        paint(picture, letters(self._overlay, font), x + bar + gap, top, WHITE)


def lay_heat(picture: Picture, heat: NDArray[np.float32], matrix: Matrix) -> None:
    """Lay a map over a picture, in place: not seen where it is low, glowing where it is high.

    Args:
        picture: (H, W, 3) uint8 RGB.
        heat: (h, w) map on any grid; stretched to its own range.
        matrix: (2, 3) from the picture's xy to the map's, at ``_HEAT_SIDE`` pixels.
    """
    square = np.array([(0, 0), (_HEAT_SIDE, 0), (0, _HEAT_SIDE), (_HEAT_SIDE, _HEAT_SIDE)], np.float64)
    corners = apply_matrix(invert_matrix(matrix), square)
    x0, y0 = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int).tolist()
    x1, y1 = np.minimum(np.ceil(corners.max(axis=0)), picture.shape[1::-1]).astype(int).tolist()
    if x1 <= x0 or y1 <= y0:
        return
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ (x0, y0)
    values = np.rint(255 * enlarge(stretch(heat), _HEAT_SIDE)).astype(np.uint8)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    layers = cv2.warpAffine(np.dstack([values, _WINDOW]), to_opencv(moved), (x1 - x0, y1 - y0), flags=flags)
    share = (_SHARES[layers[..., 0]] * layers[..., 1] // 255)[..., None]
    part = picture[y0:y1, x0:x1]
    part[:] = (part * (256 - share) + PALETTE[layers[..., 0]] * share) >> 8


def _window() -> NDArray[np.uint8]:
    """Make the window in which a map is seen: 255 inside, falling to 0 at its edges."""
    edge = np.minimum(np.arange(_HEAT_SIDE) + 0.5, _HEAT_SIDE - 0.5 - np.arange(_HEAT_SIDE)) / (_FADE * _HEAT_SIDE)
    ramp = np.clip(edge, 0, 1)
    return np.asarray(255 * np.minimum.outer(ramp, ramp), np.uint8)


_WINDOW = _window()
_SHARES = (256 * _HEAT * (np.arange(256) / 255) ** _CURVE).astype(np.uint16)
"""How much of the colour a value gets, of 256."""
