"""``fer-au verify`` and ``fer-au store``: check, show, export and merge HDF5 stores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fer_au.compute import log
from fer_au.errors import DataError

app = typer.Typer(no_args_is_help=True, help="HDF5 stores.", epilog="Example: fer-au store info evaluation/au.h5")


def verify(files: Annotated[list[Path], typer.Argument(help="HDF5 stores.")]) -> None:
    """Recompute every checksum of stores; name the damaged rows."""
    from fer_au.stores.verify import verify_store

    faults = 0
    for path in files:
        found = verify_store(path)
        faults += len(found)
        typer.echo("\n".join(found) if found else f"{path}: ok")
    if faults:
        raise DataError(f"{faults} fault(s) found")


@app.command("info", epilog="Example: fer-au store info evaluation/au.h5")
def store_info(file: Annotated[Path, typer.Argument(help="An HDF5 store.")]) -> None:
    """Show what a store holds and what decided it."""
    from fer_au.stores.reader import Store

    store = Store.open_any(file)
    typer.echo(f"{file}: {store.schema}, {len(store)} rows")
    typer.echo(f"fingerprint {store.fingerprint}\ncontent_sha256 {store.content_sha256}")
    for name, value in sorted(store.attributes.items()):
        typer.echo(f"attribute {name} = {value}")
    for name in store.columns:
        spec = store.specs[name]
        typer.echo(f"column {name} {spec.dtype} {spec.shape}")


@app.command("export", epilog="Example: fer-au store export evaluation/au.h5 -o au.csv")
def store_export(
    file: Annotated[Path, typer.Argument(help="An HDF5 store.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="FILE.npz (all columns) or FILE.csv.")],
    maps: Annotated[bool, typer.Option("--maps", help="Write every cell of maps into a csv, too.")] = False,
) -> None:
    """Write a store as npz or csv; a csv of an evaluation has true and predicted labels, and no csv has pictures."""
    from fer_au.results.images import export_images
    from fer_au.stores.export import export_store
    from fer_au.stores.reader import Store
    from fer_au.stores.schemas import SCHEMAS

    store = Store.open_any(file)
    answers = store.schema == SCHEMAS["evaluation"].name and output.suffix == ".csv"
    left_out = (export_images if answers else export_store)(store, output, maps=maps)
    if left_out.maps:
        log(f"{output}: without maps: {', '.join(left_out.maps)} (--maps writes them, too)")
    if left_out.others:
        log(f"{output}: without {', '.join(left_out.others)}: bytes and tables don't fit into a csv")
    typer.echo(f"{output}: {len(store)} rows")


@app.command("merge", epilog="Example: fer-au store merge lab1/landmarks.h5 lab2/landmarks.h5 -o landmarks.h5")
def store_merge(
    files: Annotated[list[Path], typer.Argument(help="Stores of one kind with equal attributes.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The merged store.")],
) -> None:
    """Merge stores by id; equal rows of one id count once, different ones are an error."""
    from fer_au.stores.merge import merge_stores

    typer.echo(f"{output}: {merge_stores(files, output)} rows")
