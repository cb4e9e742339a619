"""Files that tools and other people read: citation, hooks, workflow, changelog."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from fer_au.version import __version__

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_citation_is_complete_and_of_this_version() -> None:
    citation: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    # The required keys of the Citation File Format 1.2.0, and the others that stand there.
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation.keys() <= {
        "cff-version", "message", "title", "authors", "type", "abstract", "version", "license", "keywords",
    }  # fmt: skip
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert all(isinstance(author["name"], str) for author in citation["authors"])
    assert citation["version"] == __version__ == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]


def test_the_changelog_has_this_version_and_links_of_its_headings() -> None:
    headings = re.findall(r"^## \[([^\]]+)\]", CHANGELOG, re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert __version__ in headings
    assert headings == re.findall(r"^\[([^\]]+)\]: #", CHANGELOG, re.MULTILINE)
    kinds = set(re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_changelog_says_everything_once() -> None:
    for release in re.split(r"^## ", CHANGELOG, flags=re.MULTILINE):
        entries = re.findall(r"^- .*(?:\n  .*)*", release, re.MULTILINE)
        assert [entry for entry, count in Counter(entries).items() if count > 1] == []


def test_hooks_are_local_and_their_programs_are_installed() -> None:
    assert [repo["repo"] for repo in HOOKS] == ["local"]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for hook in HOOKS[0]["hooks"]:
        assert hook["language"] == "system"
        program, *arguments = shlex.split(hook["entry"])
        assert shutil.which(program, path=path)
        assert all((ROOT / argument).is_file() for argument in arguments if argument.endswith(".py"))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for check in ("ruff check", "ruff format --check", "mypy"):
        assert check in makefile
        assert any(hook["entry"].startswith(check) for hook in HOOKS[0]["hooks"])


@pytest.mark.parametrize("hook", ["ruff-check", "ruff-format", "reference"])
def test_the_quick_hooks_pass(hook: str) -> None:
    (chosen,) = [each for each in HOOKS[0]["hooks"] if each["id"] == hook]
    arguments = [] if chosen.get("pass_filenames") is False else ["."]
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
    }
    command = [*shlex.split(chosen["entry"]), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflow_runs_the_whole_check_on_the_oldest_python() -> None:
    (job,) = WORKFLOW["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert os.access(ROOT / ".ci/run", os.X_OK)
    versions = job["strategy"]["matrix"]["python-version"]
    assert f">={versions[0]}" == PROJECT["requires-python"]
    assert all(isinstance(version, str) for version in versions)
    assert len(versions) == 2


@pytest.mark.parametrize("words", [["make"], ["make", "help"]], ids=" ".join)
def test_make_lists_every_target_with_a_line(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    # As from a shell: make tells a make that it runs itself to print more.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    rows = [line.split(maxsplit=1) for line in done.stdout.splitlines()[1:]]
    assert [name for name, _ in rows] == phony.split()
    assert all(text for _, text in rows)
