"""Run the tests that may see what changed, nearest first, for at most two minutes: the last part of ``make check``.

    python tools/check_changes.py          # since the branch left its upstream; without an upstream, since HEAD
    python tools/check_changes.py REF      # since another commit

A test file may see a changed one if it imports it, directly, through the package or through the helpers in its folder,
or if one of its strings names it; one that runs stage scripts sees all that they import. Tests marked slow, and
whatever the time does not reach, are left to ``make test``: the last line counts them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from fer_au.code.closure import CodeBase
from fer_au.code.syntax import SyntaxMemory

ROOT = Path(__file__).parents[1]
SECONDS = 90.0  # of tests; style and types come first and take the rest of two minutes
DECIDE_ALL = ("pyproject.toml", "Makefile")
READ_ALL = ("tests/core/test_layers.py",)  # tests that read every source, and run none
_LOCAL = ("tests", "benchmarks", "tools", "stages")


@dataclass(frozen=True)
class Changes:
    """Changes since a commit.

    Attributes:
        base: Commit that the files are compared with.
        paths: Changed, new and deleted files, relative to the project.
    """

    base: str
    paths: tuple[str, ...]

    @classmethod
    def since(cls, ref: str | None) -> Changes:
        """Ask git what changed, new files included."""
        if ref is None:
            upstream = _git("rev-parse", "--abbrev-ref", "--symbolic-full-name", "@{upstream}", check=False)
            ref = _git("merge-base", "HEAD", upstream[0])[0] if upstream else "HEAD"
        changed = _git("diff", "--name-only", ref) + _git("ls-files", "--others", "--exclude-standard")
        return cls(_git("rev-parse", "--short", ref)[0], tuple(sorted(set(changed))))


class TestFile:
    """One test file and all that it may run.

    Args:
        path: Path of the file.
        code: Code of the package.
        memory: Memory of parsed sources.
    """

    __test__ = False  # pytest collects classes by their name

    def __init__(self, path: Path, code: CodeBase, memory: SyntaxMemory) -> None:
        self.path, self._code, self._memory = path, code, memory

    @cached_property
    def helpers(self) -> frozenset[Path]:
        """The file itself, the helpers of its folder, and the modules beside the package that these import."""
        found: set[Path] = set()
        waiting = [self.path, *(path for path in self.path.parent.glob("*.py") if not path.name.startswith("test_"))]
        while waiting:
            path = waiting.pop()
            if path not in found:
                found.add(path)
                names = [f"{module}.{name}" for module, name in self._memory.read(path).imports]
                waiting += [file for name in names if name.startswith(_LOCAL) for file in _files_of(name)]
        return frozenset(found)

    @cached_property
    def strings(self) -> frozenset[str]:
        """Strings of the helpers, which may name files."""
        return frozenset(text for path in self.helpers for text in self._memory.read(path).strings)

    @cached_property
    def files(self) -> frozenset[Path]:
        """All source and data files that the tests may run, parts that a registry finds by name included."""
        found: set[Path] = set()
        waiting = {*self.helpers, *self._scripts()}
        while waiting:
            new = set[Path]().union(*map(self._code.closure, waiting)) - found
            found |= new
            waiting = {part for path in new for part in self._parts(path)} - found
        return frozenset(found)

    def _scripts(self) -> list[Path]:
        """List the stage scripts that the tests run: those they name, or all if they run DVC."""
        every = not self.strings.isdisjoint(("stages", "repro"))
        scripts = sorted((ROOT / "stages").glob("*.py"))
        return [path for path in scripts if every or any(f"stages/{path.name}" in text for text in self.strings)]

    def _parts(self, path: Path) -> list[Path]:
        registries = self._memory.read(path).registries if path.suffix == ".py" else {}
        files = [self._code.module_file(module) for parts in registries.values() for module in parts.values()]
        return [file for file in files if file is not None]  # a test may make up modules

    def sees(self, changed: str) -> bool:
        """Tell whether a change of a file, given relative to the project, may matter to the tests."""
        name = Path(changed).name
        if name.endswith(".py") and self.path.relative_to(ROOT).as_posix() in READ_ALL:
            return True
        return ROOT / changed in self.files or any(name in text for text in self.strings)

    def distance(self, changes: Changes) -> tuple[bool, int]:
        """Compute a key for sorting: tests of a changed file's own room come first, then those that run little else."""
        rooms = {Path(path).parent.name for path in changes.paths}
        return self.path.parent.name not in rooms, len(self.files)


class Budget:
    """A pytest plugin that ends a run when its time is over, and counts what ran and what did not.

    Attributes:
        over: Whether the time was over before the tests were.
        left: Tests that did not run.
        slow: Tests left out since they are marked slow.
        failed: Tests that failed.
    """

    def __init__(self) -> None:
        self.over = False
        self.left = self.slow = self.failed = 0
        self._end = time.monotonic() + SECONDS

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Count slow tests."""
        self.slow += len(items)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count the others."""
        self.left = len(session.items)

    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Count a test that ran, and stop after it if the time is over."""
        self.left -= 1
        if nextitem is not None and time.monotonic() > self._end:
            self.over = True
            item.session.shouldstop = f"{SECONDS:.0f} s are over"

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Keep the number of failures."""
        self.failed = session.testsfailed


class Suite:
    """All test files; what they may run is read once, however often they are asked."""

    def __init__(self) -> None:
        memory = SyntaxMemory()
        self._code = CodeBase(memory=memory)
        self._tests = [TestFile(path, self._code, memory) for path in sorted((ROOT / "tests").glob("**/test_*.py"))]

    def choose(self, changes: Changes) -> list[Path]:
        """List the test files that may see the changes, and changed modules that have examples, nearest first."""
        decided = any(path in DECIDE_ALL for path in changes.paths)
        chosen = [test for test in self._tests if decided or any(map(test.sees, changes.paths))]
        modules = [ROOT / path for path in changes.paths if path.startswith("fer_au/") and path.endswith(".py")]
        examples = [path for path in modules if path.is_file() and ">>>" in path.read_text(encoding="utf-8")]
        nearest = [test.path for test in sorted(chosen, key=lambda test: test.distance(changes))]
        self._code.save()
        return [*examples, *nearest]


def run(paths: Sequence[Path]) -> int:
    """Run test files in this order, and say what was left out; give the exit code."""
    budget = Budget()
    arguments = [str(path.relative_to(ROOT)) for path in paths]
    code = pytest.main(["-m", "not slow", *arguments], plugins=[budget])
    print(f"left to `make test`: {budget.slow} slow tests, and {budget.left} others that the time did not reach")
    passed = (budget.over and not budget.failed) or code == pytest.ExitCode.NO_TESTS_COLLECTED
    return 0 if passed else int(code)


def main() -> int:
    """Choose, print and run."""
    changes = Changes.since(sys.argv[1] if len(sys.argv) > 1 else None)
    if not changes.paths:
        print(f"nothing changed since {changes.base}: no tests to run")
        return 0
    print(f"changed since {changes.base}: {', '.join(changes.paths)}")
    chosen = Suite().choose(changes)
    print(
        f"tests that may see it, nearest first: {', '.join(str(path.relative_to(ROOT)) for path in chosen) or 'none'}"
    )
    return run(chosen) if chosen else 0


def _files_of(name: str) -> list[Path]:
    """Give the source file of ``module.name``: of a module, or of a name in it."""
    places = [ROOT.joinpath(*parts) for parts in (name.split("."), name.split(".")[:-1])]
    return [path.with_suffix(".py") for path in places if path.with_suffix(".py").is_file()]


def _git(*arguments: str, check: bool = True) -> list[str]:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=check)
    return done.stdout.splitlines()


if __name__ == "__main__":
    sys.exit(main())
