from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from fer_au.errors import DataError

from .project import DEFAULT, Writer, experiment

TOOL = Path(__file__).parents[2] / "tools" / "readme_pictures.py"


@pytest.fixture
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("readme_pictures", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(tool: ModuleType, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("sys.argv", ["readme_pictures", "--root", str(root), "--out", str(root / "img")])
    tool.main()
    return root / "img" / "demo.jpg"


def test_the_picture_has_a_row_per_expression_and_stays_small(
    tool: ModuleType, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.dataset("demo")
    writer.experiment("vanilla", good=False)
    writer.experiment("au", good=True)
    writer.params({name: entry | {"dataset": "demo"} for name, entry in DEFAULT.items()})
    path = run(tool, writer.root, monkeypatch)
    with Image.open(path) as sheet:
        step = tool.SIDE + tool.GAP
        assert sheet.size == (tool.LEFT + 5 * step - tool.GAP, tool.TOP + 3 * step - tool.GAP)
    assert path.stat().st_size <= 300_000


def test_pictures_of_people_from_other_data_sets_are_refused(
    tool: ModuleType, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.dataset("faces")
    writer.experiment("vanilla", good=False)
    writer.params({"vanilla": experiment()})
    with pytest.raises(DataError, match="'demo'"):
        run(tool, writer.root, monkeypatch)
