"""``fer-au check-params``: look at the whole params.yaml before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fer_au.config.reading import PARAMS


def check_params(file: Annotated[Path, typer.Argument(help="The params file.")] = PARAMS) -> None:
    """List all that would stop a stage, one line each; `dvc repro` begins with the same look.

    Checked are keys and values, names of parts and their options, what experiments name, roots, the splits that will
    exist, weights that can be had, and what is asked of each network.
    """
    from fer_au.checks import refuse_problems

    refuse_problems(file)
    typer.echo(f"{file}: ok")
