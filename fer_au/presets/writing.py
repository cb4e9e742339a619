"""Write a preset as a ``params.yaml`` with comments, and its published numbers as data beside it."""

from __future__ import annotations

import shlex
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fer_au.arguments import read_flag, read_path
from fer_au.atomic import write_atomically
from fer_au.config.published import published_path
from fer_au.errors import ConfigError
from fer_au.presets.expansion import Expansion, expand
from fer_au.presets.grid import Grid, read_grid
from fer_au.presets.preset import PRESETS, Preset, PublishedRow, load_preset
from fer_au.presets.published import published_text
from fer_au.registry import near_names
from fer_au.yaml_files import dump_inline, read_yaml

Comments = Mapping[str, Sequence[str]]

_WIDTH = 118
_STEP = 2  # spaces of indentation per level
_MAPPINGS = ("datasets", "render", "experiments", "cross")  # from names to entries: each entry begins a line


def write_preset(name: str, output: Path, grid: Grid | None = None, *, replace: bool = False) -> list[Path]:
    """Write a preset as ``output``, and its published numbers as ``<output without suffix>.published.yaml``.

    Args:
        name: Name of the preset, or path of its file.
        output: Path of the new ``params.yaml``, of any name.
        grid: Values for keys of the experiments, see ``expand``.
        replace: Whether existing files are overwritten; published numbers of an older preset are removed, as they are
            about other experiments.

    Returns:
        Files that were written: one, or two if the preset has published numbers.

    Raises:
        ConfigError: There is no such preset, the grid is bad, or a file exists.
        StoreError: A file can't be written.
        ArgumentError: An argument is something else.
    """
    preset, name = load_preset(name), str(name)
    output, values, replace = read_path("output", output), read_grid("grid", grid), read_flag("replace", replace)
    expansion = expand(name, preset, values)
    texts = {output: params_text(name, preset, expansion, _command(name, output, values))}
    numbers = published_path(output)
    if preset.published:
        texts[numbers] = published_text(name, preset, expansion)
    for path in (output, numbers):
        if path.exists() and not replace:
            raise ConfigError(f"{path}: exists; name another file with -o, or replace it with --force")
    if numbers not in texts:
        numbers.unlink(missing_ok=True)
    for path, text in texts.items():
        write_atomically(path, text.encode())
    return list(texts)


def _command(name: str, output: Path, grid: Grid) -> str:
    """Compose the command line that writes the file again, run in its folder."""
    options = [f"--grid={key}={dump_inline(list(values))[1:-1].replace(', ', ',')}" for key, values in grid.items()]
    return shlex.join(["fer-au", "presets", "write", name, *options, "-o", output.name, "--force"])


def params_text(name: str, preset: Preset, expansion: Expansion, command: str) -> str:
    """Write out the complete ``params.yaml`` of a preset.

    Args:
        name: Name of the preset, or path of its file, for messages.
        preset: Preset.
        expansion: Experiments of the preset.
        command: Command line that writes the file again, for the file's first line.
    """
    sections = {
        "datasets": preset.datasets,
        **({"render": preset.render} if preset.render else {}),
        "align": preset.align,
        "landmarks": preset.landmarks,
        "heatmaps": preset.heatmaps,
        "train": preset.train,
        "evaluate": preset.evaluate,
        "experiments": expansion.experiments,
        "cross": expansion.cross,
    }
    comments = _comments(name, preset, expansion, sections)
    head = [preset.title, f"Source: {preset.source}", *preset.notes]
    lines = [f"# Written by: {command}", *(line for text in head for line in _comment(text, 0))]
    for key, value in sections.items():
        lines += ["", *_entry(key, value, "", comments, 0)]
    return "\n".join(lines) + "\n"


def _comments(preset_name: str, preset: Preset, expansion: Expansion, sections: Mapping[str, Any]) -> Comments:
    """Collect the comments above each key: the preset's own, and the numbers published about an experiment.

    Returns:
        Path of a key -> texts.

    Raises:
        ConfigError: A comment is about a key that the preset doesn't have.
    """
    comments: dict[str, list[str]] = defaultdict(list)
    first = {entry.get("group", key): key for key, entry in reversed(expansion.experiments.items())}
    for path, text in preset.comments.items():
        if text is None:
            continue
        section, _, name = path.partition(".")
        if section == "experiments" and name in expansion.places:
            place = expansion.places[name]
            if place is None:
                continue  # the grid changed the settings that the comment is about
            path = f"experiments.{first[place]}"
        elif not _exists(sections, path):
            raise ConfigError(_absent_key(preset_name, preset, path, sections))
        comments[path].append(text)
    for row in preset.published:
        place = expansion.places.get(row.experiment) if row.experiment else None
        if place is not None:
            name = first[place]
            comments[f"experiments.{name}"].append(_row_text(row, "" if name == place else f" for the group {place}"))
    return comments


def _absent_key(name: str, preset: Preset, path: str, sections: Mapping[str, Any]) -> str:
    """Say which comment is about no key, in which file, and what to do."""
    file = PRESETS.locate(name)
    own = read_yaml(file).get("comments")
    if preset.extends and not (isinstance(own, Mapping) and path in own):
        return f"{file}: comments.{path}: comes from preset {preset.extends}, and there is no such key; set it to null"
    return f"{file}: comments.{path}: there is no such key; {near_names(path, _paths(sections))}"


def _paths(sections: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """List the dotted paths of all keys."""
    for key, value in sections.items():
        yield f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _paths(value, f"{above}{key}.")


def _exists(sections: Mapping[str, Any], path: str) -> bool:
    place: Any = sections
    for part in path.split("."):
        if not isinstance(place, Mapping) or part not in place:
            return False
        place = place[part]
    return True


def _row_text(row: PublishedRow, whose: str) -> str:
    """Show one row as text, such as ``Published, CAM w/ AU: accuracy 0.8895, att_cos 0.85``."""
    values = ", ".join(f"{key} {value:g}" for key, value in {**row.metrics, **row.other}.items())
    return f"Published{whose}, {row.row}: {values}"


def _entry(key: str, value: object, parent: str, comments: Comments, depth: int) -> Iterator[str]:
    """Write out one key: on one line if it fits and no comment is about a key inside it, else on several."""
    path = f"{parent}.{key}" if parent else key
    for text in comments.get(path, ()):
        yield from _comment(text, depth)
    line = f"{' ' * depth}{key}: {dump_inline(value)}"
    commented = any(other.startswith(f"{path}.") for other in comments)
    if isinstance(value, Mapping) and value and (commented or len(line) > _WIDTH or path in _MAPPINGS):
        yield f"{' ' * depth}{key}:"
        for name, inner in value.items():
            yield from _entry(str(name), inner, path, comments, depth + _STEP)
    elif isinstance(value, list) and len(line) > _WIDTH:
        yield f"{' ' * depth}{key}:"
        for item in value:
            yield f"{' ' * (depth + _STEP)}- {dump_inline(item)}"
    else:
        yield line


def _comment(text: str, depth: int) -> list[str]:
    prefix = f"{' ' * depth}# "
    return textwrap.wrap(" ".join(text.split()), _WIDTH, initial_indent=prefix, subsequent_indent=prefix)
