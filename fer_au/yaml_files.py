"""YAML files in the dialect of DVC, which reads ``params.yaml``, too: YAML 1.2, no key twice, plain data only."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from fer_au.errors import ConfigError

_DEEPEST = 100  # nested collections; the C library that parses them crashes at some ten thousands


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        ConfigError: Missing file, bad YAML, a key given twice, or no mapping; one line that names the file.
    """
    try:
        text = path.read_text(encoding="utf-8")
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
        path = _key_path(YAML(typ="safe").compose(text), error.problem_mark)
        again = error.problem_mark.line + 1
        raise ConfigError(f"{where}: {path}: key appears twice, again in line {again}") from error
    except MarkedYAMLError as error:
        problem = " ".join(filter(None, [error.problem, error.context and f"({error.context})"]))
        raise ConfigError(f"{where}: not valid YAML: {_line(error)}{problem}") from error
    except (YAMLError, ValueError, AssertionError) as error:  # the last two: a value that doesn't fit its tag
        problem = " ".join(str(error).split()) or "a value does not fit its tag"
        raise ConfigError(f"{where}: not valid YAML: {problem}") from error


def _check_nesting(text: str) -> None:
    """Refuse what is nested without end, or so deeply that parsing it would crash.

    Raises:
        ValueError: It is.
    """
    anchors: list[str | None] = []  # one per collection that is open
    for event in YAML(typ="safe").parse(text):
        if isinstance(event, CollectionStartEvent):
            anchors.append(event.anchor)
            if len(anchors) > _DEEPEST:
                raise ValueError(f"nested more than {_DEEPEST} deep")
        elif isinstance(event, CollectionEndEvent):
            anchors.pop()
        elif isinstance(event, AliasEvent) and event.anchor in anchors:
            raise ValueError(f"*{event.anchor} stands inside the very value that it repeats")


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


def _line(error: MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return "" if mark is None else f"line {mark.line + 1}: "


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
