"""``KEY=VALUE`` on the command line: what it sets, what it refuses, and which key a user may have meant."""

from __future__ import annotations

import pytest

from fer_au.config.assignments import parse_settings
from fer_au.config.experiments import ExperimentConfig, TrainConfig
from fer_au.config.keys import suggest_keys
from fer_au.datasets.csv_labels import CsvConfig
from fer_au.errors import ConfigError


@pytest.mark.parametrize(
    ("texts", "settings"),
    [
        (["seed=1", "labels=a.csv"], {"seed": 1, "labels": "a.csv"}),
        (["columns.image=File"], {"columns": {"image": "File"}}),
        (["columns={image: File}", "columns.label=Mood"], {"columns": {"image": "File", "label": "Mood"}}),
        (["columns.box=[a, b, c, d]", "columns.box.1=e"], {"columns": {"box": ["a", "e", "c", "d"]}}),
        (["label_map.1=fear", "label_map.2=null"], {"label_map": {"1": "fear", "2": None}}),
        (["subject_pattern=^(.+)=\\d$", " seed = 2 "], {"subject_pattern": "^(.+)=\\d$", "seed": 2}),
    ],
)
def test_dotted_paths_make_nested_settings(texts: list[str], settings: dict[str, object]) -> None:
    assert parse_settings("--set", texts) == settings


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["seed"], "--set seed: expected KEY=VALUE"),
        (["=1"], "--set =1: expected KEY=VALUE"),
        (["columns..image=1"], "--set columns..image=1: expected KEY=VALUE"),
        (["seed="], "--set seed=: expected KEY=VALUE, and the value is empty; write null for none"),
        (["seed=1", "seed=2"], "--set seed=2: seed is given twice; leave one of them out"),
        (["columns={image: File"], "--set columns: not valid YAML: "),
        (["labels=a", "labels.b=1"], "--set labels.b: nothing lies below 'labels'"),
        (["b=[1]", "b.x=2"], "--set b.x: 'x' is no position of a list; the first is b.0"),
        (["b=[1]", "b.1=2"], "--set b.1: there is no such list entry"),
    ],
)
def test_a_bad_assignment_is_one_line(texts: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings("--set", texts)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "kind", "location", "said"),
    [
        ("lr", ExperimentConfig, (), "did you mean train.optimizer.lr?"),
        ("momentum", TrainConfig, (), "did you mean optimizer.momentum?"),
        ("weight", ExperimentConfig, (), "did you mean guidance.0.weight?"),
        ("weigth", ExperimentConfig, ("guidance", 0), "did you mean weight?"),
        ("head_option", ExperimentConfig, (), "did you mean model.head_options?"),
        ("image", CsvConfig, (), "did you mean columns.image or images?"),
        ("subject", CsvConfig, (), "did you mean columns.subject?"),
        ("zzz", CsvConfig, ("columns",), "known: box, face, fold, image, label, soft, split, subject"),
    ],
)
def test_an_unknown_key_is_searched_for_further_in_too(
    name: str, kind: type, location: tuple[int | str, ...], said: str
) -> None:
    assert suggest_keys(name, kind, location) == said
