from __future__ import annotations

import re
from pathlib import Path

import yaml

from fer_au.presets import list_presets, load_preset
from tests.cli.conftest import Call


def test_the_list_fits_a_terminal_without_breaking_words(call: Call) -> None:
    code, out, err = call("presets", "list")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if re.match("[a-z]", line) and line[19] == " "] == list_presets()
    words = " ".join(out.split())
    for name in list_presets():
        assert " ".join(f"{name} {load_preset(name).title}".split()) in words
    assert "weights: ImageNet's of resnet18 data: RAF-DB on request from its authors" in words


def test_a_preset_is_written_and_what_is_next_is_said(call: Call) -> None:
    code, out, err = call("presets", "write", "lan-rafdb", "--grid", "seed=0,1")
    assert (code, err) == (0, "")
    *files, root, last = out.splitlines()
    assert files == ["params.lan-rafdb.yaml", "params.lan-rafdb.published.yaml"]
    match = re.match(r"now set the root in line (\d+) of params.lan-rafdb.yaml", root)
    assert match
    assert "root: /path/to/RAF-DB" in Path(files[0]).read_text().splitlines()[int(match[1]) - 1]
    assert last.startswith("then copy params.lan-rafdb.yaml to params.yaml and params.lan-rafdb.published.yaml to ")
    assert len(yaml.safe_load(Path(files[0]).read_text())["experiments"]) == 4
    code, out, err = call("presets", "write", "lan-rafdb")
    assert (code, out) == (2, "")
    assert err == "error: params.lan-rafdb.yaml: exists; name another file with -o, or replace it with --force\n"
    assert call("presets", "write", "lan-rafdb", "--force")[0] == 0
    assert len(yaml.safe_load(Path(files[0]).read_text())["experiments"]) == 2


def test_numbers_of_another_preset_are_removed_and_that_is_said(call: Call) -> None:
    assert call("presets", "write", "lan-rafdb", "-o", "params.yaml")[0] == 0
    code, out, _ = call("presets", "write", "best-small", "-o", "params.yaml", "--force")
    assert code == 0
    assert "params.published.yaml: removed" in out
    assert out.splitlines()[-1] == "then run `dvc repro`"
