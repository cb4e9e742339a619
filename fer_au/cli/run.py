"""``fer-au run``: the whole pipeline, with experiments side by side."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fer_au.config.reading import PARAMS, read_params
from fer_au.errors import ConfigError, DataError
from fer_au.registry import near_names

if TYPE_CHECKING:
    from fer_au.compute.jobs import Job

_LOCK = Path("run")  # of this command in this project, beside those of outputs
_NO_BASE = "none"


def run(
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Experiments at a time; default one for each GPU, or else one.")
    ] = None,
    experiments: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="These alone, with those that they start from.")
    ] = None,
) -> None:
    """Run the pipeline as `dvc repro` does, but several experiments at a time.

    The data sets come first, one after the other. Then each experiment is trained and evaluated by a DVC of its own, on
    a GPU of its own where there are some, after the one that it starts from. Cross evaluations and the report come
    last. What is up to date isn't run, and after a stop or a failure the same command goes on. Results are those of
    `dvc repro`.
    """
    import psutil

    from fer_au.compute import log
    from fer_au.compute.jobs import find_devices, left_behind, run_jobs, summary_lines
    from fer_au.stores.locks import is_locked, output_lock
    from fer_au.terminal import counted

    entries = read_params(PARAMS).get("experiments") or {}
    names = _with_bases(entries, _chosen(entries, experiments))
    if is_locked(_LOCK):
        raise ConfigError(f"{Path.cwd()}: another `fer-au run` works in this project; wait for its end, or stop it")
    with output_lock(_LOCK, wait=0):
        if former := left_behind(Path.cwd()):
            what = counted(
                len(former), "experiment of a run that was killed is", "experiments of a run that was killed are"
            )
            log(f"{what} still at work: waiting for the end (PID {', '.join(str(one.pid) for one in former)})")
            psutil.wait_procs(former)
        _dvc(*dict.fromkeys(f"heatmaps@{entries[name]['dataset']}" for name in names))
        devices = find_devices()
        outcome = run_jobs(_jobs(entries, names), jobs or max(1, len(devices)), devices)
        for line in summary_lines(outcome):
            typer.echo(line)
        if outcome.failed:
            raise DataError(f"{', '.join(outcome.failed)} failed; once the cause is mended, the same command goes on")
        if experiments is None:
            _dvc()


def _chosen(entries: Mapping[str, Any], words: str | None) -> list[str]:
    """Read the option ``--experiments``.

    Raises:
        ConfigError: There is no such experiment, or none at all.
    """
    if not entries:
        raise ConfigError(f"{PARAMS}: experiments: there is none")
    names = list(entries) if words is None else [word.strip() for word in words.split(",") if word.strip()]
    for name in names:
        if name not in entries:
            raise ConfigError(f"--experiments: there is no experiment {name!r}; {near_names(name, entries)}")
    if not names:
        raise ConfigError("--experiments: names none")
    return names


def _with_bases(entries: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Add the experiments that others start from, in the order of params.yaml."""
    needed, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name in entries and name not in needed:
            needed.add(name)
            waiting.append(str(entries[name].get("base", _NO_BASE)))
    return [name for name in entries if name in needed]


def _jobs(entries: Mapping[str, Any], names: Sequence[str]) -> list[Job]:
    from fer_au.compute.jobs import Job

    bases = {name: str(entries[name].get("base", _NO_BASE)) for name in names}
    return [
        Job(name, (f"train@{name}", f"evaluate@{name}"), () if bases[name] == _NO_BASE else (bases[name],))
        for name in names
    ]


def _dvc(*targets: str) -> None:
    """Run DVC in the foreground, for stages that come one after the other.

    Raises:
        DataError: It failed; it has said why.
    """
    from fer_au.compute.jobs import DVC

    if subprocess.run([*DVC, "--wait-for-lock", "repro", *targets], check=False).returncode:  # noqa: S603 (checked names)
        raise DataError(f"`dvc repro{''.join(f' {target}' for target in targets)}` failed; the lines above say why")
