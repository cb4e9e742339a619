"""``fer-au presets``: list presets, and write one as a ``params.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Published experiments, and recipes, as a params.yaml.")


@app.command("list")
def presets_list() -> None:
    """Show the presets."""
    from fer_au.presets import list_presets, load_preset

    for name in list_presets():
        typer.echo(f"{name:20}  {load_preset(name).title}")


@app.command("write")
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
