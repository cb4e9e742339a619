"""Every remark is a sentence, about one result and about several."""

from __future__ import annotations

import re

import pytest

from fer_au.results import remarks as room
from fer_au.results.changes import Change
from fer_au.results.reading import read_results
from fer_au.results.remarks import Remark, enumerate_names, not_current
from fer_au.results.sheets import remarks
from fer_au.results.table import tabulate
from tests.results.writer import ResultsWriter

ALL = [
    *(one for one in vars(room).values() if isinstance(one, Remark)),
    *(not_current(Change(**{field: ("a", "b")})) for field in ("keys", "files", "others")),
]
VERBS = {"looks": "look", "shows": "show", "is": "are", "has": "have", "had": "had", "was": "were"}


@pytest.mark.parametrize("remark", ALL)
def test_a_remark_agrees_with_its_subjects(remark: Remark) -> None:
    one, several = remark.about(["a"]), remark.about(["a", "b", "c"])
    first = one.split()[1]
    assert one.startswith("a ")
    assert several.startswith(f"a, b and c {VERBS[first]} ")
    assert all(text.endswith(".") and ".." not in text for text in (one, several))


def test_names_are_listed_as_sentences_do() -> None:
    assert [enumerate_names(list(names)) for names in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]


@pytest.mark.parametrize("grouped", [False, True])
def test_every_remark_below_the_table_is_a_sentence(writer: ResultsWriter, grouped: bool) -> None:
    scores = {"att_ccos": 0.3, **{f"baseline.{name}.att_ccos": 0.5 for name in ("blank", "face", "class_mean")}}
    writer.name("a", group="pair")
    writer.evaluate("a", selected_on="test", **scores)
    writer.evaluate("perfect", wrong=0, split="valid")
    writer.evaluate("old", **scores)
    writer.evaluate_cross("there", "a", accuracy=0.5, selected_on="test", n=8)
    writer.publish(
        *({"row": row, "experiment": "a", "metrics": {"accuracy": 0.8}} for row in ("One", "Two")),
        {"row": "Both", "group": "pair", "metrics": {"accuracy": 0.8}},
    )
    writer.lock()
    writer.experiments["old"]["seed"] = 9
    found = remarks(tabulate(read_results(writer.params(), writer.root), grouped=grouped))
    assert len(found) >= 8
    verbs = r"\b(is|are|was|were|had|has|have|shows?|looks?|come|counts)\b"
    for line in found:
        assert re.match(r"[†A-Z] ?|(a|old|perfect|there|pair)\b", line), line
        assert line.endswith("."), line
        assert re.search(verbs, line), line
