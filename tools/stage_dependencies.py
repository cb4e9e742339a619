"""Which modules each DVC stage uses, from the imports themselves: print the lists, or write them into dvc.yaml.

    python tools/stage_dependencies.py            # print what differs; exit code 1 if anything does
    python tools/stage_dependencies.py --write    # update the files

Imports inside functions count (they run); imports under ``if TYPE_CHECKING`` do not. Lazy package exports are followed
to the module that defines the name. Files and folders of data count where a module that runs names them. A package
whose every file is used is listed as a folder.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "fer_au"
_MODULE_NAME = re.compile(rf"{PACKAGE}(\.[a-z0-9_]+)+")
_CODE_LINE = re.compile(rf"\s+- (\.\./\.\./)?({PACKAGE}|stages)/")


def module_file(name: str) -> Path | None:
    """The source file of a module of the package, if there is one."""
    base = ROOT.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def imports(path: Path) -> Iterator[str]:
    """Modules of the package that a file imports, parents included."""
    for node in _running_nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield from _with_parents(node.module)
            for alias in node.names:
                yield from _with_parents(_definition(node.module, alias.name))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _MODULE_NAME.fullmatch(node.value):
            yield from _with_parents(node.value)  # import_module("fer_au.x.y") of a built-in part


def _running_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _running_nodes(node)


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    if parts[0] == PACKAGE:
        for count in range(1, len(parts) + 1):
            yield ".".join(parts[:count])


def _definition(package: str, name: str) -> str:
    """The module that ``from package import name`` loads: a submodule, or the target of a lazy export."""
    if module_file(f"{package}.{name}"):
        return f"{package}.{name}"
    path = module_file(package)
    if path is None or path.name != "__init__.py":
        return package
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("lazy_exports"):
            exports = ast.literal_eval(node.args[1])
            if name in exports:
                return package + str(exports[name])
    return package


def closure(start: Path) -> set[Path]:
    """All source files of the package that running a file may load, and the data files beside them."""
    found: set[Path] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        waiting += [file for name in imports(path) if (file := module_file(name))]
    rooms = {path.parent for path in found if ROOT / PACKAGE in path.parents}
    sources = "".join(path.read_text(encoding="utf-8") for path in found)
    return found | {data for room in rooms for data in _data_files(room) if f'"{data.name}"' in sources}


def _data_files(room: Path) -> Iterator[Path]:
    for path in room.iterdir():
        if path.is_dir():
            wanted = path.name != "__pycache__" and not (path / "__init__.py").exists()
        else:
            wanted = path.suffix not in (".py", ".typed", ".md")
        if wanted:
            yield path


def collapse(files: set[Path]) -> list[str]:
    """Paths from the project root, sorted; a package of which every file is used becomes its folder."""
    kept = set(files)
    folders = sorted({path.parent for path in files if path.name == "__init__.py"}, key=lambda path: -len(path.parts))
    for folder in folders:
        inside = {path for path in folder.iterdir() if path.suffix == ".py"} | set(_data_files(folder))
        inside |= {path for path in folder.iterdir() if (path / "__init__.py").exists()}
        if folder != ROOT / PACKAGE and len(inside) > 1 and inside <= kept:
            kept = kept - inside | {folder}
    return sorted(path.relative_to(ROOT).as_posix() for path in kept)


def entry_file(command: str) -> Path | None:
    """The file that a stage's command runs: ``python stages/x.py`` or ``python -m fer_au.x``."""
    words = command.split()
    if "-m" in words:
        name = words[words.index("-m") + 1]
        return module_file(f"{name}.__main__") or module_file(name)
    scripts = [word for word in words if word.endswith(".py")]
    return ROOT / "stages" / Path(scripts[0]).name if scripts else None


def updated(text: str, prefix: str) -> str:
    """A dvc.yaml with the code dependencies of every stage as they should be."""
    lines: list[str] = []
    wanted: list[str] = []
    for line in text.splitlines():
        if _CODE_LINE.match(line):
            continue
        lines.append(line)
        stripped = line.strip()
        if stripped.startswith("cmd:") and (start := entry_file(stripped.removeprefix("cmd:"))):
            wanted = collapse(closure(start))
        elif stripped == "deps:":
            indent = " " * (len(line) - len(line.lstrip()) + 2)
            lines += [f"{indent}- {prefix}{path}" for path in wanted]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Check or update every dvc.yaml of the project."""
    changed = 0
    for path, prefix in ((ROOT / "dvc.yaml", ""), (ROOT / "data/demo/dvc.yaml", "../../")):
        old = path.read_text(encoding="utf-8")
        new = updated(old, prefix)
        if new == old:
            continue
        changed = 1
        if "--write" in sys.argv[1:]:
            path.write_text(new, encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: code dependencies {'updated' if '--write' in sys.argv[1:] else 'differ'}")
    return 0 if "--write" in sys.argv[1:] else changed


if __name__ == "__main__":
    sys.exit(main())
