"""Texts that people take for the same: labels in other case or blanks, codes as other numbers, names in another form.

A letter such as é is one character in the composed form (NFC), as most keyboards write it, and two in the decomposed
one (NFD), as Macs store names of files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from unicodedata import normalize

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,9})?")
# Without NA: initials of a person.
_NOTHING = frozenset({"", "nan", "-nan", "none", "null", "nil", "n/a", "#n/a", "<na>", "#na", "empty", "<empty>"})


def compose(text: str) -> str:
    """Write a text in the composed Unicode form, NFC."""
    return normalize("NFC", text)


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """Write a label so that two are equal if they differ in case, blanks or Unicode form alone.

    Example:
        >>> plain(" U\u0308BER ") == plain("über")
        True
    """
    return " ".join(compose(compose(text).casefold()).split())


@lru_cache(maxsize=4096)
def code(text: str) -> str | Decimal:
    """Give what all spellings of a label, a split or a fold share: their number, or else their plain text.

    Example:
        >>> code("03") == code("3.0") == code("3.0000000e+00")
        True
    """
    text = plain(text)
    return Decimal(text) if _NUMBER.fullmatch(text) else text


def find_code(wanted: str, names: Iterable[str]) -> str | None:
    """Find the name that means the same as a wanted one; the exact one first, None if there is none, or several."""
    found = {name for name in names if code(name) == code(wanted)}
    return wanted if wanted in found else found.pop() if len(found) == 1 else None


def says_nothing(text: str) -> bool:
    """Tell whether a cell is empty, or holds a word that programs write for an empty one, such as NaN or None."""
    return plain(text) in _NOTHING


class Spellings:
    """Names as a folder or a table spells them, found by any Unicode form.

    Args:
        names: The names.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._composed: dict[str, str | None] = {}
        for name in self._names:
            form = compose(name)
            self._composed[form] = None if form in self._composed else name

    def find(self, name: str) -> str:
        """Give the spelling of a name; the name itself where it is right, unknown, or two spellings are as near."""
        return name if name in self._names else self._composed.get(compose(name)) or name
