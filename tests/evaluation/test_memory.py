"""What evaluation and report hold must not grow with the images, beyond a little for each: ids, labels, answers."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from benchmarks import evaluate as benchmark
from fer_au.config.experiments import EvaluateConfig
from fer_au.evaluation import evaluate_experiment, specificity, stage
from fer_au.evaluation.results_file import LARGEST
from fer_au.stores import Store

_OF_A_ROW = 900  # bytes: id, label, probabilities, places; a single map on the AU maps' grid has 784 to 6,272


def held_at_the_end(folder: Path, images: int, patch: pytest.MonkeyPatch) -> int:
    """Evaluate so many images, and count the bytes that are held when the last one was scored."""
    folder.mkdir()
    patch.chdir(folder)
    patch.setenv("FER_AU_CACHE", str(folder / "cache"))
    patch.setattr(specificity, "_OF_A_CLASS", 5)
    benchmark.make_project(images)
    held: list[int] = []
    sum_up = stage._metrics

    def counted(*args: object) -> object:
        gc.collect()
        held.append(tracemalloc.get_traced_memory()[0])
        return sum_up(*args)  # type: ignore[arg-type]

    patch.setattr(stage, "_metrics", counted)
    tracemalloc.start(1)
    try:
        evaluate_experiment(
            EvaluateConfig(cams=("native",), attention_layers=("4", "last"), faithfulness_images=0),
            dataset_dir=Path("data/made"),
            model_dir=Path("models") / benchmark.NAME,
            metrics_path=Path("metrics") / f"{benchmark.NAME}.json",
            store_path=Path("evaluation") / f"{benchmark.NAME}.h5",
        )
    finally:
        tracemalloc.stop()
        patch.setattr(stage, "_metrics", sum_up)
    return held[0]


def test_an_evaluation_holds_little_of_each_image_and_the_report_no_column_of_maps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, many = 70, 490
    held_at_the_end(tmp_path / "warm", few, monkeypatch)  # what is made once, such as kernels of resampling
    least = held_at_the_end(tmp_path / "few", few, monkeypatch)
    most = held_at_the_end(tmp_path / "many", many, monkeypatch)
    assert (most - least) / (many - few) < _OF_A_ROW
    whole: list[str] = []
    read = Store.__getitem__

    def watched(store: Store, name: str) -> np.ndarray:
        if len(store.specs[name].shape) > 2:
            whole.append(f"{store.path.name}: {name}")
        return read(store, name)

    monkeypatch.setattr(Store, "__getitem__", watched)
    benchmark.report()
    assert whole == []


@pytest.mark.parametrize(("cam", "size"), [("integrated_gradients", 64), ("native", 64), ("guided_gradcam", 128)])
def test_a_kept_map_is_bounded(
    cam: str, size: int, tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fer_au.models import create_model, save_model
    from tests.evaluation.conftest import model_meta, write_history

    monkeypatch.setattr("fer_au.cam.pixels._STEPS", 2)
    model = create_model({"backbone": "test_resnet"}, ("neutral", "happiness", "anger"), seed=3)
    meta = model_meta()
    meta["preprocessing"] = {**meta["preprocessing"], "image_size": size}
    save_model(tmp_path / "model", model, meta)
    write_history(tmp_path / "model")
    evaluate_experiment(
        EvaluateConfig(cams=(cam,), moved=False, faithfulness_images=0),
        dataset_dir=tiny_dataset,
        model_dir=tmp_path / "model",
        metrics_path=tmp_path / "m.json",
        store_path=tmp_path / "x.h5",
    )
    store = Store.open(tmp_path / "x.h5", "evaluation")
    maps = store[f"cam/{cam}"]
    assert maps.shape[1] == (2 if cam == "native" else LARGEST)
    assert maps.min() >= 0
    assert maps.max() == 1
    assert all(max(spec.shape[1:3]) <= LARGEST for name, spec in store.specs.items() if name.startswith("attention/"))
