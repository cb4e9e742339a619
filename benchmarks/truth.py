"""Measure how well AU maps fit true motion: ``python -m benchmarks.truth`` from the repository's root.

The demo's faces are moved by known action units, so the skin that moves is known to the pixel. Scores are those of
people that no geometry was fitted on: centred cosine and AUC (the pixels above half of the largest motion are inside)
with the motion in the aligned crop, 28 x 28.

On these faces the way from an expression to its action units is circular: the demo shows what the codebook lists. The
way from an action unit to its place is not: the motion is that of the face units of the head, which others made.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from benchmarks.shared.true_motion import (
    CROP,
    EXPRESSIONS,
    MAP,
    UNITS,
    MovedFaces,
    faces_of_expressions,
    faces_of_single_units,
)
from fer_au.cues import create_cue, list_geometries, render_au_maps
from fer_au.cues.cue import FaceBatch
from fer_au.cues.geometries import create_geometry
from fer_au.cues.regions import REGIONS, region_coverage
from fer_au.evaluation import centered_cosine
from fer_au.evaluation.baselines import gaussian_map
from fer_au.evaluation.map_scores import map_auc
from fer_au.landmarks import create_extractor
from fer_au.machine import cpu_name

Maps = NDArray[np.floating]
# The published geometry is drawn in the crop that it was published for.
TEMPLATES = {"paper": "arcface"}


def scores(maps: Maps, faces: MovedFaces) -> dict[str, tuple[float, float]]:
    """Average centred cosine and AUC per name over the held-back people."""
    ccos, auc = centered_cosine(maps, faces.motion), map_auc(maps, faces.motion)
    own = {name: (faces.names == name) & faces.held_back for name in dict.fromkeys(faces.names)}
    return {name: (float(np.nanmean(ccos[rows])), float(np.nanmean(auc[rows]))) for name, rows in own.items()}


def other_people(faces: MovedFaces) -> Maps:
    """Give each face the mean motion of the other half of the people, under the same name."""
    maps = np.zeros_like(faces.motion)
    for name in dict.fromkeys(faces.names):
        rows = faces.names == name
        maps[rows] = faces.motion[rows & ~faces.held_back].mean(axis=0)
    return maps


def unit_maps(faces: MovedFaces, geometry: str) -> Maps:
    """Draw the single action unit of each face; NaN where the geometry has none."""
    drawn = create_geometry(geometry)
    maps = np.full(faces.motion.shape, np.nan)
    for unit in UNITS:
        rows = faces.names == f"AU{unit}"
        if unit in drawn.action_units:
            maps[rows] = drawn.draw(faces.points[rows], {unit: 1.0}, CROP, MAP)[0]
    return maps


def expression_maps(faces: MovedFaces, profile: str, points: NDArray[np.float32] | None = None) -> Maps:
    """Draw the AU map of each face by its expression; NaN where there is none."""
    used = faces.points if points is None else points
    maps, valid = render_au_maps(used, faces.names, CROP, MAP, codebook=profile, geometry=profile)
    return np.where(valid[:, None, None], maps, np.nan)


def class_blind_maps(faces: MovedFaces) -> dict[str, Maps]:
    """Draw what a model could show that does not know the expression."""
    count = len(faces.names)
    background = region_coverage(faces.points.astype(float), CROP, (MAP, MAP))[:, REGIONS.index("background")]
    generic = create_cue("au_generic").render(FaceBatch(faces.points, ["happiness"] * count, CROP, MAP))[0]
    others = expression_maps(faces, "corrected")[~faces.held_back]
    return {
        "every AU (au_generic)": np.asarray(generic),
        "face mask": 1 - background,
        "centred Gaussian": np.repeat(gaussian_map(MAP)[None], count, axis=0),
        **({"mean AU map": np.repeat(others.mean(axis=0)[None], count, axis=0)} if len(others) else {}),
    }


def table(title: str, names: Sequence[str], rows: Mapping[str, Mapping[str, tuple[float, float]]]) -> None:
    """Print centred cosine / AUC, one line per name and one column per row of scores."""
    print(f"\n{title} (centred cosine / AUC)\n{'':10}" + "".join(f"{label:>24}" for label in rows))
    for name in names:
        cells = (f"{own[name][0]:.3f} / {own[name][1]:.3f}" for own in rows.values())
        print(f"{name:10}" + "".join(f"{cell:>24}" for cell in cells))
    means = (np.nanmean([own[name] for name in names], axis=0) for own in rows.values())
    print(f"{'mean':10}" + "".join(f"{f'{ccos:.3f} / {auc:.3f}':>24}" for ccos, auc in means))


def extractor_rows(faces: MovedFaces, extractors: Sequence[str]) -> dict[str, dict[str, tuple[float, float]]]:
    """Score the maps drawn from each extractor's points instead of the true ones."""
    found = {}
    for name in extractors:
        points, _ = create_extractor(name).extract(faces.crops)
        found[name] = scores(expression_maps(faces, "corrected", points.astype(np.float32)), faces)
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=48, help="half of them are held back")
    parser.add_argument("--extractors", nargs="*", default=[], help="landmark extractors to compare (slow: pictures)")
    args = parser.parse_args()
    people = range(args.people)
    print(f"{cpu_name()}; Python {platform.python_version()}, numpy {version('numpy')}")
    print(f"{args.people // 2} people held back; geometries: {', '.join(list_geometries())}")

    profiles = ("corrected", "paper")
    units: dict[str, dict[str, tuple[float, float]]] = {}
    shown: dict[str, dict[str, tuple[float, float]]] = {}
    for profile in profiles:
        template = TEMPLATES.get(profile, "loose")
        singles = faces_of_single_units(people, template=template)
        units[profile] = scores(unit_maps(singles, profile), singles)
        faces = faces_of_expressions(people, template=template, pictures=bool(args.extractors) and template == "loose")
        shown[profile] = scores(expression_maps(faces, profile), faces)
        if template == "loose":
            units["other people"] = scores(other_people(singles), singles)
            shown |= {name: scores(maps, faces) for name, maps in class_blind_maps(faces).items()}
            shown["other people"] = scores(other_people(faces), faces)
            by_extractor = extractor_rows(faces, args.extractors)
    table("Single action units", [f"AU{unit}" for unit in UNITS], units)
    table("Whole expressions", EXPRESSIONS, shown)
    if args.extractors:
        table("Whole expressions, geometry corrected, by extractor", EXPRESSIONS, by_extractor)


if __name__ == "__main__":
    main()
