"""Find the source files that some code may run, and hash them.

Imports are followed through the package, also those inside functions, but not those under ``TYPE_CHECKING``, which
never run; a lazy export leads to the module that defines the name. Data files of the package count by their bytes if a
module that runs names them. Other packages do not count.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from importlib.util import resolve_name
from pathlib import Path

from fer_au.code.syntax import Syntax, SyntaxMemory, iter_sources
from fer_au.errors import ConfigError
from fer_au.fingerprints import file_digest

PACKAGE = "fer_au"
PACKAGE_FOLDER = Path(__file__).resolve().parents[1]
TEMPLATE_FOLDER = "project_files"
"""Folder of an installed package with copies for new projects (``fer_au.scaffold``), which are no code of its own."""

_MODULE_NAME = re.compile(rf"{PACKAGE}(\.\w+)+")

PART_FOLDERS = {"fer_au.codebooks": ("cues/codebooks", ".yaml")}
"""Registries whose built-in parts are data files, named by the file: group -> (folder in the package, suffix)."""

# `code` says when something is computed anew, never what comes out; `presets` write params files, and training names
# them to a user who waits.
_DECIDE_NOTHING = (f"{PACKAGE}.code", f"{PACKAGE}.presets")

_WORDS = (".md", ".typed", ".pyc")
_NOT_DATA = frozenset({"__pycache__", "presets", TEMPLATE_FOLDER})


class CodeBase:
    """Source files of the package, read once.

    Args:
        folder: Folder of the package.
        memory: Memory that keeps parsed files from run to run; None parses them all.
    """

    def __init__(self, folder: Path = PACKAGE_FOLDER, memory: SyntaxMemory | None = None) -> None:
        self.folder = folder
        self._memory = memory or SyntaxMemory()
        self._closures: dict[Path, frozenset[Path]] = {}
        self._files: dict[str, Path | None] = {}
        self._imports: dict[Path, list[Path]] = {}
        self._lines: dict[Path, str] = {}

    def module_file(self, name: str) -> Path | None:
        """Find the source file of a module of the package, if there is one."""
        if name not in self._files:
            base = self.folder.parent.joinpath(*name.split("."))
            paths = (base.with_suffix(".py"), base / "__init__.py")
            self._files[name] = next((path for path in paths if path.is_file()), None)
        return self._files[name]

    @cached_property
    def registries(self) -> dict[str, dict[str, str]]:
        """Built-in parts of the package: entry-point group -> (name -> module)."""
        return {group: parts for path in self._sources for group, parts in self._read(path).registries.items()}

    def parts(self, module: str) -> dict[str, dict[str, str]]:
        """Give the built-in parts of the registries in one module: entry-point group -> (name -> module)."""
        return self._read(self.file(module)).registries

    def closure(self, start: Path) -> frozenset[Path]:
        """List the files that running a source file may load: sources of the package and data beside them.

        Args:
            start: Module of the package, or script.

        Raises:
            SyntaxError: A file is not Python.
            ConfigError: A module imports a module that is missing.
        """
        if start not in self._closures:
            found: set[Path] = set()
            waiting = [start]
            while waiting:
                path = waiting.pop()
                if path not in found:
                    found.add(path)
                    waiting += self._imported(path)
            self._closures[start] = frozenset(found | set(self._data_named_by(found)))
        return self._closures[start]

    def external_imports(self, files: Iterable[Path]) -> set[str]:
        """List the top-level modules that source files import from elsewhere."""
        return {
            module.partition(".")[0]
            for path in files
            if path.suffix == ".py"
            for module, _ in self._read(path).imports
            if module.partition(".")[0] != PACKAGE
        }

    def digest(self, files: Iterable[Path]) -> str:
        """Hash files: sources by their syntax, data by their bytes; 64 hexadecimal digits."""
        for path in (own := set(files)) - self._lines.keys():
            self._lines[path] = self._line(path)
        lines = [self._lines[path] for path in own]
        return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()

    @cached_property
    def whole_digest(self) -> str:
        """Hash of all sources and data files of the package, 64 hexadecimal digits."""
        return self.digest([*self._sources, *self._data])

    def save(self) -> None:
        """Keep what was parsed for the next run."""
        self._memory.save()

    @cached_property
    def _sources(self) -> list[Path]:
        copies = self.folder / TEMPLATE_FOLDER
        return [path for path in iter_sources(self.folder) if not path.is_relative_to(copies)]

    @cached_property
    def _data(self) -> list[Path]:
        found = [path for path in self.folder.rglob("*") if path.is_file() and path.suffix not in (".py", *_WORDS)]
        return sorted(
            path
            for path in found
            if _NOT_DATA.isdisjoint(path.relative_to(self.folder).parts) and not path.name.startswith("LICENSE")
        )

    def _read(self, path: Path) -> Syntax:
        return self._memory.read(path)

    def _name(self, path: Path) -> str:
        """Name a file alike on every machine: by its path below the folder that holds the package or the script's."""
        root = self.folder.parent
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name

    def _line(self, path: Path) -> str:
        """Say what a file is: its name, its content, and where the lazy exports that it imports come from."""
        if path.suffix != ".py":
            return f"{self._name(path)} {file_digest(path)}"
        syntax = self._read(path)
        lazy = [f"{module}.{name}={self._loaded(module, name)[-1]}" for module, name in syntax.imports if name]
        return " ".join([self._name(path), syntax.digest, *(text for text in lazy if not self._is_plain(text))])

    def _is_plain(self, origin: str) -> bool:
        """Tell whether ``module.name=place`` only says that a name comes from the module it is imported from."""
        name, _, place = origin.partition("=")
        return place in (name, name.rpartition(".")[0])

    def _imported(self, path: Path) -> list[Path]:
        """List the files of the package that a source file imports; looked up once for all closures."""
        if path not in self._imports:
            self._imports[path] = self._look_up(self._read(path))
        return self._imports[path]

    def _look_up(self, syntax: Syntax) -> list[Path]:
        names = [name for module, name in syntax.imports for name in self._loaded(module, name)]
        # A string that is a module's name is imported by it, as `python -m` does.
        names += [text for text in syntax.strings if _MODULE_NAME.fullmatch(text) and self.module_file(text)]
        ours = [
            name for name in dict.fromkeys(names) if name.partition(".")[0] == PACKAGE and not _decides_nothing(name)
        ]
        return [self.file(parent) for name in ours for parent in _with_parents(name)]

    def file(self, name: str) -> Path:
        """Give the source file of a module of the package.

        Raises:
            ConfigError: There is no such module.
        """
        path = self.module_file(name)
        if path is None:
            raise ConfigError(f"{self.folder}: there is no module {name!r}")
        return path

    def _loaded(self, module: str, name: str) -> list[str]:
        """Name the modules that ``from module import name`` loads."""
        if module.partition(".")[0] != PACKAGE:
            return [module]
        if name and self.module_file(f"{module}.{name}"):
            return [f"{module}.{name}"]
        path = self.module_file(module)
        target = self._read(path).exports.get(name) if path is not None and path.name == "__init__.py" else None
        if target is None:
            return [module]
        return [module, resolve_name(target, module)]

    def _data_named_by(self, files: set[Path]) -> Iterator[Path]:
        """Find the data files that some sources name: by their own name, or by that of their folder.

        A folder stands for the files in it that no module of the package names one by one.
        """
        named = {text for path in files for text in self._read(path).strings}
        part_folders = tuple(self.folder / folder for folder, _ in PART_FOLDERS.values())
        for path in self._data:
            if any(path.is_relative_to(folder) for folder in part_folders):
                continue
            alone = path.name in self._all_strings
            if path.name in named if alone else path.parent.name in named:
                yield path

    @cached_property
    def _all_strings(self) -> frozenset[str]:
        return frozenset(text for path in self._sources for text in self._read(path).strings)


def _decides_nothing(name: str) -> bool:
    """Tell whether a module belongs to a room that no result comes from."""
    return any(f"{name}.".startswith(f"{room}.") for room in _DECIDE_NOTHING)


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        yield ".".join(parts[:count])


@cache
def this_code() -> CodeBase:
    """Return the code that this process runs, as its files were at the first call."""
    return CodeBase()


def code_digest(*modules: str) -> str:
    """Hash the code of some modules of the package, with everything that they may load.

    Args:
        modules: Names such as ``fer_au.faces.operation``.

    Raises:
        ConfigError: There is no such module.
    """
    code = this_code()
    return code.digest({path for name in modules for path in code.closure(code.file(name))})
