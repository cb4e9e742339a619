"""``fer-au check-data``: look at a data set before the pipeline does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fer_au.errors import DataError

_ABOVE = Path("the lines above")  # where the stage ingest names its table


def check_data(
    adapter: Annotated[str, typer.Argument(help="Adapter: demo, folder, csv, sep, ...")],
    root: Annotated[Path, typer.Argument(help="Folder of the data set.")],
    option: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Adapter key, as in params.yaml.")
    ] = None,
) -> None:
    """Scan a data set as the stage ingest would, and say what it finds; nothing is written."""
    from fer_au.config.reading import validate
    from fer_au.datasets import create_adapter, survey_dataset
    from fer_au.datasets.summary import count_table, empty_split_lines, reject_lines

    settings = dict(_setting(text) for text in option or [])
    config_type = type(create_adapter(adapter)).Config
    config = validate(config_type, {"adapter": adapter, "root": root, **settings}, "", "command line")
    survey = survey_dataset(str(root), config)
    lines = [*survey.notes, *reject_lines(survey.rejects, config), *empty_split_lines(survey.rows, config)]
    typer.echo("\n".join([*count_table(survey.rows), *lines]))
    survey.check_losses(str(root), config, _ABOVE)


def _setting(text: str) -> tuple[str, object]:
    from fer_au.yaml_files import parse_yaml

    key, separator, value = text.partition("=")
    if not separator:
        raise DataError(f"--set {text}: expected KEY=VALUE")
    return key, parse_yaml(value, f"--set {key}")
