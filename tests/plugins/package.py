"""The package that the pages about parts show, as an installer would lay it down."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.docs.blocks import Block, read_blocks

PAGES = ("docs/parts.md", "docs/parts-of-training.md")
PARTS = [block for page in PAGES for block in read_blocks(page)]


def files_of(page: str) -> list[Block]:
    """The blocks of a page, and those of the pages that show the rest of its package."""
    return PARTS if page in PAGES else read_blocks(page)


def metadata(blocks: Sequence[Block] = PARTS) -> dict[str, Any]:
    """The table ``project`` of the pyproject.toml that blocks show; empty if they show none."""
    texts = [block.text for block in blocks if block.file == "pyproject.toml"]
    return tomllib.loads(texts[0])["project"] if texts else {}


def install(site: Path, blocks: Sequence[Block] = PARTS) -> None:
    """Write the files of a package below a folder, and the metadata by which its entry points are found."""
    for block in blocks:
        if block.file:
            path = site / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
    project = metadata(blocks)
    if not project:
        return
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(exist_ok=True)
    name = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(name, encoding="utf-8")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{point} = {target}" for point, target in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
