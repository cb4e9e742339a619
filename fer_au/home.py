"""The home folder in paths that users write: ``~`` where no shell has replaced it."""

from __future__ import annotations

from pathlib import Path

from fer_au.errors import ConfigError


def at_home(path: str | Path, where: str = "") -> Path:
    """Replace ``~`` or ``~user`` at the start of a path by that home folder; other paths stay as they are.

    Args:
        path: The path as a user wrote it.
        where: Variable or option that holds it, used in messages.

    Raises:
        ConfigError: There is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{f'{where}: ' if where else ''}{Path(path).parts[0]} is no home folder") from error
