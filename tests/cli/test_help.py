"""Every command and every group shows an example in its help; it parses, and does what it says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
import yaml

from fer_au.cli import app
from fer_au.stores import encode_ids, write_store
from tests.checks.conftest import GOOD
from tests.cli.conftest import Call
from tests.results.writer import ResultsWriter

ROOT = typer.main.get_command(app)

ELSEWHERE = {
    "fer-au card": "tests/use/test_card.py",
    "fer-au check-params": "tests/pipeline/test_checks.py",
    "fer-au measure": "tests/evaluation/test_measure.py",
    "fer-au export": "tests/use/test_export.py",
    "fer-au predict": "tests/use/test_predict.py",
    "fer-au probe": "tests/cli/test_probe.py",
    "fer-au report": "tests/report/test_sweep_section.py",
    "fer-au run": "tests/scaffold/test_wheel.py",
    "fer-au show": "tests/cli/test_show.py",
    "fer-au upgrade": "tests/scaffold/test_upgrade.py",
    "fer-au video": "tests/video/test_video.py",
}
"""Commands whose examples need more than a tiny project -> the test that runs them."""


def walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name, command
    for key, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, f"{name} {key}")


COMMANDS = dict(walk(ROOT, "fer-au"))


def example_of(name: str) -> list[str]:
    match = re.fullmatch(r"Example: (fer-au( .+)?)", COMMANDS[name].epilog or "")
    assert match, f"{name}: its help has no line 'Example: fer-au ...'"
    return shlex.split(match[1])


def parse(words: list[str]) -> str:
    """Parse a command line as the program does, without running it; returns the command's full name."""
    command, name, arguments = ROOT, "fer-au", words[1:]
    context = command.make_context(name, list(arguments))
    while hasattr(command, "commands"):
        rest = [*context._protected_args, *context.args]
        key, command, arguments = command.resolve_command(context, rest)
        name = f"{name} {key}"
        context = command.make_context(key, list(arguments), parent=context)
    return name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_shows_an_example_with_options_that_exist(name: str, call: Call) -> None:
    words = example_of(name)
    assert parse(words) == name if not hasattr(COMMANDS[name], "commands") else parse(words).startswith(name)
    code, out, _ = call(*name.split()[1:], "--help")
    assert code == 0
    assert " ".join(words) in " ".join(out.split())


def test_a_wrong_option_in_an_example_would_be_found() -> None:
    with pytest.raises(Exception, match="No such option: --sorted"):
        parse(["fer-au", "results", "--sorted", "accuracy"])
    with pytest.raises(Exception, match="No such command 'reslts'"):
        parse(["fer-au", "reslts"])


@pytest.fixture
def project(call: Call) -> None:
    """The files that the examples name, in the current folder."""
    writer = ResultsWriter(Path())
    for seed in range(2):
        writer.name(f"au-{seed}", group="au", seed=seed)
        writer.evaluate(f"au-{seed}")
    writer.evaluate("au")
    writer.params()
    for folder, id_ in (("data/demo", "a"), ("lab1", "a"), ("lab2", "b")):
        columns = {
            "id": encode_ids([id_]),
            "points": np.zeros((1, 68, 2), np.float32),
            "score": np.ones(1, np.float32),
            "status": np.zeros(1, np.uint8),
        }
        write_store(Path(folder, "landmarks.h5"), "landmarks", columns, fingerprint="0" * 64)
    for label in ("happy", "sad"):
        Path("faces", label).mkdir(parents=True)
        for index in range(6):
            picture = np.random.default_rng(index).integers(0, 255, (40, 40, 3), np.uint8)
            cv2.imwrite(f"faces/{label}/{label}{index}.png", picture)
    Path("params.lan-rafdb.yaml").write_text(yaml.safe_dump(GOOD))


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ELSEWHERE])
def test_the_example_works(name: str, call: Call, project: None) -> None:
    code, out, err = call(*example_of(name)[1:])
    assert code == 0, err
    assert out or err


def test_the_version_is_shown(call: Call) -> None:
    from fer_au.version import __version__

    assert call("--version") == (0, f"fer-au {__version__}\n", "")
