"""Every fenced block of every page runs as a reader would run it, or says why it can't be run."""

from __future__ import annotations

import re
import shutil
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest
from dvc.parsing import ResolveError

from fer_au.errors import ConfigError
from tests.docs import scratch
from tests.docs.blocks import PAGES, ROOT, Block, read_blocks
from tests.docs.scratch import Scratch, run_command
from tests.plugins.package import metadata

BLOCKS = [block for page in PAGES for block in read_blocks(page)]
# Blocks that need more than a scratch project run in tests of their own: each has a list BLOCKS of those that it runs.
ELSEWHERE = {
    ("CONTRIBUTING.md", "python"): "tests.docs.test_contributing",
    ("docs/cli.md", "console"): "tests.docs.test_reference",
    ("docs/export.md", "python"): "tests.use.test_export",
    ("docs/parts.md", "python"): "tests.plugins.test_lab_parts",
    ("docs/parts-of-training.md", "python"): "tests.plugins.test_lab_parts",
    ("docs/parts.md", "toml"): "tests.plugins.test_lab_parts",
    ("docs/presets.md", "python"): "tests.presets.test_docs",
    ("docs/sharing.md", "console"): "tests.sharing.test_sharing_guide",
    ("docs/sharing-work.md", "console"): "tests.sharing.test_sharing_guide",
    ("docs/sharing.md", "yaml"): "tests.sharing.test_sharing_guide",
    ("docs/stores.md", "python"): "tests.docs.test_stores_page",
}
MARKED = [block for block in BLOCKS if block.reason]
MOST_MARKED = 5


def elsewhere(block: Block) -> str | None:
    return ELSEWHERE.get((block.page, block.language))


@pytest.mark.parametrize("block", [block for block in BLOCKS if not elsewhere(block)], ids=str)
def test_the_block_runs(block: Block, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if block.reason:
        pytest.skip(f"{block}: {block.reason}")
    if block.file:
        later = [other.text for other in read_blocks(block.page) if other != block]
        assert any(Path(block.file).name in text for text in later), "no block of the page uses this file"
        return
    monkeypatch.setenv("FER_AU_CACHE", str(finished.parent / "cache"))
    shutil.copytree(finished, tmp_path / "project", symlinks=True)
    if metadata(read_blocks(block.page)):  # a process looks for installed packages once
        run_command(tmp_path / "project", f"python -m tests.docs.scratch . {block.page} {block.line}")
    else:
        Scratch(tmp_path / "project", block.page).run(block)


@pytest.mark.parametrize(("place", "module"), ELSEWHERE.items(), ids=str)
def test_the_blocks_of_other_tests_are_all_run_there(place: tuple[str, str], module: str) -> None:
    page, language = place
    blocks = read_blocks(page, language)
    assert blocks
    run = import_module(module).BLOCKS
    assert [block for block in blocks if block not in run and not block.reason] == []


def test_few_blocks_are_marked_and_each_says_why() -> None:
    counts = Counter("marked" if block.reason else elsewhere(block) or "tests.docs.test_blocks" for block in BLOCKS)
    lines = [f"{len(BLOCKS)} blocks: " + ", ".join(f"{count} {place}" for place, count in counts.most_common())]
    lines += [f"{block}: not run: {block.reason}" for block in MARKED]
    sys.stdout.write("\n".join(lines) + "\n")  # `pytest -rP` shows it
    assert len(MARKED) <= MOST_MARKED
    assert all(len(str(block.reason).split()) > 2 for block in MARKED)


def test_the_reader_finds_every_fence() -> None:
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        fences = sum(line.lstrip().startswith(("```", "~~~")) for line in text.splitlines())
        assert fences == 2 * len(read_blocks(page))
        for block in read_blocks(page):
            text = text.replace(block.text, "")
        assert "<pre" not in text
        assert re.findall(r"^(?: {4,}|\t)\$ .*", text, re.MULTILINE) == []  # a command that no fence surrounds


FAULTY = {
    "output that isn't printed": ("console", "$ echo one\ntwo\n"),
    "a command that fails": ("console", "$ fer-au check-prams\n"),
    "a name that isn't defined": ("python", "print(points)\n"),
    "an experiment without base": ("yaml", "experiments:\n  new: {dataset: demo, model: {backbone: test_resnet}}\n"),
    "a misspelt key": ("yaml", "train: {epoch: 3}\n"),
    "a codebook that isn't there": ("yaml", "heatmaps: {codebook: mine}\n"),
    "a language that nobody runs": ("text", "words\n"),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_a_faulty_block_would_fail(fault: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = Block("docs/index.md", 1, *FAULTY[fault], comment="")
    monkeypatch.setattr(
        scratch, "read_blocks", lambda page, language=None: [block] * (language in (None, block.language))
    )
    monkeypatch.setenv("FER_AU_CACHE", str(finished.parent / "cache"))
    shutil.copytree(finished, tmp_path / "project", symlinks=True)
    with pytest.raises((pytest.fail.Exception, NameError, ConfigError, ResolveError)):
        Scratch(tmp_path / "project", block.page).run(block)
