"""Options of heads: an unknown one or a bad value is one line that names its key."""

from __future__ import annotations

from typing import Any

import pytest

from fer_au.errors import ConfigError
from fer_au.models import list_heads
from fer_au.models.heads.base import HEADS, create_head
from fer_au.models.nets.base import NETS
from fer_au.models.parts import Head, HeadOutput, TrunkOutput

NAN = float("nan")


@pytest.mark.parametrize(
    ("head", "options", "message"),
    [
        ("wildcat", {"modalities": 0}, ".modalities: should be greater than 0, got 0"),
        ("wildcat", {"modalities": 2.0}, ".modalities: should be a whole number, got 2.0"),
        ("wildcat", {"kmax": 0}, ".kmax: should be greater than 0, got 0"),
        ("wildcat", {"kmax": 1.5}, ".kmax: should be less than or equal to 1, got 1.5"),
        ("wildcat", {"kmin": -0.1}, ".kmin: should be greater than or equal to 0, got -0.1"),
        ("wildcat", {"kmin": True}, ".kmin: should be a number, got True"),
        ("wildcat", {"alpha": NAN}, ".alpha: should be a finite number, got nan"),
        ("wildcat", {"dropout": "half"}, ".dropout: should be a number, got 'half'"),
        ("wildcat", {"kmx": 1}, ".kmx: unknown key; did you mean kmax?"),
        ("acol", {"width": None}, ".width: is empty; give a whole number, or delete the key"),
        ("acol", {"threshold": 2}, ".threshold: should be less than or equal to 1, got 2"),
        ("prm", {"kernel": 4}, ".kernel: should be odd, got 4"),
        ("prm", {"peaks": "all"}, ".peaks: should be 'windows' or 'cells', got 'all'"),
        ("adl", {"drop_rate": -1}, ".drop_rate: should be greater than or equal to 0, got -1"),
        ("adl", {"threshold": NAN}, ".threshold: should be a finite number, got nan"),
        ("apvit", {"dim": 10, "heads": 4}, ".heads: should divide dim 10, got 4"),
        ("apvit", {"depth": 0}, ".depth: should be greater than 0, got 0"),
        ("apvit", {"mlp_ratio": 0.0001}, ".mlp_ratio: should leave a hidden channel of dim 768, got 0.0001"),
        ("apvit", {"k": 0}, ".k: should be a whole number of patches >= 1, or a share above 0 and up to 1.0, got 0"),
        (
            "apvit",
            {"k": 1.2},
            ".k: should be a whole number of patches >= 1, or a share above 0 and up to 1.0, got 1.2",
        ),
        ("apvit", {"k": True}, ".k: should be a whole number of patches >= 1, or a share above 0 and up to 1.0"),
        ("apvit", {"keep": 0.0}, ".keep: should be greater than 0, got 0.0"),
        ("apvit", {"grid": [14, 14]}, ".grid: should be a whole number, got [14, 14]"),
        ("lan", {"widths": 256}, ".widths: should be a list of whole numbers, got 256"),
        ("lan", {"widths": [256, 0]}, ".widths.1: should be greater than 0, got 0"),
        ("lan", {"fusion": "sum"}, ".fusion: should be 'add', 'concat' or 'average', got 'sum'"),
        ("lan", {"fusions": "add"}, ".fusions: unknown key; did you mean fusion?"),
        ("multiscale", {"shared": 1}, ".shared: should be true or false, got 1"),
        ("gap", {"kmax": 1}, ".kmax: unknown key; there are none"),
    ],
)
def test_a_bad_value_is_one_line_that_names_head_and_option(head: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        create_head(head, 8, 3, options)
    assert str(caught.value).startswith(f"head '{head}': model.head_options{message}")
    assert "\n" not in str(caught.value)


class FaultyHead(Head):
    """A head with a bug in its constructor."""

    def __init__(self, channels: int, classes: int, **options: object) -> None:
        super().__init__(channels, classes, **options)
        self.width = channels + None  # type: ignore[operator]

    def forward(self, trunk: TrunkOutput, labels: object = None) -> HeadOutput:
        raise NotImplementedError


def test_a_fault_in_a_constructor_keeps_its_own_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HEADS._entries, "faulty", FaultyHead)
    with pytest.raises(TypeError, match="unsupported operand"):
        create_head("faulty", 8, 3, {})


@pytest.mark.parametrize("owner", [*list_heads(), *NETS.names()])
def test_every_option_is_described(owner: str) -> None:
    parts = [HEADS.get(owner)] if owner in HEADS.names() else [NETS.get(owner), NETS.get(owner).head]
    for options in (part.Options for part in parts if part is not None):
        described = "".join(base.__doc__ or "" for base in options.__mro__)
        assert [name for name in options.model_fields if f"\n            {name}: " not in described] == []
