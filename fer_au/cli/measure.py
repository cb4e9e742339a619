"""``fer-au measure``: score maps that any program made, by the metrics of the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from fer_au.compute import log
from fer_au.config.reading import name_fault
from fer_au.errors import ConfigError, DataError

_SPLITS = ("train", "valid", "test")
_FRAMES = ("crop", "picture")


def measure(
    dataset: Annotated[str, typer.Argument(help="Data set whose faces the maps are of: a key of `datasets`.")],
    maps: Annotated[
        Path, typer.Option("--maps", metavar="FILE", help="Maps, FILE.npz or FILE.h5: id, map[, probability, classes].")
    ],
    name: Annotated[str, typer.Option("--name", help="Name of what made the maps; metrics/external/NAME.json.")],
    split: Annotated[str, typer.Option(help="Split that is scored: train, valid or test.")] = "test",
    frame: Annotated[
        str, typer.Option(help="What a map spans: the aligned crop, or the whole source picture.")
    ] = "crop",
    partial: Annotated[
        bool, typer.Option("--partial", help="Score the faces that have a map, though others of the split have none.")
    ] = False,
) -> None:
    """Score maps that were made elsewhere: by the same metrics, beside the same baselines, with intervals.

    The file's keys and frames: docs/measure.md. The metrics are a row of the report, which `dvc repro` renews.
    """
    for option, value, words in (("--split", split, _SPLITS), ("--frame", frame, _FRAMES)):
        if value not in words:
            raise ConfigError(f"{option}: expected {', '.join(words[:-1])} or {words[-1]}, not {value!r}")
    if fault := name_fault(name):
        what = "expected small letters, digits, - and _, as names of experiments"
        raise ConfigError(f"--name: {what}; not {name!r}: {fault}")
    folder = Path("data") / dataset
    if name_fault(dataset) or not folder.is_dir():
        raise DataError(f"{folder}: no such folder; DATASET is a key of `datasets`, whose stages have run")
    from fer_au.measure.maps_file import open_maps
    from fer_au.measure.measuring import SpannedFrame, measure_maps, summary_lines
    from fer_au.measure.results import EXTERNAL

    output = EXTERNAL / f"{name}.json"
    with open_maps(maps) as brought:
        spanned = cast("SpannedFrame", frame)
        metrics = measure_maps(brought, folder, output, split=split, frame=spanned, partial=partial)
    typer.echo("\n".join(summary_lines(name, metrics)))
    log(f"{output}: {len(metrics)} metrics")
