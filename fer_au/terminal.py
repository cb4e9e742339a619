"""Text for a terminal: how wide it is, and paragraphs that fit, without a broken word."""

from __future__ import annotations

import shutil
import textwrap


def terminal_width() -> int:
    """Give the characters of a line: those of the terminal or of ``COLUMNS``, and 80 where there is neither."""
    return shutil.get_terminal_size().columns


def wrap(text: str, width: int, indent: str = "", hanging: str | None = None) -> str:
    """Break a paragraph into lines; a word that is longer than a line stays whole.

    Args:
        text: Text of the paragraph.
        width: Characters of a line.
        indent: Beginning of each line.
        hanging: Beginning of all lines but the first; default ``indent``.

    Example:
        >>> print(wrap("a preset such as lan-rafdb", 16, "* ", "  "))
        * a preset such
          as lan-rafdb
    """
    return textwrap.fill(
        " ".join(text.split()),
        width,
        initial_indent=indent,
        subsequent_indent=indent if hanging is None else hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
