from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fer_au.errors import UnknownNameError
from fer_au.expressions import EXPRESSIONS, ordered, parse_expression
from fer_au.registry import Registry


@pytest.fixture
def colours() -> Registry[int]:
    registry: Registry[int] = Registry("colour", "fer_au.test_colours")
    registry.register("dark-red")(1)
    registry.register("blue")(2)
    return registry


def test_names_are_sorted_and_found(colours: Registry[int]) -> None:
    assert colours.names() == ["blue", "dark-red"]
    assert colours.get("blue") == 2


def test_an_unknown_name_lists_the_near_ones(colours: Registry[int]) -> None:
    with pytest.raises(UnknownNameError, match="unknown colour 'dark-rad'; did you mean dark-red\\?"):
        colours.get("dark-rad")
    with pytest.raises(UnknownNameError, match="known: blue, dark-red"):
        colours.get("zzz")


def test_a_second_part_of_a_name_is_refused(colours: Registry[int]) -> None:
    with pytest.raises(ValueError, match="twice"):
        colours.register("blue")(3)


def test_third_parties_add_parts_by_entry_point(colours: Registry[int], monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        name = "green"

        @staticmethod
        def load() -> int:
            return 7

    def found(*, group: str) -> list[type[Point]]:
        return [Point] if group == "fer_au.test_colours" else []

    monkeypatch.setattr("fer_au.registry.entry_points", found)
    assert colours.get("green") == 7
    assert "green" in colours.names()


def test_using_a_built_in_part_loads_its_module_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    registry: Registry[int] = Registry("shade", "none", built_in={"pale": "shade_pale", "deep": "shade_deep"})
    monkeypatch.setattr("fer_au.registry.test_registry", registry, raising=False)
    for number, name in enumerate(("pale", "deep")):
        text = f"import fer_au.registry\nfer_au.registry.test_registry.register('{name}')({number})\n"
        (tmp_path / f"shade_{name}.py").write_text(text)
    assert registry.get("deep") == 1
    assert "shade_pale" not in sys.modules
    with pytest.raises(UnknownNameError, match="did you mean pale"):
        registry.get("palee")
    assert registry.names() == ["deep", "pale"]


@pytest.mark.parametrize(
    ("text", "label"),
    [("Happy", "happiness"), (" ANGER ", "anger"), ("sad", "sadness"), ("contempt", "contempt"), ("face", None)],
)
def test_expressions_are_read_by_name(text: str, label: str | None) -> None:
    assert parse_expression(text) == label


def test_class_order_is_canonical() -> None:
    assert ordered(["sadness", "neutral", "anger", "anger"]) == ("neutral", "anger", "sadness")
    assert ordered(reversed(EXPRESSIONS)) == EXPRESSIONS
    with pytest.raises(ValueError, match="joyful"):
        ordered(["joyful"])
