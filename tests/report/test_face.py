"""``fer-au show``: what is known of one face, in every state that a project may be in."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from fer_au.config.reading import PARAMS
from fer_au.datasets.manifest import read_manifest
from fer_au.errors import ConfigError, DataError
from fer_au.evaluation import write_metrics
from fer_au.report.face_facts import face_facts
from fer_au.report.face_picture import answer_panels, draw_face, stage_panels
from fer_au.report.face_record import FaceRecord, read_face
from fer_au.report.face_text import answer_table, face_text, silent_lines

from .project import DEFAULT, HOSTILE, Writer, experiment

WIDTH = 100


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished project: two experiments that scored the test faces, and one that is not evaluated."""
    writer = Writer(tmp_path_factory.mktemp("project"))
    writer.dataset("faces")
    writer.experiment("vanilla", good=False)
    writer.experiment("au", good=True, cams=("native", "gradcam"), module=True, seed=1)
    writer.params({**DEFAULT, "later": experiment(seed=3)})
    return writer.root


def face(root: Path, id_: str, dataset: str = "faces") -> FaceRecord:
    return read_face(root / PARAMS, root, dataset, id_)


def facts(record: FaceRecord) -> dict[str, str]:
    return {one.name: one.text for one in face_facts(record)}


def test_every_stage_and_every_answer_is_told(project: Path) -> None:
    record = face(project, "test/surprise_1.png")
    told = facts(record)
    assert told["label"] == "surprise, split test, person p<1>"
    assert told["crop"].startswith("face found by test, score 1.00; box x 0 to 0, y 0 to 0; turned by 0.0 degrees")
    assert "25% of the crop lies outside the picture" in told["crop"]
    assert told["landmarks"].startswith("68 points found")
    assert told["AU map"] == "surprise = AU1 + AU2 + AU5 + AU26 + AU27, codebook paper"
    assert [one.result.name for one in record.answers] == ["vanilla", "au"]
    assert record.silent == {"later": "not evaluated yet; run `dvc repro evaluate`"}
    head, vanilla, au = list(answer_table(record, 300))
    assert head.split()[:3] == ["experiment", "answer", "p"]
    own = record.answers[1]
    row = own.result.results.index["test/surprise_1.png"]
    cells = au.split()
    assert cells[:2] == ["au", own.result.predictions[row]]
    assert cells[2] == ("right" if cells[1] == "surprise" else "wrong")
    probabilities = own.result.results["probabilities"][row]
    assert cells[3] == f"{probabilities.max():.2f}"
    assert cells[4:8] == [f"{value:.2f}" for value in probabilities]
    assert float(cells[9]) == pytest.approx(own.result.results["score/att_ccos"][row], abs=0.006)
    assert "–" in vanilla  # it has no CAM gradcam and no map of a head


def test_lines_fit_the_terminal_and_every_experiment_stands_in_every_block(project: Path) -> None:
    text = face_text(face(project, "test/surprise_1.png"), 60)
    assert max(len(line) for line in text.splitlines() if str(project) not in line) <= 60  # a path stays whole
    blocks = text.count("\nexperiment ")
    assert blocks >= 2
    assert text.count("\nvanilla ") == text.count("\nau ") == blocks


def test_the_end_of_an_id_is_enough_where_no_other_ends_so(project: Path) -> None:
    name = HOSTILE.partition("/")[2]
    assert face(project, name.partition("/")[2]).row.id == HOSTILE
    with pytest.raises(DataError, match=r"^surprise_1\.png: 2 ids of .*faces end so: test/surprise_1\.png, train/"):
        face(project, "surprise_1.png")


@pytest.mark.parametrize(
    ("dataset", "id_", "error", "line"),
    [
        ("face", "x", ConfigError, "datasets has no 'face'; did you mean faces?"),
        ("faces", "test/suprise_1.png", DataError, "no face 'test/suprise_1.png'; did you mean test/surprise_1.png"),
        ("faces", "bad<3>.jpg", DataError, "ingest rejected it .truncated: <b>cut</b>.; see .*ingest.csv"),
        ("other", "x", DataError, "other/manifest.csv: not there yet; run `dvc repro ingest@other`"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_one_line_with_the_reason(
    project: Path, dataset: str, id_: str, error: type[Exception], line: str
) -> None:
    with pytest.raises(error, match=line) as caught:
        face(project, id_, dataset)
    assert "\n" not in str(caught.value)


def test_a_face_of_another_split_and_a_rejected_one_say_so(project: Path) -> None:
    record = face(project, "train/anger_0.png")
    assert not record.answers
    assert silent_lines(record)[0] == "vanilla, au: scored split test, and the face is in train"
    told = facts(face(project, "test/anger_0.png"))
    assert told["crop"].startswith("no face found, whole picture taken; turned by 0.0 degrees")
    assert told["landmarks"].startswith("no points found")
    assert told["AU map"].startswith("none: no landmarks")
    assert told["rejected"].startswith("by landmarks: no_landmarks; ")
    assert facts(face(project, "test/neutral_0.png"))["AU map"] == "none: neutral faces have none"


def test_faces_of_one_leak_are_named(project: Path) -> None:
    rows = read_manifest(project / "data/faces/manifest.csv")
    told = facts(face(project, rows[0].id))
    assert told["leak"].startswith("same-bytes, between")
    assert rows[-1].id in told["leak"]


def test_before_the_stages_ran_the_row_alone_is_told(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.dataset("faces")
    writer.params({"later": experiment()})
    for file in ("faces.h5", "landmarks.h5", "heatmaps.h5"):
        (tmp_path / "data/faces" / file).unlink()
    record = face(tmp_path, "test/surprise_1.png")
    told = facts(record)
    assert told["crop"] == "not made yet; run `dvc repro align@faces`"
    assert told["landmarks"] == "not made yet; run `dvc repro landmarks@faces`"
    assert told["AU map"] == "not made yet; run `dvc repro heatmaps@faces`"
    assert "later: not evaluated yet" in face_text(record, WIDTH)
    assert [panel.image for panel in stage_panels(record)] == [None] * 4
    draw_face(tmp_path / "face.png", record)
    assert cv2.imread(str(tmp_path / "face.png")) is not None


def test_a_project_without_experiments_shows_its_faces(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.dataset("faces")
    writer.params({})
    text = face_text(face(tmp_path, "test/surprise_1.png"), WIDTH)
    assert text.endswith("\nNo experiment of params.yaml is on this data set.")


def test_models_of_another_data_set_answer_beside_the_experiments(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.dataset("faces")
    writer.experiment("au", good=True)
    params = writer.params({"au": experiment(), "there": experiment(dataset="other")})
    names = {"au": "faces", "broken": "faces", "waiting": "faces", "away": "other"}
    cross = {name: {"experiment": "there", "dataset": dataset} for name, dataset in names.items()}
    params.write_text(yaml.safe_dump({**yaml.safe_load(params.read_text()), "cross": cross}))
    for name in ("au", "broken", "away"):
        writer.cross(name, "au", accuracy=0.5, n=3)
    (tmp_path / "metrics/cross/broken.json").write_text("{")
    record = face(tmp_path, "test/surprise_1.png")
    assert [one.result.name for one in record.answers] == ["au", "cross.au"]  # an entry may have an experiment's name
    own, away = record.answers
    assert own.probabilities == away.probabilities
    broken, waiting = silent_lines(record)
    assert broken.startswith("cross.broken: ")
    assert broken.endswith("`dvc repro cross@broken` makes it again")
    assert waiting == "cross.waiting: not evaluated yet; run `dvc repro cross@waiting`"


def test_a_result_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.dataset("faces")
    writer.experiment("au", good=True)
    writer.params({"au": experiment()})
    write_metrics(tmp_path / "metrics/au.json", {"accuracy": 0.5}, evaluation="1" * 64)
    assert any(
        line.startswith("au: ") and "evaluation" in line for line in silent_lines(face(tmp_path, "test/surprise_1.png"))
    )


def test_the_picture_has_a_row_for_each_experiment(project: Path, tmp_path: Path) -> None:
    record = face(project, "test/surprise_1.png")
    titles = [panel.title for panel in stage_panels(record)]
    assert titles == ["source", "crop", "68 points", "AU map, surprise"]
    crop = stage_panels(record)[1].image
    panels = [answer_panels(one, crop) for one in record.answers]
    assert [len(own) for own in panels] == [4, 6]
    assert all(panel.image is not None for own in panels for panel in own)
    assert panels[1][3].title.startswith("head’s own map, ")
    draw_face(tmp_path / "one.png", record)
    draw_face(tmp_path / "two.png", record)
    one, two = (cv2.imread(str(tmp_path / name)) for name in ("one.png", "two.png"))
    assert one is not None
    assert np.array_equal(one, two)
    lone = face(project, "train/surprise_1.png")
    draw_face(tmp_path / "lone.png", lone)
    without = cv2.imread(str(tmp_path / "lone.png"))
    assert without is not None
    assert without.shape[0] < one.shape[0]


def test_the_source_is_drawn_only_if_it_is_the_one_of_the_manifest(project: Path) -> None:
    record = face(project, "test/surprise_1.png")
    assert stage_panels(record)[0].note == "not on this disk"
    source = project / "x" / record.row.path
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_bytes(b"another picture")
    record = face(project, "test/surprise_1.png")
    assert stage_panels(record)[0].note in ("has changed since ingest", "not on this disk")


def test_a_hostile_name_commands_nothing(project: Path, tmp_path: Path) -> None:
    record = face(project, HOSTILE)
    assert HOSTILE in face_text(record, 400)
    draw_face(tmp_path / "face.png", record)
    assert (tmp_path / "face.png").stat().st_size > 0
