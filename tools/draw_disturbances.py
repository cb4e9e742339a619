"""Draw every disturbance of a face in its five strengths, for docs/robustness.md: the rows of a picture.

    python tools/draw_disturbances.py data/demo docs/img/disturbances.jpg

The face is the first of the test split that shows the expression; a control, where there is one, stands at the right.
Take a data set whose pictures may be shown, as the rendered demo.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from fer_au.atomic import write_atomically
from fer_au.batches.faces import FaceDataset
from fer_au.evaluation.disturbances import TABLE, Disturbance, Faces
from fer_au.evaluation.robustness import FaceReader

_TEXT, _GAP = 150, 4
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


def draw(dataset_dir: Path, expression: str, size: int, place: int) -> NDArray[np.uint8]:
    """Draw the picture, (H, W, 3) uint8 RGB."""
    dataset = FaceDataset(dataset_dir, "test", size)
    rows = [row for row, label in enumerate(dataset.labels) if dataset.classes[label] == expression]
    faces = FaceReader(dataset, swaps=True, device=torch.device("cpu")).faces([rows[place]])
    return np.concatenate([_row(name, disturbance, faces) for name, disturbance in TABLE.items()])


def _row(name: str, disturbance: Disturbance, faces: Faces) -> NDArray[np.uint8]:
    pictures = [faces.images, *(one.images for one in disturbance(faces))]
    if disturbance.card.control:
        pictures.append(disturbance.control(faces))
    size = pictures[0].shape[-1]
    tiles = [np.full((size + _GAP, _TEXT, 3), _WHITE, np.uint8)]
    cv2.putText(tiles[0], name, (4, size // 2), cv2.FONT_HERSHEY_SIMPLEX, 0.4, _BLACK, 1, cv2.LINE_AA)
    for picture in pictures:
        pixels = (picture[0].permute(1, 2, 0).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        tiles.append(np.pad(pixels, ((0, _GAP), (0, _GAP), (0, 0)), constant_values=255))
    missing = 7 - len(pictures)
    return np.concatenate([*tiles, *[np.full((size + _GAP, size + _GAP, 3), 255, np.uint8)] * missing], axis=1)


def main() -> None:
    """Draw and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of a data set with landmarks, data/NAME")
    parser.add_argument("output", type=Path, help="JPEG to write")
    parser.add_argument("--expression", default="surprise")
    parser.add_argument("--size", type=int, default=112, help="side of each tile in pixels")
    parser.add_argument("--place", type=int, default=0, help="which face of the expression")
    options = parser.parse_args()
    picture = draw(options.data, options.expression, options.size, options.place)
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(picture[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 88])
    write_atomically(options.output, data.tobytes())
    print(f"{options.output}: {picture.shape[1]} x {picture.shape[0]} pixels, {len(data)} bytes")


if __name__ == "__main__":
    main()
