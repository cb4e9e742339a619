"""A finished evaluation is found again by what decides it, and by nothing else."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from fer_au.config.experiments import EvaluateConfig
from fer_au.evaluation import read_metrics, stage
from fer_au.evaluation.scoring import SplitScorer
from fer_au.stores import Store, write_store
from tests.evaluation.conftest import TAKE, FinishedWork

CONFIG = EvaluateConfig(cams=("native",), faithfulness_images=0, moved=False)


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """A mark for every evaluation that was really made."""
    monkeypatch.setattr(FinishedWork, "take", TAKE)
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))
    marks: list[int] = []
    blocks = SplitScorer.blocks

    def observed(scorer: SplitScorer) -> object:
        marks.append(1)
        return blocks(scorer)

    monkeypatch.setattr(SplitScorer, "blocks", observed)
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


@pytest.mark.parametrize("change", [{"split": "train"}, {"resize": "published"}])
def test_other_settings_are(
    tiny_dataset: Path, tiny_model: Path, tmp_path: Path, scored: list[int], change: dict[str, str]
) -> None:
    evaluate(tiny_dataset, tiny_model, tmp_path / "one")
    evaluate(tiny_dataset, tiny_model, tmp_path / "two", CONFIG.model_copy(update=change))
    assert scored == [1, 1]
    assert files(tmp_path / "two")["x.h5"] != files(tmp_path / "one")["x.h5"]


def test_one_without_results_by_image_is_not_taken_for_one_with(
    tiny_dataset: Path, tiny_model: Path, tmp_path: Path, scored: list[int]
) -> None:
    evaluate(tiny_dataset, tiny_model, tmp_path / "cross", store=False)
    evaluate(tiny_dataset, tiny_model, tmp_path / "own")
    assert scored == [1, 1]
    assert (tmp_path / "own/x.h5").is_file()


def test_a_codebook_that_draws_another_expression_otherwise_is(
    tiny_dataset: Path, tiny_model: Path, tmp_path: Path, scored: list[int]
) -> None:
    """The stored maps are the same, but other expressions than an image's own are drawn on its face, too."""
    evaluate(tiny_dataset, tiny_model, tmp_path / "one")
    data = shutil.copytree(tiny_dataset, tmp_path / "tiny")
    store = Store.open(data / "heatmaps.h5", "heatmaps")
    columns, units = {name: store[name] for name in store.columns}, json.loads(str(store.attributes["codebook_units"]))
    attributes = {**store.attributes, "codebook_units": json.dumps(units | {"fear": {"1": 1.0}})}
    write_store(data / "heatmaps.h5", "heatmaps", columns, fingerprint="h", attributes=attributes)
    evaluate(data, tiny_model, tmp_path / "two")
    assert scored == [1, 1]


def test_another_history_of_the_same_weights_is(
    tiny_dataset: Path, tiny_model: Path, tmp_path: Path, scored: list[int]
) -> None:
    evaluate(tiny_dataset, tiny_model, tmp_path / "one")
    model = shutil.copytree(tiny_model, tmp_path / "m")
    (model / "history.csv").write_text((model / "history.csv").read_text().replace("0.625", "0.875"))
    evaluate(tiny_dataset, model, tmp_path / "two")
    assert read_metrics(tmp_path / "two/m.json")["selected.valid_accuracy"] == 0.875
