"""``fer-au check-data``: look at a data set before the pipeline does."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fer_au.cli.outputs import named
from fer_au.errors import ConfigError, ConfigProblemsError, DataError, FerAuError
from fer_au.home import at_home

if TYPE_CHECKING:
    from fer_au.config.reading import Fault
    from fer_au.data_check.result import DataCheck, Fit
    from fer_au.rejects import Reject

_NAME = "given"  # of the data set, where one is needed
_LABELS, _TABLES, _SHOWN = "labels", (".csv", ".tsv", ".txt"), 3  # the key of a label file, and what may be one


def _check_entry(entry: dict[str, object]) -> Fit:
    """Read an entry as of ``datasets``; where it is wrong, all that is wrong with it and with what it names is told.

    Raises:
        ConfigProblemsError: It is wrong.
    """
    from fer_au.checks.datasets import check_datasets
    from fer_au.checks.outputs import Outputs
    from fer_au.data_check.result import Fit
    from fer_au.datasets.base import create_adapter, examine_dataset

    create_adapter(str(entry["adapter"]))  # another name is a line of its own
    config, _ = examine_dataset(_NAME, entry)
    if config is None:
        params = {"datasets": {_NAME: entry}, "render": {}}
        _, faults = check_datasets(params, Outputs(params))
        raise ConfigProblemsError([f"command line: {_as_typed(fault, entry)}" for fault in faults])
    settings = {key: value for key, value in entry.items() if key not in ("adapter", "root")}
    return Fit(str(entry["adapter"]), settings=settings)


def _as_typed(fault: Fault, entry: dict[str, object]) -> str:
    """Say a fault as of the command line; of a key that is missing also how it is given."""
    from fer_au.config.reading import MISSING

    text = str(fault).removeprefix(f"datasets.{_NAME}").lstrip(".: ")
    if fault.text != MISSING:
        return text
    key = text.partition(":")[0]
    root = at_home(str(entry["root"]))
    tables = (path.name for path in root.glob("*") if key == _LABELS and path.suffix.lower() in _TABLES)
    example = " or ".join(f"--set {key}={shlex.quote(name)}" for name in sorted(tables)[:_SHOWN])
    return f"{text}; give it as {example or f'--set {key}=VALUE'}"


def _part_words(words: Sequence[str]) -> tuple[str | None, Path]:
    """Part the adapter's name and the folder: one word is the folder, and of two words the first is the adapter.

    Raises:
        ConfigError: More than two words, or they stand the other way round, or one is an adapter without a folder.
    """
    from fer_au.datasets.base import list_adapters

    *before, last = words
    adapters = list_adapters()
    if len(before) > 1:
        raise ConfigError(f"expected [ADAPTER] ROOT, got {len(words)} words; a path with blanks needs quotes")
    if before and before[0] not in adapters and last in adapters and Path(before[0]).is_dir():
        raise ConfigError(f"the adapter comes first: fer-au check-data {last} {shlex.quote(before[0])}")
    if not before and last in adapters and not Path(last).exists():
        raise ConfigError(f"adapter {last} of which folder? fer-au check-data {last} ROOT")
    return (before[0] if before else None), Path(last)


def check_data(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[ADAPTER] ROOT",
            help="Folder of the data set, and before it, if you like, the adapter that is to read it: folder, csv, ...",
        ),
    ],
    option: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Adapter key, as in params.yaml; dots lead into a mapping."),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option("--rejects", callback=named(".csv"), help="Write all that can't be used, with reasons: FILE.csv."),
    ] = None,
    frame: Annotated[
        bool | None,
        typer.Option(
            "--frame/--no-frame",
            help="Look for faces in 200 pictures, or in none; without it, in 64, or fewer large ones.",
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Open all pictures, also those of a large set, as ingest will.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write the same facts as one JSON document: docs/datasets.md.")
    ] = False,
) -> None:
    """Say what a folder is, what it holds, and which entry of params.yaml takes it; only --rejects writes a file.

    Without an adapter, all are tried, and the columns of a label file are guessed; what was guessed is told. One word
    is always the folder, also where it is called as an adapter is; of two words, the first is always the adapter.

    Of more than 10,000 pictures or 250 MB, a sample is opened and compared for photographs that were encoded anew;
    labels, missing files and files of the same bytes are those of all. --full opens all.

    Keys of each adapter: docs/params.md#datasetsname. A label file whose columns have other names:
    `fer-au check-data csv faces --set labels=legend.csv --set 'columns={image: File, label: Mood}'`, or one by one
    with `--set columns.image=File --set columns.label=Mood`. Pictures in a folder below: `--set images=pictures`.

    The exit code is 0 where ingest takes the set and a training could use it, 2 where not, with a line that says why.
    """
    from fer_au.config.assignments import parse_settings
    from fer_au.data_check.document import write_document
    from fer_au.data_check.page import write_page
    from fer_au.terminal import terminal_width

    check = None
    root = words[-1]
    try:
        adapter, folder = _part_words(words)
        root = str(folder)
        settings = parse_settings("--set", option or [])
        check = _look(adapter, folder, settings, full=full, frame=frame, table=table)
        if check.errors:
            raise DataError(check.errors[0])
    except FerAuError as error:
        if as_json:
            typer.echo(write_document(check or _failed(root, str(error))))
        elif check is not None:
            typer.echo(write_page(check, terminal_width()))
        raise
    typer.echo(write_document(check) if as_json else write_page(check, terminal_width()))


def _look(
    adapter: str | None,
    folder: Path,
    settings: dict[str, Any],
    *,
    full: bool,
    frame: bool | None,
    table: Path | None,
) -> DataCheck:
    from fer_au.compute import log
    from fer_au.data_check.gather import Framing, check_folder, recognise
    from fer_au.rejects import write_rejects
    from fer_au.terminal import counted

    def keep(rejects: Sequence[Reject]) -> str:
        if table is None:
            return "the problems above, and all rows by --rejects FILE.csv"
        write_rejects(table, rejects)
        log(f"{table}: {counted(len(rejects), 'row')}")
        return str(table)

    if adapter is None:
        fits = recognise(folder, settings)
    else:
        fits = (_check_entry({"adapter": adapter, "root": str(folder), **settings}),)
    framing: Framing = "quick" if frame is None else "thorough" if frame else "none"
    return check_folder(folder, fits, whole=full, framing=framing, keep=keep)


def _failed(root: str, error: str) -> DataCheck:
    from fer_au.data_check.entry import name_dataset
    from fer_au.data_check.result import DataCheck

    return DataCheck(root, name_dataset(Path(root)), (), usable=False, errors=tuple(error.splitlines()), entry={})
