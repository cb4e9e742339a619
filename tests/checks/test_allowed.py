"""What looks missing and is not: results that DVC has, folders that DVC will make, parts of other packages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fer_au.checks.memory import Memory
from fer_au.config.experiments import ExperimentConfig
from tests.checks.conftest import GOOD, Check, changed

ABSENT = {"datasets.mine.root": "/nowhere/faces"}
WEIGHTS = {"experiments.au.model.weights": "no.pth"}


def lock(project: Path, stage: str, **parameters: object) -> None:
    """Write a dvc.lock that holds one finished stage; a key ``settings...`` is one of the stamp."""
    stamped = {key: value for key, value in parameters.items() if key.startswith("settings.")}
    params = {key: value for key, value in parameters.items() if key not in stamped}
    entry = {"cmd": "python", "params": {"params.yaml": params, "stages/stamp.json": stamped}}
    (project / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {stage: entry}}))


def test_a_colleague_without_the_pictures(check: Check, project: Path) -> None:
    """``dvc repro --pull --allow-missing``: what was ingested with these settings needs no root."""
    (line,) = check(ABSENT)
    assert line == "datasets.mine.root: /nowhere/faces: the data set's root does not exist"
    lock(project, "ingest@mine", **{"settings.ingest.mine": changed(GOOD, ABSENT)["datasets"]["mine"]})
    assert check(ABSENT) == []
    assert len(check({**ABSENT, "datasets.mine.seed": 1})) == 1  # it would be ingested anew


def test_a_colleague_who_may_not_read_the_pictures(
    check: Check, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the folder is missing; for root, who runs these tests, nothing is unreadable."""
    monkeypatch.setattr("os.access", lambda *_: False)
    monkeypatch.setattr("fer_au.checks.datasets.check_root", lambda root: next(Path("/proc/self/no").iterdir()))
    (line,) = check()
    assert line.startswith("datasets.mine.root: /proc/self/no: ")
    lock(project, "ingest@mine", **{"settings.ingest.mine": GOOD["datasets"]["mine"]})
    assert check() == []


def test_a_colleague_without_the_weights(check: Check, project: Path) -> None:
    assert len(check(WEIGHTS)) == 1
    settings = changed(GOOD, WEIGHTS)
    lock(project, "train@au", **{"experiments.au": settings["experiments"]["au"], "train": settings["train"]})
    assert check(WEIGHTS) == []
    assert len(check({**WEIGHTS, "train.epochs": 3})) == 1


def test_a_colleague_without_the_extractors_weights(
    check: Check, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fer_au.assets._packaged", lambda _: ())
    monkeypatch.setattr("fer_au.assets._SYSTEM_FOLDERS", ())
    dlib = {"landmarks.extractor": "dlib68"}
    (line,) = check(dlib)
    assert line.startswith(
        "landmarks: shape_predictor_68_face_landmarks.dat (sha256 fbdc2cb8...) is not installed; run"
    )
    lock(project, "landmarks@mine", **{"settings.landmarks.mine": changed(GOOD, dlib)["landmarks"]})
    assert check(dlib) == []


def test_a_rendered_set_that_is_not_rendered_yet(check: Check) -> None:
    demo = {"datasets.demo": {"adapter": "demo", "root": "data/demo/raw"}, "render": {"demo": {}}}
    assert check(demo) == []
    assert check({**demo, "datasets.demo.root": "data/demo/row"}) == [
        "datasets.demo.root: data/demo/row: the data set's root does not exist"
    ]


@pytest.mark.parametrize("file", ["dvc.yaml", "raw/pictures.dvc", "raw.dvc"])
def test_a_root_that_dvc_will_make_or_pull(file: str, check: Check, project: Path) -> None:
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=project, check=True)
    root = {"datasets.mine.root": "raw/pictures"}
    assert len(check(root)) == 1
    (project / "raw").mkdir()
    stage = {"stages": {"fetch": {"cmd": "fetch", "outs": ["raw/pictures"]}}}
    out = {"outs": [{"md5": "0" * 32, "path": "pictures" if "/" in file else "raw"}]}
    (project / file).write_text(yaml.safe_dump(stage if file == "dvc.yaml" else out))
    assert check(root) == []


def test_an_experiment_on_persons_and_one_that_starts_from_it(check: Check) -> None:
    changes = {
        "datasets.mine.subject_pattern": "^(s.)",
        "experiments.plain.target": "subject",
        "experiments.au.base": "plain",
    }
    assert check(changes) == []


@pytest.mark.parametrize("section", ["render", "cross"])
def test_sections_that_may_be_left_out(section: str, check: Check, project: Path) -> None:
    params = {key: value for key, value in GOOD.items() if key != section}
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    from fer_au.checks import check_params

    assert check_params() == []


class TestMemory:
    """Looks that take torch are taken once."""

    @pytest.fixture
    def looks(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Backbones of the networks that were built."""
        from fer_au.checks import networks

        seen: list[str] = []
        look: Callable[..., Any] = networks._look

        def counted(config: ExperimentConfig, *rest: object) -> object:
            seen.append(config.model.backbone)
            return look(config, *rest)

        monkeypatch.setattr(networks, "_look", counted)
        return seen

    def test_a_good_network_is_looked_at_once(self, check: Check, looks: list[str]) -> None:
        head = {"experiments.au.model.head": "wildcat", "experiments.au.model.head_options": {"kmax": 0.5}}
        assert check(head) == []
        assert check(head) == []
        assert looks == ["test_resnet"]
        assert check({**head, "experiments.au.model.head_options.kmax": 0.4}) == []
        assert len(looks) == 2

    def test_options_of_a_loss_are_looked_at_once(self, check: Check, looks: list[str]) -> None:
        barrier = {"loss": "cosine_barrier", "loss_options": {"growth": 1.2}}
        for count, growth in enumerate((1.2, 1.2, 1.3)):
            barrier["loss_options"] = {"growth": growth}
            assert check({"experiments.au.guidance.0": barrier}) == []
            assert len(looks) == max(count, 1)

    def test_a_bad_one_is_looked_at_once_in_a_run(self, check: Check, looks: list[str]) -> None:
        bad = {"experiments.au.guidance.0.layers": [7]}
        twin = changed(GOOD, bad)["experiments"]["au"]
        found = check({**bad, "experiments.twin": twin})
        assert [line.partition(": ")[0] for line in found] == ["experiments.au.guidance.0.layers"]
        assert looks == ["test_resnet"]
        assert found == [f"{line} (the same in 1 more: twin)" for line in check(bad)]
        assert looks == ["test_resnet"] * 2

    def test_answers_are_forgotten_when_packages_change(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        memory = Memory(tmp_path / "known.json")
        memory.keep(["a", 1], "what", {"of": "it"})
        memory.save()
        assert Memory(tmp_path / "known.json").recall("what", {"of": "it"}) == ["a", 1]
        assert Memory(tmp_path / "known.json").recall("what", {"of": "this"}) is None
        monkeypatch.setattr("fer_au.checks.memory._environment", lambda: ["another"])
        assert Memory(tmp_path / "known.json").recall("what", {"of": "it"}) is None

    @pytest.mark.parametrize("text", ["", "[]", "{", '{"environment": 1}'])
    def test_a_damaged_file_is_nothing(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "known.json").write_text(text)
        assert Memory(tmp_path / "known.json").recall("what") is None
