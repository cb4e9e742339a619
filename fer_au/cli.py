"""The command line ``fer-au``: checks and tools around the pipeline; the pipeline itself runs by ``dvc repro``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from fer_au.compute import log
from fer_au.errors import DataError, run_main

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
cache_app = typer.Typer(no_args_is_help=True, help="The shard cache.")
store_app = typer.Typer(no_args_is_help=True, help="HDF5 stores.")
app.add_typer(cache_app, name="cache")
app.add_typer(store_app, name="store")


@app.callback()
def options(debug: Annotated[bool, typer.Option("--debug", help="Show the trace of an error.")] = False) -> None:
    """Options of every command."""
    if debug:
        os.environ["FER_AU_DEBUG"] = "1"


@app.command("check-data")
def check_data(
    adapter: Annotated[str, typer.Argument(help="Adapter: demo, folder, csv, sep, ...")],
    root: Annotated[Path, typer.Argument(help="Folder of the data set.")],
    option: Annotated[list[str] | None, typer.Option("--set", help="Adapter key as in params.yaml: KEY=VALUE.")] = None,
) -> None:
    """Scan a data set as the stage ingest would, and say what it finds; nothing is written."""
    import tempfile

    from fer_au.config.loading import validate
    from fer_au.datasets import create_adapter, ingest_dataset

    settings = dict(_setting(text) for text in option or [])
    config_type = type(create_adapter(adapter)).Config
    config = validate(config_type, {"adapter": adapter, "root": root, **settings}, "", "command line")
    with tempfile.TemporaryDirectory() as folder:
        ingest_dataset(root.name or str(root), config, Path(folder))


@app.command()
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


@store_app.command("info")
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


@cache_app.command("info")
def cache_info() -> None:
    """Show where the shard cache is, and how much each operation keeps there."""
    from fer_au.stores.cache import cache_root

    root = cache_root()
    operations = sorted({path.parent for path in root.glob("*/*/*.h5")})
    typer.echo(f"{root}: {len(operations)} operation(s)")
    for folder in operations:
        shards = list(folder.glob("*.h5"))
        size = sum(path.stat().st_size for path in shards) / 1e6
        typer.echo(f"{folder.name[:16]}  {len(shards)} shards  {size:.1f} MB")


def _setting(text: str) -> tuple[str, object]:
    import yaml

    key, separator, value = text.partition("=")
    if not separator:
        raise DataError(f"--set {text}: expected KEY=VALUE")
    return key, yaml.safe_load(value)


def main() -> None:
    """Entry point of the command ``fer-au``."""
    command = typer.main.get_command(app)

    def call() -> None:
        command.main(standalone_mode=False, prog_name="fer-au")

    try:
        sys.exit(run_main(call))
    except typer.Exit as end:
        sys.exit(end.exit_code)
    except Exception as error:
        # Click's usage errors: one line and exit code 2, like every other error.
        if not hasattr(error, "format_message"):
            raise
        if message := error.format_message():
            log(f"error: {message}")
        sys.exit(2)
