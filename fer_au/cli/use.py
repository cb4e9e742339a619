"""``fer-au predict``, ``export``, ``card``: use what was trained, on pictures, in other programs, by other people."""

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

SOME_UNUSED = 3
"""Exit code of ``fer-au predict`` where the table is whole, and some pictures have a reason in place of an answer."""


def predict(
    model: Annotated[Path, typer.Argument(help="Folder of a trained model: models/NAME.")],
    path: Annotated[list[str], typer.Argument(help="Pictures, folders with all below them, patterns in quotes.")],
    table: Annotated[
        Path, typer.Option("--csv", metavar="FILE.csv", callback=named(".csv"), help="Write the answers: FILE.csv.")
    ],
    form: Annotated[
        str,
        typer.Option("--format", help="full; or gimefive, with filepath and six classes alone, two decimals."),
    ] = "full",
    faces: Annotated[str, typer.Option(help="one, chosen as the training did; or all faces of each picture.")] = "one",
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The pictures are crops already, made as the training's.")
    ] = False,
    overlays: Annotated[
        Path | None,
        typer.Option("--overlays", metavar="DIR", help="Also draw the attention over each face, a JPEG for each."),
    ] = None,
    maps: Annotated[
        Path | None,
        typer.Option("--maps", metavar="FILE.npz", callback=named(".npz"), help="Also write the attention maps."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda:0, ...; default a GPU if there is one.")] = None,
) -> None:
    """Classify the faces of pictures by a trained model: a table with one row per face.

    Each picture is decoded, its face found, cut out and preprocessed as in the training of the model. FER_AU_WORKERS
    processes find faces. A run that was killed goes on where it was when the command is given again, and the table has
    the same bytes. A picture that can't be used is a row with a reason. Exit code: 0, or 3 where there are such rows; 2
    is an error, and no table is written.
    """
    prepare_networks(os.environ)
    from fer_au.use.predict import Wanted, outcome_lines, predict_pictures
    from fer_au.use.table import FORMATS

    for option, value, words in (("--format", form, FORMATS), ("--faces", faces, ("one", "all"))):
        if value not in words:
            raise ConfigError(f"{option}: expected {' or '.join(words)}, not {value!r}")
    wanted = Wanted(table, form, faces == "all", aligned, overlays, maps)
    outcome = predict_pictures(model, path, wanted, device)
    first, *more = outcome_lines(outcome, wanted)
    typer.echo(visible(first))
    for line in more:
        log(line)
    if outcome.unused:
        raise typer.Exit(SOME_UNUSED)


def export(
    model: Annotated[Path, typer.Argument(help="Folder of a trained model: models/NAME.")],
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx", callback=named(".onnx"), help="File to write.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Bring weights and activations to 8 bits, and say what that costs.")
    ] = False,
    dataset: Annotated[
        Path | None,
        typer.Option(
            "--dataset", metavar="DIR", help="data/NAME: its train split scales the 8 bits, its test split scores them."
        ),
    ] = None,
) -> None:
    """Write a trained model as one ONNX file that needs neither torch nor fer_au: crops in, scores and maps out.

    Preprocessing is part of it. Before the file takes its name, its answers to 50 inputs are compared with torch's. See
    docs/export.md. Needs the extra `[export]`.
    """
    from fer_au.use.export import export_model, outcome_lines

    if model.suffix == ".h5":
        raise ConfigError(f"{model}: export takes a model; a store is written as csv or npz by `fer-au store export`")
    for line in outcome_lines(export_model(model, file, int8=int8, dataset=dataset)):
        typer.echo(visible(line))


def card(
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Trained experiment: NAME of models/NAME.")],
    output: Annotated[Path, typer.Option("--folder", "-o", metavar="DIR", help="Folder to write.")],
    licence: Annotated[
        str, typer.Option("--license", metavar="ID", help="Licence of the model, as hubs list them: cc-by-nc-4.0, ...")
    ] = "other",
) -> None:
    """Write a folder for others: the model's files, and a card with its scores, limits, preprocessing and hashes.

    Predictor.load, `fer-au predict` and `fer-au export` take the folder, and hubs take it whole. See docs/card.md.
    """
    from fer_au.use.card import Place, write_folder

    names = write_folder(Place(Path(), experiment), output, licence)
    typer.echo(visible(f"{output}: {', '.join(names)}"))
