"""The fenced blocks of the project's pages: the one reader that every test of a page uses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^(\s*)(`{3,}|~{3,})\s*(.*?)\s*$")
_COMMENT = re.compile(r"^\s*<!-- (.*) -->\s*$")
_PROMPT = re.compile(r"^([a-z]*)\$ (.+)$")
_FILE = re.compile(r"^# ([\w.-]+(?:/[\w.-]+)*\.[a-z]+)$")
_NOT_RUN = re.compile(r"^not run: (.+)$")


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: Path of its page, from the project's root.
        line: Line of the opening fence, counted from 1.
        language: The word behind the fence; empty without one.
        text: What stands between the fences, each line with its line feed.
        comment: Content of the HTML comment on the line above; empty without one.
    """

    page: str
    line: int
    language: str
    text: str
    comment: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def lines(self) -> list[str]:
        """The lines of the text."""
        return self.text.splitlines()

    @property
    def reason(self) -> str | None:
        """Why it is not run, where its comment is a mark ``not run: REASON``."""
        match = _NOT_RUN.match(self.comment)
        return match[1] if match else None

    @property
    def file(self) -> str | None:
        """The path that its first line names, if it is the content of a file: ``# lab_parts/cue.py``."""
        match = _FILE.match(self.lines[0]) if self.lines else None
        return match[1] if match else None


@dataclass
class Command:
    """One command line of a console block.

    Attributes:
        person: Who types it: the word before ``$``, often none.
        text: The command, continuation lines included.
        shown: The lines of output that the page shows below it.
    """

    person: str
    text: str
    shown: list[str] = field(default_factory=list)


def read_blocks(page: str, language: str | None = None) -> list[Block]:
    """All fenced blocks of a page, or those of one language, in order.

    Raises:
        ValueError: A fence is not closed.
    """
    found = _parse(page, (ROOT / page).read_text(encoding="utf-8").splitlines())
    return [block for block in found if language in (None, block.language)]


def _parse(page: str, lines: Sequence[str]) -> list[Block]:
    found: list[Block] = []
    number = 0
    while number < len(lines):
        if match := _FENCE.match(lines[number]):
            indent, fence, language = match.groups()
            ends = (later for later in range(number + 1, len(lines)) if lines[later].strip() == fence)
            end = next(ends, None)
            if end is None:
                raise ValueError(f"{page}:{number + 1}: the block is not closed")
            text = "".join(f"{line.removeprefix(indent)}\n" for line in lines[number + 1 : end])
            above = _COMMENT.match(lines[number - 1]) if number else None
            found.append(Block(page, number + 1, language, text, above[1] if above else ""))
            number = end
        number += 1
    return found


def read_commands(block: Block) -> list[Command]:
    """The commands of a console block.

    Raises:
        ValueError: Its first line is no command.
    """
    commands: list[Command] = []
    for line in block.lines:
        if match := _PROMPT.match(line):
            commands.append(Command(match[1], match[2]))
        elif not commands:
            raise ValueError(f"{block}: output without a command: {line}")
        elif commands[-1].text.endswith("\\") and not commands[-1].shown:
            commands[-1].text += "\n" + line.removeprefix("> ")
        else:
            commands[-1].shown.append(line)
    return commands


def missing_output(shown: Sequence[str], output: str) -> str | None:
    """The first shown line that the output lacks (in this order), None if it has all; ``...`` stands for anything."""
    printed = iter(output.splitlines())
    for line in shown:
        pattern = re.compile(".*".join(re.escape(part) for part in line.strip().split("...")))
        if not any(pattern.fullmatch(text.strip()) for text in printed):
            return line
    return None
