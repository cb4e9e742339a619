"""Accuracy and speed of each detector with each landmark extractor, on faces whose 68 points are known.

    python -m benchmarks.landmarks                                      (renders 210 faces of 70 people first)
    python -m benchmarks.landmarks --data data/mine --root PICTURES     (a data set with annotated points)

from the repository's root. Each pair runs as the pipeline does: find the face in the picture, align the crop, extract,
map the points back; they are compared with the truth in the picture, in inter-ocular units. Prints the tables and
writes ``benchmarks/results/landmarks.json``, which the report shows after the next ``dvc repro``.

Speeds are of one core, in processor time: a warm-up, then the median of three rounds through all pairs in turn.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from benchmarks.landmarks.faces import FaceSet, rendered_faces, stored_faces
from benchmarks.landmarks.run import Options, run
from benchmarks.landmarks.tables import print_results
from fer_au.ending import run_main
from fer_au.landmarks.benchmark_results import COMMAND, RESULTS, write_results


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--people", type=int, default=70, help="people to render (default 70: those of the demo set)")
    parser.add_argument("--pictures", type=int, default=3, help="pictures of each (default 3)")
    parser.add_argument("--seed", type=int, default=0, help="of the rendered faces (default 0)")
    parser.add_argument("--data", type=Path, help="instead: a folder data/KEY whose annotations.h5 has 68 points")
    parser.add_argument("--root", type=Path, help="the pictures of --data")
    parser.add_argument("--detectors", type=_names, default=(), help="names, comma-separated (default: all)")
    parser.add_argument("--extractors", type=_names, default=(), help="names, comma-separated (default: all)")
    parser.add_argument("--keypoints", choices=["detector", "dlib5", "dlib68"], default="dlib68", help="for alignment")
    parser.add_argument("--budget", type=float, default=240.0, help="seconds one detector may search (default 240)")
    parser.add_argument("--output", type=Path, default=RESULTS, help=f"default {RESULTS}")
    parsed = parser.parse_args(arguments)
    if (parsed.data is None) != (parsed.root is None):
        parser.error("--data and --root go together")
    return parsed


def main(arguments: Sequence[str]) -> None:
    """Measure, print, write."""
    parsed = parse(arguments)
    options = Options(parsed.detectors, parsed.extractors, parsed.keypoints, parsed.budget)
    source: AbstractContextManager[FaceSet]
    if parsed.data is not None:
        source = nullcontext(stored_faces(parsed.data, parsed.root))
    else:
        source = rendered_faces(parsed.people, parsed.pictures, parsed.seed)
    with source as faces:
        results = run(faces, options)
    print_results(results)
    write_results(parsed.output, results)
    print(f"\nwritten to {parsed.output}")


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:])))
