"""Columns of label files: found by their cells and headers; what contradicts its header is told, not used."""

from __future__ import annotations

import pytest

from fer_au.data_check.columns import Meanings, Sheet, guess_columns

PICTURES = tuple(f"{number}.jpg" for number in range(8))
LABELS = ("happy", "sad", "fear", "anger") * 2


def guess(given: tuple[str, ...] = (), **columns: tuple[str, ...]) -> Meanings:
    names = ("file", *columns)
    return guess_columns(Sheet(names, [PICTURES, *columns.values()]), 0, "names", set(given))


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("emotion", LABELS),
        ("anything", LABELS),
        ("emotion", ("0", "1", "2", "3") * 2),
        ("Label", ("Wut", "Freude") * 4),
    ],
)
def test_labels_are_found_by_their_cells_and_codes_by_their_header(name: str, cells: tuple[str, ...]) -> None:
    assert guess(noise=tuple(map(str, range(100, 108))), **{name: cells}).columns == {"image": "file", "label": name}


def test_of_two_columns_of_labels_the_header_decides_and_the_other_is_told() -> None:
    found = guess(second=LABELS, emotion=LABELS)
    assert found.columns["label"] == "emotion"
    assert any(doubt.startswith("second names expressions, too") for doubt in found.doubts)
    assert "label" not in guess(given=("label",), emotion=LABELS).columns


@pytest.mark.parametrize(
    ("column", "key"),
    [
        ({"Usage": ("Training", "PublicTest") * 4}, "split"),
        ({"part": ("train", "test") * 4}, "split"),
        ({"person_id": ("a", "b") * 4}, "subject"),
        ({"fold": ("1", "2") * 4}, "fold"),
    ],
)
def test_other_columns_are_found(column: dict[str, tuple[str, ...]], key: str) -> None:
    found = guess(emotion=LABELS, **column)
    assert found.columns[key] == next(iter(column))
    assert [one.key for one in found.guesses] == ["columns.image", "columns.label", f"columns.{key}"]
    assert all(one.why for one in found.guesses)


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ({"split": ("0", "1") * 4}, "split isn't taken for the split: its cells (0, 1) name none"),
        ({"subject": PICTURES}, "subject isn't taken for the person: each row has another"),
        ({"subject": ("a",) * 8}, "subject isn't taken for the person: all have one"),
        ({"brightness": ("1.5",) * 8}, "columns that aren't used: brightness"),
    ],
)
def test_what_contradicts_its_header_is_told_and_not_used(column: dict[str, tuple[str, ...]], told: str) -> None:
    found = guess(emotion=LABELS, **column)
    assert set(found.columns) == {"image", "label"}
    assert any(doubt.startswith(told) for doubt in found.doubts)


@pytest.mark.parametrize(
    ("names", "cells", "order", "fault"),
    [
        ("x1 y1 x2 y2", "10 10 30 40", "xyxy", ""),
        ("bbox_left bbox_top bbox_right bbox_bottom", "10 10 30 40", "xyxy", ""),
        ("face_x face_y face_width face_height", "10 10 5 5", "xywh", ""),
        ("x1 y1 x2 y2", "10 10 5 5", "", "as xyxy, 8 of 8 have no area"),
        ("x0 y0 x1 y1", "0.1 0.1 0.9 0.9", "", "it looks normalised to [0, 1]"),
        ("cx cy w h", "20 20 5 5", "", "it is given by its middle and size"),
        ("x1 y1 x2 y2", "a b c d", "", "not four numbers"),
    ],
)
def test_boxes_are_found_by_their_headers_and_proven_by_their_numbers(
    names: str, cells: str, order: str, fault: str
) -> None:
    found = guess(
        emotion=LABELS, **{name: (cell,) * 8 for name, cell in zip(names.split(), cells.split(), strict=True)}
    )
    assert found.columns.get("box") == (names.split() if order else None)
    assert found.settings.get("box_format", "xyxy") == (order or "xyxy")
    assert not fault or any(f"isn't taken for the face's box: {fault}" in doubt for doubt in found.doubts)


def test_points_are_found_in_one_column_or_in_many_and_are_no_box() -> None:
    cell = ";".join(["1.5"] * 136)
    assert guess(emotion=LABELS, lm=(cell,) * 8).settings == {"points": {"column": "lm"}}
    many = {f"{axis}{number}": ("3",) * 8 for number in range(68) for axis in "xy"}
    found = guess(emotion=LABELS, **many)
    assert found.settings == {"points": {"file": "", "id": "file"}}
    assert "box" not in found.columns
    assert found.doubts == []


def test_votes_are_told_and_are_no_label() -> None:
    found = guess(**dict.fromkeys(("neutral", "happiness", "surprise", "sadness"), ("1", "9") * 4))
    assert "label" not in found.columns
    assert "hold numbers for each expression" in found.doubts[0]


def test_pictures_in_several_rows_want_a_column_of_faces() -> None:
    twice = ("a.jpg", "b.jpg") * 4
    for names, key in ((("file", "emotion", "face_id"), "face_id"), (("file", "emotion", "other"), None)):
        found = guess_columns(Sheet(names, [twice, LABELS, tuple("11223344")]), 0, "names", set())
        assert found.columns.get("face") == key
        assert any("pictures stand in several rows" in doubt for doubt in found.doubts) == (key is None)


def test_columns_without_a_header_are_named_by_position() -> None:
    found = guess_columns(Sheet((), [PICTURES, ("0", "1") * 4, ("0", "1", "2", "3") * 2]), 0, "names", set())
    assert found.columns == {"image": 0, "label": 1}
    doubled = guess_columns(Sheet(("file", "a", "a"), [PICTURES, PICTURES, LABELS]), 0, "names", set())
    assert doubled.columns == {"image": "file", "label": 2}  # the name means the first of both
