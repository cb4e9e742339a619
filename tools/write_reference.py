"""Write docs/params.md, docs/cli.md and docs/metrics.md: every key, command and metric, from the code.

    python tools/write_reference.py            # write the pages
    python tools/write_reference.py --check    # exit code 1 if a page is not what the code says

Types, defaults and limits come from the pydantic models of the configuration, and the words from their docstrings; a
key without a text is an error. Metrics are explained by the report's glossary. What a page says before its tables lies
in tools/reference.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

from fer_au.cli import app
from fer_au.config.data import AlignConfig, DatasetConfig, DemoConfig, HeatmapsConfig, LandmarksConfig
from fer_au.config.experiments import CrossConfig, EvaluateConfig, ExperimentConfig, TrainConfig
from fer_au.datasets import create_adapter, list_adapters
from fer_au.datasets.labels import LabelledConfig, LabelMapConfig
from fer_au.datasets.persons import FoldedConfig
from fer_au.evaluation.metrics_file import HEADLINE
from fer_au.glossary import look_up, rank
from fer_au.glossary_entries import ENTRIES, FAMILIES
from fer_au.models.heads.base import HEADS
from fer_au.models.nets.base import NETS
from fer_au.training.losses.base import LOSSES

DOCS = Path(__file__).parents[1] / "docs"
SHARED: tuple[type[DatasetConfig], ...] = (LabelMapConfig, LabelledConfig, FoldedConfig)
"""Models whose keys several adapters share."""
SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("datasets.NAME", DatasetConfig),
    ("render.NAME", DemoConfig),
    ("align", AlignConfig),
    ("landmarks", LandmarksConfig),
    ("heatmaps", HeatmapsConfig),
    ("train", TrainConfig),
    ("evaluate", EvaluateConfig),
    ("experiments.NAME", ExperimentConfig),
    ("cross.NAME", CrossConfig),
)
_TYPES = {"string": "text", "integer": "integer", "number": "number", "boolean": "`true` or `false`", "null": "`null`"}
_LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_NOTICE = "<!-- Written by tools/write_reference.py (`make docs`) from the code: change the texts there. -->"


def _introduction(page: str) -> str:
    """Read what a page says before its tables."""
    return (Path(__file__).parent / f"reference/{page}.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Section:
    """Keys that stand below one path of ``params.yaml``.

    Attributes:
        path: Path of the mapping that holds the keys.
        schema: JSON schema of the mapping.
        texts: Key -> its meaning, and under the empty key the summary of the whole.
        when: When the keys exist, for the heading; empty for always.
        defaults: Key -> words for its default, where the schema's isn't the only one.
    """

    path: str
    schema: Mapping[str, Any]
    texts: Mapping[str, str]
    when: str = ""
    defaults: Mapping[str, str] = field(default_factory=dict)


def read_docstring(docstring: str) -> dict[str, str]:
    """Read a class docstring in Google's form.

    Returns:
        Attribute -> its text in one line, in the words of YAML; under the empty key, the text before the attributes.
    """
    summary, _, attributes = inspect.cleandoc(docstring).partition("Attributes:\n")
    texts = {"": " ".join(summary.split())}
    for name, text in re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE):
        texts[name] = re.sub(r"\bNone\b", "null", " ".join(text.split()))
    return texts


def find_sections(
    path: str, model: type[BaseModel], inherited: type[BaseModel] = BaseModel, when: str = ""
) -> Iterator[Section]:
    """List a model and the models below its keys, depth first.

    Args:
        path: Path of the model's mapping in ``params.yaml``.
        model: Model of the mapping.
        inherited: Base whose keys are described elsewhere and left out.
        when: When the keys exist, for the heading.
    """
    schema = model.model_json_schema()
    texts: dict[str, str] = {}
    for base in reversed([base for base in model.__mro__ if issubclass(base, BaseModel) and base.__doc__]):
        texts |= read_docstring(str(base.__doc__))
    known = inherited.model_fields
    own = {key: value for key, value in schema.get("properties", {}).items() if key not in known}
    yield from _nested(Section(path, {**schema, "properties": own}, texts, when), schema.get("$defs", {}))


def _nested(section: Section, definitions: Mapping[str, Any]) -> Iterator[Section]:
    yield section
    for key, value in section.schema["properties"].items():
        for name, suffix in _references(value):
            schema = definitions[name]
            texts = read_docstring(schema["description"])
            inner = Section(f"{section.path}.{key}{suffix}", schema, texts, section.when)
            yield from _nested(inner, definitions)


def _references(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find the models that a key holds: the name, and ``[]`` where the key holds a list of them."""
    if "$ref" in value:
        yield value["$ref"].rsplit("/", 1)[1], ""
    for choice in value.get("anyOf", ()):
        yield from _references(choice)
    if "items" in value:
        yield from ((name, "[]") for name, _ in _references(value["items"]))


def describe_type(value: Mapping[str, Any]) -> str:
    """Say in words which values a JSON schema takes."""
    if "$ref" in value:
        return "mapping (below)"
    if "enum" in value or "const" in value:
        *first, last = [f"`{choice}`" for choice in value.get("enum", [value.get("const")])]
        return f"{', '.join(first)} or {last}" if first else last
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(describe_type(choice) for choice in value["anyOf"]))
    if "prefixItems" in value:
        return f"list of {len(value['prefixItems'])}: {describe_type(value['prefixItems'][0])}"
    if value.get("type") == "array":
        return f"list of: {describe_type(value['items'])}"
    if value.get("type") == "object":
        return "mapping"
    name = "path" if value.get("format") == "path" else _TYPES.get(str(value.get("type")), "any value")
    if value.get("maxLength") == 1:
        name = "one character"
    limits = {sign: value[key] for key, sign in _LIMITS.items() if key in value}
    if any(abs(limit) >= 2**62 for limit in limits.values()):
        return f"{name} of 64 bits"
    return f"{name} {', '.join(f'{sign} {limit:g}' for sign, limit in limits.items())}".strip()


def _default(value: Mapping[str, Any], required: bool) -> str:
    if required:
        return "*required*"
    if next(_references(value), None) and isinstance(value.get("default"), dict):
        return "as below"
    default = value.get("default", {})
    if isinstance(default, float) and default != round(default, 6):
        return f"about `{default:.3g}`"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def write_section(section: Section) -> str:
    """Write one section as a heading, its summary and a table of its keys.

    Raises:
        ValueError: A key has no text in its model's docstring.
    """
    level = "###" if section.when or "." in section.path.removesuffix(".NAME") else "##"
    lines = [f"{level} `{section.path}`{section.when}", "", section.texts[""], ""]
    if section.schema["properties"]:
        lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, value in section.schema["properties"].items():
        if key not in section.texts:
            raise ValueError(f"{section.path}.{key}: its model's docstring has no text for it")
        default = section.defaults.get(key) or _default(value, key in section.schema.get("required", ()))
        cells = [f"`{key}`", describe_type(value), default]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in [*cells, section.texts[key]]) + " |")
    return "\n".join(lines).rstrip() + "\n"


def write_params() -> str:
    """Write the page of all keys of ``params.yaml``."""
    parts = [_NOTICE, _introduction("params")]
    for path, model in SECTIONS:
        parts += [write_section(section) for section in find_sections(path, model)]
        if model is DatasetConfig:
            parts += [write_section(section) for section in find_adapters(path)]
        if model is ExperimentConfig:
            parts += [write_section(section) for section in find_options(path)]
    return _tidy(parts)


def find_adapters(path: str) -> Iterator[Section]:
    """List the keys of the built-in adapters: those that several share, then each one's own."""
    configs = {name: type(create_adapter(name)).Config for name in list_adapters()}
    configs = {name: config for name, config in configs.items() if config.__module__.startswith("fer_au.")}
    for base in SHARED:
        shared = [name for name, config in configs.items() if issubclass(config, base)]
        yield from find_sections(path, base, _inherited(base), f" with adapter {_code(shared)}")
    for name, config in configs.items():
        yield from find_sections(path, config, _inherited(config), f" with adapter `{name}`")


def _inherited(config: type[DatasetConfig]) -> type[DatasetConfig]:
    """Find the nearest model whose keys another section lists."""
    return next(base for base in config.__mro__[1:] if base in (*SHARED, DatasetConfig))


def find_options(path: str) -> Iterator[Section]:
    """List the options of the built-in losses, heads and networks; parts with the same keys share a section."""
    heads = {name: HEADS.get(name).Options for name in HEADS.names()}
    nets = {name: NETS.get(name).Options for name in NETS.names()}
    net_heads = {name: head.Options for name in nets if (head := NETS.get(name).head) is not None}
    losses = {name: LOSSES.get(name).Options for name in LOSSES.names()}
    yield from _shared_options(f"{path}.guidance[].loss_options", "loss", losses, "Options of the loss.")
    path = f"{path}.model"
    yield from _shared_options(f"{path}.head_options", "head", heads, "Options of the head.")
    yield from _shared_options(f"{path}.head_options", "backbone", net_heads, "Options of the network's own head.")
    yield from _shared_options(f"{path}.backbone_options", "backbone", nets, "Options of the network.")


def _shared_options(path: str, kind: str, parts: Mapping[str, type[BaseModel]], summary: str) -> Iterator[Section]:
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, options in parts.items():
        if options.__module__.startswith("fer_au.") and options.model_fields:
            groups.setdefault(tuple(sorted(options.model_fields)), []).append(name)
    for names in groups.values():
        (section,) = find_sections(path, parts[names[0]], when=f" with {kind} {_code(names)}")
        texts, defaults = dict(section.texts), {}
        for key in section.schema["properties"]:
            owners: dict[str, list[str]] = {}
            for name in names:
                value = parts[name].model_json_schema()["properties"][key]
                owners.setdefault(_default(value, required=False), []).append(name)
            if len(owners) > 1:
                defaults[key] = "by network"
                texts[key] += (
                    " Defaults: " + "; ".join(f"{value} ({_code(own)})" for value, own in owners.items()) + "."
                )
        yield replace(section, texts=texts | {"": summary}, defaults=defaults)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _tidy(parts: list[str]) -> str:
    """Join the parts of a page; its docstrings' double backticks become Markdown's."""
    return re.sub("(?<!`)``(?!`)", "`", "\n".join(parts))


def find_commands(group: Any, name: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 (typer's commands have no public type)
    """List the commands below a group of the command line, with their full names."""
    for key, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from find_commands(command, f"{name} {key}")
        else:
            yield f"{name} {key}", command


def _usage(parameter: Any) -> str:  # noqa: ANN401
    """Write a parameter as it is typed."""
    if parameter.param_type_name == "argument":
        if parameter.metavar:
            return str(parameter.metavar)
        return str(parameter.name).upper() + ("..." if parameter.nargs == -1 else "")
    names = ", ".join(parameter.opts)
    return names if parameter.is_flag else f"{names} {parameter.metavar or parameter.name.upper()}"


def _remarks(parameter: Any) -> Iterator[str]:  # noqa: ANN401
    if parameter.param_type_name == "option":
        if parameter.required:
            yield "Required."
        if parameter.multiple:
            yield "May be repeated."
    elif not parameter.required:
        yield "Optional."
    if parameter.default not in (None, False, ()) and not callable(parameter.default):
        yield f"Default: `{parameter.default}`."
    if parameter.envvar:
        yield f"Environment variable: `{parameter.envvar}`."


def _table(parameters: list[Any]) -> list[str]:
    rows = [f"| `{_usage(each)}` | {' '.join([each.help or '', *_remarks(each)])} |" for each in parameters]
    return ["| argument or option | meaning |", "|---|---|", *(row.replace("  ", " ") for row in rows), ""]


def write_cli() -> str:
    """Write the page of all commands.

    Raises:
        ValueError: A command, an argument or an option has no help, or a command no example.
    """
    root = typer.main.get_command(app)
    commands = sorted(find_commands(root, "fer-au"))
    parts = [_NOTICE, _introduction("cli")]
    parts += ["| command | what it does |", "|---|---|"]
    for name, command in commands:
        if not command.help or not command.epilog or not all(each.help for each in command.params):
            raise ValueError(f"{name}: the command or one of its arguments and options has no help, or no example")
        parts.append(f"| [`{name}`](#{name.replace(' ', '-')}) | {command.help.splitlines()[0]} |")
    parts += ["", "Before the command:", "", *_table(list(root.params))]
    for name, command in commands:
        arguments = [each for each in command.params if each.param_type_name == "argument"]
        words = [f"[{_usage(each)}]" if not each.required else _usage(each) for each in arguments]
        needed = [_usage(each) for each in command.params if each not in arguments and each.required]
        needed = [text.split(", ")[-1] for text in needed]
        free = ["[OPTIONS]"] if len(command.params) > len(arguments) + len(needed) else []
        parts += [
            f"## `{name}`",
            "",
            re.sub(r"\bdocs/(\w+\.md)(#[\w-]+)?", r"[\1](\1\2)", inspect.cleandoc(command.help)),
            "",
        ]
        example = str(command.epilog or "").removeprefix("Example: ")
        lines = dict.fromkeys([" ".join([name, *words, *needed, *free]), example])
        parts += ["```console", *(f"$ {line}" for line in lines), "```", ""]
        parts += _table(list(command.params)) if command.params else []
    return _tidy(parts).rstrip() + "\n"


def write_metrics() -> str:
    """Write the page of all metrics.

    Raises:
        ValueError: The glossary has no text for a key.
    """
    headline = sorted(HEADLINE, key=rank)
    others = [entry.key for entry in ENTRIES if entry.key not in HEADLINE]
    parts = [_NOTICE, _introduction("metrics")]
    for title, keys in (
        ("`metrics/NAME.json`: the headline", headline),
        ("`metrics/detail/NAME.json`: all others", others),
    ):
        parts += [f"## {title}", "", "| key | group | meaning |", "|---|---|---|"]
        for key in keys:
            family, meaning = look_up(key)
            if not (text := meaning or FAMILIES[family]):
                raise ValueError(f"{key}: fer_au/glossary_entries.py has no text for it")
            text = re.sub("(<[a-z]+>)", r"`\1`", text)  # Markdown would take it for a tag
            parts.append(f"| `{key}` | {family} | {text} |")
        parts.append("")
    return _tidy(parts).rstrip() + "\n"


def main() -> None:
    """Write the pages, or with ``--check`` say which are not current."""
    pages = {DOCS / "params.md": write_params(), DOCS / "cli.md": write_cli(), DOCS / "metrics.md": write_metrics()}
    stale = [path for path, text in pages.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if sys.argv[1:] == ["--check"]:
        for path in stale:
            print(f"{path.relative_to(DOCS.parent)}: is not what the code says; run `make docs`")
        sys.exit(bool(stale))
    for path in stale:
        path.write_text(pages[path], encoding="utf-8")
        print(f"{path.relative_to(DOCS.parent)}: written")


if __name__ == "__main__":
    main()
