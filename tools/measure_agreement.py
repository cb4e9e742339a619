"""Measure the spread of the looks of ``fer_au.landmarks.agreement`` on faces and on pictures without a face.

Faces are those that a detector found, in ``faces.h5`` stores; pictures without a face are blurred noise and the
backgrounds of the demo renderer. ``MAX_SPREAD`` must lie above nearly all spreads on faces and below those on other
pictures, for every extractor that looks at pixels.

    python tools/measure_agreement.py data/demo/faces.h5 ...
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.demo.background import sample_background
from fer_au.faces import decode_crop
from fer_au.faces.templates import crop_boxes
from fer_au.landmarks import create_extractor
from fer_au.landmarks.agreement import MAX_SPREAD, extract_if_agreed
from fer_au.stores import FaceStatus, Store

SIZE = 256
Images = NDArray[np.uint8]


def detected_faces(path: Path, limit: int) -> Images:
    """Read crops (N, S, S, 3) of faces that a detector vouches for, spread over the store."""
    store = Store.open(path, "faces")
    sure = (store["status"] == FaceStatus.OK) & (store["score"].astype(np.float64) > 0)
    rows = np.flatnonzero(sure)
    rows = rows[np.linspace(0, len(rows) - 1, min(limit, len(rows))).astype(int)]
    return np.stack([decode_crop(store, int(row)) for row in rows])


def blurred_noise(count: int) -> Images:
    """Make noise of several grain sizes, at full contrast."""
    rng = np.random.default_rng(0)
    images = []
    for sigma in np.geomspace(0.5, 25, count):
        noise = cv2.GaussianBlur(rng.normal(0, 1, (SIZE, SIZE, 3)), (0, 0), float(sigma))
        images.append(np.clip(128 + 50 * noise / noise.std(), 0, 255).astype(np.uint8))
    return np.stack(images)


def backgrounds(count: int) -> Images:
    """Draw backgrounds of the demo's faces."""
    drawn = (sample_background(np.random.default_rng(number), SIZE) for number in range(count))
    return np.stack([np.clip(picture, 0, 255).astype(np.uint8) for picture in drawn])


def main(stores: list[Path], extractors: list[str], limit: int) -> None:
    """Print one line per extractor and set."""
    sets = {str(path): detected_faces(path, limit) for path in stores}
    sets |= {"blurred noise": blurred_noise(limit // 4), "backgrounds": backgrounds(limit // 4)}
    print(f"spread of the looks in inter-ocular units; accepted up to {MAX_SPREAD}")
    for name in extractors:
        extractor = create_extractor(name)
        for title, images in sets.items():
            _, _, spread = extract_if_agreed(extractor, images, crop_boxes(images))
            given = spread[np.isfinite(spread)]
            line = f"{name}: {title}: {len(images)} pictures, {len(images) - len(given)} without points"
            if len(given):
                low, middle, high, most = np.percentile(given, [0, 50, 99, 100])
                line += f"; least {low:.3f}, median {middle:.3f}, 99 % {high:.3f}, most {most:.3f}"
            print(f"{line}; accepted {(spread <= MAX_SPREAD).mean():.1%}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("stores", nargs="+", type=Path, help="faces.h5 of data sets aligned to the template loose")
    parser.add_argument("--extractors", default="dlib68,mediapipe,faceapi68", help="comma-separated names")
    parser.add_argument("--limit", type=int, default=200, help="faces of each store")
    arguments = parser.parse_args()
    main(arguments.stores, arguments.extractors.split(","), arguments.limit)
