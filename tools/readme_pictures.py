"""Make the pictures of the README from a finished run on the demo faces: ``python tools/readme_pictures.py``.

The demo faces are synthetic and the project's own, so the pictures may be published; other data sets are refused.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fer_au.ending import run_main
from fer_au.errors import DataError
from fer_au.heat import Map, overlay
from fer_au.report.collect import Dataset, Experiment, read_project
from fer_au.report.painter import FacePainter, draw_landmarks
from fer_au.report.samples import sample_ids

DATASET = "demo"
SIDE, GAP, LEFT, TOP = 176, 6, 118, 34
MAX_BYTES = 300_000
PAPER, INK, SOFT = (255, 255, 255), (29, 27, 34), (96, 92, 104)
Picture = np.ndarray


def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Load DejaVu Sans, which comes with matplotlib on every platform."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def rows_of(dataset: Dataset, experiments: Sequence[Experiment]) -> dict[str, list[Picture]]:
    """Make a row for one test image per expression: face, landmarks, AU map, and each experiment's last attention.

    Raises:
        DataError: No test image has an AU map.
    """
    painter = FacePainter(dataset, SIDE)
    first, more = (sample_ids(experiments[0], painter, per_class) for per_class in (1, 9))
    rows: dict[str, list[Picture]] = {}
    for label in first:
        usable = (id_ for id_ in first[label] + more[label] if has_maps(id_, dataset, experiments))
        if (id_ := next(usable, None)) is not None:
            rows[label] = one_row(id_, painter, experiments)
    if not rows:
        raise DataError(f"data/{dataset.name}/heatmaps.h5: no test image has an AU map")
    return rows


def has_maps(id_: str, dataset: Dataset, experiments: Sequence[Experiment]) -> bool:
    """Tell whether an image has an AU map, hence landmarks, and was evaluated by every experiment."""
    valid = bool(dataset.heatmaps["valid"][dataset.heatmaps.index[id_]])
    return valid and all(id_ in one.results.index for one in experiments)


def one_row(id_: str, painter: FacePainter, experiments: Sequence[Experiment]) -> list[Picture]:
    """Make the pictures of one image."""
    dataset, face = painter.dataset, painter.face_image(id_)
    points = np.asarray(dataset.landmarks["points"][dataset.landmarks.index[id_]], np.float64)
    scale = SIDE / painter.crop_side(id_)
    au_map: Map = np.asarray(dataset.heatmaps["map"][dataset.heatmaps.index[id_]], np.float32)
    attention = [one.results[f"attention/{one.layers[-1]}"][one.results.index[id_]] for one in experiments]
    return [
        face,
        draw_landmarks(face, points * scale),
        overlay(face, au_map),
        *(overlay(face, heat) for heat in attention),
    ]


def compose(rows: dict[str, list[Picture]], titles: Sequence[str]) -> Image.Image:
    """Compose a sheet with the expressions at the left and the titles on top."""
    width = LEFT + len(titles) * (SIDE + GAP) - GAP
    sheet = Image.new("RGB", (width, TOP + len(rows) * (SIDE + GAP) - GAP), PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, title in enumerate(titles):
        pen.text((LEFT + column * (SIDE + GAP) + SIDE / 2, TOP - 12), title, INK, font(16, bold=True), anchor="ms")
    for row, (label, pictures) in enumerate(rows.items()):
        y = TOP + row * (SIDE + GAP)
        pen.text((LEFT - 14, y + SIDE / 2), label, SOFT, font(16), anchor="rm")
        for column, picture in enumerate(pictures):
            sheet.paste(Image.fromarray(picture), (LEFT + column * (SIDE + GAP), y))
    return sheet


def save(sheet: Image.Image, path: Path) -> None:
    """Write a JPEG of at most ``MAX_BYTES``, of the best quality that fits."""
    for quality in range(92, 50, -3):
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= MAX_BYTES:
            break
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    print(f"{path}: {sheet.width} x {sheet.height}, {buffer.tell() // 1000} kB, quality {quality}")


def main() -> None:
    """Read the run and write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="project folder with a finished run")
    parser.add_argument("--out", type=Path, default=Path("docs/img"))
    parser.add_argument("--experiments", nargs="+", default=["vanilla", "au"])
    arguments = parser.parse_args()
    project = read_project(arguments.root / "params.yaml", arguments.root)
    known = {one.name: one for one in project.experiments if one.config.dataset == DATASET}
    for name in arguments.experiments:
        if name not in known:
            raise DataError(f"{arguments.root / 'params.yaml'}: no experiment {name!r} on the data set {DATASET!r}")
    chosen = [known[name] for name in arguments.experiments]
    titles = ["face", "landmarks", "AU map", *(f"{name} attention" for name in arguments.experiments)]
    save(compose(rows_of(project.datasets[DATASET], chosen), titles), arguments.out / "demo.jpg")


if __name__ == "__main__":
    sys.exit(run_main(main))
