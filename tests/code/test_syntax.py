"""The syntax of a source file: what counts as an edit, and what is words."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer_au.code.syntax import SyntaxMemory, parse_source

SOURCE = b'''
"""A module."""
from __future__ import annotations
import json
from typing import TYPE_CHECKING
from fer_au.stores import Store
if TYPE_CHECKING:
    from fer_au.rejects import Reject
PARTS = Registry("head", "fer_au.heads", built_in={"gap": "fer_au.models.heads.gap"})
__getattr__, __all__ = lazy_exports(__name__, {"Store": ".reader"})

class Box:
    """A box."""
    side: int = 3

    def area(self, scale: float = 1.0) -> float:
        """Measure it."""
        from fer_au.maps import channel_mean
        return scale * self.side ** 2, f"{self.side:>{3}}"
'''


def digest(source: bytes) -> str:
    return parse_source(source, "x.py").digest


def test_a_digest_is_the_same_on_every_python() -> None:
    """This value was computed on Python 3.11, 3.12 and 3.13; a lab's machines need not agree on one."""
    assert digest(SOURCE) == "2bf0608604f009faab3963e688654cfbd9162d83bcec925b8890ab4e656c6f7d"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"""A box."""', b'"""A cube, or so."""'),
        (b'"""A module."""', b""),
        (b'        """Measure it."""\n', b"        # measured\n"),
        (b"    side: int = 3\n", b'    side: int = 3\n    """Length of an edge."""\n'),
        (b"\nclass Box", b'"""Names of the package."""\n\nclass Box'),
        (b"scale * self.side ** 2", b"(scale\n            * self.side**2)"),
        (b'"head"', b"'head'"),
        (b"    from fer_au.rejects import Reject\n", b"    from fer_au.rejects import Reason, Reject\n"),
        (
            b'{"gap": "fer_au.models.heads.gap"}',
            b'{"gap": "fer_au.models.heads.gap", "new": "fer_au.models.heads.new"}',
        ),
        (b'{"Store": ".reader"}', b'{"Store": ".reader", "Other": ".other"}'),
    ],
)
def test_words_formatting_and_lines_of_registries_do_not_count(old: bytes, new: bytes) -> None:
    assert SOURCE.count(old) == 1
    assert digest(SOURCE.replace(old, new)) == digest(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"side: int = 3", b"side: int = 4"),
        (b"side: int = 3", b"side: float = 3"),
        (b"scale: float = 1.0", b"scale: float = 1"),
        (b"self.side ** 2", b"self.side ** 3"),
        (b"scale * self", b"scale + self"),
        (b":>{3}", b":<{3}"),
        (b"import json", b"import pickle"),
        (b'"head", ', b'"hat", '),
        (b"return scale", b"yield scale"),
        (b"    def area", b"    @staticmethod\n    def area"),
    ],
)
def test_every_edit_of_code_counts(old: bytes, new: bytes) -> None:
    assert SOURCE.count(old) == 1
    assert digest(SOURCE.replace(old, new)) != digest(SOURCE)


def test_what_a_file_needs_is_found() -> None:
    syntax = parse_source(SOURCE, "x.py")
    assert ("fer_au.stores", "Store") in syntax.imports
    assert ("fer_au.maps", "channel_mean") in syntax.imports
    assert ("fer_au.rejects", "Reject") not in syntax.imports
    assert syntax.exports == {"Store": ".reader"}
    assert syntax.registries == {"fer_au.heads": {"gap": "fer_au.models.heads.gap"}}
    assert "fer_au.models.heads.gap" not in syntax.strings


def test_a_registry_that_can_not_be_read_is_said() -> None:
    with pytest.raises(SyntaxError, match="literal"):
        parse_source(b'X = Registry("a", "b", built_in=dict(c="d"))', "x.py")


@pytest.mark.parametrize("damage", [b"", b"{", b'{"version": 1, "files": {"x": 3}}', b'{"version": 0, "files": {}}'])
def test_a_memory_survives_damage_and_gives_what_parsing_gives(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(SOURCE)
    kept = tmp_path / "memory.json"
    first = SyntaxMemory(kept)
    fresh = first.read(path)
    first.save()
    assert SyntaxMemory(kept).read(path) == fresh == parse_source(SOURCE, "x.py")
    kept.write_bytes(damage)
    assert SyntaxMemory(kept).read(path) == fresh
