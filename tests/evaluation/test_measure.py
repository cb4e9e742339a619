from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from fer_au.batches.faces import FaceDataset
from fer_au.cli import entry
from fer_au.config.experiments import EvaluateConfig
from fer_au.evaluation import read_metrics
from fer_au.evaluation.stage import evaluate_experiment
from fer_au.measure.results import read_external
from fer_au.stores import Store
from tests.cli.test_help import example_of

Call = Callable[..., tuple[int, str, str]]
FIGURES = ("att_", "region.", "baseline.", "ceiling.", "truth.attention", "per_class.", "n", "accuracy", "macro_f1")


@pytest.fixture
def call(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Runs ``fer-au measure`` beside the data set ``data/demo``; gives exit code, output and messages."""
    shutil.copytree(tiny_dataset, tmp_path / "data" / "demo")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_AU_DEBUG", "0")

    def run(*words: object) -> tuple[int, str, str]:
        code = entry.run(["measure", *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def faces(tiny_dataset: Path) -> FaceDataset:
    return FaceDataset(tiny_dataset, "test")


def write(path: str, faces: FaceDataset, **changes: Any) -> None:
    """Write maps of all faces of a split, with some entries replaced, or left out where None."""
    maps = np.random.default_rng(3).random((len(faces), 7, 7)).astype(np.float32)
    entries = {"id": np.array(faces.ids), "map": maps} | changes
    np.savez(path, **{key: value for key, value in entries.items() if value is not None})


def test_maps_of_an_experiment_get_the_scores_of_its_evaluation(
    tiny_dataset: Path, tiny_model: Path, tmp_path: Path, call: Call
) -> None:
    config = EvaluateConfig(cams=[], attention_layers=["last"], faithfulness_images=0, moved=False)
    paths = {"metrics_path": Path("metrics/au.json"), "store_path": Path("evaluation/au.h5")}
    evaluate_experiment(config, dataset_dir=tiny_dataset, model_dir=tiny_model, **paths)
    kept = Store.open(Path("evaluation/au.h5"), "evaluation")
    (layer,) = (name for name in kept.specs if name.startswith("attention/"))
    classes = np.array(str(kept.attributes["classes"]).split(","))
    order = np.random.default_rng(0).permutation(len(kept))
    arrays = {"id": np.array(kept.ids), "map": kept[layer], "probability": kept["probabilities"]}
    np.savez("maps.npz", classes=classes, **{key: np.asarray(values)[order] for key, values in arrays.items()})
    assert call(*example_of("fer-au measure")[2:])[0] == 0
    own, measured = read_metrics(Path("metrics/au.json")), read_metrics(Path("metrics/external/ours.json"))
    shared = [key for key in own if key.startswith(FIGURES) and not key.endswith("_moved")]
    assert len(shared) > 80
    for key in shared:
        if isinstance(own[key], float):
            assert measured[key] == pytest.approx(own[key], abs=2e-3), key  # kept in half precision
        else:
            assert measured[key] == own[key], key
    assert Path("metrics/detail/external/ours.json").is_file()
    assert measured["interval.att_ccos.low"] < measured["att_ccos"] < measured["interval.att_ccos.high"]


def test_what_is_printed_stands_beside_the_baselines(faces: FaceDataset, call: Call) -> None:
    write("maps.npz", faces, map=np.ones((len(faces), 7, 7), np.uint8))
    code, out, _ = call("demo", "--maps", "maps.npz", "--name", "flat")
    assert code == 0
    assert f"flat: {len(faces)} faces" in out
    assert "maps of 7x7 cells" in out
    assert f"{len(faces)} constant of {len(faces)} maps" in out
    found = read_metrics(Path("metrics/external/flat.json"))
    for score in ("att_cos", "att_auc", "region.eyes"):
        assert found[score] == pytest.approx(found[f"baseline.blank.{score}"], abs=1e-6)
    assert "accuracy" not in found
    assert "accuracy" not in out


def test_maps_of_the_picture_are_brought_to_the_crop(faces: FaceDataset, call: Call) -> None:
    """Pictures of the made-up set are 128 px, and its crops show the upper left quarter at half the scale... twice."""
    targets = np.asarray(
        faces.batch(range(len(faces))).maps
    )  # on the crop, which the matrix puts over the whole picture
    write("crop.npz", faces, map=targets)
    write("picture.npz", faces, map=np.repeat(np.repeat(targets, 2, axis=1), 2, axis=2))
    assert call("demo", "--maps", "crop.npz", "--name", "crop")[0] == 0
    assert call("demo", "--maps", "picture.npz", "--name", "picture", "--frame", "picture")[0] == 0
    crop, picture = (read_metrics(Path(f"metrics/external/{name}.json")) for name in ("crop", "picture"))
    assert crop["att_ccos"] == pytest.approx(1.0)
    assert picture["att_ccos"] == pytest.approx(1.0, abs=0.02)
    assert picture["external.frame"] == "picture"


def test_h5_files_and_other_splits_give_the_same(faces: FaceDataset, tiny_dataset: Path, call: Call) -> None:
    rng = np.random.default_rng(3)
    others = FaceDataset(tiny_dataset, "train").ids
    ids, maps = [*others, *faces.ids], rng.random((len(others) + len(faces), 5, 5)).astype(np.float32)
    np.savez("all.npz", id=np.array(ids), map=maps)
    with h5py.File("all.h5", "w") as file:
        file["id"], file["map"] = ids, maps
    for name in ("npz", "h5"):
        code, _, err = call("demo", "--maps", f"all.{name}", "--name", name)
        assert code == 0, err
        assert f"{len(others)} maps are of faces that aren't scored" in err
    npz, h5 = read_external(Path())[::-1]
    assert (npz.name, h5.name) == ("npz", "h5")
    assert npz.metrics == h5.metrics


def test_a_part_of_the_split_is_scored_when_asked_for(faces: FaceDataset, call: Call) -> None:
    maps = np.random.default_rng(3).random((5, 7, 7))
    write("some.npz", faces, id=np.array(faces.ids[:5]), map=maps)
    code, _, err = call("demo", "--maps", "some.npz", "--name", "some")
    assert code == 2
    assert f"{len(faces) - 5} of {len(faces)} faces of split 'test' have no map: {faces.ids[5]}" in err
    assert not Path("metrics").exists()
    assert call("demo", "--maps", "some.npz", "--name", "some", "--partial")[0] == 0
    assert read_metrics(Path("metrics/external/some.json"))["n"] == 5


def _sums(rows: int, value: float) -> NDArray[np.float64]:
    return np.full((rows, 3), value)


CLASSES = np.array(["neutral", "happy", "anger"])
N = 18
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no maps": ({"map": None}, "it has no 'map'"),
    "no ids": ({"id": None, "name": np.arange(N)}, "it has no 'id', but name"),
    "numbers for ids": ({"id": np.arange(N)}, "id: expected a list of texts"),
    "pickled ids": ({"id": np.array([{}] * N, object)}, "no .npz file of maps"),
    "fewer maps": ({"map": np.ones((3, 7, 7))}, f"{N} ids and 3 maps"),
    "flat maps": ({"map": np.ones((N, 49))}, "map: expected numbers (N, h, w)"),
    "maps of several channels": ({"map": np.ones((N, 3, 7, 7))}, "map: expected numbers (N, h, w)"),
    "empty maps": ({"map": np.ones((N, 0, 7))}, "map: expected numbers (N, h, w)"),
    "texts for maps": ({"map": np.full((N, 2, 2), "a")}, "map: expected numbers"),
    "complex maps": ({"map": np.ones((N, 2, 2), complex)}, "map: expected numbers"),
    "maps as large as photographs": ({"map": np.ones((N, 1, 2000), np.uint8)}, "at most 1024 on a side"),
    "oblong maps": ({"map": np.ones((N, 7, 9))}, "crops are square; do they span the picture (--frame)?"),
    "NaN": ({"map": np.full((N, 7, 7), np.nan)}, "holds a NaN or an infinite value"),
    "an infinite value": ({"map": np.full((N, 7, 7), -np.inf)}, "holds a NaN or an infinite value"),
    "an id twice": ({"id": np.array(["a"] * N)}, "id: 1 are there more than once, such as 'a'"),
    "unknown ids": ({"id": np.array([f"x/{k}" for k in range(N)])}, f"id: {N} are not in data/demo/manifest.csv"),
    "no classes": ({"probability": _sums(N, 1 / 3)}, "it has 'probability' and no 'classes'"),
    "logits": ({"probability": _sums(N, 2.0), "classes": CLASSES}, "isn't from 0 to 1 and 1 in all (it is 6)"),
    "negative": ({"probability": np.tile([-1.0, 1.0, 1.0], (N, 1)), "classes": CLASSES}, "isn't from 0 to 1"),
    "NaN chances": ({"probability": _sums(N, np.nan), "classes": CLASSES}, "isn't from 0 to 1"),
    "another number of classes": ({"probability": _sums(N, 0.5), "classes": CLASSES[:2]}, "a column for each class"),
    "an unknown class": ({"classes": np.array(["joyful"])}, "classes: 'joyful' is no expression"),
    "a class twice": ({"classes": np.array(["happy", "happiness"])}, "classes: one is there twice"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_files_that_cannot_be_scored_are_one_line(fault: str, faces: FaceDataset, call: Call) -> None:
    assert len(faces) == N
    changes, line = FAULTS[fault]
    write("maps.npz", faces, **changes)
    code, out, err = call("demo", "--maps", "maps.npz", "--name", "ours")
    last = err.splitlines()[-1]
    assert (code, out) == (2, "")
    assert last.startswith("error: maps.npz: ")
    assert line in last
    assert not Path("metrics").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["demo", "--maps", "none.npz", "--name", "a"], "none.npz: No such file or directory"),
        (["demo", "--maps", "maps.csv", "--name", "a"], "maps.csv: expected a file that ends in .npz or .h5"),
        (["demo", "--maps", "pipe.npz", "--name", "a"], "pipe.npz: no regular file"),
        (["demo", "--maps", "text.npz", "--name", "a"], "text.npz: no .npz file of maps"),
        (["demo", "--maps", "text.h5", "--name", "a"], "text.h5: no .h5 file of maps"),
        (["demo", "--maps", "one.npz", "--name", "a"], "one.npz: one array alone"),
        (["demo", "--maps", "cut.npz", "--name", "a"], "cut.npz: no .npz file of maps"),
        (["demo", "--maps", "links.h5", "--name", "a"], "links.h5: map: expected a dataset that lies in the file"),
        (["demo", "--maps", "outside.h5", "--name", "a"], "outside.h5: map: expected a dataset that lies in the file"),
        (["demo", "--maps", "maps.npz", "--name", "../a"], "--name: expected small letters"),
        (["other", "--maps", "maps.npz", "--name", "a"], "data/other: no such folder"),
        (["../demo", "--maps", "maps.npz", "--name", "a"], "no such folder"),
        (["demo", "--maps", "maps.npz", "--name", "a", "--split", "all"], "--split: expected train, valid or test"),
        (["demo", "--maps", "maps.npz", "--name", "a", "--frame", "face"], "--frame: expected crop or picture"),
        (["demo", "--maps", "maps.npz", "--name", "a", "--split", "valid"], "no face of split 'valid'"),
    ],
)
def test_slips_are_one_line(words: list[str], line: str, faces: FaceDataset, call: Call) -> None:
    write("maps.npz", faces)
    os.mkfifo("pipe.npz")
    Path("text.npz").write_text("id,map")
    Path("text.h5").write_text("id,map")
    Path("cut.npz").write_bytes(Path("maps.npz").read_bytes()[:-600])
    with Path("one.npz").open("wb") as file:
        np.save(file, np.ones((3, 7, 7)))
    with h5py.File("links.h5", "w") as file:
        file["id"], file["map"] = list(faces.ids), h5py.ExternalLink("all.h5", "/map")
    Path("raw.bin").write_bytes(bytes(N * 4 * 4))
    with h5py.File("outside.h5", "w") as file:
        file["id"] = list(faces.ids)
        file.create_dataset("map", (N, 2, 2), np.float32, external=[("raw.bin", 0, N * 16)])
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert line in err.splitlines()[-1]
    assert not Path("metrics").exists()


def test_a_changed_data_set_is_noticed(faces: FaceDataset, call: Call) -> None:
    write("maps.npz", faces)
    assert call("demo", "--maps", "maps.npz", "--name", "ours")[0] == 0
    (one,) = read_external(Path())
    assert one.dataset == "demo"
    assert one.is_of(faces.content_hashes())
    assert not one.is_of(faces.content_hashes() | {"landmarks.h5": "0" * 64})
