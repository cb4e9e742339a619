"""Where things lie on a frame: areas, sizes that fit the frame, and places that don't overlap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_FONT = 40  # a frame is so many times higher than its letters
_LEAST_FONT, _LARGEST_FONT = 9, 40


class Area(NamedTuple):
    """An upright rectangle in whole pixels, from its left upper corner."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column behind it."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """First row below it."""
        return self.y + self.height


def overlap(one: Area, other: Area) -> int:
    """Compute the pixels that two areas share."""
    width = min(one.right, other.right) - max(one.x, other.x)
    height = min(one.bottom, other.bottom) - max(one.y, other.y)
    return max(width, 0) * max(height, 0)


def box_area(box: Sequence[float]) -> Area:
    """Bring a box, xyxy in pixels' edges, to whole pixels."""
    x0, y0, x1, y1 = (round(edge) for edge in box)
    return Area(x0, y0, max(x1 - x0, 1), max(y1 - y0, 1))


@dataclass(frozen=True)
class Scale:
    """Sizes for frames of some height and width, in pixels.

    Attributes:
        width: Width of the frame.
        height: Its height.
        font: Height of letters.
        line: Thickness of lines.
        gap: Space between things.
    """

    width: int
    height: int
    font: int
    line: int
    gap: int

    @classmethod
    def of(cls, width: int, height: int) -> Scale:
        """Choose the sizes: those of a frame of 640 x 480 pixels, larger and smaller with the frame."""
        side = min(height, width * 3 / 4)
        font = int(min(max(side / _FONT, _LEAST_FONT), _LARGEST_FONT))
        return cls(width, height, font, max(round(font / 6), 1), max(round(font / 2), 3))

    @property
    def frame(self) -> Area:
        """The frame itself."""
        return Area(0, 0, self.width, self.height)

    def inside(self, area: Area) -> bool:
        """Tell whether an area lies in the frame."""
        return overlap(area, self.frame) == area.width * area.height


def free_place(places: Iterable[Area], taken: Sequence[Area], scale: Scale) -> Area | None:
    """Find the first place that lies in the frame and touches nothing that is there; None if there is none."""
    return next((one for one in places if scale.inside(one) and not any(overlap(one, own) for own in taken)), None)
