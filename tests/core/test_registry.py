from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fer_au.errors import MissingDependencyError, UnknownNameError
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
    with pytest.raises(UnknownNameError, match="known: blue, dark-red; a part of another package needs that"):
        colours.get("zzz")


def test_a_module_that_registers_another_name_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry: Registry[int] = Registry("shade", "none", built_in={"pale": "shade_misspelt"})
    (tmp_path / "shade_misspelt.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(LookupError, match="shade_misspelt registers no shade 'pale'; compare the names"):
        registry.get("pale")


def test_a_second_part_of_a_name_is_refused(colours: Registry[int]) -> None:
    with pytest.raises(ValueError, match="twice"):
        colours.register("blue")(3)


def offer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: str, **targets: str) -> None:
    """Put a package with entry points of the test's group on the path; modules are written to ``tmp_path`` by hand."""
    info = tmp_path / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = ["[fer_au.test_colours]", *(f"{name} = {target}" for name, target in targets.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)


def test_third_parties_add_parts_by_entry_point(
    colours: Registry[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a_painter.py").write_text("GREEN = 7\nBLUE = 8\n")
    offer(monkeypatch, tmp_path, "painter", green="a_painter:GREEN", blue="a_painter:BLUE")
    assert colours.get("green") == 7
    assert "green" in colours.names()
    assert colours.get("blue") == 2  # a built-in name can't be taken over


def test_a_broken_part_names_its_package_and_keeps_the_cause(
    colours: Registry[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a_broken_painter.py").write_text("GREEN = 1 / 0\n")
    offer(monkeypatch, tmp_path, "broken-painter", green="a_broken_painter:GREEN")
    assert colours.names() == ["blue", "dark-red"]
    with pytest.raises(MissingDependencyError) as caught:
        colours.get("green")
    assert str(caught.value) == (
        "colour 'green' of package 'broken-painter' (a_broken_painter:GREEN) can't be loaded: "
        "ZeroDivisionError: division by zero"
    )
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_part_that_is_not_derived_from_the_base_class_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a_free_painter.py").write_text("class Free: pass\nclass Derived(int): pass\n")
    offer(monkeypatch, tmp_path, "free-painter", free="a_free_painter:Free", derived="a_free_painter:Derived")
    registry: Registry[type[int]] = Registry("colour", "fer_au.test_colours", base=int)
    assert registry.names() == ["derived"]
    with pytest.raises(MissingDependencyError, match=r"'free-painter' .* must be a class derived from builtins\.int$"):
        registry.get("free")


def test_a_name_that_two_packages_offer_is_refused(
    colours: Registry[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a_rival.py").write_text("GREEN = 1\n")
    offer(monkeypatch, tmp_path, "rival-one", green="a_rival:GREEN")
    offer(monkeypatch, tmp_path, "rival-two", green="a_rival:GREEN")
    with pytest.raises(MissingDependencyError, match="package 'rival-one' and package 'rival-two': uninstall all but"):
        colours.get("green")


def test_an_empty_registry_says_that_there_are_none() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown shape 'square'; there are none; a part of another"):
        Registry("shape", "fer_au.test_shapes").get("square")


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
