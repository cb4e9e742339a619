"""Which files some code may load: imports, lazy exports, data."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fer_au.code.closure import CodeBase, code_digest
from fer_au.code.syntax import SyntaxMemory
from fer_au.errors import ConfigError

FILES = {
    "__init__.py": "",
    "room/__init__.py": 'from fer_au._lazy import lazy_exports\n_, __all__ = lazy_exports(__name__, {"f": ".a"})\n',
    "room/a.py": "def f(): return 1\n",
    "room/b.py": "def f(): return 2\n",
    "room/data.csv": "1\n",
    "room/other.csv": "1\n",
    "room/pages/one.j2": "1\n",
    "room/README.md": "words\n",
    "_lazy.py": "def lazy_exports(*_): return None, []\n",
    "user.py": 'from fer_au.room import f\nimport fer_au.room.b\nTABLE = "data.csv"\nFOLDER = "pages"\n',
    "late.py": 'def g():\n    from fer_au.room import b\n    return "fer_au.user"\n',
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "fer_au"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def code_of(folder: Path) -> CodeBase:
    return CodeBase(folder, SyntaxMemory(folder.parent / "memory.json"))


def names(folder: Path, start: str) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in code_of(folder).closure(folder / start)}


def digest(folder: Path, start: str = "user.py") -> str:
    code = code_of(folder)
    return code.digest(code.closure(folder / start))


def test_imports_lazy_exports_and_data_are_followed(package: Path) -> None:
    rooms = {"__init__.py", "room/__init__.py", "_lazy.py", "room/b.py"}
    assert names(package, "user.py") == rooms | {"user.py", "room/a.py", "room/data.csv", "room/pages/one.j2"}
    assert names(package, "late.py") == names(package, "user.py") | {"late.py"}


def test_a_lazy_export_that_leads_elsewhere_is_an_edit(package: Path) -> None:
    """Both modules are loaded before and after, and neither changed."""
    before = digest(package)
    init = package / "room/__init__.py"
    init.write_text(init.read_text().replace(".a", ".b"))
    (package / "user.py").write_text(FILES["user.py"])
    assert names(package, "user.py") >= {"room/b.py"}
    assert digest(package) != before


def test_a_lazy_export_that_nobody_here_imports_is_none(package: Path) -> None:
    before = digest(package)
    init = package / "room/__init__.py"
    init.write_text(init.read_text().replace('"f": ".a"', '"f": ".a", "g": ".b"'))
    assert digest(package) == before


@pytest.mark.parametrize(
    ("name", "counts"),
    [("room/data.csv", True), ("room/pages/one.j2", True), ("room/other.csv", False), ("room/README.md", False)],
)
def test_data_counts_by_its_bytes_where_it_is_named(package: Path, name: str, counts: bool) -> None:
    before = digest(package)
    (package / name).write_text("2\n")
    assert (digest(package) != before) == counts


def test_a_folder_elsewhere_gives_the_same_digest(package: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere/fer_au"
    shutil.copytree(package, other)
    assert digest(other) == digest(package)


def test_an_import_of_nothing_is_said(package: Path) -> None:
    (package / "user.py").write_text("from fer_au.gone import x\n")
    with pytest.raises(ConfigError, match=r"no module 'fer_au\.gone'"):
        names(package, "user.py")
    with pytest.raises(ConfigError, match="no module"):
        code_digest("fer_au.gone")


def test_code_that_hashes_code_is_never_part_of_it() -> None:
    """It says when something is computed anew, and never what comes out."""
    code = CodeBase()
    loaded = {path.parent.name for path in code.closure(code.file("fer_au.command"))}
    assert "code" not in loaded
    done = subprocess.run(
        [sys.executable, "-c", "import sys, fer_au.command; print('torch' in sys.modules, 'numpy' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["False", "False"]
