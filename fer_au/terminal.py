"""Text for a terminal: how wide it is, and paragraphs that fit, without a broken word."""

from __future__ import annotations

import shutil
import textwrap
from unicodedata import category

_COMMANDS = ("Cc", "Cf", "Cs")  # control, format (such as right-to-left override), bytes that are no text


def terminal_width() -> int:
    """Give the characters of a line: those of the terminal or of ``COLUMNS``, and 80 where there is neither."""
    return shutil.get_terminal_size().columns


def visible(text: str) -> str:
    r"""Write characters that would command a terminal as escapes; lines and tabs stay.

    File names and attributes come from others: ``\x1b[2J`` would clear the screen, and some turn the direction of text.

    Example:
        >>> print(visible("a\x1b[2Jb"))
        a\x1b[2Jb
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char in "\n\t" or category(char) not in _COMMANDS else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode()


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
