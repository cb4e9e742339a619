from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from fer_au.stores import encode_ids, write_store
from tests.cli.conftest import Call
from tests.results.writer import ResultsWriter


def write_heatmaps() -> None:
    columns = {"id": encode_ids(["a"]), "map": np.ones((1, 28, 28), np.uint8), "valid": np.ones(1, bool)}
    write_store(Path("heatmaps.h5"), "heatmaps", columns, fingerprint="0" * 64, attributes={"codebook": "mine"})


def test_verify_says_ok_or_names_the_fault(call: Call) -> None:
    write_heatmaps()
    assert call("verify", "heatmaps.h5")[:2] == (0, "heatmaps.h5: ok\n")
    data = bytearray(Path("heatmaps.h5").read_bytes())
    data[data.index(b"\1" * 784)] ^= 1
    Path("heatmaps.h5").write_bytes(data)
    code, out, err = call("verify", "heatmaps.h5")
    assert code == 2
    assert "rows 0..0 are damaged" in out
    assert err == "error: 2 fault(s) found\n"


def test_verify_says_what_is_not_there(call: Call) -> None:
    for path in ("models/au", "data/demo/manifest.csv", "typo"):
        assert call("verify", path) == (2, f"{path}: no such file or folder\n", "error: 1 fault(s) found\n")


def test_store_info_shows_what_decided_a_store(call: Call) -> None:
    write_heatmaps()
    code, out, _ = call("store", "info", "heatmaps.h5")
    assert code == 0
    assert "fer_au.heatmaps/1, 1 row" in out
    assert "attribute codebook = mine" in out
    assert "column map uint8 (1, 28, 28)" in out


def test_an_export_says_what_a_csv_has_not(call: Call) -> None:
    write_heatmaps()
    code, out, err = call("store", "export", "heatmaps.h5", "-o", "out.csv")
    assert (code, out) == (0, "out.csv: 1 row\n")
    assert err == "out.csv: without maps: map (--maps writes them, too)\n"
    assert Path("out.csv").read_text() == "id,valid\na,1\n"
    code, _, err = call("store", "export", "heatmaps.h5", "-o", "out.csv", "--maps")
    assert (code, err) == (0, "")
    assert Path("out.csv").read_text().count(",1") == 785
    code, _, err = call("store", "export", "heatmaps.h5", "-o", "out.npz")
    assert (code, err) == (0, "")
    assert np.load("out.npz")["map"].shape == (1, 28, 28)


def test_an_export_of_an_evaluation_has_both_labels(call: Call) -> None:
    ResultsWriter(Path()).evaluate("au", wrong=1)
    code, _, err = call("store", "export", "evaluation/au.h5", "-o", "au.csv")
    assert code == 0
    assert "without maps: attention/3, target" in err
    with Path("au.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert (rows[0]["true"], rows[0]["predicted"]) == ("neutral", "happiness")
    assert rows[1]["true"] == rows[1]["predicted"] == "happiness"
    code, _, _ = call("store", "export", "evaluation/au.h5", "-o", "au.npz")
    assert code == 0
    assert "target" in np.load("au.npz")
