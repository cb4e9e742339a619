"""The whole command line: its commands and the options of all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer

from fer_au.cli import cache, presets, stores
from fer_au.cli.data import check_data
from fer_au.cli.init import init, upgrade
from fer_au.cli.measure import measure
from fer_au.cli.params import check_params
from fer_au.cli.place import check_place, stage_advice
from fer_au.cli.probe import probe
from fer_au.cli.report import report
from fer_au.cli.results import results
from fer_au.cli.run import run as run_experiments
from fer_au.cli.show import show
from fer_au.cli.status import status
from fer_au.cli.use import card, export, predict
from fer_au.cli.video import video
from fer_au.command import check_package
from fer_au.compute import log
from fer_au.ending import run_main
from fer_au.errors import ConfigError
from fer_au.home import at_home
from fer_au.version import __version__

_HELP = "Checks and tools around the pipeline; the pipeline itself runs by `dvc repro`."

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help=_HELP,
    epilog="Example: fer-au results --group",
    context_settings={"help_option_names": ["--help", "-h"]},  # of all commands below it, too
)
app.command("check-data", epilog="Example: fer-au check-data faces")(check_data)
app.command("check-params", epilog="Example: fer-au check-params")(check_params)
app.command(epilog="Example: fer-au init lab --data faces")(init)
app.command(epilog="Example: fer-au upgrade --dry-run")(upgrade)
app.command(epilog="Example: fer-au measure demo --maps maps.npz --name ours")(measure)
app.command(epilog="Example: fer-au card au --folder shared/au")(card)
app.command(epilog="Example: fer-au probe au --target both --csv probe.csv --figure probe.svg")(probe)
app.command(epilog="Example: fer-au predict models/au photos --csv answers.csv")(predict)
app.command(epilog="Example: fer-au video models/au clip.mp4 -o seen.mp4 --overlay attention")(video)
app.command(epilog="Example: fer-au export models/au au.onnx")(export)
app.command(epilog="Example: fer-au results --group --sort att_cos --latex table.tex")(results)
app.command(epilog="Example: fer-au report --experiments vanilla,au -o two.html")(report)
app.command("run", epilog="Example: fer-au run --jobs 4")(run_experiments)
app.command(epilog="Example: fer-au show demo images/person_56/001.jpg -o face.png")(show)
app.command(epilog="Example: fer-au status")(status)
app.command(epilog="Example: fer-au verify data/demo/landmarks.h5 evaluation/au.h5")(stores.verify)
app.add_typer(cache.app, name="cache")
app.add_typer(presets.app, name="presets")
app.add_typer(stores.app, name="store")


_GLOBAL = ("--help", "--debug", "--version")


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"fer-au {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the trace of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Options of every command."""
    if debug:
        os.environ["FER_AU_DEBUG"] = "1"


def _at_home(word: str) -> str:
    """Replace ``~`` in a word that is a path, or an option with one: shells leave it in quotes and behind ``=``."""
    option, equals, path = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{option}{equals}{at_home(path)}" if path.startswith("~") else word


def _check_values(command: object, words: Sequence[str]) -> None:
    """Refuse an option that would take the next option for its value, as ``--csv --group`` would.

    Raises:
        ConfigError: There is one.
    """
    parameters = [one for each in _commands(command) for one in getattr(each, "params", ())]
    options = [one for one in parameters if one.param_type_name == "option"]
    names = {name for option in options for name in option.opts}
    valued = {name for option in options if not option.is_flag for name in option.opts}
    for word, following in pairwise(words):
        if word in valued and following in names:
            raise ConfigError(f"{word} needs a value, and {following} follows")


def _check_names(command: object, words: Sequence[str]) -> None:
    """Refuse options that their command doesn't have, as far as something better can be said of them than click does.

    Raises:
        ConfigError: One has a dash too few, or is a key of a data set.
    """
    for word in words:
        if word in _below(command):
            command = _below(command)[word]
    options = [one for one in getattr(command, "params", ()) if one.param_type_name == "option"]
    names = {name for one in options for name in (*one.opts, *one.secondary_opts)}
    valued = {name for one in options if not one.is_flag for name in one.opts}
    for before, word in pairwise(["", *words]):
        name, equals, value = word.partition("=")
        if not name.startswith("-") or name in names or before in valued:
            continue
        if f"-{name}" in names:  # click would take it for short options with values
            raise ConfigError(f"no such option: {name}; did you mean -{name}?")
        key = name.removeprefix("--").replace("-", "_")
        if getattr(command, "name", "") == "check-data" and name.startswith("--") and f"--{key}" not in _GLOBAL:
            value = value if equals else "VALUE"
            raise ConfigError(f"no such option: {name}; keys of the data set are given with --set {key}={value}")


def _lacks(command: object, words: Sequence[str]) -> bool:
    """Tell whether the first word that is no option names no command."""
    name = next((word for word in words if not word.startswith("-")), None)
    return name is not None and name not in _below(command)


def _below(command: object) -> Mapping[str, object]:
    return getattr(command, "commands", {})


def _commands(command: object) -> Iterator[object]:
    """List a command and all commands below it."""
    yield command
    for inner in _below(command).values():
        yield from _commands(inner)


def run(arguments: Sequence[str]) -> int:
    """Run one command.

    Args:
        arguments: Words of the command line, without the program's name.

    Returns:
        The exit code.
    """
    command = typer.main.get_command(app)

    def call() -> None:
        check_package(Path.cwd())  # in a checkout of the project, its own code is meant
        _check_values(command, arguments)
        if _lacks(command, arguments) and (advice := stage_advice(arguments, Path.cwd())):
            raise ConfigError(advice)
        _check_names(command, arguments)
        check_place(arguments, Path.cwd())
        # Not `command.main`, which takes Ctrl-C for an exit like any other.
        with command.make_context("fer-au", [_at_home(word) for word in arguments]) as context:
            command.invoke(context)

    try:
        return run_main(call)
    except typer.Exit as end:
        return end.exit_code
    except BrokenPipeError:  # as `| head` leaves it: what it wants is written
        return 1
    except Exception as error:
        # Click's usage errors: one line and exit code 2, like every other error.
        if not hasattr(error, "format_message"):
            raise
        if message := error.format_message():
            log(f"error: {message}")
        return 2
