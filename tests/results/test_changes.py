"""Results whose settings in ``params.yaml`` have changed since are named, whatever the key; other edits say nothing."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fer_au.config.data import DemoConfig
from fer_au.config.experiments import ExperimentConfig, TrainConfig
from fer_au.config.reading import StrictModel
from fer_au.datasets.base import create_adapter
from fer_au.models.config_file import write_config
from fer_au.results.changes import Change, change_lines, stray_lines
from fer_au.results.reading import Results, read_results
from tests.results.other_values import HARMLESS, OTHERS
from tests.results.writer import ResultsWriter

MODEL = {"backbone": "resnet10t"}
GUIDED = [{"cue": "au", "loss": "cosine", "weight": 4.0}]

CASES = [(section, key, value) for section, (_, keys) in OTHERS.items() for key, value in keys.items()]
CALM = [(section, key, value) for section, keys in HARMLESS.items() for key, value in keys.items()]


# Model of somebody else; key -> another value.
FOREIGN = {
    "backbone": "external", "factory": "their:net", "layers": ["a"], "input": {"size": 48, "mean": 0, "std": 1},
    "classes": {"a": "anger", "b": "fear"},
}  # fmt: skip
ELSEWHERE: dict[str, Any] = {
    "factory": "their:other", "layers": ["b"], "input": {"size": 64, "mean": 0, "std": 1},
    "classes": {"a": "fear", "b": "anger"}, "scores": "probabilities",
}  # fmt: skip


def leaves(model: type[StrictModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        inner = isinstance(kind, type) and issubclass(kind, StrictModel)
        yield from leaves(kind, f"{prefix}{name}.") if inner else [prefix + name]  # type: ignore[arg-type]


@pytest.fixture
def done(writer: ResultsWriter) -> ResultsWriter:
    """Two experiments and a cross, made by DVC with the settings of params.yaml."""
    writer.sections["datasets"]["third"] = {"adapter": "folder", "root": "third"}
    writer.name("vanilla", model=dict(MODEL), guidance=[])
    writer.name("au", model=dict(MODEL), guidance=copy.deepcopy(GUIDED))
    writer.evaluate("vanilla")
    writer.evaluate("au")
    writer.evaluate_cross("there", "au", accuracy=0.5, n=8)
    writer.lock()
    return writer


def edit(writer: ResultsWriter, path: str, value: Any) -> None:
    place: Any = {**writer.sections, "experiments": writer.experiments, "cross": writer.cross}
    *parents, last = path.split(".")
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    place[last] = value


def read(writer: ResultsWriter) -> Results:
    return read_results(writer.params(), writer.root)


def changes(writer: ResultsWriter) -> dict[str, Change]:
    found = read(writer)
    return {one.name: one.change for one in (*found.experiments, *found.cross) if one.change or one.change.unchecked}


@pytest.mark.parametrize("section", OTHERS)
def test_no_key_is_forgotten_here(section: str) -> None:
    model, keys = OTHERS[section]
    elsewhere = ELSEWHERE if model is ExperimentConfig else {}
    assert {*keys, *HARMLESS.get(section, {}), *(f"model.{key}" for key in elsewhere)} == set(leaves(model))


def test_unchanged_settings_are_silent(done: ResultsWriter) -> None:
    assert changes(done) == {}


@pytest.mark.parametrize(("section", "key", "value"), CASES, ids=[f"{section}.{key}" for section, key, _ in CASES])
def test_every_setting_that_has_changed_is_named(done: ResultsWriter, section: str, key: str, value: Any) -> None:
    edit(done, f"{section}.{key}", value)
    found = changes(done)
    touched = {"experiments": ["au", "there"], "cross": ["there"]}
    assert list(found) == touched.get(section.split(".")[0], ["vanilla", "au", "there"])
    expected = f"{section}.train.epochs" if (section, key) == ("experiments.au", "train") else f"{section}.{key}"
    for change in found.values():
        assert change.files == ()
        assert expected in {*change.keys, *(path.rpartition(".")[0] for path in change.keys)}


@pytest.mark.parametrize("locked", [True, False])
def test_settings_of_a_model_from_elsewhere_are_named_too(writer: ResultsWriter, locked: bool) -> None:
    writer.name("far", model=dict(FOREIGN), guidance=[], train="none")
    writer.evaluate("far")
    if locked:
        writer.lock()
    record = ExperimentConfig(**writer.experiments["far"]).model_dump(mode="json")
    record = {"model": record.pop("model"), "experiment": record, "classes": ["anger", "fear"]}
    write_config(writer.root / "models/far/config.json", {"weights_sha256": "0" * 64, **record})
    assert not any(changes(writer).values())
    for key, value in ELSEWHERE.items():
        writer.experiments["far"]["model"] = FOREIGN | {key: value}
        (first, *_) = changes(writer)["far"].keys
        assert first.startswith(f"experiments.far.model.{key}")


@pytest.mark.parametrize(("section", "key", "value"), CALM, ids=[f"{section}.{key}" for section, key, _ in CALM])
def test_a_key_that_changes_no_number_is_silent(done: ResultsWriter, section: str, key: str, value: Any) -> None:
    edit(done, f"{section}.{key}", value)
    assert changes(done) == {}


def test_every_default_may_be_written_out(done: ResultsWriter) -> None:
    done.sections |= {
        section: model().model_dump(mode="json")
        for section, (model, _) in OTHERS.items()
        if section in ("align", "landmarks", "heatmaps", "train", "evaluate")
    }
    full = create_adapter("folder").Config(**done.sections["datasets"]["faces"])
    done.sections["datasets"]["faces"] = full.model_dump(mode="json", exclude_none=True)
    for entry in done.experiments.values():
        whole = ExperimentConfig(**{**entry, "train": {"epochs": 8}}).model_dump(mode="json")
        entry.update({**whole, "model": {**whole["model"], "head": "gap"}})
    assert changes(done) == {}


def test_comments_and_order_are_no_settings(done: ResultsWriter) -> None:
    content = yaml.safe_load(done.params().read_text())
    path = done.root / "params.yaml"
    path.write_text("# other words\n" + yaml.safe_dump(dict(reversed(content.items()))))
    found = read_results(path, done.root)
    assert not any(one.change for one in (*found.experiments, *found.cross))


def test_other_entries_are_no_settings(done: ResultsWriter) -> None:
    done.name("later", seed=3)
    done.sections["datasets"]["new"] = {"adapter": "folder", "root": "new"}
    done.evaluate_cross("more", "later")
    done.sections["datasets"]["third"]["seed"] = 5
    assert changes(done) == {}


@pytest.mark.parametrize("value", [{"epochs": 9}, {"optimizer": {"lr": 0.3}}])
def test_a_setting_of_its_own_is_named_where_it_stands(done: ResultsWriter, value: dict[str, Any]) -> None:
    done.experiments["au"]["train"] = value
    key = "epochs" if "epochs" in value else "optimizer.lr"
    assert changes(done)["au"].keys == (f"experiments.au.train.{key}",)
    done.experiments["au"].pop("train")
    done.sections["train"] = value
    assert changes(done)["au"].keys == (f"train.{key}",)
    done.lock()
    done.experiments["au"]["train"] = value  # the same as the shared value
    assert changes(done) == {}


def test_what_an_experiment_starts_from_counts_under_any_name(done: ResultsWriter) -> None:
    done.experiments["au"]["base"] = "vanilla"
    done.lock()
    done.experiments["plain"] = done.experiments.pop("vanilla")
    done.experiments["au"]["base"] = "plain"
    assert changes(done) == {}
    done.experiments["plain"]["seed"] = 4
    assert changes(done)["au"].keys == ("experiments.au.base",)
    done.experiments["vanilla"] = done.experiments.pop("plain")
    done.experiments["au"]["base"] = "vanilla"
    assert changes(done)["au"].keys == ("experiments.vanilla.seed",)
    done.experiments["vanilla"]["base"] = "au"  # a circle, which check-params reports
    assert changes(done)["au"]


def test_rendered_faces_count(done: ResultsWriter) -> None:
    done.sections["datasets"]["faces"] = {"adapter": "demo", "root": "data/faces/raw"}
    done.sections["render"] = {"faces": {"images": 3}}
    stages = done.lock()
    out = [{"path": "data/faces/raw", "hash": "md5", "md5": "1.dir"}]
    stages["ingest@faces"]["deps"] = out
    stages["render@faces"] = {"params": {"params.yaml": {"render.faces": {"images": 3}}}, "outs": out}
    (done.root / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}))
    assert changes(done) == {}
    others = {"identities": 9, "images": 4, "size": 128, "test_fraction": 0.5, "seed": 2}
    assert set(others) == set(DemoConfig.model_fields)
    for key, value in others.items():
        done.sections["render"] = {"faces": {"images": 3, key: value}}
        assert changes(done)["vanilla"].keys == (f"render.faces.{key}",)


@pytest.mark.parametrize("stage", ["landmarks@faces", "train@au"])
def test_a_stage_that_ran_alone_is_named_by_its_file(done: ResultsWriter, stage: str) -> None:
    stages = done.lock()
    stages[stage]["outs"][0]["md5"] = "f" * 32
    (done.root / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}))
    path = stages[stage]["outs"][0]["path"]
    found = changes(done)
    assert {name: change.files for name, change in found.items()}.items() >= {"au": (path,), "there": (path,)}.items()
    assert f"made with earlier files ({path}); run `dvc repro`" in change_lines(found)[0]


def test_a_setting_of_a_data_set_is_named_where_it_stands(done: ResultsWriter) -> None:
    faces = done.sections["datasets"]["faces"]
    faces["align"] = {"size": 96}
    assert changes(done)["au"].keys == ("datasets.faces.align.size",)
    done.lock()
    assert changes(done) == {}
    done.sections["align"] = {"size": 64, "context": 32}
    assert changes(done)["au"].keys == ("align.context",)
    done.sections["align"] = {"size": 96}
    del faces["align"]
    assert list(changes(done)) == ["there"]  # whose value it is changes no number; `there` is about another data set


def test_settings_that_an_earlier_release_recorded_are_not_known(done: ResultsWriter) -> None:
    stages = done.lock()
    for name in ("ingest@faces", "align@faces", "landmarks@faces"):
        stages[name]["params"] = {"params.yaml": {"datasets.faces": {}, "align": {}, "landmarks": {}}}
    (done.root / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}))
    assert changes(done)["vanilla"] == Change(unchecked=("datasets", "render", "align", "landmarks"))


def test_metrics_that_dvc_did_not_make_last_are_named(done: ResultsWriter) -> None:
    done.evaluate("au", wrong=4)
    assert changes(done) == {"au": Change(files=("metrics/au.json",))}


@pytest.mark.parametrize("lock", [None, "<<<<<<< ours\n", "stages: [1]\n"])
def test_without_dvc_the_models_record_is_compared(done: ResultsWriter, lock: str | None) -> None:
    path = done.root / "dvc.lock"
    path.unlink() if lock is None else path.write_text(lock)
    for name, entry in done.experiments.items():
        own = ExperimentConfig(**entry).model_dump(mode="json")
        record = {"model": own.pop("model"), "experiment": own, "train": TrainConfig().model_dump(mode="json")}
        file = done.root / "models" / name / "config.json"
        write_config(file, {"classes": ["neutral"], "weights_sha256": "0" * 64, **record})
    found = changes(done)
    assert list(found) == ["vanilla", "au", "there"]
    assert not any(found.values())
    (line,) = change_lines(found)
    sections = "datasets, render, align, landmarks, heatmaps, evaluate"
    words = f"no record in dvc.lock; changes of {sections} in params.yaml since the evaluation can't be seen"
    assert line == f"vanilla, au, there: {words}"
    done.sections["train"] = {"epochs": 3}
    done.sections["evaluate"] = {"split": "valid"}
    done.experiments["au"]["guidance"][0]["weight"] = 1
    found = changes(done)
    assert found["vanilla"].keys == ("train.epochs", "evaluate.split")
    assert found["au"].keys == ("experiments.au.guidance.0.weight", "train.epochs", "evaluate.split")


# Stage that an interrupted DVC ran anew -> setting that it ran with, its file, and the results of the file before.
REMADE = {
    "train@au": ("experiments.au.train", {"epochs": 40}, "models/au", ["au", "there"]),
    "train@vanilla": ("train.epochs", 40, "models/vanilla", ["vanilla"]),
    "heatmaps@faces": ("heatmaps.size", 14, "data/faces/heatmaps.h5", ["vanilla", "au", "there"]),
    "landmarks@faces": ("landmarks.extractor", "mediapipe", "data/faces/landmarks.h5", ["vanilla", "au", "there"]),
    "align@faces": ("align.size", 128, "data/faces/faces.h5", ["vanilla", "au", "there"]),
    "ingest@faces": ("datasets.faces.seed", 7, "data/faces/manifest.csv", ["vanilla", "au", "there"]),
}


@pytest.mark.parametrize("stage", REMADE)
def test_a_stage_that_ran_between_with_other_settings_is_named_and_no_setting(done: ResultsWriter, stage: str) -> None:
    """The numbers are of the settings of today; only a file was made with others since, and DVC was interrupted."""
    key, value, path, names = REMADE[stage]
    before, sections, experiments = done.lock(), copy.deepcopy(done.sections), copy.deepcopy(done.experiments)
    edit(done, key, value)
    again = done.lock()[stage]
    again["outs"][0]["md5"] = "f" * 32
    (done.root / "dvc.lock").write_text(yaml.safe_dump({"stages": {**before, stage: again}}))
    done.sections, done.experiments = sections, experiments
    found = changes(done)
    assert found == {name: Change(others=(path,)) for name in names}
    line = f"{', '.join(names)}: {path} was made anew since, with other settings; run `dvc repro`"
    assert change_lines(found) == [line]


def _record(done: ResultsWriter, name: str, epochs: int, speed: float) -> None:
    own = ExperimentConfig(**done.experiments[name]).model_dump(mode="json")
    train = TrainConfig(epochs=epochs).model_dump(mode="json")
    record = {"model": own.pop("model"), "experiment": own, "train": train, "train_images_per_second": speed}
    file = done.root / "models" / name / "config.json"
    write_config(file, {"classes": ["neutral"], "weights_sha256": "0" * 64, **record})


def test_stages_that_were_run_by_hand_are_judged_by_the_model_on_the_disk(done: ResultsWriter) -> None:
    """dvc.lock knows an older training: its settings are not those of the numbers that are shown."""
    done.sections["train"] = {"epochs": 5}
    assert changes(done)["au"].keys == ("train.epochs",)
    _record(done, "au", 5, 20.0)
    done.evaluate("au", wrong=4, train_images_per_second=20.0)
    found = changes(done)
    assert not found["au"]
    assert found["au"].unchecked == ("evaluate",)
    done.sections["train"] = {"epochs": 6}
    assert changes(done)["au"].keys == ("train.epochs",)


def test_a_model_that_was_trained_anew_by_hand_is_not_the_one_of_the_numbers(done: ResultsWriter) -> None:
    done.evaluate("au", wrong=4, train_images_per_second=20.0)
    _record(done, "au", 5, 33.0)
    found = changes(done)["au"]
    assert (found.keys, found.files + found.others) == ((), ("models/au",))


def test_without_any_record_nothing_is_claimed(done: ResultsWriter) -> None:
    (done.root / "dvc.lock").unlink()
    (line,) = change_lines(changes(done))
    assert line.endswith("no record in dvc.lock; changes of params.yaml since the evaluation can't be seen")


def test_each_cause_is_one_line(done: ResultsWriter) -> None:
    for number in range(9):
        done.name(f"seed-{number}", seed=number)
        done.evaluate(f"seed-{number}")
    done.lock()
    done.sections["train"] = {"epochs": 3, "batch_size": 8, "ema": 0.9, "image_size": 64}
    done.sections["align"] = {"size": 96}
    done.experiments["au"]["seed"] = 7
    lines = change_lines(changes(done))
    assert lines == [
        "vanilla, seed-0, seed-1, seed-2, seed-3, seed-4 and 4 more: params.yaml has changed since "
        "(train.epochs, train.batch_size, train.image_size and 2 more); run `dvc repro`",
        "au, there: params.yaml has changed since "
        "(experiments.au.seed, train.epochs, train.batch_size and 3 more); run `dvc repro`",
    ]


def test_metrics_of_no_experiment_are_named(done: ResultsWriter) -> None:
    assert read(done).strays == {}
    done.name("who", target="subject")
    done.evaluate("who")  # has no row, but a name
    assert read(done).strays == {}
    done.experiments["new-name"] = done.experiments.pop("au")
    done.cross["here"] = done.cross.pop("there") | {"experiment": "new-name"}
    found = read(done)
    assert found.strays == {Path("metrics/au.json"): "new-name", Path("metrics/cross/there.json"): ""}
    assert [one.name for one in found.experiments if one.change] == []
    assert stray_lines(found.strays) == [
        "metrics/au.json: not shown; these are the settings of new-name: `dvc repro evaluate@new-name` gives it the "
        "numbers again",
        "metrics/cross/there.json: not shown, as params.yaml names nothing so; delete what nobody needs",
    ]
    done.experiments["new-name"]["seed"] = 8
    assert read(done).strays[Path("metrics/au.json")] == ""


def test_neither_torch_nor_dvc_is_loaded(done: ResultsWriter) -> None:
    done.params()
    code = (
        "import sys; from pathlib import Path; from fer_au.results.reading import read_results\n"
        "read_results(Path('params.yaml'), Path())\n"
        "print([name for name in ('torch', 'dvc', 'cv2') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=done.root, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
