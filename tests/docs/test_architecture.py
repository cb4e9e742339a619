"""Every file and function that docs/architecture.md names exists, where the page says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
WALKS = PAGE.partition("## Four ways")[2]
MADE = (
    "stages/stamp.json",
    "metrics/NAME.json",
    "metrics/cross/NAME.json",
    "evaluation/NAME.h5",
    "evaluation/cross/NAME.h5",
    "report/index.html",
    "rejects/ingest.csv",
    "rejects/leaks.csv",
)  # a run makes them


def defined_names(path: Path) -> set[str]:
    """Functions, classes and methods of a source file."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {node.name for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, kinds)}


def named_files(text: str) -> list[str]:
    return [name for name in re.findall(r"`(\w+/[\w/]+\.\w+)`", text) if name not in MADE]


@pytest.mark.parametrize("name", sorted({*named_files(PAGE), *re.findall(r"`(fer_au/\w+/|\w+/)` \|", PAGE)}))
def test_the_file_exists(name: str) -> None:
    assert (ROOT / name).exists()


@pytest.mark.parametrize("paragraph", [text for text in re.split(r"\n(?=\d\. |\*\*)|\n\n", WALKS) if "`" in text])
def test_its_files_define_what_a_step_names(paragraph: str) -> None:
    """A function is defined in a file of the same step, or imported there."""
    calls = set(re.findall(r"`([A-Z]\w+[a-z]\w*|[a-z]+_[a-z_]+)`", paragraph)) - {"label_map", "fer_au"}
    files = [ROOT / name for name in named_files(paragraph) if name.endswith(".py")]
    known = {name for path in files for name in defined_names(path)}
    known |= {word for path in files for word in re.findall(r"^from .* import (.*)$", path.read_text(), re.MULTILINE)}
    text = " ".join(known)
    assert not {name for name in calls if not re.search(rf"\b{name}\b", text)}


def test_the_test_reads_steps() -> None:
    assert len(named_files(WALKS)) > 40
    assert "warp_crop" in defined_names(ROOT / "fer_au/faces/warp.py")
