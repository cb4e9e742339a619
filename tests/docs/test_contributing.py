"""The parts of CONTRIBUTING.md work as they are copied: each passes the contract test of its kind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import read_blocks

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = read_blocks("CONTRIBUTING.md", "python")
LINES = re.findall(r"^Registry: in `(\S+)` add `(\"([\w-]+)\": \"\S+\",)`$", PAGE, re.MULTILINE)
TABLE = re.findall(r"^\| ([a-zA-Z ]+) \| `\S+` \| (?:`([A-Z]+)` in `(\S+)`|none.*?) \| `(\S+)` \|$", PAGE, re.MULTILINE)


def test_the_page_has_a_block_and_a_line_for_each_example() -> None:
    assert [name for _, _, name in LINES] == ["mean_max", "mouth", "wide-shape"]
    assert len(BLOCKS) == len(LINES)


def test_the_table_names_what_exists() -> None:
    assert len(TABLE) == 9
    for _, registry, module, contract in TABLE:
        assert (ROOT / "tests" / contract).is_file()
        assert not registry or re.search(
            rf"^{registry}\b.*=", (ROOT / "fer_au" / module).read_text(encoding="utf-8"), re.MULTILINE
        )


def test_every_file_that_is_named_exists() -> None:
    named = re.findall(r"`((?:fer_au|tests|tools)/[\w/]+(?:\.\w+)?)`", PAGE)
    assert len(named) > 8
    assert [name for name in named if not (ROOT / name).exists() and name not in [block.file for block in BLOCKS]] == []


@pytest.mark.slow
def test_the_examples_pass_their_contract_tests(tmp_path: Path) -> None:
    for folder in ("fer_au", "tests", "benchmarks"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "results"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for block in BLOCKS:
        assert block.file is not None
        assert not (tmp_path / block.file).exists()
        (tmp_path / block.file).write_text(block.text, encoding="utf-8")
    for path, line, _ in LINES:
        text = (tmp_path / path).read_text(encoding="utf-8")
        head, brace, rest = text.partition("built_in={\n")
        assert brace
        (tmp_path / path).write_text(f"{head}{brace}        {line}\n{rest}", encoding="utf-8")
    contracts = [contract for part, *_, contract in TABLE if part in ("head", "cue", "landmark extractor")]
    names = [name for _, _, name in LINES]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "FER_AU_CACHE": str(tmp_path / "cache")}
    arguments = ["-m", "pytest", "-p", "no:cacheprovider", "-rA", "-k", " or ".join(names)]
    done = subprocess.run(
        [sys.executable, *arguments, *(f"tests/{contract}" for contract in contracts)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = [line for line in done.stdout.splitlines() if line.startswith("PASSED")]
    counts = {name: sum(name in line for line in passed) for name in names}
    assert counts["mean_max"] >= 14
    assert counts["mouth"] >= 2
    assert counts["wide-shape"] >= 10
    files = [str(block.file) for block in BLOCKS]
    styled = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *files], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert styled.returncode == 0, styled.stdout
