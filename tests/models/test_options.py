"""Options of heads: a bad value is one line that names the option."""

from __future__ import annotations

from typing import Any

import pytest

from fer_au.errors import ConfigError
from fer_au.models.heads.base import create_head

NAN = float("nan")


@pytest.mark.parametrize(
    ("head", "options", "message"),
    [
        ("wildcat", {"modalities": 0}, "modalities must be a whole number >= 1, not 0"),
        ("wildcat", {"modalities": 2.0}, "modalities must be a whole number"),
        ("wildcat", {"kmax": 0}, "kmax must be above 0"),
        ("wildcat", {"kmax": 1.5}, "kmax must be a number from 0 to 1, not 1.5"),
        ("wildcat", {"kmin": -0.1}, "kmin must be a number from 0 to 1"),
        ("wildcat", {"kmin": True}, "kmin must be a number from 0 to 1, not True"),
        ("wildcat", {"alpha": NAN}, "alpha must be a number, not nan"),
        ("wildcat", {"dropout": "half"}, "dropout must be a number from 0 to 1, not 'half'"),
        ("acol", {"width": None}, "width must be a whole number >= 1, not None"),
        ("acol", {"threshold": 2}, "threshold must be a number from 0 to 1"),
        ("prm", {"kernel": 4}, "kernel must be odd, not 4"),
        ("prm", {"peaks": "all"}, "peaks must be one of windows, cells, not 'all'"),
        ("adl", {"drop_rate": -1}, "drop_rate must be a number from 0 to 1"),
        ("adl", {"threshold": NAN}, "threshold must be a number from 0 to 1"),
        ("apvit", {"dim": 10, "heads": 4}, "dim must be a multiple of heads, not 10 with 4 heads"),
        ("apvit", {"depth": 0}, "depth must be a whole number >= 1"),
        ("apvit", {"mlp_ratio": 0.0001}, "mlp_ratio"),
        ("apvit", {"k": 0}, "k must be a whole number >= 1"),
        ("apvit", {"k": 1.2}, "k must be a number from 0 to 1"),
        ("apvit", {"keep": 0.0}, "keep must be above 0"),
        ("apvit", {"grid": [14, 14]}, "grid must be a whole number"),
        ("lan", {"widths": 256}, "widths must be a list of whole numbers, not 256"),
        ("lan", {"widths": [256, 0]}, r"widths\[1\] must be a whole number >= 1, not 0"),
        ("lan", {"fusion": "sum"}, "fusion must be one of add, concat, average, not 'sum'"),
        ("lan", {"fusions": "add"}, "fusions"),
    ],
)
def test_a_bad_value_is_one_line_that_names_head_and_option(head: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"model\.head_options: head '{head}': .*{message}") as caught:
        create_head(head, 8, 3, options)
    assert "\n" not in str(caught.value)
