"""``fer-au verify`` and ``fer-au store``: check, show, export and merge HDF5 stores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from fer_au.cli.outputs import named
from fer_au.compute import log
from fer_au.errors import ConfigError, DataError
from fer_au.terminal import counted, visible

if TYPE_CHECKING:
    from fer_au.stores.export import FramedPoints
    from fer_au.stores.reader import Store

app = typer.Typer(no_args_is_help=True, help="HDF5 stores.", epilog="Example: fer-au store info evaluation/au.h5")


def verify(
    files: Annotated[list[Path], typer.Argument(help="HDF5 stores, models' folders, metrics, tables of data/.")],
) -> None:
    """Recompute every checksum of stores, models and metrics; name the damaged rows."""
    from fer_au.results.verifying import verify_artefact

    faults = 0
    for path in files:
        found = verify_artefact(path)
        faults += len(found)
        typer.echo(visible("\n".join(found) if found else f"{path}: ok"))
    if faults:
        raise DataError(f"{faults} fault(s) found")


@app.command("info", epilog="Example: fer-au store info evaluation/au.h5")
def store_info(file: Annotated[Path, typer.Argument(help="An HDF5 store.")]) -> None:
    """Show what a store holds and what decided it."""
    from fer_au.stores.reader import Store

    store = Store.open_any(file)
    typer.echo(visible(f"{file}: {store.schema}, {counted(len(store), 'row')}"))
    typer.echo(visible(f"fingerprint {store.fingerprint}\ncontent_sha256 {store.content_sha256}"))
    for name, value in sorted(store.attributes.items()):
        typer.echo(visible(f"attribute {name} = {value}"))
    for name in store.columns:
        spec = store.specs[name]
        typer.echo(visible(f"column {name} {spec.dtype} {spec.shape}"))


@app.command("export", epilog="Example: fer-au store export evaluation/au.h5 -o au.csv")
def store_export(
    file: Annotated[Path, typer.Argument(help="An HDF5 store.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="FILE.npz (all columns), FILE.csv, or what --format writes."),
    ],
    form: Annotated[
        str | None,
        typer.Option(
            "--format", help="Of faces.h5: crops with labels, points and maps as imagefolder, parquet or webdataset."
        ),
    ] = None,
    licensed: Annotated[
        bool, typer.Option("--licensed", help="With --format: you may copy the pictures, which are of persons.")
    ] = False,
    maps: Annotated[bool, typer.Option("--maps", help="Write every cell of maps into a csv, too.")] = False,
    frame: Annotated[
        str | None,
        typer.Option(
            help="Frame of the points: picture or crop; picture is what key points of adapter csv reads. "
            "Default: the store's own, which points_frame in the file names."
        ),
    ] = None,
    faces: Annotated[
        Path | None,
        typer.Option(help="Faces of the landmarks, for --frame picture. Default: faces.h5 beside them."),
    ] = None,
) -> None:
    """Write a store as npz or csv; a csv of an evaluation has true and predicted labels, and no csv has pictures.

    With --format, the faces of a data set as others read them.
    """
    if form is not None:
        typer.echo(f"{output}: {_export_faces(file, output, form, licensed, maps or frame or faces)} faces")
        return
    if licensed:
        raise ConfigError("--licensed has no effect without --format")
    named(".npz", ".csv")(output)
    from fer_au.results.images import export_images
    from fer_au.stores.export import export_store
    from fer_au.stores.reader import Store
    from fer_au.stores.schemas import SCHEMAS

    store = Store.open_any(file)
    answers = store.schema == SCHEMAS["evaluation"].name and output.suffix == ".csv"
    points = _points_in(store, frame, faces) if frame else None
    if answers:
        left_out = export_images(store, output, maps=maps)
    else:
        left_out = export_store(store, output, maps=maps, points=points)
    if left_out.maps:
        log(f"{output}: without maps: {', '.join(left_out.maps)} (--maps writes them, too)")
    if left_out.others:
        log(f"{output}: without {', '.join(left_out.others)}: bytes and tables don't fit into a csv")
    typer.echo(f"{output}: {counted(len(store), 'row')}")


def _export_faces(file: Path, output: Path, form: str, licensed: bool, others: object) -> int:
    """Write the faces of a data set; raises as ``export_faces``."""
    from fer_au.batches.formats import FORMATS, Format, export_faces

    if form not in FORMATS:
        raise ConfigError(f"--format: must be {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, not {form!r}")
    if others:
        raise ConfigError("--maps, --frame and --faces have no effect with --format, which has all of it")
    return export_faces(file, output, cast(Format, form), licensed=licensed)


def _points_in(store: Store, frame: str, faces: Path | None) -> FramedPoints | None:
    """Bring the points of a store into a frame; None if they lie in it already.

    Raises:
        ConfigError: There is no such frame, or the store has no points that can be brought there.
        StoreError: The faces can't be read, or are others.
    """
    from fer_au.landmarks.in_pictures import points_in_pictures
    from fer_au.stores.frames import CROP, PICTURE, points_frame
    from fer_au.stores.reader import Store

    if frame not in (PICTURE, CROP):
        raise ConfigError(f"--frame: must be {PICTURE} or {CROP}, not {frame!r}")
    own = points_frame(store.schema) if "points" in store else ""
    if own == frame:
        return None
    if own != CROP:
        why = (
            f"its points lie in the {own}, and only landmarks.h5 has them in the {CROP}" if own else "it has no points"
        )
        raise ConfigError(f"{store.path}: --frame {frame}: {why}")
    return points_in_pictures(store, Store.open(faces or store.path.with_name("faces.h5"), "faces"))


@app.command("merge", epilog="Example: fer-au store merge lab1/landmarks.h5 lab2/landmarks.h5 -o landmarks.h5")
def store_merge(
    files: Annotated[list[Path], typer.Argument(help="Stores of one kind with equal attributes.")],
    output: Annotated[Path, typer.Option("--output", "-o", callback=named(".h5"), help="The merged store, FILE.h5.")],
) -> None:
    """Merge stores by id; equal rows of one id count once, different ones are an error."""
    from fer_au.stores.merge import merge_stores

    typer.echo(f"{output}: {merge_stores(files, output)} rows")
