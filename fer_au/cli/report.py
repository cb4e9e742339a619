"""``fer-au report``: the page of some experiments, as a file of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fer_au.cli.outputs import named
from fer_au.errors import ConfigError

_STAGE = Path("report")


def report(
    experiments: Annotated[
        str | None,
        typer.Option("--experiments", metavar="NAME,...", help="Experiments and groups to show; default all."),
    ] = None,
    images: Annotated[
        int | None,
        typer.Option(
            "--images",
            metavar="N",
            min=0,
            max=5000,
            help="Most test images of each gallery; default 60 to 500, by size.",
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE.html", callback=named(".html"), help="File to write."),
    ] = Path("report.html"),
) -> None:
    """Write the page of some experiments as one file: to read, or to send to a co-author.

    It is the page of `dvc repro report`, whose report/index.html stays as it is. The experiments have to be evaluated.
    """
    from fer_au.config.reading import PARAMS
    from fer_au.report import write_report

    if output.resolve().is_relative_to(_STAGE.resolve()):
        raise ConfigError(f"{output}: report/ is the output of a stage, which DVC replaces; name another file")
    chosen = None if experiments is None else [name.strip() for name in experiments.split(",") if name.strip()]
    if chosen == []:
        raise ConfigError("--experiments: no name in it; give names with commas between, or leave it out")
    write_report(PARAMS, Path(), output, images, experiments=chosen)
