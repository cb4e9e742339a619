"""Say what guidance is good for, from the results of a project: ``python -m benchmarks.guidance PROJECT ...``.

Experiments that repeat one another have a ``group`` in params.yaml; groups of one data set, one backbone and one share
of the training faces are compared with the first of them that has neither guidance nor a base. Prints Markdown:
recognition, attention, turned heads, disturbed images and audits, each with 95 % intervals over seeds, and differences
over seeds and test images. Groups may be incomplete, and what wasn't measured is left out. Nothing is trained or scored
here.

``--figures DIR`` draws ``disturbances-<data set>.svg`` for each set, and ``fractions.svg`` where groups differ in
``train.fraction`` alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.guidance.figures import draw_disturbances, draw_fractions
from benchmarks.guidance.groups import find_curves, find_families, read_groups
from benchmarks.guidance.tables import page
from fer_au.atomic import write_atomically
from fer_au.compute import log
from fer_au.ending import run_main


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guidance", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("projects", nargs="+", type=Path, metavar="PROJECT", help="folder with params.yaml and metrics")
    parser.add_argument("--data-sets", type=_names, default=(), help="comma-separated; default all")
    parser.add_argument("--groups", type=_names, default=(), help="comma-separated; default all")
    parser.add_argument("--output", type=Path, help="Markdown file; default the terminal")
    parser.add_argument("--figures", type=Path, help="folder for the figures; default none")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    """Write the tables, and draw the figures."""
    wanted = parse(arguments)
    groups = read_groups(wanted.projects, wanted.data_sets, wanted.groups)
    families, curves = find_families(groups), find_curves(groups)
    text = page(families, curves)
    if wanted.output is None:
        print(text, end="")
    else:
        write_atomically(wanted.output, text.encode())
        log(f"{wanted.output}: {len(families)} comparisons")
    if wanted.figures is not None:
        wanted.figures.mkdir(parents=True, exist_ok=True)
        paths = [(wanted.figures / f"disturbances-{_slug(one.title)}.svg", one) for one in families]
        drawn = [path for path, family in paths if draw_disturbances(path, family)]
        shares = wanted.figures / "fractions.svg"
        drawn += [shares] if draw_fractions(shares, curves) else []
        log(f"{wanted.figures}: {', '.join(path.name for path in drawn) or 'nothing to draw'}")


def _slug(title: str) -> str:
    return "-".join("".join(letter if letter.isalnum() else " " for letter in title).split())


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:])))
