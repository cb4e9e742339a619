from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_changes", ROOT / "tools/check_changes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def chosen(tool: ModuleType) -> Callable[[str], list[str]]:
    """Gives the test files that are chosen for a changed file."""
    suite = tool.Suite()

    def choose(path: str) -> list[str]:
        return [found.relative_to(ROOT).as_posix() for found in suite.choose(tool.Changes("base", (path,)))]

    return choose


def test_a_module_is_seen_by_those_who_import_it_and_by_those_who_find_it_by_name(
    chosen: Callable[[str], list[str]],
) -> None:
    found = chosen("fer_au/faces/blaze_face.py")
    assert found[0] == "tests/faces/test_blaze_face.py"
    assert "tests/faces/test_detector_contract.py" in found  # by its name in the registry
    assert "tests/stores/test_locks.py" not in found
    assert "tests/core/test_layers.py" in found  # it reads all imports
    assert "tests/core/test_layers.py" not in chosen("docs/parts.md")
    assert "tests/landmarks/test_agreement.py" in chosen("fer_au/ibug68.py")  # through the package


def test_examples_and_named_files_and_helpers_count(chosen: Callable[[str], list[str]]) -> None:
    assert chosen("fer_au/config/truth.py")[0] == "fer_au/config/truth.py"
    assert "tests/docs/test_reference.py" in chosen("docs/params.md")
    assert "tests/report/test_parts.py" in chosen("tests/report/project.py")
    assert len(chosen("pyproject.toml")) == len(list((ROOT / "tests").glob("**/test_*.py")))


def test_without_changes_it_says_so(tool: ModuleType, tmp_path: Path, monkeypatch, capsys) -> None:
    for command in ("init -q", "-c user.name=a -c user.email=a@b commit -q --allow-empty -m x"):
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True)
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["check_changes.py"])
    assert tool.main() == 0
    assert "nothing changed since" in capsys.readouterr().out
    (tmp_path / "new.py").touch()
    assert tool.Changes.since(None).paths == ("new.py",)


def test_the_time_ends_a_run_and_what_is_left_is_counted(tool: ModuleType, tmp_path: Path, monkeypatch) -> None:
    text = "import pytest\n\ndef test_a(): pass\n\ndef test_b(): pass\n\n@pytest.mark.slow\ndef test_c(): pass\n"
    (tmp_path / "test_x.py").write_text(text)
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\nmarkers = ['slow: x']\n")
    code = f"import check_changes as c; from pathlib import Path; c.ROOT = Path({str(tmp_path)!r}); c.SECONDS = -1.0; "
    done = subprocess.run(
        [sys.executable, "-c", f"{code} raise SystemExit(c.run([c.ROOT / 'test_x.py']))"],
        cwd=tmp_path, env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tools'}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "left to `make test`: 1 slow tests, and 1 others" in done.stdout
