"""The command line ``fer-au``: checks and tools around the pipeline; the pipeline itself runs by ``dvc repro``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from fer_au.command import check_package
from fer_au.compute import log
from fer_au.errors import DataError, run_main

_WORKSPACE = Path(".fer_au")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
cache_app = typer.Typer(no_args_is_help=True, help="The shard cache.")
presets_app = typer.Typer(no_args_is_help=True, help="Published experiments, and recipes, as a params.yaml.")
store_app = typer.Typer(no_args_is_help=True, help="HDF5 stores.")
app.add_typer(cache_app, name="cache")
app.add_typer(presets_app, name="presets")
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
    option: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Adapter key, as in params.yaml.")
    ] = None,
) -> None:
    """Scan a data set as the stage ingest would, and say what it finds; nothing is written."""
    import tempfile

    from fer_au.config.reading import validate
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


@store_app.command("export")
def store_export(
    file: Annotated[Path, typer.Argument(help="An HDF5 store.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="FILE.npz (all columns) or FILE.csv.")],
) -> None:
    """Write a store as npz or csv."""
    from fer_au.stores.export import export_store
    from fer_au.stores.reader import Store

    store = Store.open_any(file)
    if left_out := export_store(store, output):
        log(f"{output}: without {', '.join(left_out)}: rows of bytes do not fit into a csv")
    typer.echo(f"{output}: {len(store)} rows")


@store_app.command("merge")
def store_merge(
    files: Annotated[list[Path], typer.Argument(help="Stores of one kind with equal attributes.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The merged store.")],
) -> None:
    """Merge stores by id; equal rows of one id count once, different ones are an error."""
    from fer_au.stores.merge import merge_stores

    typer.echo(f"{output}: {merge_stores(files, output)} rows")


@cache_app.command("info")
def cache_info() -> None:
    """Show where the cache is, and how much each operation, finished work and checkpoints take there."""
    from fer_au.shards.cache import cache_root
    from fer_au.shards.prune import list_operations, list_work

    root = cache_root()
    operations, work = list_operations(root), list_work(root, _WORKSPACE)
    total = sum(one.size for one in operations) + sum(one.size for one in work)
    typer.echo(f"{root}: {len(operations)} operation(s), {len(work)} finished or begun, {total / 1e6:.1f} MB")
    for operation in operations:
        typer.echo(
            f"{operation.fingerprint[:16]}  {operation.name or '(unreadable)':12}  {operation.rows:9d} rows  "
            f"{len(operation.shards):6d} shards  {operation.size / 1e6:10.1f} MB  last used {_day(operation.used)}"
        )
    for one in work:
        typer.echo(f"{one.path.name[:16]}  {one.kind:12}  {one.size / 1e6:39.1f} MB  last used {_day(one.used)}")


def _day(seconds: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


@cache_app.command("prune")
def cache_prune(
    older_than: Annotated[float | None, typer.Option(min=0, help="Remove what was unused for so many days.")] = None,
    max_size: Annotated[float | None, typer.Option(min=0, help="Then the longest unused, down to so many GB.")] = None,
    operation: Annotated[
        str | None,
        typer.Option(help="Only this operation (align, landmarks, ...), training, evaluation, checkpoint, clusters."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Remove rows, finished work and checkpoints; what is needed again is computed again. Leftovers always go."""
    from fer_au.shards.cache import cache_root
    from fer_au.shards.prune import prune

    limit = None if max_size is None else int(max_size * 1e9)
    count, size = prune(
        cache_root(),
        older_than_days=older_than,
        max_bytes=limit,
        operation=operation,
        workspace=_WORKSPACE,
        dry_run=dry_run,
    )
    typer.echo(f"{'would remove' if dry_run else 'removed'} {count} file(s), {size / 1e6:.1f} MB")


@presets_app.command("list")
def presets_list() -> None:
    """Show the presets."""
    from fer_au.presets import list_presets, load_preset

    for name in list_presets():
        typer.echo(f"{name:20}  {load_preset(name).title}")


@presets_app.command("write")
def presets_write(
    name: Annotated[str, typer.Argument(help="A preset, or the path of your own.")],
    grid: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=V1,V2,...", help="Every experiment once for each value of one of its keys."),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default params.NAME.yaml.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Write a preset as a complete params.yaml, and its published numbers beside it."""
    from fer_au.presets import write_preset
    from fer_au.presets.grid import parse_grid

    path = output or Path(f"params.{Path(name).stem}.yaml")
    for file in write_preset(name, path, parse_grid(grid or []), replace=force):
        typer.echo(str(file))


def _setting(text: str) -> tuple[str, object]:
    from fer_au.yaml_files import parse_yaml

    key, separator, value = text.partition("=")
    if not separator:
        raise DataError(f"--set {text}: expected KEY=VALUE")
    return key, parse_yaml(value, f"--set {key}")


def main() -> None:
    """Entry point of the command ``fer-au``."""
    command = typer.main.get_command(app)

    def call() -> None:
        check_package(Path.cwd())  # in a checkout of the project, its own code is meant
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
