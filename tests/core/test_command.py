from __future__ import annotations

import inspect
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fer_au.command import names_by_dvc, stage_main
from fer_au.config.pipeline import describe_stage

ROOT = Path(__file__).parents[2]
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("*.py"))


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("words", [[], ["a", "b"], ["my", "own", "faces"]])
def test_a_wrong_number_of_names_is_one_line_with_the_remedy(
    stage: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    script = runpy.run_path(str(ROOT / f"stages/{stage}.py"))
    takes = list(inspect.signature(script["main"]).parameters)
    if len(words) == len(takes):
        pytest.skip("the right number")
    assert stage_main(script["main"], script["__doc__"], words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    given = ", ".join(map(repr, words)) or "none"
    assert line.startswith(
        f"error: wrong number of arguments: {stage} takes {'NAME' if takes else 'none'}, got {given}"
    )
    several = f"`dvc repro {' '.join(f'{stage}@{word}' for word in words)}` runs several, and a name has no blanks"
    assert (several in line) == (bool(takes) and len(words) > 1)
    assert f"python stages/{stage}.py" in line


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("place", ["stages", "data/demo", "../outside"])
def test_a_stage_outside_of_the_projects_folder_names_that_folder(stage: str, place: str, tmp_path: Path) -> None:
    project = tmp_path / "project"
    for file in ("params.yaml", "dvc.yaml", f"stages/{stage}.py"):
        (project / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, project / file)
    (project / place).mkdir(parents=True, exist_ok=True)
    script = project / f"stages/{stage}.py"
    names = ["demo"] * len(inspect.signature(runpy.run_path(str(script))["main"]).parameters)
    ended = subprocess.run(
        [sys.executable, script, *names],
        cwd=project / place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    told = f"error: {stage}.py: this folder has no params.yaml; run it in the project's folder, {project}\n"
    assert (ended.returncode, ended.stderr) == (2, told)


@pytest.mark.parametrize("stage", STAGES)
def test_help_says_how_a_stage_is_called_and_what_it_reads_and_writes(stage: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, ROOT / f"stages/{stage}.py", "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stderr == ""
    called = re.match(rf"usage: python stages/{stage}\.py( [A-Z]+)*\n\nStage {stage}: .*\.\n", ended.stdout)
    assert called
    assert not re.search(r"[$`]", ended.stdout)
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]
    assert ("NAME" in called[0]) == ("foreach" in pipeline)
    written = ended.stdout.split("\nwrites\n")[1].splitlines()
    entry = pipeline.get("do", pipeline)
    assert len(written) == len(entry.get("outs", [])) + len(entry.get("metrics", []))
    assert list(tmp_path.iterdir()) == []


def test_help_works_without_a_dvc_yaml_and_for_any_form_of_its_entries(tmp_path: Path) -> None:
    script = tmp_path / "stages/draw.py"
    words = "Stage draw: draw it; python stages/draw.py NAME."
    assert describe_stage(script, ["name"], words) == "usage: python stages/draw.py NAME\n\nStage draw: draw it.\n"
    (tmp_path / "dvc.yaml").write_text(
        "stages: {draw: {foreach: '${things}', do: {cmd: x, deps: ['${item.root}', {a.csv: {}}],"
        " params: [one, {b.json: [two, three], c.yaml: null}], outs: [{'d/${key}': {push: false}}]}}}"
    )
    reads = ["params.yaml: one", "b.json: two", "b.json: three", "c.yaml: all of it", "<root>", "a.csv"]
    lines = describe_stage(script, ["name"], words).splitlines()
    assert "NAME is a key of things in params.yaml; <...> below are keys of its entry." in lines
    assert lines[lines.index("reads") + 1 : lines.index("writes") - 1] == [f"  {line}" for line in reads]
    assert lines[lines.index("writes") + 1 :] == ["  d/NAME"]


@pytest.mark.parametrize("arguments", [["--nope"], ["demo", "--force"], ["-n"], ["-", "x"]])
def test_what_looks_like_an_option_is_refused_as_one(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    def stage(name: str) -> None:
        raise AssertionError(name)

    assert stage_main(stage, "Stage ``x``: none; ``python stages/x.py NAME``.", arguments) == 2
    option = next(word for word in arguments if word.startswith("-"))
    message = capsys.readouterr().err
    assert message.startswith(f"error: no such option: {option}; ")
    assert message.count("\n") == 1
    assert "python stages/x.py NAME" in message


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("train@au", ["au"]),
        ("sub/dvc.yaml:train@au", ["au"]),
        ("C:x@y/dvc.yaml:train@a-b_c", ["a-b_c"]),
        ("train@x; touch y #", ["x; touch y #"]),
        ("train@a\nb", ["a\nb"]),
        ("evaluate@au", []),
        ("my-train@au", []),
        ("report", []),
        ("", []),
    ],
)
def test_a_stage_learns_its_name_from_dvc(said: str, names: list[str]) -> None:
    assert names_by_dvc("train", {"DVC_STAGE": said}) == names
