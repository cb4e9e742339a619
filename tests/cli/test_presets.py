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
    assert [line.partition(":")[0] for line in lines[:-2] if line[0] != " "] == list_presets()
    words = " ".join(out.split())
    for name in list_presets():
        assert " ".join(f"{name}: {load_preset(name).title}".split()) in words
    needed = "weights: ImageNet's of resnet18; face recognition's of sface data: RAF-DB on request from its authors"
    assert needed in words


def test_published_rows_that_a_grid_leaves_out_are_named(call: Call) -> None:
    assert "--grid changed" not in call("presets", "write", "lan-rafdb", "--grid", "seed=0,1")[1]
    code, out, _ = call("presets", "write", "lan-rafdb", "--force", "--grid", "train.optimizer.lr=0.3,0.4")
    assert code == 0
    path = Path("params.lan-rafdb.published.yaml")
    rows = yaml.safe_load(path.read_text())["rows"]
    left_out = [row for row in rows if "left_out" in row]
    assert {row["left_out"] for row in left_out} == {"resnet18", "lan"}
    count = f"{len(left_out)} of {len(rows)} rows are"
    line = f"{path}: {count} about settings that --grid changed, and compared with nothing: "
    assert line + ", ".join(row["row"] for row in left_out) in out.splitlines()
    Path("params.lan-rafdb.yaml").rename("params.yaml")
    path.rename("params.published.yaml")
    code, _, err = call("results")
    assert (code, err) == (
        0,
        line.replace(str(path), "params.published.yaml") + out.split(line)[1].splitlines()[0] + "\n",
    )


def test_a_preset_is_written_and_what_is_next_is_said(call: Call) -> None:
    code, out, err = call("presets", "write", "lan-rafdb", "--grid", "seed=0,1")
    assert (code, err) == (0, "")
    *files, title, root, weights, faces, copy, last = out.splitlines()
    assert files == ["params.lan-rafdb.yaml", "params.lan-rafdb.published.yaml"]
    assert title == "next:"
    match = re.match(r"1\. set the root in line (\d+) of params.lan-rafdb.yaml", root)
    assert match
    assert "root: /path/to/RAF-DB" in Path(files[0]).read_text().splitlines()[int(match[1]) - 1]
    assert weights.startswith("2. see that ImageNet's weights of resnet18 can be had")
    assert faces.startswith("3. see that face recognition's weights of sface can be had, from a package or a file")
    assert copy.startswith("4. copy params.lan-rafdb.yaml to ")
    assert last.startswith("5. run `dvc repro`")
    assert len(yaml.safe_load(Path(files[0]).read_text())["experiments"]) == 8
    code, out, err = call("presets", "write", "lan-rafdb")
    assert (code, out) == (2, "")
    assert err == "error: params.lan-rafdb.yaml: exists; name another file with -o, or replace it with --force\n"
    assert call("presets", "write", "lan-rafdb", "--force")[0] == 0
    assert len(yaml.safe_load(Path(files[0]).read_text())["experiments"]) == 4


def test_numbers_of_another_preset_are_removed_and_that_is_said(call: Call) -> None:
    assert call("presets", "write", "lan-rafdb", "-o", "params.yaml")[0] == 0
    code, out, _ = call("presets", "write", "best-small", "-o", "params.yaml", "--force")
    assert code == 0
    assert "params.published.yaml: removed" in out
    assert "run `dvc repro`" in out.splitlines()[-1]
