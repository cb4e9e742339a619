"""``fer-au video``: show a trained model on a video, a pipe or a camera."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from fer_au.cli.outputs import named
from fer_au.compute import log
from fer_au.errors import ConfigError
from fer_au.speed import prepare_networks
from fer_au.terminal import visible

BROKEN = 3
"""Exit code of ``fer-au video`` where the files are whole, and the source broke before its end."""


def video(
    model: Annotated[Path, typer.Argument(help="Folder of a trained model: models/NAME.")],
    source: Annotated[
        str, typer.Argument(help="A video file, a named pipe, - for standard input, or a camera's number: 0.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", callback=named(".mp4", ".mov", ".mkv"), help="Write the annotated video."
        ),
    ],
    table: Annotated[
        Path | None,
        typer.Option(
            "--csv", metavar="FILE.csv", callback=named(".csv"), help="The table; default NAME.faces.csv beside."
        ),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", callback=named(".png", ".svg"), help="The timeline; default NAME.timeline.png beside."
        ),
    ] = None,
    every: Annotated[
        int, typer.Option(min=1, help="Look at each so many-th frame; those between show the last faces.")
    ] = 1,
    smooth: Annotated[
        str, typer.Option(metavar="HOW", help="Of what is shown: ema:A (weight of the newest), window:N, or none.")
    ] = "ema:0.6",
    overlay: Annotated[
        str, typer.Option(metavar="MAP", help="Lay over faces: attention (of the last layer), a CAM, or none.")
    ] = "none",
    points: Annotated[bool, typer.Option("--points", help="Draw the 68 points.")] = False,
    panel: Annotated[bool, typer.Option("--panel/--no-panel", help="Draw the scores of all classes.")] = True,
    faces: Annotated[str, typer.Option(help="all faces, or one, chosen as the training did.")] = "all",
    seconds: Annotated[float | None, typer.Option(min=0.001, help="End after so many seconds of it.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda:0, ...; default a GPU if there is one.")] = None,
) -> None:
    """Show a trained model on a video: a copy with boxes and scores, a table with a row per face and frame, a timeline.

    Nothing is shown on a screen. FER_AU_WORKERS processes find faces. Frames keep their own times, and sound is copied.
    Ctrl-C leaves no file; of a camera or a pipe, it ends the recording, which is kept. Exit code: 0, or 3 where the
    source broke and what was read before is kept; 2 is an error, and nothing is written. See docs/video.md.
    """
    prepare_networks(os.environ)
    from fer_au.video.run import Wanted, outcome_lines, watch
    from fer_au.video.smoothing import Smoothing

    if faces not in ("one", "all"):
        raise ConfigError(f"--faces: expected one or all, not {faces!r}")
    wanted = Wanted(
        output, table, figure, every, Smoothing.parse(smooth), overlay, points, panel, faces == "all", seconds
    )
    outcome = watch(model, source, wanted, device)
    first, *more = outcome_lines(outcome, wanted, source)
    typer.echo(visible(first))
    for line in more:
        log(line)
    if outcome.interrupted:
        raise KeyboardInterrupt
    if outcome.fault:
        raise typer.Exit(BROKEN)
