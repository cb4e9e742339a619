"""Lazy package exports (PEP 562): a room's public names load their module on first use.

Importing ``fer_au.ibug68`` must not load dlib, and a DVC stage must depend only on the modules it uses;
eager re-exports in ``__init__.py`` would break both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
        return getattr(import_module(exports[name], package), name)

    return getattr_, sorted(exports)
