from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.write_constraints import EXTRAS, PATH, constraints_text, find_releases, read_constraints


def test_every_package_that_is_named_has_a_release_within_its_bounds() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needs = [*project["dependencies"], *(text for extra in EXTRAS if extra for text in extras[extra])]
    known = read_constraints()
    for need in map(Requirement, needs):
        if need.marker is None or need.marker.evaluate():
            assert need.specifier.contains(known[canonicalize_name(need.name)]), need


def test_the_file_lists_what_is_needed_indirectly_and_nothing_of_a_kind_of_gpu() -> None:
    known, here = read_constraints(), find_releases()
    assert {"dvc-data", "pydantic-core", "jinja2"} <= known.keys()
    assert not [name for name in known if name.startswith(("nvidia", "cuda", "triton"))]
    assert len(known.keys() & here.keys()) > len(here) * 0.9  # other releases may need a few others
    assert not [release for release in known.values() if "+" in release]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / PATH.name
    path.write_text(constraints_text({"a": "1.0", "b-c": "2"}))
    assert read_constraints(path) == {"a": "1.0", "b-c": "2"}
