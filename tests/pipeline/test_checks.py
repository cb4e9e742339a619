"""The look at params.yaml that begins every run, by the real DVC."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.pipeline.conftest import Project


def test_mistakes_stop_a_run_before_anything_else_runs(project: Project) -> None:
    """Also those of experiments that would have trained last, and all of them at once."""
    project.edit(
        "params.yaml",
        {
            "experiments.au.guidance": [{"cue": "aus", "weigth": 4.0}],
            "experiments.vanilla.train": {"epoch": 2},
            "datasets.demo.root": "data/demo/row",
        },
    )
    done = project.run("dvc", "repro", check=False)
    assert done.returncode != 0
    assert [line for line in done.stdout.splitlines() if line.startswith("Running stage")] == ["Running stage 'stamp':"]
    assert [line for line in done.stderr.splitlines() if line.startswith("error:")] == [
        "error: params.yaml: datasets.demo.root: data/demo/row: the data set's root does not exist",
        "error: params.yaml: experiments.vanilla.train.epoch: unknown key; did you mean epochs?",
        "error: params.yaml: experiments.au.guidance.0.weigth: unknown key; did you mean weight?",
        "error: params.yaml: experiments.au.guidance.0.cue: unknown cue 'aus'; did you mean au?",
    ]
    assert not (project.folder / "data/demo").exists()
    assert not (project.folder / "stages/stamp.json").exists()


def test_the_command_says_the_same_and_what_dvc_would_not_even_parse(project: Project) -> None:
    said = project.run("fer-au", "check-params")
    assert (said.stdout, said.stderr) == ("params.yaml: ok\n", "")
    path = project.folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    del params["experiments"]["au"]["base"], params["align"]
    path.write_text(yaml.safe_dump(params))
    done = project.run("fer-au", "check-params", check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: params.yaml: align: missing, and DVC needs it; write `align: {}`",
        "error: params.yaml: experiments.au.base: missing, and DVC needs it; write `base: none`, or an experiment",
    ]
    assert project.run("dvc", "repro", "stamp", check=False).returncode != 0


def test_make_looks_before_dvc_does() -> None:
    lines = (Path(__file__).parents[2] / "Makefile").read_text().splitlines()
    start = lines.index("repro: venv")
    assert lines[start + 2 : start + 4] == ["\t$(RUN) -m fer_au check-params", "\t$(RUN) -m dvc repro"]
