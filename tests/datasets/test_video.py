"""Adapter ``video``: frames of clips by number and time, turned upright, up to a fault; clips stay in one split."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fer_au.clip_decoding import read_frames
from fer_au.config.reading import examine
from fer_au.datasets import create_adapter
from fer_au.datasets.clips import Clip, Sampling, Span
from fer_au.datasets.recognition import fitting_adapters
from fer_au.datasets.stage import Survey
from fer_au.decoding import decode_image
from fer_au.errors import DataError
from fer_au.rejects import Reject
from fer_au.shards.pictures import find_kept
from tests.datasets.miniatures.noise import write_noise
from tests.datasets.miniatures.video import FRAMES, STEP, turn, write, write_clip
from tests.datasets.official import outline, reasons, scan, survey

ALL = [place * STEP for place in range(FRAMES)]
WHOLE = Span()
TABLE = {"labels": "clips.csv", "valid_fraction": 0.0, "max_reject_fraction": 0.9}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    write(tmp_path / "clips")
    return tmp_path / "clips"


def times(found: Survey, clip: str) -> list[int]:
    return [int(Path(row.path).stem) for row in found.rows if row.path.startswith(f"{clip}/")]


def taken(path: Path, span: Span = WHOLE, **sampling: object) -> list[int]:
    made = Clip(path.name, (span,), Sampling(**sampling)).pictures(path)  # type: ignore[arg-type]
    return [int(name.partition(".")[0]) for name, data in made if isinstance(data, bytes)]


def fault(path: Path) -> Reject:
    (found,) = [data for _, data in Clip(path.name).pictures(path) if isinstance(data, Reject)]
    return found


def test_frames_of_clips_in_class_folders_become_pictures(clips: Path) -> None:
    found = survey("video", clips, every=4, valid_fraction=0.0)
    assert times(found, "happy/0.mp4") == [0, 160, 320]
    assert {row.label for row in found.rows} == {"happiness", "sadness", "anger"}
    assert len(found.rows) == 27
    row = found.rows[0]
    assert row.id == row.path == "angry/0.mp4/00000000.png"
    kept = find_kept(row.sha256)
    assert kept is not None
    assert decode_image(kept).shape == (32, 48, 3)
    assert "passed over, 1 file(s)" in found.notes[0]
    assert "named like no clip: clips.csv" in found.notes[0]
    told = outline("video", clips).tally
    assert told is not None
    assert sum(told.faces.values()) == 9


def test_frames_are_taken_by_number_by_time_and_evenly_at_most(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    assert taken(path) == ALL
    assert taken(path, every=5) == [0, 200, 400]
    assert taken(path, fps=10.0) == [0, 120, 200, 320, 400]
    assert taken(path, fps=25.0) == taken(path, fps=200.0) == ALL
    assert taken(path, most=3) == [80, 240, 400]
    assert taken(path, most=100) == ALL
    assert taken(path, every=2, most=2) == [80, 320]
    assert taken(path, Span("x", 100, 280)) == [120, 160, 200, 240]
    assert taken(path, Span("x", 100, 280), every=3) == [120, 240]


def test_a_variable_rate_is_taken_by_its_times(tmp_path: Path) -> None:
    uneven = [0, 10, 20, 30, 500, 510, 1500, 2000]
    for name, codec in (("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx")):
        path = write_clip(tmp_path / name, uneven, codec=codec)
        assert taken(path) == uneven
        assert taken(path, fps=2.0) == [0, 500, 1500, 2000]
        assert taken(path, fps=1.0) == [0, 1500, 2000]


@pytest.mark.parametrize(
    ("matrix", "corner"),
    [
        ((1, 0, 0, 1), (0, 0)),
        ((0, 1, -1, 0), (0, 1)),  # a quarter of a turn clockwise
        ((-1, 0, 0, -1), (1, 1)),
        ((0, -1, 1, 0), (1, 0)),
        ((-1, 0, 0, 1), (0, 1)),  # mirrored
        ((0, 1, 1, 0), (0, 0)),
    ],
)
def test_a_turned_camera_gives_upright_pictures(
    matrix: tuple[int, ...], corner: tuple[int, int], tmp_path: Path
) -> None:
    path = write_clip(tmp_path / "a.mp4")
    turn(path, matrix)
    _, data = next(Clip("a.mp4").pictures(path))
    assert isinstance(data, bytes)
    pixels = decode_image(data)
    assert pixels.shape == ((32, 48, 3) if matrix[0] else (48, 32, 3))
    corners = pixels[:: pixels.shape[0] - 1, :: pixels.shape[1] - 1].astype(int).min(axis=2)
    assert np.unravel_index(corners.argmax(), (2, 2)) == corner


def test_a_clip_that_was_cut_short_gives_its_frames_and_a_row(clips: Path) -> None:
    path = clips / "happy/0.mp4"
    path.write_bytes(path.read_bytes()[:-60])
    found = survey("video", clips, every=1, max_reject_fraction=0.5)
    assert reasons(found) == {"happy/0.mp4": "truncated"}
    (row,) = found.rejects
    frames = times(found, "happy/0.mp4")
    assert 0 < len(frames) < FRAMES
    assert row.detail == f"cut short after {frames[-1] / 1000:.2f} s; its frames before that are taken, {len(frames)}"


@pytest.mark.parametrize("name", ["a.avi", "a.webm"])
def test_a_file_that_ends_early_in_silence_is_told(name: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / name, range(0, 4000, STEP), codec="libvpx" if name == "a.webm" else "mpeg4")
    data = path.read_bytes()
    path.write_bytes(data[: (data.find(b"idx1") if name == "a.avi" else len(data)) // 2])
    found = fault(path)
    assert found.reason.value == "truncated"
    assert 0 < len(taken(path)) < 100


def test_nothing_is_taken_after_a_damage(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", range(0, 40 * STEP, STEP), size=(160, 120))
    whole, data = taken(path), bytearray(path.read_bytes())
    middle = (data.index(b"mdat") + len(data)) // 2
    data[middle : middle + 60] = bytes(range(100, 160))
    path.write_bytes(data)
    found = fault(path)
    assert found.reason.value == "unreadable"
    assert found.detail.startswith("damaged after ")
    left = taken(path)
    assert 0 < len(left) < len(whole)
    assert left == whole[: len(left)]


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"", "the file is empty"),
        (b"no clip at all" * 50, "no clip that FFmpeg reads"),
        (b"ffconcat version 1.0\nfile a.mp4\n", "no clip that FFmpeg reads"),
        (b"#EXTM3U\n#EXTINF:1,\na.mp4\n", "no clip that FFmpeg reads"),
    ],
)
def test_a_file_without_frames_is_a_row_and_a_script_opens_no_other_file(data: bytes, detail: str, clips: Path) -> None:
    write_clip(clips / "happy/a.mp4")
    (clips / "happy/b.mp4").write_bytes(data)
    found = survey("video", clips, every=12, max_reject_fraction=0.5)
    (row,) = found.rejects
    assert (row.id, row.reason.value, row.detail) == ("happy/b.mp4", "not_an_image", detail)
    assert not times(found, "happy/b.mp4")


def test_sound_without_pictures_and_a_missing_clip_are_rows(clips: Path) -> None:
    import av

    with av.open(str(clips / "happy/sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    found = survey("video", clips, every=12, max_reject_fraction=0.5)
    assert [(one.id, one.detail) for one in found.rejects] == [("happy/sound.mp4", "it has no video stream")]
    (clips / "clips.csv").write_text("clip,label\nhappy/0,happy\ngone.mp4,sad\n")
    found = survey("video", clips, **TABLE)
    assert reasons(found) == {"gone.mp4": "missing_file"} | {
        one.id: "unlabelled" for one in found.rejects if one.id != "gone.mp4"
    }
    assert len(found.rejects) == 10


def test_a_table_labels_parts_of_clips(clips: Path) -> None:
    rows = [
        "happy/0.mp4,happy,0,0.2,anna",
        "happy/0.mp4,sad,0:00.2,,anna",
        "happy/1,angry,,,ben",
        "happy/2.mp4,fear,9,10,ben",
        "sad/0.mp4,fear,3,2,ben",
        "sad/1.mp4,fear,soon,,ben",
        "sad/2.mp4,surprise,0,0.2,ben",
        "sad/2.mp4,anger,0.1,0.3,ben",
        ",happy,,,ben",
    ]
    (clips / "clips.csv").write_text("\n".join(["clip,label,from,to,who", *rows]) + "\n")
    found = survey("video", clips, **TABLE, every=1, columns={"start": "from", "end": "to", "subject": "who"})
    labels = defaultdict(list)
    for row in found.rows:
        labels[row.path.rpartition("/")[0], row.label, row.subject].append(int(Path(row.path).stem))
    assert labels == {
        ("happy/0.mp4", "happiness", "anna"): ALL[:5],
        ("happy/0.mp4", "sadness", "anna"): ALL[5:],
        ("happy/1.mp4", "anger", "ben"): ALL,
        ("sad/2.mp4", "surprise", "ben"): [0, 40, 80],
        ("sad/2.mp4", "anger", "ben"): [200, 240, 280],
    }
    assert {id_: reason for id_, reason in reasons(found).items() if not id_.startswith("angry/")} == {
        "clips.csv:10": "bad_row",
        "happy/2.mp4#9-10": "bad_row",
        "sad/0.mp4#3-2": "bad_row",
        "sad/1.mp4#soon-": "bad_row",
        "sad/2.mp4/00000120.png": "conflicting_labels",
        "sad/2.mp4/00000160.png": "conflicting_labels",
    }
    told = {one.id: one.detail for one in found.rejects}
    assert told["happy/2.mp4#9-10"] == "no frame lies in this part of the clip; the last one is at 0.44 s"
    assert told["sad/0.mp4#3-2"] == "it ends at 2, and begins at 3"


@pytest.mark.parametrize("persons", [False, True])
def test_no_clip_and_no_person_lies_on_both_sides_of_a_split(persons: bool, clips: Path) -> None:
    keys = {"columns": {"subject": "who"}} if persons else {}
    found = survey("video", clips, **{**TABLE, "test_fraction": 0.4}, every=2, **keys)
    splits = defaultdict(set)
    for row in found.rows:
        splits[row.subject or row.path.rpartition("/")[0]].add(row.split)
    assert {split for parts in splits.values() for split in parts} == {"train", "test"}
    assert all(len(parts) == 1 for parts in splits.values())
    assert len(splits) == (6 if persons else 9)


def test_a_clip_that_lies_there_twice_stays_in_one_split_and_frames_of_one_clip_are_no_leak(clips: Path) -> None:
    for number in range(3):
        twin = clips / f"sad/again{number}.mp4"
        twin.write_bytes((clips / f"happy/{number}.mp4").read_bytes())
    still = write_clip(clips / "angry/still.mp4", seed="still")
    assert still.exists()
    for seed in range(6):
        found = survey("video", clips, every=3, test_fraction=0.4, valid_fraction=0.2, seed=seed)
        splits = defaultdict(set)
        for row in found.rows:
            splits[row.sha256].add(row.split)
        assert all(len(parts) == 1 for parts in splits.values())
    shown = [{row.path.rpartition("/")[0] for row in group.rows} for group in found.leaks.groups]
    assert shown
    assert all(len(files) == 2 for files in shown)


def test_a_clip_in_two_splits_of_the_table_is_refused(clips: Path) -> None:
    (clips / "clips.csv").write_text(
        "clip,label,part,start,end\nhappy/0.mp4,happy,train,0,0.2\nhappy/0.mp4,sad,test,0.2,0.4\nsad/0.mp4,sad,test,,\n"
        "sad/1.mp4,sad,train,,\nsad/2.mp4,sad,dev2,,\n"
    )
    columns = {"split": "part", "start": "start", "end": "end"}
    found = survey("video", clips, **TABLE, columns=columns)
    told = {one.id: one.detail for one in found.rejects}
    assert told["happy/0.mp4#0-0.2"] == "rows put the clip into test and train; a clip lies in one split"
    assert "happy/0.mp4#0.2-0.4" in told
    assert told["sad/2.mp4"].startswith("split 'dev2' is none of train, valid, test")
    assert {row.split for row in found.rows} == {"train", "test"}
    assert survey("video", clips, **TABLE, columns=columns, split_map={"dev2": "valid"}).rows[-1].split == "valid"


def test_folders_of_splits_and_persons_in_names(tmp_path: Path) -> None:
    for part in ("Train", "Val"):
        for label in ("Angry", "Happy"):
            write_clip(tmp_path / f"{part}/{label}/p{len(part)}_1.avi", codec="mpeg4")
    found = survey("video", tmp_path, subject_pattern="^(p[0-9])_", every=6)
    assert {(row.split, row.subject) for row in found.rows} == {("train", "p5"), ("valid", "p3")}
    told = outline("video", tmp_path, subject_pattern="^(p[0-9])_")
    assert told.splits == {"train", "valid"}
    assert told.subjects


def test_pictures_are_the_same_from_another_process(clips: Path) -> None:
    found = survey("video", clips, every=4)
    code = (
        "import sys; from tests.datasets.official import survey\n"
        "print(*(row.sha256 for row in survey('video', sys.argv[1], every=4).rows))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(clips)], capture_output=True, text=True, check=True,
        env={**os.environ, "FER_AU_WORKERS": "2"}, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert ran.stdout.split() == [row.sha256 for row in found.rows]


def test_a_union_takes_clips_as_its_other_sets(clips: Path, tmp_path: Path) -> None:
    for name in ("happy", "sad", "angry"):
        for number in range(3):
            write_noise(tmp_path / f"set/still/{name}/{number}.png")
    clips.rename(tmp_path / "set/clips")
    table = {"adapter": "video", "root": "clips", "labels": "clips.csv", "columns": {"start": "from", "end": "to"}}
    sets = {"clips": table, "still": {"adapter": "folder", "root": "still"}}
    found = survey("union", tmp_path / "set", sets=sets, test_fraction=0.3)
    splits = defaultdict(set)
    for row in found.rows:
        splits[row.path.rpartition("/")[0] if "clips/" in row.path else row.path].add(row.split)
    assert sum(path.startswith("clips/") for path in splits) == 9
    assert all(len(parts) == 1 for parts in splits.values())
    assert not found.rejects


def test_a_folder_of_clips_is_recognised_and_others_are_not(clips: Path, tmp_path: Path) -> None:
    assert fitting_adapters(clips) == ["video"]
    write_noise(tmp_path / "pictures/happy/1.png")
    assert fitting_adapters(tmp_path / "pictures") == ["folder"]
    with pytest.raises(DataError, match="no clip below the class folders"):
        scan("video", tmp_path / "pictures")
    with pytest.raises(DataError, match=r"clips\.csv: no column 'nix'.*its columns are: clip, twin"):
        scan("video", clips, labels="clips.csv", columns={"label": "nix"})
    with pytest.raises(DataError, match=r"table\.csv: No such file"):
        scan("video", clips, labels="table.csv")


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"columns": {"label": "mood"}}, "columns"),
        ({"fps": 5.0, "every": 3}, "every"),
        ({"labels": "clips.csv", "split_map": {"dev2": "valid"}}, "split_map"),
    ],
)
def test_a_key_that_nothing_reads_is_refused(keys: dict[str, object], key: str) -> None:
    _, faults = examine(create_adapter("video").Config, {"adapter": "video", "root": "x", **keys}, "datasets.x")
    assert [one.key for one in faults] == [f"datasets.x.{key}"]
    assert "has no effect" in faults[0].text


def test_frames_without_times_of_their_own_follow_each_other(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.m4v", codec="mpeg4")
    found = [time for time, _ in read_frames(path)]
    assert len(found) == FRAMES
    assert all(earlier < later for earlier, later in pairwise(found))
