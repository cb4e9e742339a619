"""A camera of this machine: the newest frame counts, and those that came while another was looked at are left out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Protocol, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.errors import DataError
from fer_au.rejects import Reason
from fer_au.video.footage import Footage, Frame

_USUAL_RATE = 30
_PATIENCE = 10.0  # seconds that a camera may take for a frame


class _Device(Protocol):
    def isOpened(self) -> bool: ...  # noqa: N802 (OpenCV's name)
    def read(self) -> tuple[bool, NDArray[np.uint8] | None]: ...
    def get(self, key: int) -> float: ...
    def release(self) -> None: ...


class CameraFootage(Footage):
    """Frames of a camera, with the milliseconds since the first one.

    Args:
        device: Open camera.
        name: What the user calls it.
    """

    unit = Fraction(1, 1000)
    live = True

    def __init__(self, device: _Device, name: str) -> None:
        super().__init__()
        self.name, self._device = name, device
        told = device.get(cv2.CAP_PROP_FPS)
        self.rate = Fraction(round(told)) if 1 <= told <= 240 else Fraction(_USUAL_RATE)
        self._fresh = threading.Condition()
        self._newest: tuple[float, NDArray[np.uint8]] | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        """Keep the newest frame, until the camera gives none or nobody wants one."""
        while not self._ended:
            done, image = self._device.read()
            with self._fresh:
                if done and image is not None:
                    self._newest = (time.monotonic(), image)
                else:
                    self._ended = True
                self._fresh.notify()

    def frames(self) -> Iterator[Frame]:
        """Read the frames, until the camera gives none."""
        self._thread.start()
        number, begin, last = 0, 0.0, -1
        while (taken := self._take()) is not None:
            at, image = taken
            begin = at if number == 0 else begin
            pts = max(round((at - begin) * 1000), last + 1)
            rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
            yield Frame(number, pts, pts / 1000, rgb)
            number, last = number + 1, pts
        if number == 0:
            raise DataError(f"{self.name}: it gives no picture")
        self.fault = (Reason.TRUNCATED, f"the camera stopped after frame {number - 1} ({last / 1000:.2f} s)")

    def _take(self) -> tuple[float, NDArray[np.uint8]] | None:
        with self._fresh:
            self._fresh.wait_for(lambda: self._newest is not None or self._ended, _PATIENCE)
            taken, self._newest = self._newest, None
        return taken

    def close(self) -> None:
        """Let the camera go."""
        self._ended = True
        if self._thread.is_alive():
            self._thread.join(_PATIENCE)
        self._device.release()


@contextmanager
def open_camera(number: int) -> Iterator[CameraFootage]:
    """Open a camera by its number, from 0.

    Raises:
        DataError: There is none, or another program has it.
    """
    cv2.utils.logging.setLogLevel(
        cv2.utils.logging.LOG_LEVEL_SILENT
    )  # lines of its own about cameras that aren't there
    device = cast("_Device", cv2.VideoCapture(number))
    if not device.isOpened():
        device.release()
        raise DataError(
            f"camera {number}: there is none, or another program uses it; a file of that name is ./{number}"
        )
    footage = CameraFootage(device, f"camera {number}")
    try:
        yield footage
    finally:
        footage.close()
