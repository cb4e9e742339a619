"""The pipeline end to end, through DVC."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from fer_au.stores import Store
from tests.pipeline.conftest import Project

STORES = ("manifest.csv", "annotations.h5", "faces.h5", "landmarks.h5", "heatmaps.h5")


def test_one_command_makes_models_metrics_and_a_page(reproduced: Project) -> None:
    folder = reproduced.folder
    for name in ("vanilla", "au"):
        assert (folder / f"models/{name}/model.safetensors").is_file()
        metrics = json.loads((folder / f"metrics/{name}.json").read_text())
        assert metrics["n"] > 0
        assert 0 <= metrics["accuracy"] <= 1
        assert {"att_cos", "att_ccos", "baseline.blank.att_cos", "baseline.class_mean.att_ccos"} <= metrics.keys()
        assert "per_class.anger.n" in json.loads((folder / f"metrics/detail/{name}.json").read_text())
    page = (folder / "report/index.html").read_text()
    assert "vanilla" in page
    assert 'src="http' not in page
    for stage in ("ingest", "align", "landmarks"):
        assert (folder / f"data/demo/rejects/{stage}.csv").is_file()


def test_a_second_repro_runs_nothing(reproduced: Project) -> None:
    assert reproduced.ran() == ["stamp"]
    assert list(reproduced.folder.rglob("fer_au/**/__pycache__"))  # byte code appeared, and did not count


def test_swapping_the_extractor_reruns_what_depends_on_it_and_the_way_back_nothing(reproduced: Project) -> None:
    before = reproduced.bytes_of("data/demo/landmarks.h5", "report/index.html")
    reproduced.edit("params.yaml", {"landmarks.extractor": "mean-shape"})
    ran = reproduced.ran("heatmaps")
    assert ran == ["stamp", "landmarks@demo", "heatmaps@demo"]
    assert reproduced.bytes_of("data/demo/landmarks.h5")[0] != before[0]
    reproduced.edit("params.yaml", {"landmarks.extractor": "dlib68"})
    assert reproduced.ran() == ["stamp"]
    assert reproduced.bytes_of("data/demo/landmarks.h5", "report/index.html") == before


def test_the_same_inputs_elsewhere_give_the_same_bytes(reproduced: Project, project: Project) -> None:
    project.run("dvc", "repro", "heatmaps", FER_AU_WORKERS="1", PYTHONHASHSEED="7")
    names = [f"data/demo/{name}" for name in STORES]
    assert project.bytes_of(*names) == reproduced.bytes_of(*names)


def test_an_experiment_is_scored_on_another_data_set(reproduced: Project) -> None:
    saved = (reproduced.folder / "params.yaml").read_text()
    reproduced.edit("params.yaml", {"cross": {"au-again": {"experiment": "au", "dataset": "demo"}}})
    try:
        assert reproduced.ran("cross@au-again") == ["stamp", "cross@au-again"]
        own, again = (
            json.loads((reproduced.folder / f"metrics/{name}.json").read_text()) for name in ("au", "cross/au-again")
        )
        assert again["att_cos"] == pytest.approx(own["att_cos"], abs=1e-6)
        assert again["accuracy"] == own["accuracy"]
        folder = reproduced.folder / "evaluation"
        stores = [Store.open(folder / f"{name}.h5", "evaluation") for name in ("au", "cross/au-again")]
        np.testing.assert_array_equal(*(store["probabilities"].argmax(axis=1) for store in stores))
    finally:
        (reproduced.folder / "params.yaml").write_text(saved)
        for name in ("metrics/cross/au-again.json", "metrics/detail/cross/au-again.json"):
            (reproduced.folder / name).unlink(missing_ok=True)
        (reproduced.folder / "evaluation/cross/au-again.h5").unlink(missing_ok=True)


def test_stages_run_without_dvc(reproduced: Project) -> None:
    before = reproduced.bytes_of("data/demo/heatmaps.h5")
    reproduced.run("python", "stages/heatmaps.py", "demo")
    assert reproduced.bytes_of("data/demo/heatmaps.h5") == before


@pytest.mark.parametrize(
    ("stage", "changes", "message"),
    [
        ("ingest", {"datasets.demo.root": "nowhere"}, "nowhere"),
        ("ingest", {"datasets.demo.adapter": "demos"}, "did you mean demo"),
        ("align", {"align.detector": "dlib_hog"}, "did you mean dlib-hog"),
        ("landmarks", {"landmarks.extractor": "dlib86"}, "did you mean dlib68"),
        ("heatmaps", {"heatmaps.codebook": "corected"}, "did you mean corrected"),
        ("train", {"experiments.vanilla.model.backbone": "resnet10"}, "resnet10t"),
        ("train", {"experiments.vanilla.model.bakbone": "resnet10t"}, "experiments.vanilla.model.bakbone: unknown key"),
        ("evaluate", {"evaluate.cams": ["gradcan"]}, "did you mean gradcam"),
    ],
)
def test_a_wrong_value_is_one_line_and_exit_code_2(
    reproduced: Project, stage: str, changes: dict[str, object], message: str
) -> None:
    params = reproduced.folder / "params.yaml"
    saved = params.read_text()
    reproduced.edit("params.yaml", changes)
    name = "vanilla" if stage in ("train", "evaluate") else "demo"
    try:
        done = reproduced.run("python", f"stages/{stage}.py", name, check=False)
    finally:
        params.write_text(saved)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode == 2, done.stderr
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in done.stderr


def test_committed_dvc_files_name_no_machine(reproduced: Project) -> None:
    home = re.compile(rf"(?<!\w){re.escape(str(Path.home()))}(?!\w)")  # in checks/roots.py is no home called /root
    assert home.search(f"root: {Path.home()}/faces")
    for name in ("dvc.yaml", "params.yaml"):
        assert not home.search((reproduced.folder / name).read_text())
