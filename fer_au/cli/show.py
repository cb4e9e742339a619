"""``fer-au show``: everything known of one face, as text and as one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fer_au.cli.outputs import named
from fer_au.compute import log
from fer_au.terminal import terminal_width, visible


def show(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Data set: NAME of data/NAME.")],
    face: Annotated[str, typer.Argument(metavar="ID", help="Id in manifest.csv; the end of it, if no other ends so.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.png", callback=named(".png"), help="Draw it, too: FILE.png."),
    ] = None,
) -> None:
    """Show everything known of one face: what each stage made of it, and the answer of every experiment that scored it.

    The picture has the source with the found box, the crop, its 68 points and its AU map; then, for each experiment,
    the probabilities, the attention of every layer, and every CAM. Nothing is computed: what no stage has made is
    named.
    """
    from fer_au.config.reading import PARAMS
    from fer_au.report.face_record import read_face
    from fer_au.report.face_text import face_text

    record = read_face(PARAMS, Path(), dataset, face)
    typer.echo(visible(face_text(record, terminal_width())))
    if output is not None:
        from fer_au.report.face_picture import draw_face

        draw_face(output, record)
        log(f"{output}: drawn")
