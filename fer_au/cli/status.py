"""``fer-au status``: how far the work is, on one screen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fer_au.results.status import DatasetStatus, ExperimentStatus


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print the same as one JSON document.")] = False,
) -> None:
    """Show how far the data sets and experiments of params.yaml are: what is done, running, stopped or to do.

    Files are read alone, so that it may be asked at any time, also while `dvc repro` runs.
    """
    from fer_au.results.status import read_status

    found = read_status()
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2, allow_nan=False, ensure_ascii=False))
        return
    lines = ["data sets", *_table([_dataset_cells(one) for one in found.datasets])]
    for title, entries in (("experiments", found.experiments), ("cross", found.cross)):
        if entries:
            lines += ["", title, *_table([_experiment_cells(one) for one in entries])]
    typer.echo("\n".join(lines))


def _dataset_cells(one: DatasetStatus) -> list[str]:
    faces = ", ".join(f"{split} {count}" for split, count in one.faces.items() if count) or "no faces yet"
    rejected = ", ".join(f"{stage} {count}" for stage, count in one.rejects.items() if count)
    open_ = {state: [stage for stage, own in one.stages.items() if own == state] for state in ("running", "to do")}
    stages = "; ".join(f"{state}: {', '.join(names)}" for state, names in open_.items() if names) or "all done"
    return [one.name, faces, f"rejected: {rejected}" if rejected else "", one.fault or stages]


def _experiment_cells(one: ExperimentStatus) -> list[str]:
    from fer_au.compute.progress import in_words

    parts = []
    if one.epoch is not None and one.state in ("training", "stopped"):
        parts.append(f"epoch {one.epoch} of {one.epochs}")
        parts.append(f"best valid {one.best:.3f}")
    if one.seconds_left is not None:
        parts.append(f"about {in_words(one.seconds_left)} left")
    if one.accuracy is not None:
        parts.append(f"accuracy {one.accuracy:.3f}")
    return [one.name, one.dataset, one.state, ", ".join([*parts, *([one.detail] if one.detail else [])])]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    from fer_au.terminal import GAP, visible

    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)]
        lines.append(visible(f"  {GAP.join(cells)}".rstrip()))
    return lines
