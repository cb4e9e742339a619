"""A finished evaluation is found again by what decides it, and by nothing else."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from fer_au.config.experiments import EvaluateConfig
from fer_au.evaluation import stage
from tests.evaluation.conftest import TAKE, FinishedWork

CONFIG = EvaluateConfig(cams=("native",), faithfulness_images=0, moved=False)


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """A mark for every evaluation that was really made."""
    monkeypatch.setattr(FinishedWork, "take", TAKE)
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))
    marks: list[int] = []
    score = stage._score

    def observed(*args: object) -> object:
        marks.append(1)
        return score(*args)

    monkeypatch.setattr(stage, "_score", observed)
    return marks


def evaluate(data: Path, model: Path, out: Path, config: EvaluateConfig = CONFIG, *, store: bool = True) -> None:
    stage.evaluate_experiment(
        config,
        dataset_dir=data,
        model_dir=model,
        metrics_path=out / "m.json",
        store_path=out / "x.h5" if store else None,
    )


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_renamed_model_is_not_evaluated_again(
    tiny_dataset: Path, tiny_model: Path, tmp_path: Path, scored: list[int], capfd: pytest.CaptureFixture[str]
) -> None:
    evaluate(tiny_dataset, tiny_model, tmp_path / "one")
    first = capfd.readouterr().err.splitlines()
    assert re.fullmatch(r"evaluate m: \d+ faces of \d classes, on cpu", first[0])
    number = r"\d\.\d{3}"
    score = re.fullmatch(rf"(evaluate m: accuracy {number} \(n \d+\), att_ccos -?{number} \(n \d+\); ).+", first[-1])
    assert score
    assert first[-1] == f"{score[1]}{tmp_path / 'one/m.json'}"
    renamed = shutil.copytree(tiny_model, tmp_path / "renamed")
    evaluate(tiny_dataset, renamed, tmp_path / "two")
    assert capfd.readouterr().err.splitlines()[-1] == f"{score[1]}{tmp_path / 'two/m.json'}"
    assert scored == [1]
    assert files(tmp_path / "two") == files(tmp_path / "one")
    assert set(files(tmp_path / "one")) == {"m.json", "detail/m.json", "x.h5"}


def test_other_settings_are(tiny_dataset: Path, tiny_model: Path, tmp_path: Path, scored: list[int]) -> None:
    evaluate(tiny_dataset, tiny_model, tmp_path / "one")
    evaluate(tiny_dataset, tiny_model, tmp_path / "two", CONFIG.model_copy(update={"split": "train"}))
    assert scored == [1, 1]


def test_one_without_results_by_image_is_not_taken_for_one_with(
    tiny_dataset: Path, tiny_model: Path, tmp_path: Path, scored: list[int]
) -> None:
    evaluate(tiny_dataset, tiny_model, tmp_path / "cross", store=False)
    evaluate(tiny_dataset, tiny_model, tmp_path / "own")
    assert scored == [1, 1]
    assert (tmp_path / "own/x.h5").is_file()
