"""``fer-au probe``: which layers of a network know the expression, and which the person."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fer_au.cli.outputs import named
from fer_au.compute import log
from fer_au.errors import ConfigError
from fer_au.speed import prepare_networks
from fer_au.terminal import terminal_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fer_au.probe.networks import ProbedNetwork

_TARGETS = {"expression": ("expression",), "subject": ("subject",), "both": ("expression", "subject")}


def probe(
    experiments: Annotated[list[str], typer.Argument(metavar="EXPERIMENT...", help="Experiments of params.yaml.")],
    untrained: Annotated[
        bool, typer.Option("--untrained", help="The network as it stands before training, with its start's weights.")
    ] = False,
    trained: Annotated[
        bool, typer.Option("--trained", help="The trained network; the default, and with --untrained both.")
    ] = False,
    target: Annotated[
        str,
        typer.Option(metavar="TARGET", help="What each layer is asked: expression, subject (the person) or both."),
    ] = "expression",
    layers: Annotated[
        str, typer.Option(metavar="LAYERS", help="Numbers of feature layers, such as 15,21,last; default all.")
    ] = "all",
    pool: Annotated[
        int, typer.Option(min=1, max=16, help="Rows and columns that each map is averaged to; 1 is its mean.")
    ] = 1,
    most: Annotated[int | None, typer.Option(min=10, help="Take at most so many faces of each split.")] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", callback=named(".csv"), help="Write the tables as csv, too.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE.json", callback=named(".json"), help="Write them as json, too.")
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(metavar="FILE", callback=named(".png", ".svg"), help="Draw the curves: FILE.png or FILE.svg."),
    ] = None,
) -> None:
    """Find out which layers of a network know the expression, and which the person.

    For each feature layer, a linear classifier (multinomial logistic regression) is fitted on the pooled maps of the
    training faces, its penalty chosen on `valid`, and scored on `test`; the network itself stays as it is. See
    docs/probe.md.
    """
    prepare_networks(os.environ)
    from fer_au.probe.figure import draw_probes
    from fer_au.probe.formats import probe_text, write_probe_csv, write_probe_json
    from fer_au.probe.looking import read_looking
    from fer_au.probe.scoring import probe_network

    if target not in _TARGETS:
        raise ConfigError(f"--target: expected {', '.join(_TARGETS)}, got {target!r}")
    states = [state for state, asked in ((False, untrained), (True, trained or not untrained)) if asked]
    networks = _open(experiments, states)
    chosen = [network.model.resolve_layers(_layers(layers)) for network in networks]
    found = []
    for network, names in zip(networks, chosen, strict=True):
        made = probe_network(network, _TARGETS[target], names, pool, most)  # type: ignore[arg-type]
        found.append((made, read_looking(network)))
        typer.echo(("\n" if len(found) > 1 else "") + probe_text(*found[-1], terminal_width()))
    for path, write in ((csv, write_probe_csv), (json, write_probe_json)):
        if path is not None:
            write(path, found)
            log(f"{path}: {sum(len(made.layers) for made, _ in found)} layers")
    if figure is not None:
        draw_probes(figure, [made for made, _ in found])
        log(f"{figure}: {len(found)} networks")


def _open(experiments: Sequence[str], states: Sequence[bool]) -> list[ProbedNetwork]:
    """Load all networks, so that a mistake in the last name is told before the first one runs."""
    from fer_au.config.entries import load_experiment
    from fer_au.models.trained import Training
    from fer_au.probe.networks import open_network

    networks = []
    for name in dict.fromkeys(experiments):
        experiment, train = load_experiment(name)
        base = experiment.base
        training = Training(base, *load_experiment(base)) if base != "none" else None
        networks += [open_network(name, experiment, train, training, trained=state) for state in states]
    return networks


def _layers(text: str) -> str | list[str]:
    return text if text in ("all", "last") else [part.strip() for part in text.split(",")]
