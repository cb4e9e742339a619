"""Everything that the project keeps is written through ``fer_au.atomic``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "fer_au"

OTHER_WAYS = {
    "atomic.py": {"replace"},  # the one way itself
    "batches/formats.py": {"open", "rename", "write_bytes"},  # a new folder is written aside, then renamed as a whole
    "cues/clusters.py": {"open"},  # scratch: deleted when the block ends, whichever way
    "demo/generate.py": {"write_bytes"},  # thousands of pictures in a folder that is rendered anew as a whole
    "shards/cache.py": {"touch"},  # an empty probe of whether one may write there, taken away at once
    "shards/damaged.py": {"rename", "touch"},  # what is damaged goes out of the way as a whole; its time says when
    "shards/pictures.py": {"replace"},  # thousands of pictures, not flushed: whoever reads one compares its hash
    "shards/finished.py": {"rename"},  # a folder is written aside, then renamed as a whole
    "shards/prune.py": {"rename"},  # a folder goes out of sight as a whole, then away
    "stores/export.py": {"savez"},  # into memory, then through AtomicFile
    "use/maps_file.py": {"open"},  # an entry of an archive that AtomicFile writes
    "video/writing.py": {"open"},  # a container that AtomicFile writes
}
"""File -> the calls by which it may write, with the reason."""

_NAMES = {"write_text", "write_bytes", "rename", "renames", "touch", "savez", "savez_compressed", "tofile", "to_csv"}
_NAMES |= {"copy", "copy2", "copyfile", "copyfileobj", "copytree", "move", "imwrite", "save_file"}


def _writes(tree: ast.AST) -> Iterator[str]:
    """Names of calls that write a file."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        owner = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
        values = [*node.args, *(keyword.value for keyword in node.keywords)]
        texts = [value.value for value in values if isinstance(value, ast.Constant)]
        modes = [text for text in texts if isinstance(text, str) and 0 < len(text) <= 3 and set(text) <= set("rwxab+t")]
        if name == "open":
            writes = owner not in ("os", "h5py.File") and any(set(mode) & set("wxa+") for mode in modes)
        elif name == "replace":  # of a text takes two arguments, of a dataclass named ones
            writes = owner == "os" or (len(node.args) == 1 and not node.keywords)
        elif name.startswith("copy"):
            writes = name in _NAMES and owner in ("shutil", "")
        else:
            writes = name in _NAMES
        if writes:
            yield name


def test_no_file_is_written_in_another_way() -> None:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if calls := set(_writes(ast.parse(path.read_text(encoding="utf-8")))):
            found[path.relative_to(PACKAGE).as_posix()] = calls
    assert found == OTHER_WAYS


@pytest.mark.parametrize(
    "code",
    [
        "path.write_text(text)",
        "path.write_bytes(data)",
        "open(path, 'w')",
        "path.open('wb')",
        "path.open(mode='a')",
        "os.replace(a, b)",
        "temporary.replace(path)",
        "a.rename(b)",
        "shutil.copy(a, b)",
        "np.savez(path, a=a)",
    ],
)
def test_the_search_finds_what_it_looks_for(code: str) -> None:
    assert list(_writes(ast.parse(code)))


@pytest.mark.parametrize("code", ["open(path)", "path.open('rb')", "text.replace('a', 'b')", "os.open(path, flags)"])
def test_the_search_leaves_reading_alone(code: str) -> None:
    assert not list(_writes(ast.parse(code)))
