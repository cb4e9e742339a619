from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fer_au.errors import StoreError
from fer_au.stores import encode_ids, write_store
from fer_au.stores.reader import Store
from fer_au.stores.verify import verify_store


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = 3000
    columns = {
        "id": encode_ids([str(row) for row in range(rows)]),
        "map": np.random.default_rng(0).integers(0, 255, (rows, 28, 28), np.uint8),
        "valid": np.ones(rows, bool),
    }
    write_store(Path("heatmaps.h5"), "heatmaps", columns, fingerprint="0" * 64)
    return Path("heatmaps.h5")


def test_a_sound_store_has_no_fault(path: Path) -> None:
    assert verify_store(path) == []
    assert Store.open_any(path).schema == "fer_au.heatmaps/1"


def test_a_flipped_byte_in_a_column_is_located(path: Path) -> None:
    data = bytearray(path.read_bytes())
    block = Store.open_any(path)["map"][2100:2110].tobytes()
    data[data.index(block)] ^= 1
    path.write_bytes(data)
    faults = verify_store(path)
    assert "damaged, its sha256 differs" in faults[0]
    assert faults[1:] == ["heatmaps.h5: rows 2048..2999 are damaged"]


def test_every_flipped_byte_is_a_fault(path: Path) -> None:
    sound = path.read_bytes()
    for position in np.random.default_rng(1).integers(512, len(sound), 12):
        data = bytearray(sound)
        data[position] ^= 0x10
        path.write_bytes(data)
        assert verify_store(path)


def test_no_store_is_a_fault_not_a_trace(path: Path) -> None:
    assert "No such file" in verify_store(Path("none.h5"))[0]
    path.write_bytes(b"x" * 5000)
    assert len(verify_store(path)) == 2
    with pytest.raises(StoreError, match="not a fer_au store"):
        Store.open_any(path)
