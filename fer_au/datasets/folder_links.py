"""Links to folders below a root: which ones a walk may enter without ever coming back to where it was."""

from __future__ import annotations

import os
from pathlib import Path
from typing import AnyStr

Origins = tuple[Path, ...]
"""Folders, resolved, whose links a walk followed on its way down."""


def enter(link: AnyStr, origins: Origins) -> Origins | None:
    """Follow a link to a folder, unless that folder holds the link itself or one that led here.

    Args:
        link: Path of the link.
        origins: Of the folder that the link lies in.

    Returns:
        Origins of the folder behind the link; None where the walk would never end.
    """
    path = os.fsdecode(link)
    target = Path(os.path.realpath(path))
    origins = (*origins, Path(os.path.realpath(os.path.dirname(path))))  # noqa: PTH120 (as quick as the walks)
    return None if any(one.is_relative_to(target) for one in origins) else origins
