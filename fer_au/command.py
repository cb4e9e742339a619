"""The command line every stage script shares.

What it imports is small, the rest comes inside functions: Ctrl-C is one line only after that.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from fer_au.ending import run_main, run_process
from fer_au.errors import ConfigError, FerAuError
from fer_au.speed import prepare_networks

_PACKAGE_FOLDER = Path(__file__).resolve().parent


def run_stage(main: Callable[..., None], usage: str | None, after_interrupt: str) -> NoReturn:
    """Run a stage's ``main`` as all that this process is for, with the names given on the command line or by DVC.

    Args:
        main: Takes one positional string per command line argument. It imports what it needs itself: only then is
            Ctrl-C heard while that loads, and torch loads with the settings made here.
        usage: The script's docstring, shown when the arguments do not fit, and by ``--help``.
        after_interrupt: What Ctrl-C leaves of the stage's work.
    """
    run_process(lambda: stage_main(main, usage, after_interrupt=after_interrupt), after_interrupt)


def stage_main(
    main: Callable[..., None],
    usage: str | None,
    arguments: list[str] | None = None,
    after_interrupt: str = "run again to go on",
) -> int:
    """Run a stage's ``main``; arguments as for ``run_stage``.

    Args:
        main: The stage.
        usage: The script's docstring.
        arguments: Default: ``sys.argv[1:]``; where there are none, the name is DVC's.
        after_interrupt: What Ctrl-C leaves of the stage's work.

    Returns:
        The exit code.
    """
    import inspect

    script = Path(inspect.getfile(main)).resolve()
    parameters = list(inspect.signature(main).parameters)
    names = sys.argv[1:] if arguments is None else arguments
    if parameters and not names:
        names = names_by_dvc(script.stem, os.environ)
    words = (usage or "").replace("``", "")
    prepare_networks(os.environ)

    def call() -> None:
        check_package(script.parents[1])
        if "--help" in names or "-h" in names:
            from fer_au.config.pipeline import describe_stage

            sys.stdout.write(describe_stage(script, parameters, words))
            return
        if option := next((name for name in names if name.startswith("-")), None):
            raise ConfigError(f"no such option: {option}; a stage has --help alone. {words}")
        if len(names) != len(parameters):
            raise ConfigError(f"{_count_fault(script.stem, parameters, names)}. {words}")
        from fer_au.config.place import check_stage_place

        check_stage_place(script, Path.cwd())
        if "DVC_STAGE" in os.environ and script.stem != "stamp" and script.with_name("stamp.py").is_file():
            check_stamp(script.parents[1], script.stem, names[0] if names else None)
        try:
            main(*names)
        except FerAuError as error:
            if names and _is_of_missing_input(str(error), script, names[0]):
                target = f"{script.stem}@{names[0]}"
                raise FerAuError(f"{error}; `dvc repro {target}` first makes what the stage reads") from error
            raise

    return run_main(call, after_interrupt)


def _is_of_missing_input(text: str, script: Path, name: str) -> bool:
    """Tell whether an error names a file that other stages make, and that they haven't made yet."""
    from fer_au.config.pipeline import find_missing_inputs

    try:
        missing = find_missing_inputs(script.parents[1] / "dvc.yaml", script.stem, name)
    except FerAuError:
        return False  # the stage's own error is the one to mend first
    return any(path in text for path in missing)


def names_by_dvc(stage: str, environment: Mapping[str, str]) -> list[str]:
    """Take the name for which DVC runs a stage from ``DVC_STAGE``; empty where another stage runs, or none.

    ``dvc.yaml`` can't quote: a name in a command, such as ``x; rm -r ~``, would be a shell's before any check.

    Args:
        stage: The stage.
        environment: Of this process. DVC writes ``train@au``, with ``path/dvc.yaml:`` before it in another folder.
    """
    found = re.fullmatch(rf"(?:.*:)?{re.escape(stage)}@(.*)", environment.get("DVC_STAGE", ""), re.DOTALL)
    return [found[1]] if found else []


def _count_fault(stage: str, parameters: list[str], names: list[str]) -> str:
    """Say how many arguments a stage takes, which were given, and how several runs are asked for."""
    takes = f"{stage} takes {' and '.join(map(str.upper, parameters)) or 'none'}"
    text = f"wrong number of arguments: {takes}, got {', '.join(map(repr, names)) or 'none'}"
    if len(names) > 1 == len(parameters):
        # Either several names, or one with blanks as a shell leaves it.
        text += f"; `dvc repro {' '.join(f'{stage}@{name}' for name in names)}` runs several, and a name has no blanks"
    return text


def check_package(project: Path) -> None:
    """Check that this process runs the package of a project, where the project has one of its own.

    Args:
        project: The folder that holds ``stages/``.

    Raises:
        ConfigError: The package was imported from elsewhere, as with another clone's environment.
    """
    own = project / _PACKAGE_FOLDER.name
    if own.is_dir() and own.resolve() != _PACKAGE_FOLDER:
        raise ConfigError(
            f"{_PACKAGE_FOLDER.name} is imported from {_PACKAGE_FOLDER.parent}, and this project is {project}: "
            f"use an environment of its own (`make venv`), or set PYTHONPATH={project}"
        )


def check_stamp(project: Path, stage: str, name: str | None) -> None:
    """Check that DVC, which runs this stage, decided by the code that is about to run.

    ``dvc repro`` stamps first. Not so ``dvc repro -s``, or an edit while a long run goes on: DVC would then record the
    new code's output as the old code's.

    Args:
        project: The folder that holds ``stages/``.
        stage: The stage.
        name: Data set or experiment, for stages that are repeated.

    Raises:
        ConfigError: ``stages/stamp.json`` is missing, or another code's.
    """
    from fer_au.code.stages import STAMP, stage_code
    from fer_au.config.reading import PARAMS
    from fer_au.gate import read_json

    path = project / STAMP
    try:
        stamped = read_json(path).get(stage)
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(f"{path}: can't be read ({error}); run `python stages/stamp.py`") from error
    if (stamped.get(name) if isinstance(stamped, dict) else stamped) != stage_code(stage, name, project / PARAMS):
        raise ConfigError(
            f"{path}: the code of stage {stage} was edited since DVC looked at it, or its settings were; run "
            "`dvc repro`, which looks anew, or `python stages/stamp.py` before `dvc repro --single-item`"
        )
