"""Draw docs/img/action_units.jpg: every action unit of the demo, its true motion and its spot, one per tile.

``python tools/draw_action_units.py``. Each tile shows one rendered face with one action unit at full intensity; the
skin that moves is painted in colour, and the line is where geometry ``corrected`` reaches half of its peak.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fer_au.cues.geometries import create_geometry
from fer_au.demo.action_units import AU_NAMES
from fer_au.demo.asset import load_asset
from fer_au.demo.camera import Camera, Pose
from fer_au.demo.degradation import Degradation
from fer_au.demo.expressions import Activation
from fer_au.demo.identity import sample_identities
from fer_au.demo.render import PersonModel, render
from fer_au.demo.scene import sample_scene
from fer_au.ending import run_main
from fer_au.evaluation.truth import motion_in_crop
from fer_au.expressions import NEUTRAL
from fer_au.faces.geometry import apply_matrix, fit_similarity
from fer_au.faces.templates import five_points, get_template
from fer_au.faces.warp import warp_crop
from fer_au.heat import overlay

SIDE, COLUMNS, PERSON = 168, 5, 5
LINE = (90, 220, 255)
WORDS = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    14: "dimpler",
    15: "lip corner depressor",
    16: "lower lip depressor",
    17: "chin raiser",
    20: "lip stretcher",
    23: "lip tightener",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
    27: "mouth stretch",
    43: "eyes closed",
}


def draw_tile(model: PersonModel, unit: int) -> NDArray[np.uint8]:
    """Draw one action unit, (SIDE, SIDE, 3) RGB."""
    rng = np.random.default_rng(0)
    shown = {f"AU{unit}": 1.0}
    scene = replace(
        sample_scene(NEUTRAL, rng),
        activation=Activation(shown, shown),
        pose=Pose(),
        camera=Camera(distance=1.0, focal=3.6, offset=(0.0, -0.1)),
        degradation=Degradation(blur=0.0, noise=0.0, contrast=1.0, cast=(1.0, 1.0, 1.0), grey=False, quality=95),
    )
    truth = render(model, scene, 2 * SIDE, rng)
    matrix = fit_similarity(five_points(truth.points), get_template("loose").five(SIDE))
    points = apply_matrix(matrix, truth.points)[None].astype(np.float32)
    size = np.full((1, 2), 2.0 * SIDE)
    motion = motion_in_crop(truth.motion[None] / 255, size, matrix[None], SIDE, (56, 56))[0]
    spot = create_geometry("corrected").draw(points, {unit: 1.0}, SIDE, SIDE)[0][0]
    tile = overlay(warp_crop(truth.picture, matrix, SIDE), motion)
    outline, _ = cv2.findContours((spot >= 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(np.ascontiguousarray(tile), outline, -1, LINE, 1, cv2.LINE_AA), np.uint8)


def draw_sheet() -> Image.Image:
    """Draw all tiles with their names."""
    identity = sample_identities(load_asset(), PERSON + 1, 0)[PERSON]
    model = PersonModel.build(identity)
    units = [int(name.removeprefix("AU")) for name in AU_NAMES]
    rows, strip, gap = -(-len(units) // COLUMNS), 18, 6
    size = (COLUMNS * (SIDE + gap) - gap, rows * (SIDE + strip + gap) - gap)
    sheet = Image.new("RGB", size, (255, 255, 255))
    ink = ImageDraw.Draw(sheet)
    font = ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), 11)
    for number, unit in enumerate(units):
        left, top = number % COLUMNS * (SIDE + gap), number // COLUMNS * (SIDE + strip + gap)
        ink.text((left, top + 3), f"AU{unit} {WORDS[unit]}", fill=(29, 27, 34), font=font)
        sheet.paste(Image.fromarray(draw_tile(model, unit)), (left, top + strip))
    return sheet


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/img/action_units.jpg"))
    args = parser.parse_args()
    draw_sheet().save(args.out, quality=85, optimize=True)
    print(f"{args.out}: {args.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    sys.exit(run_main(main))
