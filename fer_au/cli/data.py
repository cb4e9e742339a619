"""``fer-au check-data``: look at a data set before the pipeline does."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fer_au.cli.outputs import named
from fer_au.errors import ConfigProblemsError, DataError
from fer_au.home import at_home

if TYPE_CHECKING:
    from fer_au.config.data import DatasetConfig
    from fer_au.config.reading import Fault
    from fer_au.datasets.manifest import ManifestRow

_NAME = "given"  # of the data set, where one is needed
_LABELS, _TABLES, _SHOWN = "labels", (".csv", ".tsv", ".txt"), 3  # the key of a label file, and what may be one
_LINES = "the lines above"
_ABOVE = "the lines above, and all rows by --rejects FILE.csv"  # where the stage ingest names its table


def _read_config(entry: dict[str, object]) -> DatasetConfig:
    """Read an entry as of ``datasets``; where it is wrong, all that is wrong with it and with what it names is told.

    Raises:
        ConfigProblemsError: It is wrong.
    """
    from fer_au.checks.datasets import check_datasets
    from fer_au.checks.outputs import Outputs
    from fer_au.datasets.base import create_adapter, examine_dataset

    create_adapter(str(entry["adapter"]))  # another name is a line of its own
    config, _ = examine_dataset(_NAME, entry)
    if config is None:
        params = {"datasets": {_NAME: entry}, "render": {}}
        _, faults = check_datasets(params, Outputs(params))
        raise ConfigProblemsError([f"command line: {_as_typed(fault, entry)}" for fault in faults])
    return config


def _as_typed(fault: Fault, entry: dict[str, object]) -> str:
    """Say a fault as of the command line; of a key that is missing also how it is given."""
    from fer_au.config.reading import MISSING

    text = str(fault).removeprefix(f"datasets.{_NAME}").lstrip(".: ")
    if fault.text != MISSING:
        return text
    key = text.partition(":")[0]
    root = at_home(str(entry["root"]))
    tables = (path.name for path in root.glob("*") if key == _LABELS and path.suffix.lower() in _TABLES)
    example = " or ".join(f"--set {key}={shlex.quote(name)}" for name in sorted(tables)[:_SHOWN])
    return f"{text}; give it as {example or f'--set {key}=VALUE'}"


def _frame_lines(root: Path, rows: Sequence[ManifestRow]) -> Iterator[str]:
    """Measure which frame fits the pictures of some rows, evenly spread."""
    from fer_au.datasets.inside import PictureFiles
    from fer_au.faces.frame_survey import SAMPLE, survey_frames

    pictures = sorted({(row.path, row.sha256) for row in rows})
    step = max(len(pictures) / SAMPLE, 1.0)
    chosen = [pictures[int(number * step)] for number in range(min(SAMPLE, len(pictures)))]
    files = PictureFiles(root.resolve())
    if chosen:
        yield from survey_frames([files.path(*picture) for picture in chosen]).lines("NAME")


def check_data(
    adapter: Annotated[str, typer.Argument(help="Adapter: demo, folder, csv, sep, ...")],
    root: Annotated[Path, typer.Argument(help="Folder of the data set.")],
    option: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Adapter key, as in params.yaml; dots lead into a mapping."),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option("--rejects", callback=named(".csv"), help="Write all that can't be used, with reasons: FILE.csv."),
    ] = None,
    frame: Annotated[
        bool, typer.Option("--frame", help="Also measure, on 200 pictures, which settings of align fit them.")
    ] = False,
) -> None:
    """Scan a data set as the stage ingest would, and say what it finds; only --rejects writes a file.

    --frame looks for the faces of 200 pictures with each quick detector, measures which share of a crop each template
    would put outside its picture, and prints the line for `datasets.NAME.align` that fits.

    Keys of each adapter: docs/params.md#datasetsname. A label file whose columns have other names:
    `fer-au check-data csv faces --set labels=legend.csv --set 'columns={image: File, label: Mood}'`, or one by one
    with `--set columns.image=File --set columns.label=Mood`. Pictures in a folder below: `--set images=pictures`.
    """
    from fer_au.config.assignments import parse_settings
    from fer_au.datasets import survey_dataset
    from fer_au.datasets.summary import count_table, survey_lines, untrainable_line
    from fer_au.rejects import write_rejects

    config = _read_config({"adapter": adapter, "root": str(root), **parse_settings("--set", option or [])})
    survey = survey_dataset(str(root), config)
    lines = survey_lines(survey.notes, survey.rows, survey.rejects, survey.leaks.told, config)
    typer.echo("\n".join([*count_table(survey.rows), *lines]))
    if frame:
        for line in _frame_lines(config.root, survey.rows):
            typer.echo(line)
    if table is not None:
        write_rejects(table, survey.rejects)
        typer.echo(f"{table}: {len(survey.rejects)} rows")
    survey.check_losses(str(root), config, table or _ABOVE)
    survey.check_leaks(str(root), config, _LINES)
    if line := untrainable_line(survey.rows):
        raise DataError(f"{root}: {line}")
