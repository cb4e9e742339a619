"""YAML files in the dialect of DVC, which reads ``params.yaml``, too: YAML 1.2, no key twice, plain data only."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from fer_au.errors import ConfigError
from fer_au.gate import read_text

_DEEPEST = 100  # nested collections; the C library that parses them crashes at some ten thousands

_MOST_VALUES = 1_000_000  # of a file with aliases: ten lines can stand for a billion


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        ConfigError: Missing file, bad YAML, a key given twice, or no mapping; one line that names the file.
    """
    try:
        text = read_text(path)
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file") from error
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not valid YAML: not a UTF-8 text") from error
    data = parse_yaml(text, str(path))
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: must hold a mapping")
    return data


def parse_yaml(text: str, where: str) -> Any:  # noqa: ANN401 (any plain data)
    """Parse one YAML document.

    Args:
        text: The document.
        where: Name of the file or of the option that holds it, which begins messages.

    Raises:
        ConfigError: Bad YAML, or a key given twice; the message names the line.
    """
    try:
        _check_nesting(text)
        return YAML(typ="safe").load(text)
    except DuplicateKeyError as error:
        node = YAML(typ="safe").compose(text)
        path, again = _key_path(node, error.problem_mark), error.problem_mark.line + 1
        if alike := _same_number(node, error.problem_mark):
            text = f"keys {alike} mean one number, the second in line {again}; quote a key that is meant as text"
            raise ConfigError(f"{where}: {path}: {text}") from error
        raise ConfigError(f"{where}: {path}: key appears twice, again in line {again}") from error
    except MarkedYAMLError as error:
        problem = _tab(text, error) or " ".join(filter(None, [error.problem, error.context and f"({error.context})"]))
        raise ConfigError(f"{where}: not valid YAML: {_line(error)}{problem}") from error
    except (YAMLError, ValueError, AssertionError) as error:  # the last two: a value that doesn't fit its tag
        problem = " ".join(str(error).split()) or "a value does not fit its tag"
        raise ConfigError(f"{where}: not valid YAML: {problem}") from error


def _check_nesting(text: str) -> None:
    """Refuse what is nested without end, so deeply that parsing it would crash, or unfolds to more than memory holds.

    Raises:
        ValueError: It is.
    """
    anchors: list[str | None] = []  # one per collection that is open
    counts = [0]  # values inside each, aliases unfolded; the first is the document's
    sizes: dict[str, int] = {}
    for event in YAML(typ="safe").parse(text):
        if isinstance(event, CollectionStartEvent):
            anchors.append(event.anchor)
            counts.append(1)
            if len(anchors) > _DEEPEST:
                raise ValueError(f"nested more than {_DEEPEST} deep")
        elif isinstance(event, CollectionEndEvent):
            anchor, size = anchors.pop(), counts.pop()
            counts[-1] += size
            if anchor:
                sizes[anchor] = size
        elif isinstance(event, AliasEvent):
            if event.anchor in anchors:
                raise ValueError(f"*{event.anchor} stands inside the very value that it repeats")
            counts[-1] += sizes.get(event.anchor, 1)
            if counts[-1] > _MOST_VALUES:
                raise ValueError(f"*{event.anchor} and what repeats it unfold to more than {_MOST_VALUES} values")
        elif isinstance(event, ScalarEvent):
            counts[-1] += 1


def _key_path(node: Node, mark: StringMark) -> str:
    """Find the dotted path of the key that begins at a mark; empty if it lies elsewhere than inside the node."""
    parts: list[tuple[str, Node]] = []
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.start_mark.index == mark.index:
                return str(key.value)
            parts.append((key.value, value))
    elif isinstance(node, SequenceNode):
        parts = [(str(position), item) for position, item in enumerate(node.value)]
    return next((f"{name}.{path}" for name, inner in parts if (path := _key_path(inner, mark))), "")


def _same_number(node: Node, mark: StringMark) -> str:
    """Name the keys of a mapping that are one number in other words, as ``true`` and ``1``; empty for equal words.

    Args:
        node: The document.
        mark: Place of the second key.
    """
    inside = [node]
    while inside:
        found = inside.pop()
        if isinstance(found, SequenceNode):
            inside += found.value
        elif isinstance(found, MappingNode):
            keys = [key for key, _ in found.value]
            inside += [value for _, value in found.value]
            second = next((key for key in keys if key.start_mark.index == mark.index), None)
            if second is not None and sum(key.value == second.value for key in keys) == 1:
                number = _number(second)
                first = next((key for key in keys if key is not second and _number(key) == number), None)
                return f"{first.value} and {second.value}" if first is not None else ""
    return ""


def _number(key: Node) -> object:
    """Read a key as YAML does."""
    return YAML(typ="safe").load(key.value) if isinstance(key, ScalarNode) and not key.style else key


def _line(error: MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return "" if mark is None else f"line {mark.line + 1}: "


def _tab(text: str, error: MarkedYAMLError) -> str:
    """Say that a line begins with a tab, or has one where the parser stopped; empty if it is not so."""
    mark = error.problem_mark or error.context_mark
    lines = text.splitlines()
    if mark is None or mark.line >= len(lines):
        return ""
    line = lines[mark.line]
    indent = line[: len(line) - len(line.lstrip())]
    wrong = "\t" in {*indent, line[mark.column : mark.column + 1]}
    return "a tab, which YAML doesn't take; indent by blanks" if wrong else ""


def dump_yaml(data: object, *, flow: bool | None = False, width: int = 110) -> str:
    """Write plain data as YAML, with keys in their order; equal parts are written out each time.

    Args:
        data: Mappings, lists and scalars.
        flow: Whether collections are written as ``[a, b]`` and ``{a: b}``: all, none, or (None) those of scalars alone.
        width: Length from which on lines are broken.
    """
    yaml = YAML(typ="safe")
    yaml.default_flow_style = flow
    yaml.width = width
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.representer.ignore_aliases = lambda _: True
    stream = io.StringIO()
    yaml.dump(data, stream)
    return stream.getvalue()


def dump_inline(value: object) -> str:
    """Write a value as YAML on one line."""
    # As the only item of a list: a bare scalar would be written with an end-of-document mark.
    return dump_yaml([value], flow=True, width=1 << 20).strip()[1:-1]
