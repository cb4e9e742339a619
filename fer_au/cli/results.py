"""``fer-au results``: all experiments as a short table, one in words, and its answers to single images as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fer_au.cli.outputs import named
from fer_au.compute import log
from fer_au.errors import ConfigError, DataError
from fer_au.terminal import counted, terminal_width, wrap

if TYPE_CHECKING:
    from fer_au.results.reading import Entry, Results


def results(
    experiment: Annotated[
        str | None, typer.Argument(help="One experiment (or entry of cross), in words; default the table of all.")
    ] = None,
    group: Annotated[
        bool, typer.Option("--group", help="A row for each group of repeats: mean ± standard deviation.")
    ] = False,
    sort: Annotated[
        str | None, typer.Option(metavar="KEY", help="Sort by a headline metric, highest first; it is shown, too.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", callback=named(".csv"), help="Write the table as csv, too.")
    ] = None,
    md: Annotated[
        Path | None, typer.Option(metavar="FILE.md", callback=named(".md"), help="Write the table in Markdown, too.")
    ] = None,
    latex: Annotated[
        Path | None,
        typer.Option(metavar="FILE.tex", callback=named(".tex"), help="Write the table as LaTeX (booktabs), too."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv", callback=named(".csv"), help="Write the answer to each test image of EXPERIMENT."
        ),
    ] = None,
    published: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Published numbers; default params.published.yaml, if it exists."),
    ] = None,
) -> None:
    """Show the results of the experiments that params.yaml names."""
    from fer_au.config.reading import PARAMS
    from fer_au.results.reading import read_results

    table_only = {"--group": group, "--sort": sort, "--csv": csv, "--md": md, "--latex": latex}
    given = [name for name, value in table_only.items() if value]
    if experiment is not None and given:
        raise ConfigError(f"{given[0]} belongs to the table of all experiments; leave out {experiment!r}")
    if experiment is None and images is not None:
        raise ConfigError("--images belongs to one experiment; name it: fer-au results EXPERIMENT --images FILE.csv")
    found = read_results(PARAMS, Path(), published)
    if experiment is None:
        _show_table(found, group, sort, csv, md, latex)
    else:
        _show_experiment(_find(found, experiment), found, images)


def _tell_changes(entries: Sequence[Entry]) -> None:
    from fer_au.results.changes import change_lines

    for line in change_lines({one.name: one.change for one in entries}):
        log(line)


def _show_table(
    found: Results, group: bool, sort: str | None, csv: Path | None, md: Path | None, latex: Path | None
) -> None:
    from fer_au.results.changes import stray_lines
    from fer_au.results.formats import table_text, write_table_csv, write_table_latex, write_table_markdown
    from fer_au.results.table import tabulate

    table = tabulate(found, grouped=group, sort=sort)
    typer.echo(table_text(table, terminal_width()))
    for path, write in ((csv, write_table_csv), (md, write_table_markdown), (latex, write_table_latex)):
        if path is not None:
            write(path, table)
            log(f"{path}: {len(table.rows) + len(table.cross)} rows")
    _tell_changes([*found.experiments, *found.cross])
    for line in (*stray_lines(found.strays), *found.unmatched):
        log(line)
    if found.published is None:
        for path in sorted(Path().glob("params.*.published.yaml")):
            log(f"{path}: published numbers of another params file; add --published {path}")
    if found.faults:
        raise DataError("; ".join(found.faults))


def _find(found: Results, name: str) -> Entry:
    from fer_au.registry import near_names

    entries = {one.name: one for one in (*found.cross, *found.experiments)}
    if name not in entries:
        if members := [one.name for one in found.experiments if one.group == name]:
            raise ConfigError(f"{name} is a group ({', '.join(members)}); name one of these, or add --group alone")
        raise ConfigError(f"params.yaml: experiments and cross have no {name!r}; {near_names(name, entries)}")
    return entries[name]


def _show_experiment(entry: Entry, found: Results, images: Path | None) -> None:
    from fer_au.results.controls import control_text
    from fer_au.results.differences import difference_text
    from fer_au.results.images import export_images
    from fer_au.results.published import scores_beside
    from fer_au.results.words import describe

    if entry.fault:
        raise DataError(entry.fault)
    if entry.result is None:
        raise DataError(f"{entry.name} is not evaluated yet; run `dvc repro`")
    _tell_changes([entry])
    if images is None:
        typer.echo(describe(entry.result, scores_beside(found), terminal_width()))
        for text in (difference_text(entry, found), control_text(entry, found)):
            if text:
                typer.echo(f"\n{wrap(text, terminal_width())}")
    else:
        export_images(entry.result.results, images)
        typer.echo(f"{images}: {counted(len(entry.result.results), 'image')}")
