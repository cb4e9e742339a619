"""Text for a terminal: how wide it is, and paragraphs and tables that fit, without a broken word."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from unicodedata import category

_COMMANDS = ("Cc", "Cf", "Cs")  # control, format (such as right-to-left override), bytes that are no text
GAP = "  "
"""What stands between the columns of a table."""


def terminal_width() -> int:
    """Give the characters of a line: those of the terminal or of ``COLUMNS``, and 80 where there is neither."""
    return shutil.get_terminal_size().columns


def counted(number: int, one: str, many: str = "") -> str:
    """Write a number with the word for what is counted.

    Args:
        number: How many there are.
        one: Word, or words, behind a single one.
        many: The same behind several; default ``one`` with an "s".

    Example:
        >>> print(counted(1, "face"), "of", counted(1400, "picture"))
        1 face of 1400 pictures
        >>> counted(2, "person is", "people are")
        '2 people are'
    """
    return f"{number} {one if number == 1 else many or one + 's'}"


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


def divide_columns(lengths: Sequence[int], width: int) -> Iterator[list[int]]:
    """Divide the columns of a table into blocks of a width, each of which begins with the first column.

    Args:
        lengths: Characters of each column.
        width: Characters of a line.

    Example:
        >>> list(divide_columns([4, 6, 6, 6], 20))
        [[0, 1, 2], [0, 3]]
    """
    block, used = [0], lengths[0]
    for place in range(1, len(lengths)):
        if used + len(GAP) + lengths[place] > width and len(block) > 1:
            yield block
            block, used = [0], lengths[0]
        block.append(place)
        used += len(GAP) + lengths[place]
    yield block


def join_cells(cells: Sequence[str], lengths: Sequence[int], places: Sequence[int], words: int = 1) -> str:
    """Join some cells of a table's row: the first columns, of words, to the left, and the others, of numbers, right.

    Args:
        cells: Cells of the whole row.
        lengths: Characters of each column.
        places: Columns that are shown.
        words: Number of columns of words.

    Example:
        >>> join_cells(["au", "1.5", "20"], [4, 5, 5], [0, 2])
        'au       20'
    """
    sides = ((cells[place].ljust if place < words else cells[place].rjust)(lengths[place]) for place in places)
    return GAP.join(sides).rstrip()
