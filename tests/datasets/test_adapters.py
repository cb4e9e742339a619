"""What every adapter promises, and how ``params.yaml`` names one."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer_au.config.data import DatasetConfig
from fer_au.datasets import Adapter, create_adapter, list_adapters, load_dataset_config
from fer_au.datasets.csv_labels import CsvConfig
from fer_au.errors import ConfigError, DataError, UnknownNameError

SETS = {name: {"adapter": "folder", "root": name} for name in ("one", "two")}
EXTRA_KEYS: dict[str, dict[str, object]] = {"csv": {"labels": "labels.csv"}, "union": {"sets": SETS}}


def test_the_built_in_adapters_are_listed() -> None:
    assert set(list_adapters()) >= {"csv", "demo", "folder", "sep"}


@pytest.mark.parametrize("name", list_adapters())
def test_every_adapter_keeps_the_contract(name: str, tmp_path: Path) -> None:
    adapter = create_adapter(name)
    assert isinstance(adapter, Adapter)
    assert issubclass(adapter.Config, DatasetConfig)
    assert adapter.Config.model_config["extra"] == "forbid"
    looks = [adapter.scan]
    if type(adapter).outline is not Adapter.outline:  # an adapter need not tell anything beforehand
        looks.append(adapter.outline)
    for root in (tmp_path / "absent", tmp_path):  # missing, empty
        config = adapter.Config.model_validate({"adapter": name, "root": root, **EXTRA_KEYS.get(name, {})})
        for look in looks:
            with pytest.raises(DataError, match=str(root)) as caught:
                look(config)
            assert "\n" not in str(caught.value)


def test_an_unknown_adapter_lists_near_names() -> None:
    with pytest.raises(UnknownNameError, match="did you mean folder"):
        create_adapter("foldr")


@pytest.fixture
def load(tmp_path: Path):  # type: ignore[no-untyped-def]
    def run(entry: str) -> DatasetConfig:
        path = tmp_path / "params.yaml"
        path.write_text(f"datasets:\n  wild: {{{entry}}}\n")
        return load_dataset_config("wild", path)

    return run


def test_an_entry_is_validated_by_its_adapter(load) -> None:  # type: ignore[no-untyped-def]
    config = load("adapter: csv, root: x, labels: legend.csv, columns: {label: emotion}, test_fraction: 0.2")
    assert isinstance(config, CsvConfig)
    assert (config.root, config.columns.image, config.columns.label) == (Path("x"), "image", "emotion")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("root: x", r"datasets\.wild\.adapter: required key is missing"),
        ("adapter: 3, root: x", r"datasets\.wild\.adapter: "),
        ("adapter: cvs, root: x", r"datasets\.wild\.adapter: unknown data set adapter 'cvs'; did you mean csv"),
        ("adapter: csv, root: x", r"datasets\.wild\.labels: required key is missing"),
        ("adapter: folder", r"datasets\.wild\.root: required key is missing"),
        ("adapter: folder, root: x, lables: y", r"datasets\.wild\.lables: unknown key; did you mean label_map"),
        ("adapter: folder, root: x, label_map: {1: hapy}", r"datasets\.wild\.label_map: 1: 'hapy' is no expression"),
        (
            "adapter: folder, root: x, subject_pattern: '('",
            r"datasets\.wild\.subject_pattern: not a regular expression",
        ),
        ("adapter: folder, root: x, valid_fraction: 2", r"datasets\.wild\.valid_fraction: "),
        ("adapter: csv, root: x, labels: ../y.csv", r"datasets\.wild\.labels: must be a path below root"),
        ("adapter: csv, root: x, labels: ~/y.csv", r"datasets\.wild\.labels: must be a path below root"),
        ("adapter: csv, root: x, labels: y, images: /etc", r"datasets\.wild\.images: must be a path below root"),
        ("adapter: csv, root: x, labels: y, encoding: utf-9", r"datasets\.wild\.encoding: unknown encoding"),
        (
            "adapter: csv, root: x, labels: y, columns: {imag: z}",
            r"datasets\.wild\.columns\.imag: unknown key; .*image",
        ),
        ("adapter: csv, root: x, labels: y, columns: {box: [a, b]}", r"datasets\.wild\.columns\.box"),
    ],
)
def test_a_wrong_entry_is_one_line_with_the_key(load, entry: str, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=message) as caught:
        load(entry)
    assert "\n" not in str(caught.value)
    assert "params.yaml" in str(caught.value)
