"""Faces that are followed, smoothed, arranged and drawn over time."""

from __future__ import annotations

from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest

from fer_au.errors import ConfigError
from fer_au.use.finding import FoundFace
from fer_au.video.answering import Moment, ShownFace
from fer_au.video.drawing import Drawer, lay_heat
from fer_au.video.footage import Frame
from fer_au.video.layout import Area, Scale, overlap
from fer_au.video.panel import Panel
from fer_au.video.smoothing import Smoother, Smoothing
from fer_au.video.timeline import MOST_FACES, Timeline, thinned
from fer_au.video.tracking import Tracker

CLASSES = ("neutral", "happiness", "surprise", "fear", "anger", "disgust", "sadness", "contempt")


def face_at(x: float, y: float = 100, side: float = 60) -> tuple[np.ndarray, np.ndarray]:
    box = np.array([x, y, x + side, y + side])
    return box, np.array([(x + share * side, y + share * side) for share in (0.3, 0.5, 0.7)])


def test_faces_that_pass_one_another_keep_their_numbers() -> None:
    tracker = Tracker()
    for step in range(40):
        one, other = face_at(10 + 12 * step), face_at(490 - 12 * step, 130)
        faces = [one, other] if step % 2 else [other, one]
        numbers = tracker.update(step / 25, faces)
        assert numbers == ([2, 1] if step % 2 else [1, 2])


def test_a_face_that_was_hidden_for_a_moment_is_known_again_and_later_it_is_new() -> None:
    tracker = Tracker()
    assert tracker.update(0.0, [face_at(100)]) == [1]
    assert tracker.update(0.5, []) == []
    assert tracker.update(0.9, [face_at(104)]) == [1]
    for time in (1.2, 1.6, 2.0):
        assert tracker.update(time, []) == []
    assert tracker.update(2.1, [face_at(104)]) == [2]


def test_looks_that_lie_far_apart_keep_a_face() -> None:
    tracker = Tracker()
    assert [tracker.update(4.0 * look, [face_at(100 + look)]) for look in range(3)] == [[1], [1], [1]]


def test_another_place_is_another_face_and_numbers_are_never_given_again() -> None:
    tracker = Tracker()
    assert tracker.update(0.0, [face_at(0)]) == [1]
    assert tracker.update(0.04, [face_at(300)]) == [2]
    assert tracker.update(0.08, [face_at(300), face_at(2), face_at(150)]) == [2, 1, 3]


def test_two_faces_of_one_place_are_two() -> None:
    tracker = Tracker()
    assert tracker.update(0.0, [face_at(0), face_at(1)]) == [1, 2]
    assert sorted(tracker.update(0.04, [face_at(1), face_at(0)])) == [1, 2]


def test_smoothing_is_that_of_its_formula() -> None:
    steps = np.random.default_rng(0).dirichlet(np.ones(3), 6)
    ema, window, none = (Smoother(Smoothing.parse(text)) for text in ("ema:0.25", "window:3", "none"))
    expected = steps[0]
    for place, scores in enumerate(steps):
        expected = scores if place == 0 else 0.25 * scores + 0.75 * expected
        np.testing.assert_allclose(ema.add(1, scores), expected)
        np.testing.assert_allclose(window.add(1, scores), steps[max(place - 2, 0) : place + 1].mean(axis=0))
        np.testing.assert_array_equal(none.add(1, scores), scores)
    np.testing.assert_array_equal(ema.add(2, steps[0]), steps[0])  # another face begins anew


@pytest.mark.parametrize("text", ["", "ema", "ema:", "ema:0", "ema:1.1", "ema:nan", "window:0", "window:2.5", "none:1"])
def test_a_wrong_smoothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--smooth: expected none, ema:A"):
        Smoothing.parse(text)


def shown(track: int, box: tuple[float, float, float, float], heat: np.ndarray | None = None) -> ShownFace:
    scores = np.random.default_rng(track).dirichlet(np.full(len(CLASSES), 0.3))
    scale = 64 / (box[2] - box[0])
    matrix = np.array([[scale, 0, -scale * box[0]], [0, scale, -scale * box[1]]])
    found = FoundFace(b"", b"", matrix, box, "squares", 0.5, True)
    return ShownFace(track, found, None, scores.astype(np.float32), scores, heat)


def moment(faces: list[ShownFace], size: tuple[int, int], number: int = 0) -> Moment:
    return Moment(Frame(number, number, number / 25, np.full((*size, 3), 90, np.uint8)), True, tuple(faces))


@pytest.mark.parametrize("size", [(480, 640), (1080, 1920), (96, 160), (16, 16), (640, 360), (40, 900)])
def test_what_is_written_never_overlaps_nor_leaves_the_frame(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    height, width = size
    random = np.random.default_rng(height)
    areas: list[Area] = []
    place, arrange = Drawer._draw_words, Panel._arrange

    def keep_place(self: Drawer, picture: np.ndarray, area: Area, *rest: object) -> None:
        areas.append(area)
        place(self, picture, area, *rest)  # type: ignore[arg-type]

    def keep_cards(self: Panel, faces: list[ShownFace]) -> list[tuple[ShownFace, Area]]:
        found = arrange(self, faces)
        areas.extend(area for _, area in found)
        return found

    monkeypatch.setattr(Drawer, "_draw_words", keep_place)
    monkeypatch.setattr(Panel, "_arrange", keep_cards)
    drawer = Drawer(CLASSES, size, 64, "layercam", panel=True)
    for number in range(4):
        sides = random.uniform(0.1, 0.7, 5) * height
        corners = random.uniform(-0.2, 0.9, (5, 2)) * (width, height)
        boxes = [(x, y, x + side, y + side) for (x, y), side in zip(corners.tolist(), sides.tolist(), strict=True)]
        heat = random.random((4, 4)).astype(np.float32)
        faces = [shown(track, box, heat) for track, box in enumerate(boxes, 1)]
        areas.clear()
        picture = drawer.draw(moment(faces, size, number))
        assert picture.shape == (height, width, 3)
        assert (picture != 90).any()
        frame = Scale.of(width, height)
        assert all(frame.inside(area) for area in areas)
        assert not any(overlap(one, other) for one, other in combinations(areas, 2))
    assert areas or height < 40


def test_the_panel_stays_while_it_hides_little_and_moves_beside_the_face() -> None:
    scale = Scale.of(640, 480)
    panel = Panel(CLASSES, scale)
    picture = np.zeros((480, 640, 3), np.uint8)
    places = []
    for x in range(0, 480, 8):
        (area,) = panel.draw(picture, [shown(1, (x, 160, x + 160, 320))])
        places.append(area)
    changes = sum(one != other for one, other in pairwise(places))
    assert 1 <= changes <= 3
    assert overlap(places[0], Area(0, 160, 160, 160)) < 0.1 * places[0].width * places[0].height


def test_a_frame_without_a_face_says_so_where_there_is_room() -> None:
    drawer = Drawer(CLASSES, (120, 160), 64, "", panel=True)
    picture = drawer.draw(moment([], (120, 160)))
    assert (picture[:40, :90] != 90).any()
    assert (picture[60:] == 90).all()


def test_a_map_lies_where_its_face_does() -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    heat = np.zeros((8, 8), np.float32)
    heat[1, 6] = 1
    scale = 96 / 80  # the face's crop is x 100..180, y 10..90
    lay_heat(picture, heat, np.array([[scale, 0, -100 * scale], [0, scale, -10 * scale]]))
    y, x = np.unravel_index(picture.sum(axis=2).argmax(), (100, 200))
    assert abs(x - (100 + 80 * 6.5 / 8)) < 3
    assert abs(y - (10 + 80 * 1.5 / 8)) < 3
    assert not picture[:, :98].any()
    before = picture.copy()
    lay_heat(picture, heat, np.array([[scale, 0, 900 * scale], [0, scale, 0.0]]))  # outside of the frame
    lay_heat(picture, np.full((8, 8), np.nan, np.float32), np.array([[scale, 0, 0], [0, scale, 0.0]]))
    assert np.abs(picture.astype(int) - before).max() <= 1


@pytest.mark.parametrize("faces", [0, 1, 7])
def test_the_timeline_has_a_row_for_each_face(faces: int, tmp_path: Path) -> None:
    timeline = Timeline(CLASSES)
    for number in range(30):
        seen = [shown(track, (0, 0, 50, 50)) for track in range(1, faces + 1) if track == 1 or number % 7]
        timeline.add(moment(seen, (60, 60), number))
    assert timeline.faces == faces
    timeline.draw(tmp_path / "a.svg", "a $clip$ & <more>.mp4")
    text = (tmp_path / "a.svg").read_bytes()
    assert text.count(b'<g id="axes_') == min(max(faces, 1), MOST_FACES)
    if faces == 1:
        timeline.draw(tmp_path / "b.svg", "a $clip$ & <more>.mp4")
        assert (tmp_path / "b.svg").read_bytes() == text


def test_a_long_curve_is_averaged() -> None:
    times, scores = np.arange(1000.0), np.stack([np.arange(1000), np.ones(1000)], axis=1).astype(np.float32)
    fewer, means = thinned(times, scores, 100)
    assert len(fewer) == len(means) == 100
    np.testing.assert_allclose(means[:, 0], fewer, rtol=1e-6)
    np.testing.assert_allclose(means[:, 1], 1)
    assert thinned(times, scores, 1000)[0] is times
