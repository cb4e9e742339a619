"""Draw docs/img/architecture.svg and list the floors in docs/architecture.md, both from the imports.

    python tools/draw_architecture.py

``FLOORS`` is the order of the house, written once; ``tests/core/test_layers.py`` holds every import to it.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from importlib.util import resolve_name
from itertools import chain
from pathlib import Path
from xml.sax.saxutils import escape

from fer_au.atomic import write_atomically
from fer_au.code.closure import PACKAGE, PACKAGE_FOLDER, CodeBase
from fer_au.code.syntax import iter_sources, parse_source

ROOT = PACKAGE_FOLDER.parent
PAGE = ROOT / "docs/architecture.md"
FIGURE = ROOT / "docs/img/architecture.svg"


@dataclass(frozen=True)
class Floor:
    """Rooms that don't know one another, and use the floors below.

    Attributes:
        title: Purpose of the floor.
        rooms: Packages of ``fer_au``, modules that lie beside them, or folders beside ``fer_au``.
        open_plan: Whether the rooms, all single files, may use one another.
    """

    title: str
    rooms: tuple[str, ...]
    open_plan: bool = False


FLOORS = (
    Floor("Run it", ("stages", "__main__", "cli", "benchmarks", "tools"), open_plan=True),
    Floor("Say it", ("__init__", "report", "checks", "data_check", "video")),
    Floor("Use what was trained", ("use",)),
    Floor("Set up, ask and gather", ("results", "scaffold", "measure", "probe")),
    Floor("Learn and measure", ("predictor", "training", "evaluation")),
    Floor("Explain and load", ("batches", "cam")),
    Floor("See a face", ("presets", "cues", "landmarks", "models")),
    Floor("Find a face", ("faces",)),
    Floor("Take in", ("demo", "datasets")),
    Floor("Cache", ("shards",)),
    Floor("Keep", ("stores",)),
    Floor("Compute", ("command", "compute")),
    Floor("Know the code", ("code",)),
    Floor("Settings", ("config",)),
    Floor(
        "Ground",
        (
            "decoding",
            "clip_decoding",
            "picture_formats",
            "png_metadata",
            "rejects",
            "csv_files",
            "yaml_files",
            "registry",
            "answers",
            "arguments",
            "array_arguments",
            "picture_arguments",
            "pictures",
            "fingerprints",
            "sealed_json",
            "assets",
            "gate",
            "atomic",
            "ancestry",
            "ending",
            "errors",
            "home",
            "expressions",
            "ibug68",
            "maps",
            "heat",
            "resizing",
            "classification",
            "glossary",
            "glossary_entries",
            "machine",
            "speed",
            "terminal",
            "version",
            "data_frames",
            "_lazy",
        ),
        open_plan=True,
    ),
)
"""The floors from the top down. An import goes to a lower floor, or stays in its room."""

EXCEPTIONS = {
    # `fer_au.datasets.open_faces` is where someone with a prepared data set looks for it; the file that defines it
    # draws cues and so lies above. The export is lazy: no code of `datasets` runs it.
    ("fer_au/datasets/__init__.py", "fer_au/batches/samples.py"),
}
"""Imports that go up on purpose: importing file, imported file."""

Graph = dict[str, set[str]]


@cache
def find_imports() -> Graph:
    """Read who imports whom from the syntax: file -> files, as paths below the root.

    Imports inside functions and under ``TYPE_CHECKING`` and lazy exports of packages count. The ``__init__.py`` above
    an imported module doesn't: it holds lazy exports alone. Nor do the names of built-in parts in a registry, whose
    files import the registry's.
    """
    code = CodeBase()
    sources = [path for folder in (PACKAGE, "stages", "tools", "benchmarks") for path in iter_sources(ROOT / folder)]
    exports = {path: parse_source(path.read_bytes(), str(path)).exports for path in sources}
    graph: Graph = {}
    for path in sources:
        graph[_name(path)] = {
            _name(target)
            for module, name in chain(_imports(path), _lazy_exports(path, exports[path]))
            if (target := _target(code, module, name, exports)) is not None and target != path
        }
    return graph


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _imports(path: Path) -> Iterator[tuple[str, str]]:
    """List (module, name) of all import statements."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                module = resolve_name("." * node.level + module, ".".join(path.relative_to(ROOT).parent.parts))
            yield from ((module, alias.name) for alias in node.names)


def _lazy_exports(path: Path, exports: dict[str, str]) -> Iterator[tuple[str, str]]:
    """List the modules that a package's lazy exports come from."""
    package = ".".join(path.relative_to(ROOT).parent.parts)
    yield from ((resolve_name(module, package), "") for module in exports.values())


def _target(code: CodeBase, module: str, name: str, exports: dict[Path, dict[str, str]]) -> Path | None:
    """Find the file that an import leads to; None for other packages."""
    path = (code.module_file(f"{module}.{name}") if name else None) or code.module_file(module)
    if path is not None and name in exports.get(path, {}):
        return code.module_file(resolve_name(exports[path][name], module))
    return path if path in exports else None


def room_of(file: str) -> str:
    """Name the room of a file: its folder in or beside ``fer_au``, or the module itself."""
    first, second = file.split("/")[:2]
    return second.removesuffix(".py") if first == PACKAGE else first


def room_graph(files: Graph) -> Graph:
    """Say which room uses which: room -> rooms, without the exceptions."""
    graph: Graph = {room_of(file): set() for file in files}
    for file, targets in files.items():
        for target in targets:
            if room_of(target) != room_of(file) and (file, target) not in EXCEPTIONS:
                graph[room_of(file)].add(room_of(target))
    return graph


def wrong_imports(files: Graph) -> list[str]:
    """List the imports that go up, or across a floor, one line each."""
    level = {room: number for number, floor in enumerate(FLOORS) for room in floor.rooms}
    return [
        f"{file} imports {target}"
        for file, targets in sorted(files.items())
        for target in sorted(targets)
        if (file, target) not in EXCEPTIONS and not _goes_down(room_of(file), room_of(target), level)
    ]


def _goes_down(room: str, target: str, level: dict[str, int]) -> bool:
    if level[room] == level[target]:
        return room == target or FLOORS[level[room]].open_plan
    return level[room] < level[target]


def check_circles(graph: Graph) -> None:
    """Raise ``graphlib.CycleError``, which names the circle, if a graph has one."""
    TopologicalSorter(graph).prepare()


# The figure leaves out arrows that others imply, those of the upper floor, which uses all, and those to the ground,
# which all use.
_WIDTH, _LEFT, _TOP, _ROW = 980, 165, 90, 72
_WIDE, _HEIGHT = 132, 36  # of a box
_STYLE = "font-family: Helvetica, Arial, sans-serif; font-size: 14px"
_COLUMNS = (
    ("checks", "results", "training", "cam", "models"),
    ("data_check", "measure", "evaluation", "presets", "shards", "command"),
    ("video", "batches", "cues", "datasets", "stores", "compute", "code", "config"),
    ("report", "scaffold", "landmarks"),
    ("use", "probe", "__init__", "predictor", "faces", "demo"),
)
"""Rooms of each column; ``find_hidden_arrows`` names the arrows that would run behind a box."""
_BENDS = tuple(side * bend for bend in range(0, 280, 20) for side in (1, -1))
"""How far an arrow may swing out to pass the boxes of third rooms, tried in this order."""

Point = tuple[float, float]
Bezier = tuple[Point, Point, Point, Point]


def _place_rooms() -> dict[str, Point]:
    """Place the rooms between the upper floor and the ground: the middle of each box's upper edge."""
    step = (_WIDTH - _LEFT) / len(_COLUMNS)
    return {
        room: (_LEFT + step * (column + 0.5), float(_TOP + _ROW * row))
        for row, floor in enumerate(FLOORS[1:-1])
        for column, rooms in enumerate(_COLUMNS)
        for room in rooms
        if room in floor.rooms
    }


def find_hidden_arrows() -> list[str]:
    """List the arrows of the figure that run behind the box of a third room, or touch it, one line each."""
    places = _place_rooms()
    return [
        f"{room} -> {target} runs behind {other}: move a room in _COLUMNS"
        for room, target in _shown_arrows(room_graph(find_imports()), set(places))
        for other in _passed(places, room, target, _curve(places, room, target))
    ]


def _passed(places: Mapping[str, Point], room: str, target: str, curve: Bezier) -> list[str]:
    """List the third rooms whose boxes a curve meets, or nearly."""
    points = _sample(curve)
    return [
        other
        for other, (left, top) in places.items()
        if other not in (room, target)
        if any(abs(x - left) < _WIDE / 2 + 4 and -4 < y - top < _HEIGHT + 4 for x, y in points)
    ]


def draw_figure() -> str:
    """Draw the floors, the rooms with their numbers of files, and the arrows between rooms, as SVG."""
    files = find_imports()
    counts = Counter(map(room_of, files))
    top, *middle, ground = FLOORS
    places = _place_rooms()
    height = _TOP + _ROW * len(middle) + 90
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" style="{_STYLE}">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#52606d"/></marker></defs>',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for row, floor in enumerate(middle):
        y = _TOP + _ROW * row
        if row % 2 == 0:
            lines.append(f'<rect y="{y - 18}" width="{_WIDTH}" height="{_ROW}" fill="#f3f5f8"/>')
        lines.append(f'<text x="16" y="{y + 23}" fill="#52606d">{escape(floor.title)}</text>')
    arrows = _shown_arrows(room_graph(files), set(places))
    lines += [_arrow(_curve(places, room, target)) for room, target in arrows]
    lines += [_box(*places[room], _label(room, counts)) for room in places]
    lines += _wide_box(8, f"{top.title}: uses any floor", top.rooms, counts, 1)
    count = sum(counts[room] for room in ground.rooms)
    lines += _wide_box(height - 92, f"{ground.title}: {count} files, used by any floor", ground.rooms, counts, 2)
    return "\n".join([*lines, "</svg>", ""])


def _shown_arrows(graph: Graph, rooms: set[str]) -> list[tuple[str, str]]:
    """Drop arrows that a way over other rooms implies."""

    def reach(room: str) -> set[str]:
        return {room}.union(*(reach(target) for target in graph[room] & rooms))

    return [
        (room, target)
        for room in sorted(rooms)
        for target in sorted(graph[room] & rooms)
        if not any(target in reach(other) for other in graph[room] & rooms - {target})
    ]


def _curve(places: Mapping[str, Point], room: str, target: str) -> Bezier:
    """Lead a Bezier curve from a box's lower edge to the upper edge of a box below, past the boxes of other rooms."""
    (x, y), (u, v) = (places[room][0], places[room][1] + _HEIGHT), (places[target][0], places[target][1] - 1)
    down = min((v - y) / 2, 40)
    curves = [((x, y), (x + bend, y + down), (u + bend, v - down), (u, v)) for bend in _BENDS]
    return min(curves, key=lambda curve: len(_passed(places, room, target, curve)))


def _sample(curve: Bezier, steps: int = 60) -> list[Point]:
    """Compute points along a Bezier curve."""
    weights = [
        ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3) for t in (i / steps for i in range(steps))
    ]
    return [
        (
            sum(w * x for w, (x, _) in zip(row, curve, strict=True)),
            sum(w * y for w, (_, y) in zip(row, curve, strict=True)),
        )
        for row in weights
    ]


def _arrow(curve: Bezier) -> str:
    """Draw an arrow along a curve."""
    first, *others = (f"{x:.0f} {y:.0f}" for x, y in curve)
    path = f"M{first} C{' '.join(others)}"
    return f'<path d="{path}" fill="none" stroke="#52606d" stroke-width="1.3" marker-end="url(#tip)"/>'


def _box(x: float, y: float, label: str) -> str:
    size = f'width="{_WIDE}" height="{_HEIGHT}"'
    box = f'<rect x="{x - _WIDE / 2:.0f}" y="{y:.0f}" {size} rx="5" fill="#dce9f7" stroke="#2f6cad"/>'
    return f'{box}<text x="{x:.0f}" y="{y + 23:.0f}" text-anchor="middle" fill="#102a43">{label}</text>'


def _label(room: str, counts: Mapping[str, int]) -> str:
    """Name a file, or a folder and how many files it has."""
    return f"{room}.py" if counts[room] == 1 else f'{room}/ <tspan fill="#52606d">{counts[room]}</tspan>'


def _wide_box(top: int, title: str, rooms: Sequence[str], counts: Mapping[str, int], rows: int) -> list[str]:
    """Draw a floor whose rooms need no arrows."""
    lines = [
        f'<rect x="8" y="{top}" width="{_WIDTH - 16}" height="{36 + 24 * rows}" rx="5" fill="#e6f0e4"/>',
        f'<text x="16" y="{top + 22}" fill="#52606d">{escape(title)}</text>',
    ]
    size = -(-len(rooms) // rows)
    for row in range(rows):
        names = (f'<tspan dx="14">{_label(room, counts)}</tspan>' for room in rooms[size * row : size * (row + 1)])
        lines.append(f'<text x="2" y="{top + 46 + 22 * row}" fill="#102a43">{"".join(names)}</text>')
    return lines


def write_floors() -> str:
    """Write the floors as a table: a line for each room, in the words of its docstring."""
    lines = ["| floor | room | what it holds |", "|---|---|---|"]
    for floor in FLOORS:
        for number, room in enumerate(floor.rooms):
            place, words = _describe(room)
            lines.append(f"| {'' if number else f'**{floor.title}**'} | `{place}` | {words} |")
    return "\n".join(lines)


_FOLDERS = {
    "stages": "One script for each stage of `dvc.yaml`, of about ten lines.",
    "benchmarks": "Measurements of time and exactness, which no stage runs.",
    "tools": "Scripts of the developers: reference pages, this page's figure, releases, fitted constants.",
}


def _describe(room: str) -> tuple[str, str]:
    """Give the path of a room, and the first sentence of its docstring."""
    if room in _FOLDERS:
        return f"{room}/", _FOLDERS[room]
    folder = PACKAGE_FOLDER / room
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    text = " ".join((ast.get_docstring(ast.parse(path.read_bytes())) or "").split("\n\n")[0].split())
    text = re.sub("``", "`", text).replace("|", "\\|")
    return f"{PACKAGE}/{room}/" if folder.is_dir() else f"{PACKAGE}/{room}.py", text


def write_page(page: str) -> str:
    """Put the table of floors between the page's two marks.

    Raises:
        ValueError: The page lacks a mark.
    """
    start, end = "<!-- floors, by tools/draw_architecture.py -->\n", "<!-- end of floors -->\n"
    if not page.index(start) < page.index(end):
        raise ValueError("the mark of the floors' end comes first")
    return f"{page.partition(start)[0]}{start}{write_floors()}\n{end}{page.partition(end)[2]}"


def main() -> None:
    """Write the figure and the table."""
    write_atomically(FIGURE, draw_figure().encode())
    write_atomically(PAGE, write_page(PAGE.read_text(encoding="utf-8")).encode())


if __name__ == "__main__":
    main()
