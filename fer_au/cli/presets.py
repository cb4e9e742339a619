"""``fer-au presets``: list presets, and write one as a ``params.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fer_au.cli.outputs import named
from fer_au.terminal import terminal_width, wrap

_INDENT = 4  # spaces before all lines of a preset but the first
_WEIGHTS = (
    "ImageNet's weights come from timm's hub, face recognition's from a package, and any from a file of yours: "
    "docs/presets.md#pretrained-weights"
)

app = typer.Typer(
    no_args_is_help=True,
    help="Published experiments, and recipes, as a params.yaml.",
    epilog="Example: fer-au presets list",
)


@app.command("list", epilog="Example: fer-au presets list")
def presets_list() -> None:
    """Show the presets, and which weights and data have to be brought for them."""
    from fer_au.presets import list_presets, load_preset
    from fer_au.presets.needs import preset_needs

    width, hanging = terminal_width(), " " * _INDENT
    for name in list_presets():
        preset = load_preset(name)
        typer.echo(wrap(preset.title, width, f"{name}: ", hanging))
        for text in preset_needs(name, preset):
            typer.echo(wrap(text, width, hanging, hanging + "  "))
    typer.echo(wrap(_WEIGHTS, width))


@app.command("write", epilog="Example: fer-au presets write lan-rafdb --grid seed=0,1,2 -o params.yaml --force")
def presets_write(
    name: Annotated[str, typer.Argument(help="A preset, or the path of your own.")],
    grid: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=V1,V2,...", help="Every experiment once for each value of one of its keys."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", callback=named(".yaml", ".yml"), help="Default params.NAME.yaml.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Write a preset as a complete params.yaml, and its published numbers beside it; say what to do next."""
    from fer_au.config.published import left_out_line, published_path, read_published
    from fer_au.presets import write_preset
    from fer_au.presets.grid import parse_grid
    from fer_au.presets.needs import next_steps

    path = output or Path(f"params.{Path(name).stem}.yaml")
    numbers = published_path(path)
    had_numbers = numbers.is_file()
    for file in write_preset(name, path, parse_grid(grid or []), replace=force):
        typer.echo(str(file))
    if had_numbers and not numbers.is_file():
        typer.echo(f"{numbers}: removed, as nothing was published of this preset's experiments")
    if numbers.is_file() and (line := left_out_line(numbers, read_published(numbers))):
        typer.echo(line)
    typer.echo("\n".join(["next:", *next_steps(path)]))
