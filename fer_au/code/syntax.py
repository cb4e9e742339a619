"""Hash source files by their syntax: by what they do, whatever their words and their formatting.

The digest covers the syntax tree without comments, docstrings (those of attributes included), formatting and ``if
TYPE_CHECKING`` blocks, so that an edit of words is no edit. It is the same on every supported Python: fields that a
release adds to the tree, or leaves empty, do not count. Two mappings are left out, since a new line in them changes
nothing for those who use another one: ``built_in`` of a registry, whose used parts are followed by name (see
``stages``), and the lazy exports of a package, which count where they are imported (see ``closure``).
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fer_au.atomic import write_atomically
from fer_au.errors import StoreError
from fer_au.gate import read_json

_VERSION = 2
"""Raised whenever a digest or a field of ``Syntax`` comes about in another way."""

MEMORY = Path(".fer_au/syntax.json")
"""Syntax of files that were parsed before, by their bytes: parsing the package takes a second, reading this none."""

# Fields of syntax nodes that say nothing of what the code does, or exist in some releases of Python only.
_IGNORED_FIELDS = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


@dataclass(frozen=True)
class Syntax:
    """Syntax of a source file: a digest of what the file does, and the names that it needs.

    Attributes:
        digest: Hash of the syntax, 64 hexadecimal digits.
        imports: Pairs (module, name) of its imports, those inside functions included; name is ``""`` for a plain
            ``import module``.
        strings: Short string constants; they may name data files or modules.
        exports: Public name -> module of a package's lazy exports; relative modules begin with a dot.
        registries: Entry-point group -> (name -> module) of the registries that the file creates.
    """

    digest: str
    imports: tuple[tuple[str, str], ...]
    strings: tuple[str, ...]
    exports: dict[str, str]
    registries: dict[str, dict[str, str]]


def parse_source(data: bytes, where: str) -> Syntax:
    """Read the syntax of a source file.

    Args:
        data: The file's bytes.
        where: Its name, for messages.

    Raises:
        SyntaxError: It is not Python.
    """
    tree = ast.parse(data, where)
    reader = _Reader()
    text = reader.render(tree)
    return Syntax(
        digest=hashlib.sha256(text.encode()).hexdigest(),
        imports=tuple(dict.fromkeys(reader.imports)),
        strings=tuple(sorted(reader.strings)),
        exports=reader.exports,
        registries=reader.registries,
    )


class _Reader:
    """Turns a syntax tree into text, and collects what it meets on the way."""

    def __init__(self) -> None:
        self.imports: list[tuple[str, str]] = []
        self.strings: set[str] = set()
        self.exports: dict[str, str] = {}
        self.registries: dict[str, dict[str, str]] = {}

    def render(self, node: object) -> str:
        """Render a node as text, equal for code that does the same in the same words of Python."""
        if isinstance(node, ast.AST):
            return self._render_node(node)
        if isinstance(node, list):
            return f"[{','.join(map(self.render, node))}]"
        return repr(node)

    def _render_node(self, node: ast.AST) -> str:
        if isinstance(node, ast.If) and _is_type_checking(node.test):
            return self.render(node.orelse)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) <= 100:
            self.strings.add(node.value)
        self._note_import(node)
        left_out = self._note_call(node) if isinstance(node, ast.Call) else None
        parts = []
        for name, value in ast.iter_fields(node):
            if name in _IGNORED_FIELDS or value is None or value == []:
                continue
            if name == "body" and isinstance(node, _HAVE_DOCSTRINGS):
                value = _without_docstrings(value)
            if name == "values" and isinstance(node, ast.JoinedStr):
                value = [part for part in value if not (isinstance(part, ast.Constant) and part.value == "")]
            if left_out is not None and name in ("args", "keywords"):
                value = [argument for argument in value if argument is not left_out]
            parts.append(f"{name}={self.render(value)}")
        return f"{type(node).__name__}({','.join(parts)})"

    def _note_import(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            self.imports += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            self.imports += [(node.module, alias.name) for alias in node.names]

    def _note_call(self, node: ast.Call) -> ast.AST | None:
        """Note lazy exports, or a registry; give the argument that lists them and does not count."""
        function = ast.unparse(node.func).rpartition(".")[2]
        if function == "lazy_exports" and len(node.args) == 2:
            self.exports |= ast.literal_eval(node.args[1])
            return node.args[1]
        if function != "Registry" or len(node.args) < 2 or not isinstance(node.args[1], ast.Constant):
            return None
        for keyword in node.keywords:
            if keyword.arg == "built_in":
                try:
                    self.registries[str(node.args[1].value)] = ast.literal_eval(keyword.value)
                except ValueError as error:
                    raise SyntaxError(f"line {node.lineno}: built_in must be a literal mapping") from error
                return keyword
        return None


_HAVE_DOCSTRINGS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _without_docstrings(body: list[Any]) -> list[Any]:
    """Leave out strings that stand alone: the docstring of the block, and those below its attributes."""
    return [statement for statement in body if not _is_string(statement)] or [ast.Pass()]


def _is_string(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


class SyntaxMemory:
    """Syntax of files, each read once and parsed once per content; kept in ``MEMORY`` from run to run.

    Args:
        path: The file that keeps it.
    """

    def __init__(self, path: Path = MEMORY) -> None:
        self._path = path
        self._known: dict[str, Syntax] = {}
        self._used: dict[str, Syntax] = {}
        self._read: dict[Path, Syntax] = {}
        with suppress(OSError, ValueError, TypeError, KeyError):  # absent, or damaged: parsed anew
            record = read_json(path)
            if record["version"] == _VERSION:
                self._known = {key: _restored(entry) for key, entry in record["files"].items()}

    def read(self, path: Path) -> Syntax:
        """Give the syntax of a source file, as it was when it was first asked for.

        Raises:
            SyntaxError: It is not Python.
            OSError: It can't be read.
        """
        if path not in self._read:
            self._read[path] = self._parsed(path)
        return self._read[path]

    def _parsed(self, path: Path) -> Syntax:
        data = path.read_bytes()
        key = hashlib.sha256(data).hexdigest()
        if key not in self._used:
            self._used[key] = self._known.get(key) or parse_source(data, str(path))
        return self._used[key]

    def save(self) -> None:
        """Keep what was used, if anything is new; a disk that refuses costs the next run a second, no more."""
        if self._used.keys() <= self._known.keys():
            return
        files = {key: asdict(syntax) for key, syntax in self._used.items()}
        with suppress(StoreError):
            write_atomically(self._path, json.dumps({"version": _VERSION, "files": files}).encode())


def _restored(entry: dict[str, Any]) -> Syntax:
    return Syntax(
        digest=str(entry["digest"]),
        imports=tuple((str(module), str(name)) for module, name in entry["imports"]),
        strings=tuple(map(str, entry["strings"])),
        exports=dict(entry["exports"]),
        registries={group: dict(parts) for group, parts in entry["registries"].items()},
    )


def iter_sources(folder: Path) -> Iterator[Path]:
    """List the source files below a folder, in a fixed order."""
    return iter(sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts))
