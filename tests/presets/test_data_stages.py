"""Every preset reads its data sets in the layouts that their owners distribute, with no key without effect."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from fer_au.checks.datasets import check_datasets
from fer_au.checks.outputs import Outputs
from fer_au.config.reading import read_params
from fer_au.datasets import ingest_dataset, load_dataset_config, read_manifest
from fer_au.presets import list_presets, write_preset
from fer_au.stores import Store
from tests.datasets.miniatures.noise import write_noise

_SIX = {"anger", "disgust", "fear", "happiness", "sadness", "surprise"}
CLASSES = {
    "au-cues-affectnet": _SIX | {"neutral"},
    "gimefive-rafdb": _SIX,
    "gimefive-fer2013": _SIX,
    "gimefive-search": _SIX,
    "lan-affectnet": _SIX | {"neutral", "contempt"},
    "lan-ferplus": _SIX | {"neutral", "contempt"},
}
"""Expressions of a preset, where they are a choice of it."""


def _write_folders(root: Path) -> None:
    for split, name, number in ((a, b, c) for a in ("train", "test") for b in sorted(_SIX) for c in range(4)):
        write_noise(root / split / name / f"{number}.jpg")


@pytest.mark.parametrize("name", list_presets())
def test_the_data_stages_begin(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_AU_WORKERS", "1")
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))
    path = write_preset(name, tmp_path / "params.yaml")[0]
    text = path.read_text()
    for key, entry in read_params(path)["datasets"].items():
        root, adapter = tmp_path / key, str(entry["adapter"])
        folders: Callable[[Path], None] = _write_folders
        (folders if adapter == "folder" else import_module(f"tests.datasets.miniatures.{adapter}").write)(root)
        text = text.replace(str(entry["root"]), str(root))
    path.write_text(text)
    params = {"render": {}, **read_params(path)}
    assert [str(fault) for fault in check_datasets(params, Outputs(params))[1]] == []
    for key in params["datasets"]:
        ingest_dataset(key, load_dataset_config(key, path), tmp_path / "data" / key)
        rows = read_manifest(tmp_path / "data" / key / "manifest.csv")
        assert {row.label for row in rows} >= _SIX
        if name in CLASSES:
            assert {row.label for row in rows} == CLASSES[name]
        assert {"train", "test"} <= {row.split for row in rows} or any(row.fold for row in rows) or key == "ckplus"
        annotations = Store.open(tmp_path / "data" / key / "annotations.h5", "annotations")
        if key == "rafdb" and params["datasets"][key].get("pictures") == "original":
            assert all(row.box for row in rows)
        assert ("points" in annotations) == (key == "affectnet")
