"""Every key that an adapter of one data set has of its own changes what ``ingest`` makes of it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from fer_au.config.dataset_settings import OVERRIDABLE
from fer_au.config.reading import validate
from fer_au.datasets import create_adapter
from fer_au.datasets.stage import survey_dataset
from fer_au.errors import ConfigError, DataError
from tests.datasets.miniatures import ferplus, kdef, sfew
from tests.effects.keys import cases, digest, leaves, put
from tests.effects.official_sets import OFFICIAL
from tests.effects.test_data import LISTED

_SPREAD = [[4, 3, 3, 0, 0, 0, 0, 0, 0, 0]]  # votes without a majority
_MORE: dict[str, Callable[[Path], None]] = {
    "ferplus": lambda root: ferplus.write(root, _SPREAD + ferplus.votes()[1:]),
    "kdef": lambda root: kdef.write(root, 2, "B"),
    "sfew": lambda root: sfew.write(root, "_Aligned_Faces"),
}


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("official")
    for name in OFFICIAL:
        import_module(f"tests.datasets.miniatures.{name}").write(folder / name)
        _MORE.get(name, lambda root: None)(folder / name)
    return folder


def surveyed(entry: dict[str, Any]) -> str:
    config = validate(create_adapter(entry["adapter"]).Config, entry, "", "test")
    survey = survey_dataset("set", config)
    return digest(survey.rows, survey.rejects)


@pytest.mark.parametrize(("name", "key"), cases(OFFICIAL))
def test_a_key_changes_what_ingest_makes(name: str, key: str, roots: Path) -> None:
    case = OFFICIAL[name][key]
    entry = {"adapter": name, "root": str(roots / name), **case.beside}
    one, other = (surveyed(put(dict(entry), {key: value})) for value in case[:2])
    assert one != other


@pytest.mark.parametrize("name", OFFICIAL)
def test_no_key_is_forgotten(name: str) -> None:
    own = set(leaves(create_adapter(name).Config)) - set(OVERRIDABLE) - set(LISTED)
    assert own == set(OFFICIAL[name])


@pytest.mark.parametrize("name", [name for name in OFFICIAL if name != "union"])
def test_a_map_of_labels_that_no_face_has_is_refused(name: str, roots: Path) -> None:
    entry = {"adapter": name, "root": str(roots / name), "label_map": {"glad": "happiness"}}
    with pytest.raises((ConfigError, DataError), match="label_map: has no effect: no label of the data set is glad"):
        surveyed(entry)
