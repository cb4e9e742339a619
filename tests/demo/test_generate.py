from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from fer_au.code.stages import stage_files
from fer_au.config.data import DemoConfig
from fer_au.datasets.base import create_adapter
from fer_au.demo.action_units import AU_NAMES
from fer_au.demo.generate import generate, plan, split_of
from fer_au.errors import DataError, FerAuError
from fer_au.rejects import Reason
from fer_au.stores.reader import Store

SMALL = DemoConfig(identities=5, images=4, size=128, seed=2)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "raw"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_AU_WORKERS", "1")
        generate(SMALL, folder)
    return folder


def test_bytes_do_not_depend_on_the_number_of_workers(
    rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_AU_WORKERS", "2")
    generate(SMALL, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(rendered)


def test_another_seed_gives_other_pictures() -> None:
    first, second = (plan(DemoConfig(identities=4, images=1, seed=seed))[0].identity for seed in (0, 1))
    assert first != second


def test_no_person_is_in_both_splits_and_labels_are_balanced() -> None:
    config = DemoConfig()
    tasks = plan(config)
    assert len({task.identity.name for task in tasks}) == len({task.identity.person for task in tasks}) == 70
    splits = [split_of(task.number, config.test_fraction) for task in tasks]
    assert splits.count("test") == 14
    tested = [task.identity for task, split in zip(tasks, splits, strict=True) if split == "test"]
    assert 4 <= sum(person.female for person in tested) <= 10
    assert max(person.darkness for person in tested) - min(person.darkness for person in tested) > 0.7
    labels = [label for task in tasks for label in task.expressions]
    assert {labels.count(label) for label in set(labels)} == {200}


def test_truth_rows_match_the_labels_and_the_frame(rendered: Path) -> None:
    store = Store.open(rendered / "truth.h5", "truth")
    with (rendered / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert store.ids == [row["path"] for row in rows]
    assert all((rendered / id_).is_file() for id_ in store.ids)
    assert store["points"].shape == (20, 68, 2)
    assert store["points"].min() > 0
    assert store["points"].max() < SMALL.size
    assert store["motion"].shape == (20, 64, 64)
    assert store.attributes["au_names"] == ",".join(AU_NAMES)
    neutral = np.array([row["label"] == "neutral" for row in rows])
    assert not store["au"][neutral].any()
    assert not store["motion"][neutral].any()
    assert store["au"][~neutral].max(axis=1).min() > 0.2
    assert store["motion"][~neutral].max(axis=(1, 2)).min() > 150


def test_the_adapter_hands_on_records_and_truth(rendered: Path) -> None:
    adapter = create_adapter("demo")
    scan = adapter.scan(adapter.Config(adapter="demo", root=rendered))
    assert len(scan.records) == 20
    assert not scan.rejects
    assert {record.split for record in scan.records} == {"train", "test"}
    assert scan.annotations.ids == tuple(record.id for record in scan.records)
    assert set(scan.annotations.columns) == {"points", "au", "pose", "motion", "skin_tone"}


def test_the_adapter_rejects_rows_without_truth_or_sense(rendered: Path, tmp_path: Path) -> None:
    lines = (rendered / "labels.csv").read_text(encoding="utf-8").splitlines()
    extra = ["images/x.jpg,anger,nobody,train", "images/y.jpg,joyful,nobody,train", "images/z.jpg,anger"]
    (tmp_path / "labels.csv").write_text("\n".join([*lines, *extra]), encoding="utf-8")
    (tmp_path / "truth.h5").write_bytes((rendered / "truth.h5").read_bytes())
    adapter = create_adapter("demo")
    scan = adapter.scan(adapter.Config(adapter="demo", root=tmp_path))
    assert sorted(reject.reason for reject in scan.rejects) == [Reason.BAD_ROW, Reason.NO_TRUTH, Reason.UNKNOWN_LABEL]


@pytest.mark.parametrize("text", [None, "", "a,b\n1,2\n"])
def test_the_adapter_names_a_missing_or_wrong_label_file(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    adapter = create_adapter("demo")
    with pytest.raises(FerAuError, match=r"labels\.csv"):
        adapter.scan(adapter.Config(adapter="demo", root=tmp_path))


def test_a_folder_with_other_files_is_never_cleared(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious", encoding="utf-8")
    with pytest.raises(DataError, match=r"thesis\.txt"):
        generate(SMALL, tmp_path)
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("{identities: 1}", "render.demo.identities"), ("{people: 5}", "render.demo.people"), ("5", "render.demo")],
)
def test_bad_params_are_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "params.yaml").write_text(f"datasets: {{demo: {{}}}}\nrender: {{demo: {text}}}\n", encoding="utf-8")
    command = [sys.executable, str(Path(__file__).parents[2] / "stages/render.py"), "demo"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.returncode == 2
    assert complaint in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_stage_loads_neither_torch_nor_dlib_and_nothing_that_its_hash_leaves_out() -> None:
    root = Path(__file__).parents[2]
    stage = yaml.safe_load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]["render"]["do"]
    assert {"stages/stamp.json": ["render.${key}"]} in stage["params"]
    program = (
        "import sys; sys.path.insert(0, 'stages'); import render\n"
        "ours = [m.__file__ for n, m in sorted(sys.modules.items()) if n.split('.')[0] == 'fer_au' and m.__file__]\n"
        "print(*ours, sep='\\n')\n"
        "assert not {'torch', 'dlib'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    listed = stage_files("render", "demo", root / "params.yaml")
    imported = {path for line in result.stdout.split() if (path := Path(line).resolve()).parent.name != "code"}
    assert imported <= listed
    assert root / "fer_au/compute/dask_cluster.py" in listed - imported  # where FER_AU_SCHEDULER is set
    assert {path.name for path in listed if path.suffix != ".py"} == {"head.npz", "landmarks68.csv"}
