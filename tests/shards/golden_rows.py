"""Golden outputs of the operations whose rows a lab keeps: a release may change them only with a new VERSION.

python tests/shards/golden_rows.py      # write golden_rows.json anew: a VERSION was raised, or a part is new
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fer_au.config.data import AlignConfig, DemoConfig
from fer_au.demo.generate import generate
from fer_au.faces import operation as align
from fer_au.faces.crops import decode_crop_bytes
from fer_au.landmarks import operation as extract
from fer_au.landmarks.extractors import create_extractor

GOLDEN = Path(__file__).with_name("golden_rows.json")
ALIGNED = ("dlib-hog", "dlib-mmod", "mediapipe-face", "provided", "whole-image", "yunet")
EXTRACTED = ("dlib68", "faceapi68", "mean-shape", "mediapipe")
BOX = (60.0, 60.0, 200.0, 200.0)


def compute() -> dict[str, Any]:
    """The rows of a few rendered pictures, as plain numbers: of every detector, and of every extractor on its crops."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["FER_AU_WORKERS"] = "1"
        generate(DemoConfig(identities=2, images=2, size=256, test_fraction=0.5), folder)
        pictures = sorted(folder.rglob("*.jpg"))
        rows = {f"align {detector}": _aligned(detector, pictures) for detector in ALIGNED}
        crops = rows["align dlib-hog"].pop("crops")
        for detector in ALIGNED[1:]:
            del rows[f"align {detector}"]["crops"]
        rows |= {f"landmarks {name}": _extracted(name, crops) for name in EXTRACTED}
        inputs = [_thumbnail(cv2.imread(str(path))) for path in pictures]
    return {"versions": {"align": align.VERSION, "landmarks": extract.VERSION}, "inputs": inputs, "rows": rows}


def _aligned(detector: str, pictures: list[Path]) -> dict[str, Any]:
    payloads = [
        align.FacePayload(str(path), hashlib.sha256(path.read_bytes()).hexdigest(), BOX, False) for path in pictures
    ]
    columns = align.AlignOperation.of(AlignConfig(detector=detector))(payloads)
    bounds = columns["offset"].tolist()
    crops = [columns["data"][first:last].tobytes() for first, last in pairwise(bounds)]
    return {
        "matrix": np.asarray(columns["matrix"], np.float64).round(4).tolist(),
        "box": np.asarray(columns["box"], np.float64).round(2).tolist(),
        "status": np.asarray(columns["status"]).tolist(),
        "pixels": [_thumbnail(decode_crop_bytes(crop)) for crop in crops],
        "crops": crops,
    }


def _extracted(name: str, crops: list[bytes]) -> dict[str, Any]:
    payloads = [extract.CropPayload(crop, (50.0, 50.0, 206.0, 206.0), True) for crop in crops]
    columns = extract.ExtractOperation(create_extractor(name))(payloads)
    return {
        "points": np.asarray(columns["points"], np.float64).round(2).tolist(),
        "status": np.asarray(columns["status"]).tolist(),
    }


def _thumbnail(picture: Any) -> list[list[int]]:
    """The mean luma of 8 x 8 cells."""
    grey = np.asarray(picture, np.float64).mean(axis=2)
    side = grey.shape[0] // 8
    return grey[: 8 * side, : 8 * side].reshape(8, side, 8, side).mean(axis=(1, 3)).round().astype(int).tolist()


def to_json(content: dict[str, Any]) -> str:
    """Format golden outputs as JSON with one line for each operation, so that ``git diff`` shows which ones changed."""
    head, rows = {**content, "rows": None}, content["rows"]
    lines = ",\n".join(f"{json.dumps(name)}:{json.dumps(row, separators=(',', ':'))}" for name, row in rows.items())
    return json.dumps(head, separators=(",", ":")).replace('"rows":null', f'"rows":{{\n{lines}\n}}') + "\n"


if __name__ == "__main__":
    GOLDEN.write_text(to_json(compute()), encoding="utf-8")
