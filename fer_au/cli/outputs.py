"""Files that commands write: one rule for their names, checked before anything is computed or written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fer_au.errors import ConfigError


def named(*suffixes: str) -> Callable[[Path | None], Path | None]:
    """Make the check of an option that names a file to write: its suffix is one of some.

    Args:
        suffixes: Suffixes with their dot, such as ``.csv``.

    Returns:
        A callback for ``typer.Option``; it raises ``ConfigError`` for a file of another suffix.

    Example:
        >>> named(".csv")(Path("table.csv")).name
        'table.csv'
    """

    def check(path: Path | None) -> Path | None:
        if path is not None and path.suffix not in suffixes:
            raise ConfigError(f"{path}: unknown format {path.suffix!r}; name it {' or '.join(suffixes)}")
        return path

    return check
