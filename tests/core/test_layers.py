"""The house stands: imports go down from floor to floor, and never round in a circle."""

from __future__ import annotations

from graphlib import CycleError
from xml.etree import ElementTree

import pytest

from tools.draw_architecture import (
    EXCEPTIONS,
    FIGURE,
    FLOORS,
    PAGE,
    check_circles,
    draw_figure,
    find_hidden_arrows,
    find_imports,
    room_graph,
    room_of,
    write_page,
    wrong_imports,
)


def test_every_room_stands_on_one_floor() -> None:
    rooms = [room for floor in FLOORS for room in floor.rooms]
    assert sorted(rooms) == sorted({room_of(file) for file in find_imports()})


def test_no_import_goes_up() -> None:
    assert wrong_imports(find_imports()) == []


def test_no_rooms_and_no_files_import_one_another_in_a_circle() -> None:
    check_circles(find_imports())
    check_circles(room_graph(find_imports()))


def test_every_exception_is_still_needed() -> None:
    files = find_imports()
    assert all(target in files[file] for file, target in EXCEPTIONS)


def test_imports_of_every_kind_are_seen() -> None:
    files = find_imports()
    assert "fer_au/config/options.py" in files["fer_au/models/parts.py"]  # a plain one
    assert "fer_au/models/network.py" in files["fer_au/models/__init__.py"]  # a lazy export
    assert "fer_au/stores/reader.py" in files["tools/measure_agreement.py"]  # of a lazily exported name
    assert "fer_au/predictor.py" in files["fer_au/__init__.py"]
    assert "benchmarks/shared/blobs.py" in files["benchmarks/training.py"]


def test_what_goes_up_across_or_round_is_named() -> None:
    up = {"fer_au/config/data.py": {"fer_au/training/trainer.py"}, "fer_au/cues/cue.py": {"fer_au/models/parts.py"}}
    assert wrong_imports(up) == [
        "fer_au/config/data.py imports fer_au/training/trainer.py",
        "fer_au/cues/cue.py imports fer_au/models/parts.py",
    ]
    assert (
        wrong_imports({"fer_au/csv_files.py": {"fer_au/atomic.py"}, "fer_au/cues/cue.py": {"fer_au/cues/au.py"}}) == []
    )
    with pytest.raises(CycleError, match=r"fer_au/csv_files\.py"):
        check_circles({"fer_au/csv_files.py": {"fer_au/atomic.py"}, "fer_au/atomic.py": {"fer_au/csv_files.py"}})


def test_the_figure_and_the_table_are_current() -> None:
    figure = draw_figure()
    ElementTree.fromstring(figure)
    assert FIGURE.read_text(encoding="utf-8") == figure, "run `make docs`"
    page = PAGE.read_text(encoding="utf-8")
    assert write_page(page) == page, "run `make docs`"
    assert all(f">{room}" in figure for floor in FLOORS for room in floor.rooms)


def test_no_arrow_of_the_figure_runs_behind_a_box(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_hidden_arrows() == []
    in_one_column = tuple(room for floor in FLOORS[1:-1] for room in floor.rooms[:1])
    monkeypatch.setattr("tools.draw_architecture._COLUMNS", (in_one_column,))
    monkeypatch.setattr("tools.draw_architecture._BENDS", (0,))
    assert find_hidden_arrows()
