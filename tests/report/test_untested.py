"""Classes of a model that no test image is of: the page says so wherever it lists classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer_au.report import write_report
from fer_au.report.collect import read_project

from .project import CLASSES, DEFAULT, Writer, experiment

SECTIONS = ("samples", "gallery", "matrices", "averages")


def lines_of(writer: Writer, params: Path) -> dict[str, list[str]]:
    """Section of the page -> what it says of classes without test images."""
    write_report(params, writer.root, writer.root / "page.html")
    parts = {name: part for part in (writer.root / "page.html").read_text().split('<h2 id="') for name in SECTIONS
             if part.startswith(name)}  # fmt: skip
    return {name: [one.partition("</p>")[0] for one in parts[name].split("o test image of: ")[1:]] for name in parts}


@pytest.mark.parametrize("tested", [CLASSES, CLASSES[1:], ("surprise",), ("happiness", "anger")])
def test_every_list_of_classes_names_those_without_a_test_image(writer: Writer, tested: tuple[str, ...]) -> None:
    writer.dataset("faces", test_labels=tested)
    writer.experiment("vanilla", good=False)
    writer.experiment("au", good=True, seed=1)
    absent = ", ".join(name for name in CLASSES if name not in tested)
    told = [f"{absent}."] if absent else []
    assert lines_of(writer, writer.params(DEFAULT)) == {
        "samples": told,
        "gallery": told,
        "matrices": told * 2,  # of each experiment
        "averages": told,
    }


def test_each_data_set_is_told_by_its_own_classes(writer: Writer) -> None:
    for name, tested in (("faces", CLASSES[:3]), ("other", CLASSES)):
        writer.dataset(name, prefix=f"{name}/", test_labels=tested)
        writer.experiment(f"on-{name}", good=False)
    params = writer.params({f"on-{name}": experiment(dataset=name) for name in ("faces", "other")})
    assert {tuple(told) for told in lines_of(writer, params).values()} == {("anger.",)}
    assert "faces: no test image of: anger." in (writer.root / "page.html").read_text()
    assert [one.untested for one in read_project(params, writer.root).experiments] == [["anger"], []]
