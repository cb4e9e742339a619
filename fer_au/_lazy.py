"""Lazy package exports (PEP 562): a room's public names load their module on first use.

Importing ``fer_au.ibug68`` must not load dlib, and a DVC stage must depend only on the modules it uses;
eager re-exports in ``__init__.py`` would break both.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module


def lazy_exports(package: str, exports: Mapping[str, str]) -> tuple[Callable[[str], object], list[str]]:
    """Build ``__getattr__`` and ``__all__`` of a package.

    Args:
        package: The package's ``__name__``.
        exports: Public name -> relative module that defines it, such as ``{"Store": ".reader"}``.

    Returns:
        The module-level ``__getattr__`` and the sorted list of names.
    """

    def getattr_(name: str) -> object:
        if name not in exports:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with _uncollected():
            return getattr(import_module(exports[name], package), name)

    return getattr_, sorted(exports)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Let the collector of cycles rest while a module loads: it would look through all that torch makes, many times."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
