from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from fer_au.errors import MissingDependencyError, UnknownNameError
from fer_au.expressions import EXPRESSIONS, ordered, parse_expression
from fer_au.registry import Registry, near_keys, near_names


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


@pytest.mark.parametrize("name", ["lan", "resnet18", "au-0", "dlib68", "cosine"])
def test_capitals_make_no_other_name(name: str) -> None:
    known = ["lan", "plan", "resnet18", "resnet18d", "au-0", "au-1", "dlib68", "cosine", "cos"]
    for written in (name.upper(), name.title(), name.swapcase()):
        assert near_keys(written, known) == [name]
        assert near_names(written, known) == f"did you mean {name}?"


@pytest.mark.parametrize(("name", "other"), [("weg", "zwei"), ("foo", "au"), ("cat", "val"), ("gap", "lan")])
def test_short_names_that_share_letters_by_chance_are_not_near(name: str, other: str) -> None:
    assert near_keys(name, [other]) == []


@pytest.mark.parametrize(("name", "meant"), [("lna", "lan"), ("gapp", "gap"), ("cvs", "csv"), ("sise", "size")])
def test_a_slip_in_a_short_name_is_near(name: str, meant: str) -> None:
    assert near_keys(name, [meant, "zwei"]) == [meant]


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
    offer(monkeypatch, tmp_path, "painter", green="a_painter:GREEN")
    assert colours.get("green") == 7
    assert "green" in colours.names()


def test_a_part_that_its_own_module_registers_may_be_offered_too(
    colours: Registry[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("fer_au.registry.test_registry", colours, raising=False)
    text = "import fer_au.registry\nfer_au.registry.test_registry.register('green')(7)\nGREEN = 7\n"
    (tmp_path / "a_careful_painter.py").write_text(text)
    offer(monkeypatch, tmp_path, "careful-painter", green="a_careful_painter:GREEN")
    assert colours.get("green") == 7


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
    (tmp_path / "a_free_painter.py").write_text(
        "class Free: pass\nfrom pathlib import Path\nclass Derived(Path): pass\n"
    )
    offer(monkeypatch, tmp_path, "free-painter", free="a_free_painter:Free", derived="a_free_painter:Derived")
    registry: Registry[type[Path]] = Registry("colour", "fer_au.test_colours", base=Path)
    assert registry.names() == ["derived"]
    with pytest.raises(MissingDependencyError, match=r"'free-painter' .* must be a class derived from pathlib\.Path$"):
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


MAKERS = (
    *("cam:create_cam", "cues:create_codebook", "cues:create_cue", "cues:create_geometry", "datasets:create_adapter"),
    *("faces:create_detector", "landmarks:create_extractor", "presets:load_preset", "training:create_loss"),
)


@pytest.mark.parametrize("module", MAKERS)
@pytest.mark.parametrize("name", ["lab-l1", "lab-au", "lab-corrected-2", "lab-whole"])
def test_what_is_no_slip_of_the_pen_may_be_another_labs_part(module: str, name: str) -> None:
    room, _, make = module.partition(":")
    with pytest.raises(UnknownNameError, match="a part of another package needs that package installed"):
        getattr(importlib.import_module(f"fer_au.{room}"), make)(name)
