"""A project without the demo, and one where nothing has run yet, by the real DVC."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import yaml

from tests.pipeline.conftest import Project

STAGES = ["ingest@mine", "align@mine", "landmarks@mine", "heatmaps@mine", "train@au", "evaluate@au", "report"]


def errors(project: Project) -> list[str]:
    """The problems that everything would stop at, before any other stage has run."""
    done = project.run("dvc", "repro", check=False)
    assert done.returncode != 0
    assert done.stdout.count("Running stage") == 1
    return [line for line in done.stderr.splitlines() if line.startswith("error:")]


def planned(project: Project) -> list[str]:
    """The stages that everything would run, in order."""
    said = project.run("dvc", "repro", "--dry", "--force").stdout
    return [line.split("'")[1] for line in said.splitlines() if line.startswith("Running stage")]


@pytest.fixture
def own(project: Project) -> Project:
    """The project with class folders of its own, and nothing of the demo in params.yaml; ``cross`` is left out, too."""
    noise = np.random.default_rng(0)
    for label in ("happy", "sad"):
        (project.folder / "faces" / label).mkdir(parents=True)
        for number in range(6):
            picture = noise.integers(0, 255, (24, 24, 3), np.uint8)
            assert cv2.imwrite(str(project.folder / f"faces/{label}/{number}.png"), picture)
    path = project.folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params["datasets"] = {"mine": {"adapter": "folder", "root": "faces", "test_fraction": 0.2, "valid_fraction": 0.2}}
    params["experiments"] = {"au": {**params["experiments"]["au"], "dataset": "mine"}}
    del params["render"], params["cross"]
    path.write_text(yaml.safe_dump(params))
    return project


def test_a_project_with_data_of_its_own_hears_nothing_of_the_demo(own: Project) -> None:
    assert planned(own) == ["stamp", *STAGES]
    assert own.ran("ingest") == ["stamp", "ingest@mine"]
    for command in ("status", "dag", "stage list --all"):
        said = own.run("dvc", *command.split()).stdout
        assert "align@mine" in said
        assert "demo" not in said
        assert "render" not in said
    assert not (own.folder / "data/demo").exists()


def test_faces_that_nobody_reads_are_not_rendered(own: Project) -> None:
    own.edit("params.yaml", {"render": {"demo": {"identities": 2}}})
    line = "error: params.yaml: render.demo: no data set 'demo' reads these faces; delete this key, too"
    assert errors(own) == [line]
    assert not (own.folder / "data/demo").exists()


NAMES = {"datasets": ("my set", "x; touch y", "a/b"), "experiments": ("Mine", "x" * 151), "cross": ("a.b",)}


def test_each_name_that_breaks_the_rule_is_a_line_of_dvc_repro(own: Project) -> None:
    entry = {"dataset": "mine", "experiment": "au", "base": "none", "root": "faces"}
    own.edit("params.yaml", {section: {name: dict(entry) for name in names} for section, names in NAMES.items()})
    lines = errors(own)
    for section, names in NAMES.items():
        for name in names:
            assert [line for line in lines if line.startswith(f"error: params.yaml: {section}.{name}: a name ")]
    assert not (own.folder / "y").exists()


def test_a_root_in_the_home_folder_is_found(own: Project) -> None:
    own.edit("params.yaml", {"datasets.mine.root": "~/faces"})
    assert own.ran("ingest@mine", HOME=str(own.folder)) == ["stamp", "ingest@mine"]
    assert own.ran("ingest@mine", HOME=str(own.folder)) == ["stamp"]


def test_another_rendered_set_has_a_name_and_settings_of_its_own(own: Project) -> None:
    faces = {"identities": 2, "images": 1, "size": 96, "test_fraction": 0.5}
    own.edit("params.yaml", {"render": {"hard": faces}, "datasets.hard": {"adapter": "demo", "root": "data/hard/raw"}})
    assert own.ran("ingest@hard") == ["stamp", "render@hard", "ingest@hard"]
    assert len(list((own.folder / "data/hard/raw/images").rglob("*.jpg"))) == 2


def test_nothing_has_run_and_status_and_a_forced_dry_run_say_what_would(project: Project) -> None:
    demo = [stage.replace("mine", "demo") for stage in STAGES]
    assert set(planned(project)) == {"stamp", "render@demo", "train@vanilla", "evaluate@vanilla", *demo}
    assert project.run("dvc", "status").stdout.count("@") >= len(demo)
    # Once DVC can, docs/architecture.md may say so.
    assert project.run("dvc", "repro", "--dry", check=False).returncode != 0
    assert "Stage 'au' not found" in project.run("dvc", "repro", "au", check=False).stderr
    assert not (project.folder / "data/demo").exists()
