"""One flipped byte, anywhere in any store of a data set."""

from __future__ import annotations

import importlib.util
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml

from fer_au.command import stage_main
from fer_au.errors import StoreError
from fer_au.stores import Store, encode_ids, write_store
from fer_au.stores.seal import BLOCKS, USER_BLOCK
from fer_au.stores.verify import verify_store
from tests.reliability.conftest import PICTURES
from tests.reliability.workspace import ROOT, Workspace, errors, show

SEED = 3


def regions(store: Store, size: int) -> dict[str, tuple[int, int]]:
    """Name -> first byte and end, of the seal, of every column, of the checksums, and of what HDF5 put between."""
    placed = {name: (place, place + spec.size) for name, (spec, place) in store._placed.items() if spec.size}
    first = min(start for start, _ in placed.values())
    found = {"seal": (0, 84), "padding": (84, USER_BLOCK), "header": (USER_BLOCK, first), **placed}
    ends = sorted(placed.values())
    gaps = [(end, start) for (_, end), (start, _) in zip(ends, [*ends[1:], (size, size)], strict=True) if end < start]
    return found | {f"gap {number}": gap for number, gap in enumerate(gaps)}


@pytest.mark.slow
def test_verify_finds_every_flipped_byte_and_names_the_rows(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    rng = np.random.default_rng(SEED)
    cases: list[tuple[Path, str, int]] = []
    for name, data in undisturbed.items():
        sound = tmp_path / name
        sound.write_bytes(data)
        assert verify_store(sound) == []
        parts = regions(Store.open_any(sound), len(data))
        assert {"seal", "padding", "header", BLOCKS, "id"} < parts.keys()
        for region, (start, end) in parts.items():
            for position in {start, end - 1, *rng.integers(start, end, 4 if region == "header" else 0).tolist()}:
                damaged = bytearray(data)
                damaged[position] ^= 1 << int(rng.integers(8))
                path = tmp_path / f"{name.removesuffix('.h5')}-{region.replace(' ', '_')}-{position}.h5"
                path.write_bytes(damaged)
                cases.append((path, region, position))
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda case: verify_store(case[0]), cases))
    for (path, region, position), faults in zip(cases, found, strict=True):
        where = f"{path.name}, {region}, byte {position}: {faults}"
        assert faults, where
        assert all(str(path) in fault and "\n" not in fault for fault in faults), where
        kind = "not a fer_au store" if region in ("seal", "padding") and position != 83 else "damaged, its sha256"
        if not 20 <= position < 84:  # a digit of the hash may become another digit, or none
            assert kind in faults[0], where
        if region == BLOCKS or (region in Store.open_any(tmp_path / f"{path.name.split('-')[0]}.h5").specs):
            assert f"rows 0..{PICTURES - 1} are damaged" in faults[1] or region.endswith("offset"), where
        with pytest.raises(StoreError):
            Store.open_any(path)
    assert len(cases) >= 60
    show(f"{len(cases)} flipped bytes, all found")


def test_a_damaged_row_is_named_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "landmarks.h5"
    rows = 2500
    columns = {
        "id": encode_ids([f"{row:05d}" for row in range(rows)]),
        "points": np.random.default_rng(0).random((rows, 68, 2), np.float32),
        "score": np.full(rows, np.nan, np.float32),
        "status": np.zeros(rows, np.uint8),
    }
    write_store(path, "landmarks", columns, fingerprint="0")
    store = Store.open_any(path)
    for row, block in ((0, "0..1023"), (1024, "1024..2047"), (2499, "2048..2499")):
        for name in columns:
            spec, place = store._placed[name]
            data = bytearray(path.read_bytes())
            data[place + row * spec.row_bytes] ^= 4
            damaged = tmp_path / "damaged.h5"
            damaged.write_bytes(data)
            # Not through verify_store: one process per file adds nothing here.
            assert Store.open_unsealed(damaged).verify() == [f"{damaged}: rows {block} are damaged"]


def load_stage(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"stage_{name}", ROOT / f"stages/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def trainable(
    ingested: Path, undisturbed: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Workspace:
    workspace = Workspace(tmp_path / "lab", ingested)
    for name, data in undisturbed.items():
        (workspace.data / name).write_bytes(data)
    params = yaml.safe_load((workspace.folder / "params.yaml").read_text())
    params["train"] = {"epochs": 1, "batch_size": 16, "image_size": 32}
    model = {"backbone": "test_resnet", "output_stride": 8, "head": "gap"}
    params["experiments"] = {"plain": {"dataset": "tiny", "seed": 0, "base": "none", "model": model, "guidance": []}}
    (workspace.folder / "params.yaml").write_text(yaml.safe_dump(params))
    (workspace.folder / "models/none").mkdir(parents=True)
    monkeypatch.chdir(workspace.folder)
    return workspace


@pytest.mark.parametrize("name", ["faces.h5", "landmarks.h5", "heatmaps.h5"])
@pytest.mark.parametrize("region", ["seal", "padding", "header", "status", BLOCKS])
def test_train_refuses_a_damaged_store(
    trainable: Workspace, name: str, region: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = trainable.data / name
    data = bytearray(path.read_bytes())
    column = "valid" if region == "status" and name == "heatmaps.h5" else region
    start, end = regions(Store.open_any(path), len(data))[column]
    data[(start + end) // 2] ^= 2
    path.write_bytes(data)
    assert stage_main(load_stage("train").main, None, ["plain"]) == 2
    (line,) = errors(capfd.readouterr().err)
    assert re.match(rf"error: data/tiny/{name}: (damaged, its sha256|not a fer_au store)", line)
    assert not (trainable.folder / "models/plain/model.safetensors").exists()


@pytest.mark.parametrize(("stage", "name"), [("landmarks", "faces.h5"), ("heatmaps", "landmarks.h5")])
def test_a_stage_refuses_a_damaged_input_and_keeps_its_output(
    trainable: Workspace, stage: str, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = trainable.data / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 2
    path.write_bytes(data)
    before = trainable.bytes_of(f"{stage}.h5")
    assert stage_main(load_stage(stage).main, None, ["tiny"]) == 2
    (line,) = errors(capfd.readouterr().err)
    assert line.startswith(f"error: data/tiny/{name}: damaged, its sha256")
    assert trainable.bytes_of(f"{stage}.h5") == before
