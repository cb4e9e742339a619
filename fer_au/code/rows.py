"""Keys of cached rows: they cover the code and the libraries that decide a row, so that rows of other code stay apart.

A cache may be shared by people whose code differs. The key covers an operation's fingerprint (name, hand-raised
version, options, weights), the code that computes the rows, and the releases of the libraries that decide numbers and
pixels. A release writes the hashes of its operations' code into ``released.json`` after their golden outputs were
checked. Code that equals the release's, or that a later release proved to give the same rows, keeps the rows of that
version; any other code has rows of its own.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Protocol

from fer_au.code.closure import PACKAGE, code_digest, this_code
from fer_au.code.plugins import package_digest
from fer_au.code.software import library_releases
from fer_au.fingerprints import fingerprint

RELEASED = Path(__file__).with_name("released.json")


class HasCode(Protocol):
    """An operation that computes rows.

    Attributes:
        fingerprint: sha256 of name, version, options and weights.
        modules: Names of the modules whose code decides its rows, its own and those of the parts that it uses.
    """

    @property
    def fingerprint(self) -> str:
        """sha256 of name, version, options and weights."""
        ...

    @property
    def modules(self) -> tuple[str, ...]:
        """Names of the modules whose code decides a row."""
        ...


def row_key(operation: HasCode) -> str:
    """Compute the name under which an operation's rows are cached, 64 hexadecimal digits.

    Args:
        operation: Operation that computes the rows.
    """
    modules = tuple(sorted(set(operation.modules)))
    own = tuple(name for name in modules if name.partition(".")[0] == PACKAGE)
    code = this_code()
    files = {path for name in own for path in code.closure(code.file(name))}
    decided_by = {
        "operation": operation.fingerprint,
        "code": "released" if is_released(own) else code_digest(*own),
        "plugins": {name: package_digest(name.partition(".")[0]) for name in modules if name not in own},
        "libraries": library_releases(code.external_imports(files)),
    }
    return fingerprint("rows", 1, decided_by)


def is_released(modules: tuple[str, ...]) -> bool:
    """Tell whether the code of some modules is that of the release, or gives the same rows.

    Args:
        modules: Names of modules of the package.
    """
    released = released_digests()
    return all(released.get(name) == code_digest(name) for name in modules)


@cache
def released_digests() -> dict[str, str]:
    """Read the release's hashes: module -> hash of its code with all that it may load."""
    return {str(name): str(digest) for name, digest in json.loads(RELEASED.read_text(encoding="utf-8")).items()}
