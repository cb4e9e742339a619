"""The panel of scores: a card for each face with a bar for each class, at the sides of the frame, beside the faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from fer_au.video.answering import ShownFace
from fer_au.video.layout import Area, Scale, box_area, overlap
from fer_au.video.lettering import DARK, WHITE, Colour, Picture, letters, paint, rounded, track_colour, width_of

_SHARE = 0.4  # of the frame's width that a card may take
_MOST_HIDDEN = (0.5, 0.25)  # of a face, that the card of the largest face may hide, and that of another one
_STAY = 0.08  # of a face, that another place must hide less before the card goes there
_NEAR = 0.05  # weight of the way from the face to its card, in widths of the frame
_PALE: Colour = (196, 200, 208)
_GROOVE: Colour = (74, 80, 92)


@dataclass(frozen=True)
class _Card:
    """Sizes of a card, in pixels.

    Attributes:
        name: Width of the names.
        bar: Width of the bars.
        number: Width of the numbers.
        row: Height of a row.
        pad: Space at the edges, and between columns.
        rows: Number of classes.
    """

    name: int
    bar: int
    number: int
    row: int
    pad: int
    rows: int

    @classmethod
    def of(cls, classes: Sequence[str], scale: Scale) -> _Card:
        name = max(width_of(one, scale.font) for one in classes)
        number = width_of("100", scale.font)
        return cls(name, 5 * scale.font, number, round(1.5 * scale.font), scale.gap, len(classes))

    @property
    def width(self) -> int:
        return self.name + self.bar + self.number + 4 * self.pad

    @property
    def height(self) -> int:
        return round((self.rows + 1.35) * self.row) + round(1.5 * self.pad)


class Panel:
    """Draws the cards of a video, frame after frame; a card moves only where it would hide clearly less of faces.

    Args:
        classes: Classes of the model.
        scale: Sizes that fit the frames.
    """

    def __init__(self, classes: Sequence[str], scale: Scale) -> None:
        self._classes, self._scale = classes, scale
        self._card = _Card.of(classes, scale)
        self._places = _places(self._card, scale)
        self._last: dict[int, Area] = {}  # place of each face's card in the frame before

    def draw(self, picture: Picture, faces: Sequence[ShownFace]) -> list[Area]:
        """Draw the cards of the largest faces, as many as fit.

        Args:
            picture: Frame, changed in place.
            faces: Its faces, the largest first.

        Returns:
            Areas that are taken now.
        """
        found = self._arrange(faces)
        self._last = {face.track: area for face, area in found}
        for face, area in found:
            self._draw_card(picture, area, face)
        return [area for _, area in found]

    def _arrange(self, faces: Sequence[ShownFace]) -> list[tuple[ShownFace, Area]]:
        """Give faces their places, so that the cards of all hide little of any face, lie near, and stay."""
        shown = faces[: len(self._places)]
        if not shown:
            return []
        boxes = [box_area(face.found.box) for face in faces]
        hidden = np.array([sum(_hidden(place, box) for box in boxes) for place in self._places])
        costs = np.array([[self._cost(face, place) for place in self._places] for face in shown]) + hidden
        rows, columns = linear_sum_assignment(costs)
        return [
            (shown[row], self._places[column])
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            if hidden[column] <= _MOST_HIDDEN[min(row, 1)]
        ]

    def _cost(self, face: ShownFace, place: Area) -> float:
        box = box_area(face.found.box)
        across = place.x + place.width / 2 - box.x - box.width / 2
        down = place.y + place.height / 2 - box.y - box.height / 2
        return _NEAR * float(np.hypot(across, down)) / self._scale.width - _STAY * (self._last.get(face.track) == place)

    def _draw_card(self, picture: Picture, area: Area, face: ShownFace) -> None:
        card, font, colour = self._card, self._scale.font, track_colour(face.track)
        paint(picture, rounded(area.width, area.height, card.pad), area.x, area.y, DARK, 0.74)
        x, y = area.x + card.pad, area.y + card.pad // 2
        best = int(face.smooth.argmax())
        chip = rounded(font // 2, font, font // 4)
        paint(picture, chip, x, y + (card.row - font) // 2, colour)
        paint(picture, letters(f"face {face.track}", font, True), x + font, y + self._sink, WHITE)
        y += round(1.35 * card.row)
        for place, name in enumerate(self._classes):
            ink = colour if place == best else _PALE
            self._draw_row(picture, x, y, name, float(face.smooth[place]), ink, place == best)
            y += card.row

    @property
    def _sink(self) -> int:
        """How far letters stand below the top of their row."""
        return int(self._card.row - letters("0", self._scale.font).shape[0]) // 2

    def _draw_row(self, picture: Picture, x: int, y: int, name: str, score: float, colour: Colour, best: bool) -> None:
        card, font = self._card, self._scale.font
        paint(picture, letters(name, font), x, y + self._sink, WHITE if best else _PALE)
        x += card.name + card.pad
        thick = max(font // 2, 3)
        top = y + (card.row - thick) // 2
        paint(picture, rounded(card.bar, thick, thick // 2), x, top, _GROOVE)
        if (length := round(score * card.bar)) > 0:
            paint(picture, rounded(max(length, 2), thick, thick // 2), x, top, colour)
        x += card.bar + card.pad
        text = letters(f"{round(100 * score)}", font)
        paint(picture, text, x + card.number - text.shape[1], y + self._sink, WHITE if best else _PALE)


def _hidden(place: Area, box: Area) -> float:
    """Say how much of a face a card hides; of a face that is larger than the card, how much of the card lies on it."""
    return overlap(place, box) / min(place.width * place.height, box.width * box.height)


def _places(card: _Card, scale: Scale) -> list[Area]:
    """List the places of cards: at both sides, from the top to the bottom, as many as fit; none in a small frame."""
    free = scale.height - 2 * scale.gap
    rows = min((free + scale.gap) // (card.height + scale.gap), 3)
    if card.width > _SHARE * scale.width or rows < 1:
        return []
    tops = [scale.gap + place * (free - card.height) // max(rows - 1, 1) for place in range(rows)]
    sides = (scale.gap, scale.width - scale.gap - card.width)
    return [Area(x, y, card.width, card.height) for y in tops for x in sides]
