"""Codebooks: what the bundled ones say, and that every fault of a user's file is one clear line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.shared.random_points import random_faces
from fer_au.cues import (
    create_codebook,
    create_cue,
    create_geometry,
    list_codebooks,
    list_geometries,
    load_codebook,
    render_au_maps,
)
from fer_au.cues.codebook import ACTION_UNITS, recorded_codebook
from fer_au.errors import ConfigError, DataError, UnknownNameError
from fer_au.expressions import EXPRESSIONS
from tests.docs.blocks import read_blocks

BASIC = {"happiness", "surprise", "fear", "anger", "disgust", "sadness"}


def write(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", list_codebooks())
def test_bundled_codebooks_cover_the_six_expressions_and_give_sources(name):
    book = load_codebook(name)
    assert book.name == name
    assert set(book.expressions) == BASIC
    assert list(book.expressions) == [expression for expression in EXPRESSIONS if expression in BASIC]
    assert book.action_units <= set(ACTION_UNITS)
    assert book.sources
    assert book.description


def test_paper_keeps_the_published_disgust_and_the_others_have_the_upper_lip():
    assert 5 in load_codebook("paper").expressions["disgust"]
    assert 10 not in load_codebook("paper").expressions["disgust"]
    for name in ("paper-figure", "corrected"):
        assert 10 in load_codebook(name).expressions["disgust"]
        assert 5 not in load_codebook(name).expressions["disgust"]


def test_corrected_adds_what_the_facs_guide_lists():
    paper, corrected = load_codebook("paper-figure").expressions, load_codebook("corrected").expressions
    added = {name: set(corrected[name]) - set(paper[name]) for name in BASIC}
    assert added == {
        "happiness": set(),
        "surprise": set(),
        "fear": set(),
        "anger": {22},
        "disgust": {15},
        "sadness": {11},
    }
    assert all(set(paper[name]) <= set(corrected[name]) for name in BASIC)


def test_a_users_file_works_by_path(tmp_path):
    text = "expressions:\n  sadness: {AU15: 0.5, 1: 1, 4: 0}\n  happiness: [au12, 6]\n"
    book = load_codebook(write(tmp_path, text))
    assert book.name == "mine"
    assert book.expressions == {"happiness": {6: 1.0, 12: 1.0}, "sadness": {1: 1.0, 15: 0.5}}
    assert load_codebook(str(write(tmp_path, text))) == book


def test_hash_follows_the_entries_alone(tmp_path):
    book = load_codebook(write(tmp_path, "expressions: {fear: [1, 2], anger: [4]}"))
    same = load_codebook(
        write(tmp_path, "description: other words\nexpressions: {anger: {AU4: 1.0}, fear: {2: 1, 1: 1}}")
    )
    other = load_codebook(write(tmp_path, "expressions: {fear: {1: 1, 2: 0.9}, anger: [4]}"))
    assert len(book.sha256) == 64
    assert book.sha256 == same.sha256
    assert book.sha256 != other.sha256


def test_a_codebook_passes_through():
    book = create_codebook("paper")
    assert create_codebook(book) is book


def test_an_unknown_name_lists_near_ones():
    with pytest.raises(UnknownNameError, match=r"unknown codebook 'corected'; did you mean corrected\?"):
        load_codebook("corected")


BAD = {
    "unknown AU": ("expressions: {fear: [1, 99]}", "expressions.fear: unknown action unit 99"),
    "unknown AU as text": ("expressions: {fear: [AU3]}", "expressions.fear: unknown action unit 'AU3'"),
    "AU as a float": ("expressions: {fear: [1.5]}", "expressions.fear: unknown action unit 1.5"),
    "AU as a truth value": ("expressions: {fear: [true]}", "expressions.fear: unknown action unit True"),
    "AU as a list": ("expressions: {fear: [[1, 2]]}", "expressions.fear: unknown action unit [1, 2]"),
    "AU twice": (
        "expressions: {fear: [1, 2, AU1]}",
        "expressions.fear: action unit 1 is listed twice, got [1, 2, 'AU1']",
    ),
    "unknown expression": ("expressions: {fears: [1]}", "expressions.fears: unknown expression; did you mean fear?"),
    "expression as a number": ("expressions: {3: [1]}", "expressions.3: unknown expression"),
    "empty list": ("expressions: {fear: []}", "expressions.fear: no action unit"),
    "empty mapping": ("expressions: {fear: {}}", "expressions.fear: no action unit"),
    "only zero weights": ("expressions: {fear: {1: 0}}", "expressions.fear: no action unit"),
    "no entry": ("expressions: {fear: }", "expressions.fear: expected a list of action units or a mapping"),
    "entry as a number": ("expressions: {fear: 4}", "expressions.fear: expected a list of action units or a mapping"),
    "entry as a text": ("expressions: {fear: 1+2}", "expressions.fear: expected a list of action units or a mapping"),
    "weight above 1": (
        "expressions: {fear: {1: 1.5}}",
        "expressions.fear.1: weight is not a number from 0 to 1, got 1.5",
    ),
    "negative weight": (
        "expressions: {fear: {1: -1}}",
        "expressions.fear.1: weight is not a number from 0 to 1, got -1",
    ),
    "weight NaN": ("expressions: {fear: {1: .nan}}", "expressions.fear.1: weight is not a number from 0 to 1, got nan"),
    "weight as a text": (
        "expressions: {fear: {1: x}}",
        "expressions.fear.1: weight is not a number from 0 to 1, got 'x'",
    ),
    "weight as a truth value": (
        "expressions: {fear: {1: true}}",
        "expressions.fear.1: weight is not a number from 0 to 1, got True",
    ),
    "expressions as a list": ("expressions: [fear]", "expressions: expected a mapping from expressions"),
    "no expressions": ("description: none", "expressions: required key is missing"),
    "empty expressions": ("expressions: {}", "expressions: expected a mapping from expressions"),
    "no key": (
        "happiness: [6, 12]",
        "happiness: expressions belong below one key, `expressions: {happiness: [6, 12]}`",
    ),
    "unknown key": ("expresions: {fear: [1]}", "expresions: unknown key; did you mean expressions?"),
    "sources as a text": ("sources: me\nexpressions: {fear: [1]}", "sources: should be a list, got 'me'"),
    "description as a list": (
        "description: [a]\nexpressions: {fear: [1]}",
        "description: should be a text, got ['a']",
    ),
    "key twice": ("expressions:\n  fear: [1]\n  fear: [2]", "expressions.fear: key appears twice"),
    "a list": ("- fear", "must hold a mapping"),
    "an empty file": ("", "must hold a mapping"),
    "broken YAML": ("expressions: {fear: [1", "not valid YAML"),
    "an unhashable key": ("expressions: {{a: 1}: {6: 1}}", "not valid YAML"),
    "a list as key": ("expressions: {[1]: {[2]: 3}}", "expressions: unknown expression"),
    "a python object": ("expressions: !!python/object/apply:os.getcwd []", "not valid YAML"),
    "an endless alias": ("expressions: &a {fear: *a}", "not valid YAML: *a stands inside the very value"),
    "deep nesting": ("[" * 5000, "not valid YAML"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_fault_is_one_line_that_names_file_and_key(tmp_path, fault):
    text, message = BAD[fault]
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_codebook(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


DOCS = (Path(__file__).parents[2] / "docs/codebooks.md").read_text(encoding="utf-8")


def test_the_codebook_that_is_shown_works(tmp_path):
    (example,) = [block.text for block in read_blocks("docs/codebooks.md", "yaml") if block.file]
    book = load_codebook(write(tmp_path, example))
    assert book.expressions["happiness"] == {6: 1, 12: 1}
    assert book.expressions["surprise"] == {1: 1, 2: 1, 5: 1, 26: 1}
    assert book.description
    assert book.sources
    assert book.expressions["fear"] == {1: 1, 2: 1, 4: 1, 5: 1, 20: 0.5, 25: 0.5}
    assert book.expressions["sadness"] == {1: 1, 4: 1, 15: 1}
    _, valid = render_au_maps(random_faces(7), list(book.expressions), codebook=book)
    assert valid.all()


def test_the_guide_names_every_bundled_codebook_and_geometry_and_what_each_can_draw():
    named = set(re.findall(r"^\| `([a-z-]+)` \|", DOCS, re.MULTILINE))
    assert named == {*list_codebooks(), *list_geometries(), "expressions", "description", "sources"}
    assert ", ".join(map(str, ACTION_UNITS[:-1])) + f" and {ACTION_UNITS[-1]}" in DOCS
    assert create_geometry("corrected").action_units == set(ACTION_UNITS)
    assert set(ACTION_UNITS) - create_geometry("paper").action_units == {11, 22}
    assert "| all but 11 and 22 |" in DOCS
    with pytest.raises(ConfigError) as caught:
        create_cue("au", codebook="corrected", geometry="paper")
    assert f"`{caught.value}`" in DOCS


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such file"):
        load_codebook(tmp_path / "nowhere.yaml")


def test_a_folder_and_a_binary_file_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        load_codebook(tmp_path)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ConfigError, match="not a UTF-8 text"):
        load_codebook(binary)


def test_a_store_of_maps_gives_its_codebook_back_wherever_the_file_is(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("expressions: {happiness: {AU6: 0.5, AU12: 1.0}, fear: [1]}\n")
    codebook = create_codebook(path)
    path.unlink()
    found = recorded_codebook(codebook.attributes, "heatmaps.h5")
    assert (found.name, found.expressions, found.sha256) == ("mine", codebook.expressions, codebook.sha256)


def test_a_store_that_only_names_its_codebook_is_read_if_the_entries_are_the_same():
    codebook = create_codebook("paper")
    named = {"codebook": "paper", "codebook_sha256": codebook.sha256}
    assert recorded_codebook(named, "heatmaps.h5") == codebook
    with pytest.raises(ConfigError, match=r"heatmaps\.h5: codebook 'paper' has changed since; run the stage heatmaps"):
        recorded_codebook(named | {"codebook_sha256": "0" * 64}, "heatmaps.h5")
    with pytest.raises(DataError, match=r"heatmaps\.h5: attribute 'codebook' is missing; run the stage heatmaps"):
        recorded_codebook({}, "heatmaps.h5")
