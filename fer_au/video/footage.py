"""Frames of any source, each upright and with its own time, read once from the first to the last."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_au.rejects import Reason

if TYPE_CHECKING:
    from av import Packet
    from av.audio.stream import AudioStream


@dataclass(frozen=True)
class Frame:
    """A frame of a video.

    Attributes:
        number: Number of the frame, from 0.
        pts: Its own time, in units of its source.
        time: The same in seconds.
        image: (H, W, 3) uint8 RGB, upright.
    """

    number: int
    pts: int
    time: float
    image: NDArray[np.uint8]


class Footage(ABC):
    """Frames of one source, read once from the first to the last.

    Attributes:
        name: What the user calls it.
        unit: Unit of the frames' times, in seconds.
        rate: Usual number of frames per second.
        aspect: Width of a pixel, relative to its height, in upright frames.
        total: Number of frames, as far as the header tells; 0 where it doesn't.
        live: Whether the world goes on while a frame is looked at.
        sounds: Streams of sound.
        packets: Packets of those, in their order, up to the frame that was read last; the reader takes them away.
        fault: What ended the frames early: reason and words; None if nothing did.
    """

    name: str
    unit: Fraction
    rate: Fraction
    aspect: Fraction = Fraction(1)
    total: int = 0
    live: bool = False
    fault: tuple[Reason, str] | None = None

    def __init__(self) -> None:
        self.sounds: list[AudioStream] = []
        self.packets: deque[Packet[Any]] = deque()

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """Read the frames.

        Raises:
            DataError: There is no frame at all; the message names the source.
        """
