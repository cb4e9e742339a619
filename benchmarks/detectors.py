"""Measure chains of detectors, on known faces and on photographs: ``python -m benchmarks.detectors [FOLDER ...]``.

A chain is one detector, or several joined by ``+`` that are tried in order. Of rendered faces, as they are and after
random shifts, scales and turns, it tells how many were found, how many boxes show no face, and how far alignment puts
the 68 true points from where the true five points would put them (percent of the inter-ocular distance), for each
choice of ``align.keypoints``. Of photographs (FOLDER, searched recursively) nobody knows the truth: ``--sheets`` writes
random detections of each chain, those of its late searches, and those that the first chain lacks, as pictures to look
at. Times are the processor's milliseconds of one thread, detection alone and with the points of alignment; all chains
see a picture in turn, so that a neighbour on the machine meets all of them. ``--keep FILE`` keeps what was measured of
photographs, so that a stopped run goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_au.config.data import DemoConfig
from fer_au.decoding import ImageRejected, decode_image
from fer_au.demo.generate import generate
from fer_au.faces import Aligner, warp_crop
from fer_au.faces.detectors import Detection
from fer_au.faces.dlib_points import load_predictor
from fer_au.faces.geometry import apply_matrix, box_iou, fit_similarity, map_box
from fer_au.faces.keypoints import WEIGHTS, Keypoints, align_matrix
from fer_au.faces.templates import HOG_BOX, five_points
from fer_au.ibug68 import MEAN_FACE, inter_ocular_distance
from fer_au.machine import cpu_name, instruction_set
from fer_au.stores.reader import Store

CHAINS = ("dlib-hog", "mediapipe-face", "yunet", "yunet+dlib-hog", "dlib-hog+yunet")
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
KEYPOINTS: tuple[Keypoints, ...] = ("detector", "dlib5", "dlib68")
_SAME = 0.3  # overlap from which a box is the face's
_TILE = 96

Picture = NDArray[np.uint8]
Points = NDArray[np.float64]


@dataclass
class Tally:
    """What a chain did on one set: pictures, found ones, boxes that show no face, milliseconds, errors in percent."""

    pictures: int = 0
    found: int = 0
    false: int = 0
    detect_ms: float = 0.0
    errors: dict[str, list[float]] = field(default_factory=dict)
    points_ms: dict[str, float] = field(default_factory=dict)

    def line(self, name: str, *, truth: bool) -> str:
        """Write one line of the table."""
        false = f"{self.false:>6}" if truth else "     -"
        text = f"  {name:<24}{self.found:>6} of {self.pictures} ({100 * self.found / max(self.pictures, 1):6.2f} %)"
        text += f"{false} false{self.detect_ms / max(self.pictures, 1):8.2f} ms"
        for keypoints, errors in self.errors.items():
            cost = self.points_ms[keypoints] / max(len(errors), 1)
            text += f"  | {keypoints} {np.mean(errors):.2f} {np.percentile(errors, 95):.2f} % +{cost:.2f} ms"
        return text


def make_aligners(chains: Sequence[str]) -> dict[str, Aligner]:
    """Make an aligner of each chain."""
    return {name: Aligner(detector=tuple(name.split("+")), keypoints="detector") for name in chains}


def render(people: int, folder: Path) -> list[tuple[Picture, Points]]:
    """Render faces; return them with their 68 points."""
    generate(DemoConfig(identities=people, images=5), folder)
    truth = Store.open(folder / "truth.h5", "truth")
    return [
        (decode_image((folder / id_).read_bytes()), points.astype(np.float64))
        for id_, points in zip(truth.ids, truth["points"], strict=True)
    ]


def moved(faces: Sequence[tuple[Picture, Points]], seed: int) -> list[tuple[Picture, Points]]:
    """Shift, scale and turn pictures at random, around their faces."""
    rng, result = np.random.default_rng(seed), []
    for image, points in faces:
        size = image.shape[0]
        scale, turn = rng.uniform(0.5, 1.4), np.deg2rad(rng.normal(0, 10))
        linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        shift = size / 2 + rng.normal(0, 0.06 * size, 2) - linear @ points.mean(0)
        matrix = np.concatenate([linear, shift[:, None]], axis=1)
        result.append((warp_crop(image, matrix, size), apply_matrix(matrix, points)))
    return result


def measure_truth(faces: Sequence[tuple[Picture, Points]], aligners: dict[str, Aligner]) -> dict[str, Tally]:
    """Measure chains on faces whose points are known."""
    tallies = {
        name: Tally(errors={one: [] for one in KEYPOINTS}, points_ms=dict.fromkeys(KEYPOINTS, 0.0)) for name in aligners
    }
    for image, points in faces:
        box = map_box(fit_similarity(MEAN_FACE, points), HOG_BOX)
        for name, aligner in aligners.items():
            tally = tallies[name]
            found = timed_find(aligner, image, tally)
            if found is None:
                continue
            if box_iou(found.box, box) <= _SAME:
                tally.false += 1
                continue
            tally.found += 1
            for keypoints in KEYPOINTS:
                start = time.process_time()
                matrix = align_matrix(image, found, keypoints, aligner.target, aligner.size)
                tally.points_ms[keypoints] += 1000 * (time.process_time() - start)
                tally.errors[keypoints].append(alignment_error(matrix, points, aligner))
    return tallies


def timed_find(aligner: Aligner, image: Picture, tally: Tally) -> Detection | None:
    """Find the face of a picture; count the picture and the time."""
    start = time.process_time()
    found = aligner.find(image)
    tally.detect_ms += 1000 * (time.process_time() - start)
    tally.pictures += 1
    return found


def alignment_error(matrix: NDArray[np.float64], points: Points, aligner: Aligner) -> float:
    """Measure how far a matrix puts the true points from where the true five points put them, percent."""
    truth = apply_matrix(fit_similarity(five_points(points), aligner.target.five(aligner.size)), points)
    gap = np.hypot(*(apply_matrix(matrix, points) - truth).T).mean()
    return float(100 * gap / inter_ocular_distance(truth))


def measure_photographs(paths: Sequence[Path], aligners: dict[str, Aligner], keep: Path | None) -> dict[str, list[Row]]:
    """Measure chains on photographs; rows of a stopped run are taken from its file."""
    rows: dict[str, list[Row]] = {name: [] for name in aligners}
    known: dict[str, Row] = {}
    if keep is not None and keep.is_file():
        known = {one["key"]: one for one in map(json.loads, keep.read_text(encoding="utf-8").splitlines())}
    with (keep or Path(os.devnull)).open("a", encoding="utf-8") as file:
        for path in paths:
            image: Picture | None = None
            for name, aligner in aligners.items():
                key = hashlib.sha256(f"{path}|{name}|{aligner.detector_fingerprint}".encode()).hexdigest()
                if key not in known:
                    image = read(path) if image is None else image
                    known[key] = {"key": key, **look(aligner, image, path)}
                    print(json.dumps(known[key]), file=file, flush=True)
                rows[name].append(known[key])
    return rows


Row = dict[str, object]
"""What a chain found in one photograph: ``path``, ``box`` or None, ``score``, ``why``, ``detector``, ``ms``."""


def look(aligner: Aligner, image: Picture, path: Path) -> Row:
    """Look at one photograph."""
    tally = Tally()
    found = timed_find(aligner, image, tally)
    row: Row = {"path": str(path), "ms": round(tally.detect_ms, 3), "box": None}
    if found is not None:
        row |= {"box": [round(one, 2) for one in found.box], "score": round(found.score, 3), "why": found.why}
    return row


def read(path: Path) -> Picture:
    """Read a photograph; one that can't be read counts as a black one."""
    try:
        return decode_image(path.read_bytes())
    except ImageRejected:
        return np.zeros((64, 64, 3), np.uint8)


def summed(rows: Sequence[Row]) -> Tally:
    """Sum up what a chain found in photographs."""
    found = sum(row["box"] is not None for row in rows)
    return Tally(len(rows), found, 0, sum(float(str(row["ms"])) for row in rows))


def write_sheet(rows: Sequence[Row], file: Path) -> None:
    """Draw what was found: a square of twice the box around each, with the box, ten in a line."""
    tiles = []
    for row in rows:
        x0, y0, x1, y1 = np.asarray(row["box"], np.float64).tolist()
        side = 2 * max(x1 - x0, y1 - y0)
        scale = _TILE / side
        left, top = (x0 + x1 - side) / 2, (y0 + y1 - side) / 2
        tile = warp_crop(read(Path(str(row["path"]))), [[scale, 0, -scale * left], [0, scale, -scale * top]], _TILE)
        quarter = _TILE // 4
        cv2.rectangle(tile, (quarter, quarter), (_TILE - quarter, _TILE - quarter), (0, 255, 0), 1)
        tiles.append(tile)
    tiles += [np.zeros((_TILE, _TILE, 3), np.uint8)] * (-len(tiles) % 10)
    if tiles:
        lines = [np.concatenate(tiles[start : start + 10], axis=1) for start in range(0, len(tiles), 10)]
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), np.concatenate(lines)[:, :, ::-1])
        print(f"  {file}: {len(rows)} detections")


def sheets(rows: dict[str, list[Row]], base: str, folder: Path, name: str, count: int) -> None:
    """Write random detections of each chain, those of its late searches, and those that the first chain lacks."""
    rng = np.random.default_rng(0)
    for chain, own in rows.items():
        found = [row for row in own if row["box"] is not None]
        usual = max(
            {str(row["why"]) for row in found}, key=lambda why: sum(row["why"] == why for row in found), default=""
        )
        alone = [row for row, other in zip(own, rows[base], strict=True) if row["box"] and not other["box"]]
        kinds = {"random": found, "late": [row for row in found if row["why"] != usual], "alone": alone}
        for kind, members in kinds.items():
            chosen = sorted(rng.permutation(len(members))[:count].tolist())
            write_sheet([members[index] for index in chosen], folder / f"{name}.{chain}.{kind}.png")


def photograph_folders(folders: Sequence[Path], limit: int) -> Iterator[tuple[str, list[Path]]]:
    """List the photographs of each folder, evenly spread if there are more than ``limit``."""
    for folder in folders:
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not paths:
            raise SystemExit(f"{folder}: no pictures")
        chosen = np.linspace(0, len(paths) - 1, min(limit or len(paths), len(paths))).astype(int).tolist()
        yield folder.name, [paths[index] for index in chosen]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Chains of detectors: found, false, alignment error, time.")
    parser.add_argument("folders", type=Path, nargs="*", help="photographs")
    parser.add_argument(
        "--chains", default=",".join(CHAINS), help="detectors, comma-separated; + joins those of a chain"
    )
    parser.add_argument("--people", type=int, default=24, help="people to render, five faces each; 0: none")
    parser.add_argument("--limit", type=int, default=0, help="photographs of each folder at most")
    parser.add_argument("--sheets", type=Path, help="folder for pictures of detections, to look at")
    parser.add_argument("--keep", type=Path, help="file of what was measured of photographs, for a run that goes on")
    parser.add_argument("--count", type=int, default=100, help="detections on a sheet")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "opencv-python", "dlib-bin", "fer-au"))
    print(f"host: {cpu_name()}, {instruction_set()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {packages}")
    aligners = make_aligners(arguments.chains.split(","))
    for aligner in aligners.values():  # loads the models
        aligner.find(np.zeros((64, 64, 3), np.uint8))
    for weights in WEIGHTS.values():
        load_predictor(weights)
    print("chain, pictures with a face, boxes elsewhere, detection | keypoints, mean error, 95th percentile, time")
    if arguments.people:
        with tempfile.TemporaryDirectory() as folder:
            faces = render(arguments.people, Path(folder))
        for title, some in (("rendered", faces), ("rendered, moved at random", moved(faces, 0))):
            print(title, flush=True)
            for name, tally in measure_truth(some, aligners).items():
                print(tally.line(name, truth=True), flush=True)
    for title, paths in photograph_folders(arguments.folders, arguments.limit):
        print(title, flush=True)
        rows = measure_photographs(paths, aligners, arguments.keep)
        for name, own in rows.items():
            print(summed(own).line(name, truth=False), flush=True)
        if arguments.sheets:
            sheets(rows, next(iter(rows)), arguments.sheets, title, arguments.count)
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
