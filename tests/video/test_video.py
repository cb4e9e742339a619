"""``fer-au video``: the copy, the table and the timeline of sound videos."""

from __future__ import annotations

import csv
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from fer_au import Predictor
from fer_au.faces import Aligner
from fer_au.video import writing
from fer_au.video.timeline import Timeline
from tests.cli.test_help import example_of
from tests.use.conftest import LABELS, write_model
from tests.video.clips import find_squares, read_clip, sounds_of, write_clip
from tests.video.conftest import Call

DRAW = Timeline.draw
FACE = ("face", "x0", "y0", "x1", "y1", "detector", "score", "predicted", "confidence", *LABELS)
SMOOTH = tuple(f"smooth_{name}" for name in ("predicted", "confidence", *LABELS))


def read_rows(path: Path | str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def scores_of(row: dict[str, str], before: str = "") -> np.ndarray:
    return np.array([float(row[before + name]) for name in LABELS])


def changed(one: np.ndarray, other: np.ndarray) -> float:
    """Share of the pixels that are another colour."""
    return float((np.abs(one.astype(int) - other).max(axis=2) > 60).mean())


def test_the_copy_has_the_size_the_times_and_the_sound_of_the_video(model: Path, call: Call) -> None:
    write_clip(Path("a.mp4"), times=[0, 40, 50, 400, 410, 1200], sound="aac")
    code, out, err = call(model, "a.mp4", "-o", "b.mp4")
    assert (code, out) == (0, "b.mp4: 6 frames, 1 face; b.faces.csv, b.timeline.png\n"), err
    before, after = read_clip(Path("a.mp4")), read_clip(Path("b.mp4"))
    assert [time for time, _ in after] == [time for time, _ in before]
    assert all(new.shape == old.shape for (_, new), (_, old) in zip(after, before, strict=True))
    assert all(0.01 < changed(new, old) < 0.4 for (_, new), (_, old) in zip(after, before, strict=True))
    corner = np.median(after[0][1][-8:, -8:], axis=(0, 1))
    np.testing.assert_allclose(corner, (20, 30, 40), atol=3)  # colours stay
    assert sounds_of(Path("b.mp4")) == sounds_of(Path("a.mp4")) != []
    assert [float(row["time"]) for row in read_rows("b.faces.csv")] == [0, 0.04, 0.05, 0.4, 0.41, 1.2]
    assert sorted(path.name for path in Path().iterdir()) == [
        *("a.mp4", "b.faces.csv", "b.mp4", "b.timeline.png"),
        "locks",
    ]


def test_the_table_has_the_answers_of_the_predictor_and_rows_without_a_face(model: Path, call: Call) -> None:
    frames = [((10, 10), (100, 50)), ((14, 12), (96, 50)), (), ((18, 14),)]
    write_clip(Path("a.mkv"), frames, codec="ffv1", pix_fmt="bgr0")
    code, _, err = call(model, "a.mkv", "-o", "b.mkv", "--smooth", "window:2", "--csv", "t.csv")
    assert (code, "1 of 4 without a face (reason no_face)" in err) == (0, True)
    rows = read_rows("t.csv")
    assert tuple(rows[0]) == ("frame", "time", "track", *FACE, *SMOOTH, "reason", "detail")
    assert [(row["frame"], row["track"], row["face"]) for row in rows] == [
        *(("0", "1", "0"), ("0", "2", "1"), ("1", "1", "0"), ("1", "2", "1")),
        *(("2", "", ""), ("3", "1", "0")),
    ]
    assert (rows[4]["reason"], rows[4]["predicted"], rows[4]["smooth_predicted"]) == ("no_face", "", "")
    pictures = [image for _, image in read_clip(Path("a.mkv"))]
    expected = Predictor.load(model, "cpu")(pictures, faces="all")
    answered = [row for row in rows if row["face"]]
    np.testing.assert_allclose([scores_of(row) for row in answered], expected.scores, atol=2e-6)
    assert [row["predicted"] for row in answered] == list(expected.labels)
    assert [float(row["x0"]) for row in answered] == expected.boxes[:, 0].tolist()
    mean = (scores_of(rows[0]) + scores_of(rows[2])) / 2
    np.testing.assert_allclose(scores_of(rows[2], "smooth_"), mean, atol=2e-6)
    assert rows[2]["smooth_predicted"] == LABELS[int(mean.argmax())]
    assert call(model, "a.mkv", "-o", "b.mkv", "--smooth", "none", "--csv", "t.csv")[0] == 0
    assert tuple(read_rows("t.csv")[0]) == ("frame", "time", "track", *FACE, "reason", "detail")


def test_only_frames_that_are_looked_at_have_rows_and_the_others_show_the_last_faces(model: Path, call: Call) -> None:
    write_clip(Path("a.mp4"), [((20, 30),)] + [()] * 2 + [((100, 30),)] + [()])
    code, out, err = call(model, "a.mp4", "-o", "b.mp4", "--every", 3, "--no-panel")
    assert (code, out.split(";")[0]) == (0, "b.mp4: 5 frames, 2 faces")
    assert "2 frames were looked at, one of 3; the others show the last faces" in err
    assert [row["frame"] for row in read_rows("b.faces.csv")] == ["0", "3"]
    drawn = [np.abs(image.astype(int) - (20, 30, 40)).max(axis=2) > 60 for _, image in read_clip(Path("b.mp4"))]
    left, right = np.s_[32:60, 10:60], np.s_[32:60, 90:140]
    assert drawn[1][left].any()  # where no square is any more
    assert not drawn[1][right].any()
    assert drawn[4][right].any()
    assert not drawn[4][left].any()


def test_one_face_is_the_one_of_the_training(model: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Aligner, "__call__", lambda self, image: find_squares(self, image)[-1])
    write_clip(Path("a.mp4"), [((10, 10), (100, 50))] * 2)
    assert call(model, "a.mp4", "-o", "b.mp4", "--faces", "one")[0] == 0
    assert [float(row["x0"]) for row in read_rows("b.faces.csv")] == pytest.approx([100, 100], abs=2)
    monkeypatch.undo()


def test_a_frame_in_which_the_training_would_take_the_whole_picture_has_no_face(
    model: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip(Path("a.mp4"), [()])
    monkeypatch.setattr(Aligner, "find", lambda *_, **__: None)
    assert call(model, "a.mp4", "-o", "b.mp4", "--faces", "one")[0] == 0
    assert read_rows("b.faces.csv")[0]["reason"] == "no_face"


@pytest.mark.parametrize("overlay", ["attention", "gradcam", "gradcam@3"])
def test_a_map_is_laid_over_the_face(overlay: str, model: Path, call: Call) -> None:
    write_clip(Path("a.mp4"), [((60, 30),)] * 2)
    assert call(model, "a.mp4", "-o", "plain.mp4", "--no-panel")[0] == 0
    assert call(model, "a.mp4", "-o", "seen.mp4", "--no-panel", "--overlay", overlay)[0] == 0
    (_, plain), (_, seen) = read_clip(Path("plain.mp4"))[1], read_clip(Path("seen.mp4"))[1]
    assert changed(plain[24:68, 50:100], seen[24:68, 50:100]) > 0.1
    assert changed(plain[:12, 120:], seen[:12, 120:]) == 0
    tables = [Path(f"{name}.faces.csv").read_bytes() for name in ("plain", "seen")]
    assert tables[0] == tables[1]


def test_the_68_points_are_drawn(model: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from fer_au.landmarks import create_extractor
    from fer_au.video import run

    monkeypatch.setattr(run, "create_extractor", lambda name: create_extractor("mean-shape"))
    write_clip(Path("a.mp4"), [((60, 30),)])
    assert call(model, "a.mp4", "-o", "plain.mp4", "--no-panel")[0] == 0
    assert call(model, "a.mp4", "-o", "seen.mp4", "--no-panel", "--points")[0] == 0
    (_, plain), (_, seen) = read_clip(Path("plain.mp4"))[0], read_clip(Path("seen.mp4"))[0]
    assert changed(plain[28:66, 58:94], seen[28:66, 58:94]) > 0.1


def test_seconds_end_it_early(model: Path, call: Call) -> None:
    write_clip(Path("a.mp4"))
    assert call(model, "a.mp4", "-o", "b.mp4", "--seconds", 0.1)[:2] == (
        0,
        "b.mp4: 3 frames, 1 face; b.faces.csv, b.timeline.png\n",
    )
    assert len(read_clip(Path("b.mp4"))) == 3


def test_the_example_of_the_help_works(model: Path, call: Call) -> None:
    write_clip(Path("clip.mp4"), [((60, 30),)])
    shutil.copytree(model, "models/au")
    assert call(*example_of("fer-au video")[2:])[0] == 0


def test_without_h264_the_video_is_mpeg4_and_says_so(model: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_H264", {})
    write_clip(Path("a.mp4"), times=[0, 40, 50, 400, 410, 1200], unit=Fraction(1, 90_000))
    code, _, err = call(model, "a.mp4", "-o", "b.mp4")
    assert (code, "no encoder of H.264: the video is MPEG-4 part 2" in err) == (0, True)
    assert [time for time, _ in read_clip(Path("b.mp4"))] == pytest.approx([0, 0.04, 0.05, 0.4, 0.41, 1.2], abs=1e-4)


def test_sound_that_has_no_place_is_left_out_and_told(model: Path, call: Call) -> None:
    write_clip(Path("a.mkv"), sound="pcm_s16le")
    code, _, err = call(model, "a.mkv", "-o", "b.mp4")
    assert code == 0
    told = "its sound (pcm_s16le) has no place in mp4: take .mkv" in err
    assert told != bool(sounds_of(Path("b.mp4")))
    assert call(model, "a.mkv", "-o", "b.mkv")[0] == 0
    assert b"".join(sounds_of(Path("b.mkv"))) == b"".join(sounds_of(Path("a.mkv"))) != b""


@pytest.mark.parametrize(
    ("name", "sound", "into"), [("a.ts", "aac", "b.mp4"), ("a.ts", "mp2", "b.mov"), ("a.webm", "libopus", "b.mp4")]
)
def test_sound_goes_from_one_kind_of_file_into_another(
    name: str, sound: str, into: str, model: Path, call: Call
) -> None:
    write_clip(Path(name), codec="libvpx" if name == "a.webm" else "libx264", sound=sound)
    code, _, err = call(model, name, "-o", into)
    assert code == 0, err
    assert len(sounds_of(Path(into))) >= len(sounds_of(Path(name))) - 2 > 0


def test_the_figure_is_where_it_is_wanted(model: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Timeline, "draw", DRAW)
    write_clip(Path("a.mp4"))
    assert call(model, "a.mp4", "-o", "b.mp4", "--figure", "f.png")[0] == 0
    with PIL.Image.open("f.png") as drawn:
        assert drawn.size[0] > 1000
    assert not Path("b.timeline.png").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["a.mp4", "-o", "b.avi"], "b.avi: unknown format '.avi'; name it .mp4 or .mov or .mkv"),
        (["a.mp4", "-o", "a.mp4"], "a.mp4: it is the video that is read; name another file"),
        (
            ["a.mp4", "-o", "b.mp4", "--smooth", "ema:0"],
            "--smooth: expected none, ema:A with A above 0 and at most 1, ",
        ),
        (["a.mp4", "-o", "b.mp4", "--overlay", "gradcan"], "unknown CAM method 'gradcan'"),
        (["a.mp4", "-o", "b.mp4", "--overlay", "rollout"], "rollout"),
        (["a.mp4", "-o", "b.mp4", "--faces", "two"], "--faces: expected one or all, not 'two'"),
        (["a.mp4", "-o", "b.mp4", "--every", "0"], "--every"),
        (["no.mp4", "-o", "b.mp4"], "no.mp4: No such file or directory"),
        ([".", "-o", "b.mp4"], ".: Is a directory; pictures are classified by `fer-au predict`"),
        (["https://a.b/c.mp4", "-o", "b.mp4"], "https://a.b/c.mp4: nothing is read from a network; save the video "),
        (["977", "-o", "b.mp4"], "camera 977: there is none, or another program uses it; a file of that name is ./977"),
        (["a.mp4"], "Missing option"),
    ],
)
def test_slips_are_one_line_and_no_file(words: list[str], line: str, model: Path, call: Call) -> None:
    write_clip(Path("a.mp4"), [()])
    data = Path("a.mp4").read_bytes()
    code, out, err = call(model, *words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert line in err
    assert Path("a.mp4").read_bytes() == data
    assert {path.name for path in Path().iterdir()} <= {"a.mp4", "locks"}


def test_a_model_that_does_not_tell_how_it_was_aligned_is_refused(tmp_path: Path, call: Call) -> None:
    import json

    own = write_model(tmp_path / "own")
    config = json.loads((own / "config.json").read_text())
    assert "align" in config["preprocessing"]
    from fer_au.models import load_model, save_model

    loaded, meta = load_model(own)
    save_model(own, loaded, {"preprocessing": {**meta["preprocessing"], "align": {}}})
    write_clip(Path("a.mp4"), [()])
    code, _, err = call(own, "a.mp4", "-o", "b.mp4")
    assert (code, "doesn't tell how its crops were made" in err) == (2, True)
