"""The written reference is what the code says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel
from typer.testing import CliRunner

from fer_au.cli import app
from fer_au.config.experiments import CrossConfig
from fer_au.evaluation.metrics_file import HEADLINE
from fer_au.glossary_entries import ENTRIES
from tests.docs.blocks import Block, read_blocks, read_commands
from tools import write_reference
from tools.write_reference import (
    DOCS,
    SECTIONS,
    describe_type,
    find_sections,
    write_cli,
    write_metrics,
    write_params,
    write_section,
)

ROOT = Path(__file__).parents[2]
BLOCKS = read_blocks("docs/cli.md", "console")


@pytest.mark.parametrize(
    ("page", "write"), [("params.md", write_params), ("cli.md", write_cli), ("metrics.md", write_metrics)]
)
def test_the_page_is_current(page: str, write: Callable[[], str]) -> None:
    assert (DOCS / page).read_text(encoding="utf-8") == write(), "run `make docs`"


def test_check_says_which_page_is_not_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(write_reference, "DOCS", tmp_path / "docs")
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(sys, "argv", ["write_reference.py"])
    write_reference.main()
    (tmp_path / "docs/cli.md").write_text("old")
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["write_reference.py", "--check"])
    with pytest.raises(SystemExit) as end:
        write_reference.main()
    assert end.value.code == 1
    assert capsys.readouterr().out == "docs/cli.md: is not what the code says; run `make docs`\n"


def test_every_key_of_the_projects_params_is_described() -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    page = (DOCS / "params.md").read_text(encoding="utf-8")
    described = {
        section.splitlines()[0]: re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
        for section in re.split(r"^##+ ", page, flags=re.MULTILINE)[1:]
    }

    def check(heading: str, keys: dict) -> None:
        assert set(keys) <= set(described[f"`{heading}`"])
        for key, value in keys.items():
            if isinstance(value, dict) and f"`{heading}.{key}`" in described:
                check(f"{heading}.{key}", value)

    for name, section in params.items():
        if f"`{name}`" in described:
            check(name, section)
        else:
            for entry in section.values():
                check(f"{name}.NAME", entry)
    assert len(described) > len(SECTIONS)


def test_a_key_without_words_is_refused() -> None:
    class Silent(BaseModel):
        """A summary.

        Attributes:
            said: One line
                that goes on.
        """

        said: int = 1
        unsaid: int = 2

    with pytest.raises(ValueError, match=r"part\.unsaid: its model's docstring has no text"):
        write_section(next(find_sections("part", Silent)))
    Silent.__doc__ = str(Silent.__doc__).rstrip() + "\n            unsaid: More.\n"
    assert "| `said` | integer | `1` | One line that goes on. |" in write_section(next(find_sections("part", Silent)))


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "number", "minimum": 0, "exclusiveMaximum": 0.5}, "number ≥ 0, < 0.5"),
        ({"enum": ["a", "b", "c"]}, "`a`, `b` or `c`"),
        ({"const": "all"}, "`all`"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text or `null`"),
        ({"type": "array", "items": {"type": "integer"}}, "list of: integer"),
        ({"type": "array", "prefixItems": [{"type": "number"}] * 2}, "list of 2: number"),
        ({"type": "object"}, "mapping"),
        ({"type": "integer", "minimum": -(2**63), "exclusiveMaximum": 2**63}, "integer of 64 bits"),
        ({}, "any value"),
    ],
)
def test_types_are_said_in_words(schema: dict, words: str) -> None:
    assert describe_type(schema) == words


def test_the_help_of_the_command_and_the_page_name_the_same_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv = ['fer-au', '--help']; from fer_au.cli import main; main()"],
        capture_output=True,
        text=True,
        check=True,
    )
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    named = {line.split("`")[1].split()[1] for line in page.splitlines() if line.startswith("## ")}
    assert named
    assert all(name in done.stdout for name in named)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: " ".join(block.text.split()[1:4]))
def test_a_command_takes_what_its_synopsis_names(block: Block) -> None:
    synopsis, *examples = read_commands(block)
    program, *words = synopsis.text.split()
    assert program == "fer-au"
    names = [word for word in words if re.fullmatch(r"[a-z][a-z-]*", word)]
    shown = CliRunner().invoke(app, [*names, "--help"], terminal_width=200)
    assert shown.exit_code == 0, shown.output
    named = [re.sub(r"\W*$|^\W*(?=\w{2})", "", word).lower() for word in words]
    assert [name for name in named if name not in shown.output.lower()] == []
    # tests/cli/test_help.py runs the example of every help.
    assert all(f"Example: {one.text}" in " ".join(shown.output.split()) for one in examples)


def test_every_metric_stands_in_the_table_of_its_file() -> None:
    headline, detail = ((DOCS / "metrics.md").read_text(encoding="utf-8")).split("\n## `metrics/")[1:]
    keys = [re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE) for table in (headline, detail)]
    assert sorted(keys[0]) == sorted(HEADLINE)
    assert {entry.key for entry in ENTRIES} - set(HEADLINE) == set(keys[1])


def test_a_metric_without_text_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_reference, "HEADLINE", ("my_score",))
    with pytest.raises(ValueError, match="my_score"):
        write_metrics()


def test_the_cross_entry_that_is_shown_is_valid() -> None:
    page = (DOCS / "params.md").read_text(encoding="utf-8").split("## `cross.NAME`")[1]
    (text,) = re.findall(r"`cross: (\{.*?\}\})`", page)
    for name, entry in yaml.safe_load(text).items():
        assert f"metrics/cross/{name}.json" in page
        CrossConfig.model_validate(entry)
