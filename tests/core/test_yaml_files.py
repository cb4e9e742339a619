"""YAML is read as DVC reads it, and what would be read in two ways is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import YAMLFileCorruptedError
from dvc.utils.serialize import parse_yaml as parse_as_dvc
from hypothesis import given
from hypothesis import strategies as st

from fer_au.config.data import DatasetConfig
from fer_au.config.entries import load_experiment
from fer_au.config.experiments import TrainConfig
from fer_au.config.reading import load_section
from fer_au.errors import ConfigError
from fer_au.yaml_files import dump_inline, dump_yaml, parse_yaml, read_yaml

SCALARS = """
    0 1 -1 +1 010 08 0o10 0o8 0x1F 0b11 1_000 12:30 190:20:30 99999999999999999999999
    1. .5 -.5 +.5 1.0 1e3 1e-3 1E+3 1.e3 1.5e-3 1e 1e-1 e3 .inf -.inf +.inf .Inf .INF .nan .NaN nan inf
    true True TRUE false False FALSE yes Yes YES no No NO on On ON off Off OFF y n Y N
    null Null NULL ~ none None 2020-01-01 2020-01-01T12:30:00Z 1.2.3 v1 = '' "" 'yes' "010" '1e-3'
""".split()  # noqa: SIM905
TAGGED = ["!!str 1e-3", "!!int '7'", "!!float 3", "!!null ''"]
BLOCKS = ["|\n  two\n  lines\n", ">\n  one\n  line\n"]


@pytest.mark.parametrize("scalar", SCALARS + TAGGED + BLOCKS)
def test_every_form_of_a_scalar_is_read_as_by_dvc(scalar: str) -> None:
    for text in (f"key: {scalar}\n", f"key:\n- {scalar}\n", f"? {scalar}\n: 1\n"):
        assert _outcome(parse_yaml, text) == _outcome(parse_as_dvc, text)


def _outcome(parse: Callable[[str, str], object], text: str) -> str:
    try:
        return repr(parse(text, "params.yaml"))
    except (ConfigError, YAMLFileCorruptedError):
        return "refused"


def test_most_forms_of_a_scalar_are_accepted() -> None:
    assert [form for form in SCALARS + TAGGED + BLOCKS if _outcome(parse_yaml, f"key: {form}\n") == "refused"] == ["="]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: {epochs: yes}", r"train\.epochs: should be a whole number, got 'yes'"),
        ("train: {optimizer: {lr: on}}", r"train\.optimizer\.lr: should be a number, got 'on'"),
        ("train: {augment: {flip: yes}}", r"train\.augment\.flip: should be a number, got 'yes'"),
    ],
)
def test_words_are_no_numbers(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_section("train", TrainConfig, path)


def test_numbers_are_read_as_they_look(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("train: {epochs: 010, optimizer: {lr: 1e-3}, augment: {noise: 1e-1}}")
    train = load_section("train", TrainConfig, path)
    assert (train.epochs, train.optimizer.lr, train.augment.noise) == (10, 0.001, 0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train:\n  epochs: 1\n  epochs: 2\n", "train.epochs: key appears twice, again in line 3"),
        ("a: {b: [{}, {x: 1, x: 1}]}", "a.b.1.x: key appears twice, again in line 1"),
        ("a: 1\nb: 2\na: 1\n", "a: key appears twice, again in line 3"),
        (
            "a: {true: x, 1: y}",
            "a.1: keys true and 1 mean one number, the second in line 1; quote a key that is meant as text",
        ),
        ("a: {01: x,\n 1.0: y}", "a.1.0: keys 01 and 1.0 mean one number, the second in line 2; quote"),
        ("1: a\n0x1: b\n", "0x1: keys 1 and 0x1 mean one number, the second in line 2"),
        ("x: &x {a: 1}\ny: {<<: *x, <<: *x}\n", "y.<<: key appears twice, again in line 2"),
        ("x: &x {a: 1, a: 2}\ny: [*x, *x]\n", "x.a: key appears twice, again in line 1"),
        ("a: [1,\nb: 2\n", "not valid YAML: line 3: "),
        ("a: !!python/object/apply:os.getcwd []", "not valid YAML: line 1: could not determine a constructor"),
        ("a: !lab x", "not valid YAML: line 1: could not determine a constructor for the tag '!lab'"),
        ("a: 1\n---\nb: 2\n", "not valid YAML: line 2: but found another document"),
        ("a: *b", "not valid YAML: line 1: found undefined alias"),
        ("a: \x01", "not valid YAML: unacceptable character"),
        ("a: 2020-13-45", "not valid YAML: month must be in 1..12"),
        ("a: !!int x", "not valid YAML: invalid literal"),
        ("a: !!omap [b: 1, b: 2]", "not valid YAML: a value does not fit its tag"),
        ("a: &a [1, *a]", r"not valid YAML: \*a stands inside the very value that it repeats"),
        ("a: &a {b: {c: *a}}", r"not valid YAML: \*a stands inside"),
        ("[" * 100_000, "not valid YAML: nested more than 100 deep"),
        ("- " * 100_000 + "x", "not valid YAML: nested more than 100 deep"),
        ("[" * 101 + "]" * 101, "not valid YAML: nested more than 100 deep"),
        ("- 1", "must hold a mapping"),
        ("", "must hold a mapping"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "any.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"any\.yaml: {message}") as caught:
        read_yaml(path)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9")
    for name, message in (("latin.yaml", "not a UTF-8 text"), ("none.yaml", "no such file"), (".", "can.t be read")):
        with pytest.raises(ConfigError, match=message):
            read_yaml(tmp_path / name)


def test_merge_keys_and_aliases_count(tmp_path: Path) -> None:
    text = "base: &base {a: 1, b: [1]}\nown: {<<: *base, a: 2}\nsame: *base\n"
    assert parse_yaml(text, "") == {
        "base": {"a": 1, "b": [1]},
        "own": {"a": 2, "b": [1]},
        "same": {"a": 1, "b": [1]},
    }
    assert parse_yaml("[" * 100 + "]" * 100, "")


@pytest.mark.parametrize("section", ["datasets", "experiments", "cross"])
def test_a_section_of_names_is_not_left_empty(tmp_path: Path, section: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"train: {{}}\n{section}:\n")
    with pytest.raises(ConfigError, match=rf"params\.yaml: {section}: it is empty, .*write `{section}: {{}}`"):
        load_section("align", DatasetConfig, path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("2", "int"), ("0x1f", "int"), ("1e3", "float"), ("true", "bool"), ("2020-01-01", "date"), ("null", "nothing")],
)
def test_a_name_that_yaml_takes_for_another_type_is_explained(tmp_path: Path, name: str, kind: str) -> None:
    entry = "{dataset: d, model: {backbone: test_resnet}}"
    path = tmp_path / "params.yaml"
    path.write_text(f"datasets: {{d: {{adapter: demo, root: r}}}}\nexperiments: {{{name}: {entry}}}\n")
    with pytest.raises(ConfigError, match=rf"experiments\..*: YAML reads this name as .*{kind}.*, or quote it"):
        load_experiment(name, path)
    path.write_text(f"datasets: {{d: {{adapter: demo, root: r}}}}\nexperiments: {{'{name}': {entry}}}\n")
    assert load_experiment(name, path)[0].dataset == "d"


_TEXTS = st.one_of(st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"))), st.sampled_from(SCALARS))
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), _TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_TEXTS, inner, max_size=4)),
    max_leaves=12,
)


@given(_VALUES)
def test_what_is_written_reads_back(value: Any) -> None:
    for flow in (True, False, None):
        assert parse_yaml(dump_yaml({"key": value}, flow=flow), "") == {"key": value}
    line = dump_inline(value)
    assert parse_yaml(f"key: {line}", "") == {"key": value}


def test_keys_keep_their_order_and_equal_parts_are_written_out() -> None:
    shared = [1, 2]
    assert dump_inline({"b": shared, "a": shared}) == "{b: [1, 2], a: [1, 2]}"
    assert dump_yaml({"b": {"x": shared}, "a": "é"}, flow=None) == "b:\n  x: [1, 2]\na: é\n"
    assert math.isnan(parse_yaml(dump_inline(math.nan), ""))


@pytest.mark.parametrize("text", ["a:\n\tb: 1\n", "a: 1\n\tb: 1\n", "a:\n  b: 1\n  \tc: 2\n", "a:\n- 1\n\t- 2\n"])
def test_a_tab_is_called_a_tab(text: str) -> None:
    with pytest.raises(
        ConfigError, match=r"not valid YAML: line \d: a tab, which YAML doesn't take; indent by blanks$"
    ):
        parse_yaml(text, "params.yaml")
