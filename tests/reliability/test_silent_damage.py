"""Models, metrics and tables: one changed bit, a cut, an empty file, another valid file of the kind; never used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from fer_au.cli.entry import app
from fer_au.datasets.manifest import read_manifest
from fer_au.errors import DataError
from fer_au.evaluation import read_metrics, write_metrics
from fer_au.evaluation.metrics_file import detail_path
from fer_au.models import create_model, load_model, save_model
from fer_au.models.config_file import CONFIG, HISTORY, check_file, read_config
from fer_au.rejects import read_rejects
from fer_au.results.verifying import verify_artefact
from fer_au.stores import Store, encode_ids, write_store
from fer_au.stores.reader import check_table
from tests.reliability.workspace import Workspace, show

FLIPS = 150
CLASSES = ("neutral", "happiness", "surprise")
HISTORIES = ("epoch,train_accuracy,valid_accuracy\n0,0.5,0.25\n", "epoch,train_accuracy,valid_accuracy\n0,0.5,0.75\n")


@dataclass
class Kind:
    """A kind of artefact: its file, a valid other file of the kind, and how the project reads it."""

    path: Path
    other: bytes
    read: Callable[[], Any]


def model(folder: Path, number: int) -> None:
    folder.mkdir(parents=True)
    (folder / HISTORY).write_text(HISTORIES[number])
    network = create_model({"backbone": "test_resnet", "output_stride": 8}, CLASSES, seed=number).eval()
    preprocessing = {"image_size": 32, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}
    save_model(folder, network, {"preprocessing": preprocessing, "seed": number}, (HISTORY,))


def evaluation(root: Path, name: str, share: float) -> None:
    columns = {
        "id": encode_ids(["a", "b"]),
        "label": encode_ids(["neutral", "happiness"]),
        "probabilities": np.full((2, 3), share, np.float32),
    }
    write_store(root / f"evaluation/{name}.h5", "evaluation", columns, fingerprint=name)
    content = Store.open(root / f"evaluation/{name}.h5", "evaluation").content_sha256
    write_metrics(root / f"metrics/{name}.json", {"accuracy": share, "n": 2, "seed": 1, "more": share}, None, content)


def read_both(root: Path, name: str) -> Any:
    content = Store.open(root / f"evaluation/{name}.h5", "evaluation").content_sha256
    return read_metrics(root / f"metrics/{name}.json", evaluation=content)


@pytest.fixture(scope="module")
def made(ingested: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two models, two evaluations at home and two on another data set, and two data sets."""
    root = tmp_path_factory.mktemp("made")
    for number, name in enumerate(("au", "plain")):
        model(root / "models" / name, number)
        for place in (name, f"cross/{name}"):
            evaluation(root, place, 0.25 + number / 2)
    workspace = Workspace(tmp_path_factory.mktemp("lab") / "lab", ingested)
    workspace.run("align", "landmarks")
    shutil.copytree(workspace.data, root / "data/tiny")
    return root


@pytest.fixture
def kinds(made: Path, tmp_path: Path) -> dict[str, Kind]:
    root = tmp_path / "work"
    shutil.copytree(made, root)
    models, data = root / "models", root / "data/tiny"

    def history() -> str:
        check_file(models / "au", read_config(models / "au"), HISTORY)
        return (models / "au" / HISTORY).read_text()

    def rejects(stage: str) -> Any:
        check_table(data, f"rejects/{stage}.csv")
        return read_rejects(data / f"rejects/{stage}.csv")

    table = b"id,reason,detail\na.jpg,missing_file,gone\n"
    manifest = data / "manifest.csv"
    found = {
        "config.json": Kind(
            models / "au" / CONFIG, (models / "plain" / CONFIG).read_bytes(), lambda: load_model(models / "au")
        ),
        "history.csv": Kind(models / "au" / HISTORY, HISTORIES[1].encode(), history),
        "manifest.csv": Kind(
            manifest, manifest.read_bytes().replace(b",train,", b",test,", 1), lambda: read_manifest(manifest)
        ),
    }
    for name in ("au", "cross/au"):
        headline, kept = root / f"metrics/{name}.json", root / f"evaluation/{name}.h5"
        for kind, path in {"metrics": headline, "details": detail_path(headline), "evaluation": kept}.items():
            other = path.with_stem("plain").read_bytes()
            found[name.replace("au", kind)] = Kind(path, other, lambda name=name: read_both(root, name))
    for stage in ("ingest", "align", "landmarks"):
        found[f"{stage}.csv"] = Kind(data / f"rejects/{stage}.csv", table, lambda stage=stage: rejects(stage))
    return found


NAMES = (
    *("config.json", "history.csv", "metrics", "details", "evaluation", "manifest.csv"),
    *("cross/metrics", "cross/details", "cross/evaluation"),
    *("ingest.csv", "align.csv", "landmarks.csv"),
)


@pytest.mark.parametrize("name", NAMES)
def test_no_damaged_file_is_used(kinds: dict[str, Kind], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = kinds[name]
    whole = kind.path.read_bytes()
    kind.read()
    assert verify_artefact(kind.path) == []
    rng = np.random.default_rng(sum(map(ord, name)))
    cases = [b"", whole[: len(whole) // 2], whole[:-1], whole + b"\n", kind.other]
    places = {*rng.integers(0, len(whole), FLIPS).tolist(), 0, len(whole) - 1}
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        cases.append(bytes(damaged))
    for number, content in enumerate(cases):
        kind.path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            kind.read()
        assert "\n" not in str(caught.value), number
        if number < 20:
            (fault, *_) = verify_artefact(kind.path)
            assert "\n" not in fault
    kind.path.write_bytes(whole)
    kind.read()
    show(f"{name}: {len(places)} of {len(places)} flipped bits refused, and {len(cases) - len(places)} other faults")


@pytest.mark.parametrize("folder", ["", "cross/"])
def test_a_pair_of_metrics_of_another_evaluation_is_refused(kinds: dict[str, Kind], folder: str) -> None:
    metrics, details, store = (kinds[folder + name] for name in ("metrics", "details", "evaluation"))
    for kind in (metrics, details):
        kind.path.write_bytes(kind.other)
    with pytest.raises(DataError, match="of another evaluation than the scores of single images"):
        metrics.read()
    for kind in (metrics, details, store):
        (fault,) = verify_artefact(kind.path)
        assert "of another evaluation than the scores of single images" in fault
    store.path.write_bytes(store.other)
    metrics.read()
    assert [verify_artefact(kind.path) for kind in (metrics, details, store)] == [[], [], []]


def test_a_model_of_the_earlier_form_is_still_read(kinds: dict[str, Kind]) -> None:
    path = kinds["config.json"].path
    lines = path.read_text().replace("fer_au.model/2", "fer_au.model/1").splitlines()
    path.write_text("\n".join([*lines[:-2], "}"]).replace(",\n}", "\n}"))
    load_model(path.parent)


def test_verify_takes_every_kind_and_never_raises(kinds: dict[str, Kind], tmp_path: Path) -> None:
    root = kinds["metrics"].path.parents[1]
    (root / "models/none").mkdir()
    (tmp_path / "notes.txt").write_text("")
    os.mkfifo(tmp_path / "pipe.csv")
    sound = [root / "models/au", root / "models/none", root / "data/tiny/faces.h5"]
    sound += [kind.path for kind in kinds.values()]
    result = CliRunner().invoke(app, ["verify", *map(str, sound)])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [f"{path}: ok" for path in sound]
    for odd in (
        tmp_path / "notes.txt",
        tmp_path / "gone.h5",
        tmp_path / "gone.json",
        tmp_path / "gone",
        tmp_path / "pipe.csv",
    ):
        (line,) = verify_artefact(odd)
        assert line.startswith(f"{odd}: ")
    (root / "data/tiny/rejects/align.csv").write_text("id,reason,detail\nx,changed,\n")
    assert len(verify_artefact(root / "data/tiny/faces.h5")) == 1


@pytest.mark.slow
def test_the_remedy_of_the_line_brings_the_file_back(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "work"
    shutil.copytree(made, root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

    def dvc(*words: str) -> None:
        done = subprocess.run(["dvc", *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    subprocess.run(["git", "init", "-q"], check=True)
    dvc("init", "-q")
    files = {
        "models/au/config.json": "models/au",
        "metrics/au.json": "metrics/au.json",
        "data/tiny/manifest.csv": "data/tiny/manifest.csv",
        "data/tiny/rejects/align.csv": "data/tiny/rejects/align.csv",
    }
    dvc("add", "-q", *files.values())
    for name, target in files.items():
        path = Path(name)
        whole = path.read_bytes()
        damaged = bytearray(whole)
        damaged[len(whole) // 2] ^= 1
        path.unlink()
        path.write_bytes(damaged)
        (line,) = verify_artefact(path)
        assert f"`dvc checkout --force {target}` brings it back" in line
        dvc("checkout", "-q", "--force", target)
        assert path.read_bytes() == whole
        assert verify_artefact(path) == []
