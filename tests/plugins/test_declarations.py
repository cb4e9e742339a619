"""What a class of another package declares in a wrong way is refused when it is registered, whatever its kind."""

from __future__ import annotations

import importlib
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from fer_au.checks import parts
from fer_au.checks.memory import Memory
from fer_au.config.options import PartOptions
from fer_au.errors import MissingDependencyError
from fer_au.registry import FileRegistry, Registry
from tests.plugins.package import install
from tests.plugins.test_lab_parts import METADATA, OFFERS

WITH_OPTIONS = {"fer_au.detectors", "fer_au.extractors", "fer_au.heads", "fer_au.losses", "fer_au.nets"}
GIVEN = {
    "fer_au.cues": ["codebook", "geometry"],
    "fer_au.heads": ["channels", "classes", "its options"],
    "fer_au.nets": ["in_chans", "its options"],
}
FILES = {"fer_au.codebooks", "fer_au.presets"}
GROUPS = pytest.mark.parametrize("group", OFFERS)
CLASSES = pytest.mark.parametrize("group", sorted(OFFERS.keys() - FILES))


@pytest.fixture
def part(group, tmp_path, monkeypatch):
    """The example's part of a kind."""
    install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (target,) = METADATA["entry-points"][group].values()
    return EntryPoint(OFFERS[group].name, target, group).load()


@pytest.fixture
def registry(group) -> Registry:
    """The registry of a kind."""
    module, name = OFFERS[group].registry.split(":")
    registry: Registry = getattr(importlib.import_module(module), name)
    return registry


@pytest.fixture
def alike(registry, monkeypatch):
    """The registry of a kind, which forgets what is registered in a test, and sees the packages of the test alone."""
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    monkeypatch.setattr(registry, "_broken", {})
    monkeypatch.setattr(registry, "_offers", {})
    return registry


def refused(alike, part, message):
    with pytest.raises(TypeError) as caught:
        alike.register("lab-wrong")(part)
    assert str(caught.value) == message
    assert "lab-wrong" not in alike._entries


@CLASSES
def test_options_that_nobody_reads_are_refused_with_the_right_way(group, part, alike):
    class Options(PartOptions):
        width: int = 3

    kind = OFFERS[group].kind
    if group in WITH_OPTIONS:
        wrong = type("Wrong", (part,), {"Options": type("Options", (), {"width": 3})})
        refused(alike, wrong, "Wrong.Options must be a class derived from fer_au.config.options.PartOptions")
        alike.register("lab-right")(type("Right", (part,), {"Options": Options}))
        return
    right = "keys belong in a nested class Config"
    if group != "fer_au.adapters":
        right = f"no {kind} takes options; register one class for each setting"
    refused(alike, type("Wrong", (part,), {"Options": Options}), f"Wrong.Options has no use: {right}")


@CLASSES
def test_a_config_is_for_adapters_alone(group, part, alike):
    wrong = type("Wrong", (part,), {"Config": type("Config", (), {"width": 3})})
    if group == "fer_au.adapters":
        return
    right = f"no {OFFERS[group].kind} takes options; register one class for each setting"
    if group in WITH_OPTIONS:
        right = "options belong in a nested class Options"
    refused(alike, wrong, f"Wrong.Config has no use: {right}")


@CLASSES
def test_a_constructor_with_arguments_that_nobody_gives_is_refused(group, part, alike):
    def needs(self, breadth, *, more=1):
        self.breadth = breadth

    given = GIVEN.get(group, ["its options"] if group in WITH_OPTIONS else [])
    words = f"only {' and '.join(given)}" if given else "no arguments"
    message = f"Wrong(breadth) can't be made: a {OFFERS[group].kind} is given {words}"
    refused(alike, type("Wrong", (part,), {"__init__": needs}), message)
    if group in WITH_OPTIONS:
        own = type("Options", (PartOptions,), {"__annotations__": {"breadth": int}})
        alike.register("lab-right")(type("Right", (part,), {"__init__": needs, "Options": own}))


@GROUPS
def test_a_name_that_is_built_in_is_refused_by_naming_both(group, alike, monkeypatch, tmp_path):
    name = next(iter(alike.built_in)) if not isinstance(alike, FileRegistry) else alike.names()[0]
    point = EntryPoint(name, "lab_parts.any:Any", group)
    alike._offers[name] = [point]
    assert name in alike.names()
    with pytest.raises(MissingDependencyError) as caught:
        alike.get(name)
    said = (
        f"{OFFERS[group].kind} {name!r} is built into fer_au, and offered by an unnamed package "
        "(lab_parts.any:Any): give the package's another name"
    )
    assert str(caught.value) == said
    if group in parts._REGISTRIES:  # the check of params.yaml says it, too, before anything runs
        monkeypatch.setattr(parts, "_offers", lambda _: EntryPoints([point]))
        assert parts.find_part_fault(group, name, Memory(tmp_path / "memory.json")) == said


@CLASSES
def test_a_program_can_not_take_a_built_in_name(group, part, alike):
    name = next(iter(alike.built_in))
    with pytest.raises(ValueError, match=f"{name}' is built in; take another name"):
        alike.register(name)(part)
