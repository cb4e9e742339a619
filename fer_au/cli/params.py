"""``fer-au check-params``: look at the whole params.yaml before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fer_au.config.reading import PARAMS


def check_params(file: Annotated[Path, typer.Argument(help="The params file.")] = PARAMS) -> None:
    """List all that would stop a stage, one line each; `dvc repro` begins with the same look.

    Checked are keys and values, names of parts and their options, what experiments name, roots, the splits that will
    exist, weights that can be had, what is asked of each network, and numbers in environment variables. Beside
    `dvc repro`, it also looks whether an interrupted DVC left a file that would stop the next one.
    """
    from fer_au.checks import check_params as find_problems
    from fer_au.checks.locks import find_lock_fault
    from fer_au.errors import ConfigProblemsError

    if lines := [*find_problems(file), *filter(None, [find_lock_fault()])]:
        raise ConfigProblemsError(lines)
    typer.echo(f"{file}: ok")
