"""The whole command line: its commands, the options of all of them, and how it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from fer_au.cli import cache, presets, stores
from fer_au.cli.data import check_data
from fer_au.cli.results import results
from fer_au.command import check_package
from fer_au.compute import log
from fer_au.errors import run_main

_HELP = "Checks and tools around the pipeline; the pipeline itself runs by `dvc repro`."

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=_HELP)
app.command("check-data")(check_data)
app.command()(results)
app.command()(stores.verify)
app.add_typer(cache.app, name="cache")
app.add_typer(presets.app, name="presets")
app.add_typer(stores.app, name="store")


@app.callback()
def options(debug: Annotated[bool, typer.Option("--debug", help="Show the trace of an error.")] = False) -> None:
    """Options of every command."""
    if debug:
        os.environ["FER_AU_DEBUG"] = "1"


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
