from __future__ import annotations

import csv
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest

from fer_au import Predictor
from fer_au.cli import entry
from fer_au.errors import DataError, MissingDependencyError
from fer_au.faces import AlignedFace, Aligner
from fer_au.stores.schemas import FaceStatus
from fer_au.use import finding, predict
from fer_au.use.inputs import Source, find_sources
from fer_au.use.parts import Parts
from tests.cli.test_help import example_of
from tests.use.conftest import LABELS, SIDE, write_model

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs ``fer-au predict`` in an empty folder; gives exit code, output and messages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_AU_WORKERS", "1")
    monkeypatch.setenv("FER_AU_DEBUG", "0")
    monkeypatch.setenv("FER_AU_LOCKS", str(tmp_path / "locks"))

    def run(*arguments: object) -> tuple[int, str, str]:
        code = entry.run(["predict", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def write_pictures(folder: Path, count: int, size: tuple[int, int] = (SIDE, SIDE)) -> None:
    folder.mkdir()
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 255, (*size, 3), np.uint8)
        PIL.Image.fromarray(pixels).save(folder / f"{number:02}.png")


def read_rows(path: Path | str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def scores_of(row: dict[str, str]) -> list[float]:
    return [float(row[name]) for name in LABELS]


def test_the_table_has_the_answers_of_the_predictor(model: Path, call: Call) -> None:
    write_pictures(Path("photos"), 3, (72, 90))
    code, out, err = call(model, "photos", "--csv", "a.csv")
    assert (code, out) == (0, "a.csv: 3 faces of 3 pictures\n")
    assert "3 without a face that was found: the whole picture" in err
    header = Path("a.csv").read_text().partition("\n")[0]
    assert header == (f"path,face,x0,y0,x1,y1,detector,score,predicted,confidence,{','.join(LABELS)},reason,detail")
    expected = Predictor.load(model, "cpu")(sorted(Path("photos").iterdir()))
    for number, row in enumerate(read_rows("a.csv")):
        assert row["path"] == f"photos/{number:02}.png"
        np.testing.assert_allclose(scores_of(row), expected.scores[number], atol=2e-6)
        edges = [float(row[name]) for name in ("x0", "y0", "x1", "y1")]
        np.testing.assert_allclose(edges, expected.boxes[number], atol=0.006)
        assert (row["face"], row["detector"], row["score"], row["reason"]) == ("0", "none", "", "no_face")
        assert row["predicted"] == expected.labels[number]
        assert float(row["confidence"]) == max(scores_of(row))


def test_the_example_of_the_help_works(model: Path, call: Call) -> None:
    write_pictures(Path("photos"), 2)
    shutil.copytree(model, "models/au")
    code, out, _ = call(*example_of("fer-au predict")[2:])
    assert (code, out) == (0, "answers.csv: 2 faces of 2 pictures\n")


def test_red_is_red_on_every_way_to_an_answer(model: Path, call: Call) -> None:
    """The truth is computed here, of an array that was never decoded; with swapped channels it is another."""
    import torch

    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[..., 0] = np.linspace(120, 255, SIDE).astype(np.uint8)  # red, and nothing else
    Path("photos").mkdir()
    PIL.Image.fromarray(pixels).save("photos/red.png")
    predictor = Predictor.load(model, "cpu")

    def truth(rgb: np.ndarray) -> np.ndarray:
        floats = (rgb / 255 - [0.5, 0.4, 0.3]) / [0.25, 0.3, 0.2]
        with torch.inference_mode():
            logits = predictor.model(torch.from_numpy(floats).permute(2, 0, 1)[None].float()).logits
        return logits.softmax(1)[0].numpy()

    right, wrong = truth(pixels), truth(pixels[..., ::-1].copy())
    assert np.abs(right - wrong).max() > 0.05, "the model must tell red from blue, or this test tells nothing"
    assert call(model, "photos/red.png", "--aligned", "--csv", "a.csv")[0] == 0
    np.testing.assert_allclose(scores_of(read_rows("a.csv")[0]), right, atol=1e-5)
    for given in ("photos/red.png", Path("photos/red.png"), PIL.Image.open("photos/red.png"), pixels):
        np.testing.assert_allclose(predictor([given], aligned=True).scores[0], right, atol=1e-5)
    # Through the aligner, a JPEG lies between, which keeps red apart from blue by far.
    for given in ("photos/red.png", pixels):
        assert np.abs(predictor([given]).scores[0] - right).max() < np.abs(right - wrong).max() / 4
    assert call(model, "photos/red.png", "--csv", "b.csv")[0] == 0
    assert np.abs(np.array(scores_of(read_rows("b.csv")[0])) - right).max() < np.abs(right - wrong).max() / 4


def test_a_picture_that_cannot_be_used_is_a_row_with_a_reason(model: Path, call: Call) -> None:
    write_pictures(Path("photos"), 2)
    Path("photos/a.jpg").write_text("no picture")
    Path("photos/=cmd.png").write_bytes(Path("photos/00.png").read_bytes()[:300])
    PIL.Image.new("RGB", (8, 90)).save("photos/z.png")
    code, out, err = call(model, "photos", "--aligned", "--csv", "a.csv")
    assert (code, out) == (3, "a.csv: 2 faces of 5 pictures\n")
    assert "3 can't be used: " in err
    assert "1 not_an_image (photos/a.jpg: " in err
    rows = {row["path"]: row for row in read_rows("a.csv")}
    assert list(rows) == ["photos/00.png", "photos/01.png", "photos/=cmd.png", "photos/a.jpg", "photos/z.png"]
    reasons = {path: row["reason"] for path, row in rows.items()}
    assert reasons["photos/00.png"] == reasons["photos/01.png"] == ""
    assert [reasons[path] for path in ("photos/=cmd.png", "photos/a.jpg", "photos/z.png")] == [
        "truncated",
        "not_an_image",
        "too_small",
    ]
    assert rows["photos/a.jpg"]["predicted"] == rows["photos/a.jpg"]["happiness"] == ""


def test_a_killed_run_goes_on_and_gives_the_same_bytes(
    model: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict, "PART", 4)
    monkeypatch.setattr(predict, "TASK", 2)
    write_pictures(Path("photos"), 10)
    Path("photos/04.png").write_text("no picture")
    options = ("photos", "--aligned", "--csv", "a.csv", "--maps", "a.npz", "--overlays", "seen")
    assert call(model, *options)[0] == 3
    whole, maps = Path("a.csv").read_bytes(), Path("a.npz").read_bytes()
    Path("a.csv").unlink()
    keep, kept = Parts.keep, []

    def killed(self: Parts, number: int, part: Any) -> None:
        if kept:
            raise KeyboardInterrupt
        kept.append(number)
        keep(self, number, part)

    monkeypatch.setattr(Parts, "keep", killed)
    assert call(model, *options)[0] == 130
    assert not Path("a.csv").exists()
    assert len(list(Path("a.csv.parts").glob("*.rows"))) == 1
    monkeypatch.setattr(Parts, "keep", keep)
    code, _, err = call(model, *options)
    assert (code, "a.csv: 4 pictures were done before, 6 are left" in err) == (3, True)
    assert Path("a.csv").read_bytes() == whole
    assert Path("a.npz").read_bytes() == maps
    assert not Path("a.csv.parts").exists()
    assert len(list(Path("seen").iterdir())) == 9


def test_a_run_that_was_killed_at_once_goes_on(model: Path, call: Call) -> None:
    write_pictures(Path("photos"), 1)
    for number in range(1, 10 * predict.PART):
        shutil.copy("photos/00.png", f"photos/{number:03}.png")
    words = ["predict", str(model), "photos", "--aligned", "--csv", "a.csv"]
    running = subprocess.Popen([sys.executable, "-m", "fer_au", *words], stderr=subprocess.DEVNULL)
    try:
        while running.poll() is None and not list(Path().glob("a.csv.parts/*.rows")):
            time.sleep(0.002)
    finally:
        running.kill()  # SIGKILL: nothing of it can tidy up
        assert running.wait() == -signal.SIGKILL, "it ended before it was killed"
    assert not Path("a.csv").exists()
    code, _, err = call(*words[1:])
    assert code == 0
    assert "pictures were done before" in err
    killed = Path("a.csv").read_bytes()
    Path("a.csv").unlink()
    assert call(*words[1:])[0] == 0
    assert Path("a.csv").read_bytes() == killed


def test_a_failure_in_a_worker_names_its_picture(model: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pictures(Path("photos"), 3)
    decode, bad = finding.decode_image, Path("photos/01.png").read_bytes()

    def fail(data: bytes) -> np.ndarray:
        if data == bad:
            raise cv2.error("(-215) assertion\nmore of it")
        return decode(data)

    monkeypatch.setattr(finding, "decode_image", fail)
    code, out, err = call(model, "photos", "--aligned", "--csv", "a.csv")
    assert (code, out) == (2, "")
    line = "error: photos/01.png: error: (-215) assertion; move it away, and run again to go on"
    assert err.splitlines()[-1] == line
    assert not Path("a.csv").exists()


def test_what_changed_since_is_computed_anew(model: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pictures(Path("photos"), 2)
    monkeypatch.setattr(Parts, "remove", lambda self: None)
    assert call(model, "photos", "--aligned", "--csv", "a.csv")[0] == 0
    before = read_rows("a.csv")
    PIL.Image.new("RGB", (SIDE, SIDE), (255, 0, 0)).save("photos/01.png")
    assert call(model, "photos", "--aligned", "--csv", "a.csv")[0] == 0
    after = read_rows("a.csv")
    assert after[0] == before[0]
    assert scores_of(after[1]) != scores_of(before[1])


def two_faces(self: Aligner, image: np.ndarray) -> list[AlignedFace]:
    """The left and the right half of a picture, if it is bright."""
    if image.mean() < 60:
        return []
    height, width = image.shape[:2]
    found = []
    for x0 in (0, width // 2):
        crop = np.ascontiguousarray(cv2.resize(image[:, x0 : x0 + width // 2], (SIDE, SIDE)))
        box = (float(x0), 0.0, float(x0 + width // 2), float(height))
        found.append(AlignedFace(crop, None, np.eye(2, 3), box, 0.75, "halves", FaceStatus.OK, ""))
    return found


def test_all_faces_of_a_picture_are_rows(model: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Aligner, "all", two_faces)
    write_pictures(Path("photos"), 2, (64, 128))
    PIL.Image.new("RGB", (128, 64)).save("photos/00b.png")
    code, out, err = call(model, "photos", "--faces", "all", "--csv", "a.csv", "--maps", "a.npz")
    assert (code, out) == (0, "a.csv: 4 faces of 3 pictures\n"), err
    rows = read_rows("a.csv")
    found = [(Path(row["path"]).stem, row["face"], row["x0"], row["detector"], row["score"]) for row in rows]
    assert found == [
        ("00", "0", "0.00", "halves", "0.7500"),
        ("00", "1", "64.00", "halves", "0.7500"),
        ("00b", "", "", "", ""),
        ("01", "0", "0.00", "halves", "0.7500"),
        ("01", "1", "64.00", "halves", "0.7500"),
    ]
    expected = Predictor.load(model, "cpu")(sorted(Path("photos").iterdir()), faces="all")
    answers = [scores_of(row) for row in rows if row["face"]]
    np.testing.assert_allclose(answers, expected.scores, atol=2e-6)
    with np.load("a.npz") as stored:
        assert stored["row"].tolist() == [0, 1, 3, 4]
        np.testing.assert_allclose(stored["maps"], expected.maps, atol=1e-5)
    assert expected.faces.tolist() == [0, 1, 0, 1]


def test_the_map_that_a_head_makes_is_written_too(tmp_path: Path, call: Call) -> None:
    own = write_model(tmp_path / "lan", head="lan", head_options={"widths": [8]})
    write_pictures(Path("photos"), 2)
    assert call(own, "photos", "--aligned", "--csv", "a.csv", "--maps", "a.npz")[0] == 0
    expected = Predictor.load(own, "cpu")(sorted(Path("photos").iterdir()), aligned=True)
    with np.load("a.npz") as stored:
        np.testing.assert_allclose(stored["module"], expected.module, atol=1e-5)


def test_overlays_show_the_crop_and_the_attention_over_it(model: Path, call: Call) -> None:
    write_pictures(Path("photos"), 1)
    assert call(model, "photos", "--aligned", "--csv", "a.csv", "--overlays", "seen")[0] == 0
    (path,) = Path("seen").iterdir()
    assert path.name == "000000-00-0.jpg"
    seen = np.asarray(PIL.Image.open(path))
    assert seen.shape == (284, 512, 3)
    crop = cv2.resize(np.asarray(PIL.Image.open("photos/00.png")), (256, 256), interpolation=cv2.INTER_CUBIC)
    assert np.abs(seen[:256, :256].astype(int) - crop).mean() < 12  # a JPEG of noise
    maps = Predictor.load(model, "cpu")(["photos/00.png"], aligned=True).maps[0]
    glow = seen[:256, 256:].astype(int)
    warmth = cv2.blur((glow[..., 0] - glow[..., 2]).astype(np.float32), (33, 33))[::32, ::32]
    assert np.corrcoef(warmth.ravel(), cv2.resize(maps, (8, 8)).ravel())[0, 1] > 0.5


def test_gimefive_tables_have_that_projects_columns(model: Path, tmp_path: Path, call: Call) -> None:
    write_pictures(Path("photos"), 2)
    Path("photos/bad.jpg").touch()
    assert call(model, "photos", "--aligned", "--csv", "a.csv", "--format", "gimefive")[0] == 3
    lines = Path("a.csv").read_text().splitlines()
    assert lines[0] == "filepath,happiness,surprise,sadness,anger,disgust,fear"
    assert lines[3] == "photos/bad.jpg,,,,,,"
    expected = Predictor.load(model, "cpu")(["photos/01.png"], aligned=True).scores[0]
    order = [LABELS.index(name) for name in lines[0].split(",")[1:]]
    assert lines[2] == ",".join(["photos/01.png", *(str(round(float(expected[place]), 2)) for place in order)])
    other = write_model(tmp_path / "other", ("neutral", "happiness"))
    code, _, err = call(other, "photos", "--csv", "b.csv", "--format", "gimefive")
    assert code == 2
    assert err.endswith("--format gimefive: the model has no class surprise, sadness, anger, disgust, fear\n")
    more = write_model(tmp_path / "more", ("neutral", *LABELS))
    assert "no column for neutral" in call(more, "photos", "--csv", "c.csv", "--aligned", "--format", "gimefive")[2]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["missing.jpg", "--csv", "a.csv"], "missing.jpg: no such file or folder"),
        (["photos/*.gif", "--csv", "a.csv"], "photos/*.gif: no picture matches"),
        (["empty", "--csv", "a.csv"], "empty: no pictures below this folder"),
        (["photos", "--csv", "a.txt"], "a.txt: unknown format '.txt'; name it .csv"),
        (["photos", "--csv", "a.csv", "--format", "x"], "--format: expected full or gimefive, not 'x'"),
        (["photos", "--csv", "a.csv", "--faces", "two"], "--faces: expected one or all, not 'two'"),
        (
            ["photos", "--csv", "a.csv", "--format", "gimefive", "--faces", "all"],
            "--format gimefive has one row per picture: leave out --faces all",
        ),
    ],
)
def test_slips_are_one_line_and_no_table(words: list[str], line: str, model: Path, call: Call) -> None:
    write_pictures(Path("photos"), 1)
    Path("empty").mkdir()
    assert call(model, *words) == (2, "", f"error: {line}\n")
    assert not Path("a.csv").exists()


def test_pictures_are_found_once_in_files_folders_and_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a/2.jpg", "a/1.png", "a/deep/3.webp", "a/notes.txt", "a/.hidden.jpg", "b[1].jpg", "odd"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("a/link").symlink_to("deep")
    (tmp_path / "only").mkdir()
    found, notes = find_sources(["odd", "a", "./a/1.png", "a/deep/*.webp", "b[1].jpg"])
    paths = [source.path for source in found]
    assert paths == ["odd", "a/1.png", "a/2.jpg", "a/deep/3.webp", "a/link", "b[1].jpg"]
    assert found[4] == Source("a/link", "outside_root", "a link to a folder; name it as a PATH of its own")
    assert any("notes.txt" in note for note in notes)
    with pytest.raises(DataError, match="only: no pictures below this folder"):
        find_sources(["only"])


def test_a_prediction_becomes_a_pandas_table(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pictures(tmp_path / "photos", 2)
    paths = sorted((tmp_path / "photos").iterdir())
    prediction = Predictor.load(model, "cpu")([paths[0], np.asarray(PIL.Image.open(paths[1]))], aligned=True)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match="pip install pandas"):
        prediction.to_frame()
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=dict))  # as a mapping of its columns
    frame: Any = prediction.to_frame()
    assert list(frame)[:4] == ["picture", "path", "face", "x0"]
    assert frame["path"] == [str(paths[0]), ""]
    assert frame["predicted"] == list(prediction.labels)
    np.testing.assert_array_equal(frame["fear"], prediction.scores[:, LABELS.index("fear")])
    np.testing.assert_array_equal(frame["confidence"], prediction.scores.max(axis=1))
