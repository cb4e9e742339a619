"""``fer-au check-data``: look at a data set before the pipeline does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fer_au.errors import DataError


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


def _setting(text: str) -> tuple[str, object]:
    from fer_au.yaml_files import parse_yaml

    key, separator, value = text.partition("=")
    if not separator:
        raise DataError(f"--set {text}: expected KEY=VALUE")
    return key, parse_yaml(value, f"--set {key}")
