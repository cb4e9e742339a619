"""Every key of data sets, of ``render``, ``align``, ``landmarks`` and ``heatmaps`` changes what its stage makes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fer_au.config.data import AlignConfig, DatasetConfig, DemoConfig, HeatmapsConfig, LandmarksConfig
from fer_au.config.dataset_settings import OVERRIDABLE, STAGES
from fer_au.config.reading import examine, validate
from fer_au.cues import render_dataset
from fer_au.datasets import create_adapter, list_adapters, survey_dataset
from fer_au.datasets.stage import ingest_dataset
from fer_au.demo.generate import generate
from fer_au.errors import ConfigError, DataError
from fer_au.faces import align_dataset
from fer_au.ibug68 import MEAN_FACE
from fer_au.landmarks import extract_dataset
from fer_au.stores.reader import Store
from tests.effects.keys import MISSING, Case, digest, leaves, put, rules
from tests.effects.official_sets import OFFICIAL

COLUMNS = {"image": "image", "label": "label"}
CSV: dict[str, Any] = {"adapter": "csv", "root": "listed", "labels": "labels.csv", "columns": COLUMNS,
                       "max_reject_fraction": 0.9, "valid_fraction": 0.3}  # fmt: skip
FOLDER: dict[str, Any] = {"adapter": "folder", "root": "folders", "valid_fraction": 0.0, "max_reject_fraction": 0.9}
POINTS = {"points": {"file": "points.csv"}}

LISTED: dict[str, Case] = {
    "adapter": Case("csv", "folder"),
    "root": Case("listed", "listed-too"),
    "valid_fraction": Case(0.0, 0.5),
    "test_fraction": Case(0.0, 0.3),
    "seed": Case(0, 1),
    "max_reject_fraction": Case(0.0, 0.9, {"label_map": {"happy": "happiness"}}),
    "label_map": Case({}, {"happy": "fear"}),
    "split_map": Case({}, {"valid": "test"}, {"columns.split": "part", "valid_fraction": MISSING}),
    "subject_pattern": Case(None, "^(.)"),
    "follow_links": Case(False, True, {"images": "linked"}),
    "on_leak": Case(
        "report", "drop-from-train", {"images": "twice", "columns.split": "part", "valid_fraction": MISSING}
    ),
    "labels": Case("labels.csv", "others.csv"),
    "images": Case(".", "below"),
    "columns.image": Case("image", "twin"),
    "columns.label": Case("label", "mood"),
    "columns.subject": Case(None, "who"),
    "columns.split": Case(None, "part", {"valid_fraction": MISSING}),
    "columns.fold": Case(None, "fold"),
    "columns.face": Case(None, "face"),
    "columns.box": Case(None, ["x0", "y0", "x1", "y1"]),
    "columns.soft": Case({}, {"happiness": "p", "sadness": "q"}),
    "header": Case(True, False, {"columns": {"image": 0, "label": 1}}),
    "delimiter": Case(None, ";"),
    "encoding": Case("utf-8", "latin-1", {"columns.subject": "who"}),
    "box_format": Case("xyxy", "xywh", {"columns.box": ["x0", "y0", "x1", "y1"]}),
    "points.column": Case(MISSING, "lm"),
    "points.file": Case("points.csv", "points-too.csv"),
    "points.id": Case("id", "name", POINTS),
    "points.offset": Case(0.5, 0.0, POINTS),
}
LISTED_OFF: dict[str, Case] = {
    "split_map": Case({"valid": "test"}, {"valid": "train"}),
    "box_format": Case("xyxy", "xywh"),
    "points.id": Case("id", "name", {"points": {"file": "points.npz"}}),
}
# What the files of a data set leave nothing to decide.
IDLE: dict[str, tuple[dict[str, Any], str]] = {
    "test_fraction beside a test part": (
        {**FOLDER, "root": "split", "test_fraction": 0.2},
        "has no effect: the data set has a test part of its own; delete it",
    ),
    "valid_fraction beside a valid part": (
        {**FOLDER, "root": "split", "valid_fraction": 0.2},
        "has no effect: the data set has a valid part of its own; delete it",
    ),
    "seed without a random split": (
        {**FOLDER, "root": "split", "seed": 3},
        "has no effect: no split of this data set is drawn at random; delete it",
    ),
    "fractions of a set to test on": (
        {**FOLDER, "root": "tested", "valid_fraction": 0.2},
        "has no effect: the data set has no part that a valid part could be cut from; delete it",
    ),
    "pattern of folders": (
        {**FOLDER, "subject_pattern": "^([0-9]+)_"},
        "has no effect: it finds no person in any picture's name, such as happy/0.png; delete it",
    ),
    "pattern of rows": (
        {**CSV, "subject_pattern": "^([0-9]+)_"},
        "has no effect: it finds no person in any picture's name, such as 0.png; delete it",
    ),
    "pattern beside a column": (
        {**CSV, "subject_pattern": "^(.)", "columns": {**COLUMNS, "subject": "who"}},
        "has no effect: all persons are known without it; delete it",
    ),
    "pattern of codes": (
        {"adapter": "sep", "root": "coded", "subject_pattern": "^x"},
        "has no effect: it finds no person in any picture's name, such as train0_happiness.png; delete it",
    ),
    "labels of folders": (
        {**FOLDER, "label_map": {"glad": "happiness", 7: None}},
        "has no effect: no label of the data set is glad or 7; it has happy, sad; delete it",
    ),
    "labels of rows": (
        {**CSV, "label_map": {"glad": "happiness"}},
        "has no effect: no label of the data set is glad; it has happy, odd, sad; delete it",
    ),
    "labels of codes": (
        {"adapter": "sep", "root": "coded", "label_map": {9: "fear"}},
        "has no effect: no label of the data set is 9; it has 0; delete it",
    ),
}
RENDER: dict[str, Case] = {
    "identities": Case(2, 3),
    "images": Case(1, 2),
    "size": Case(96, 112),
    "test_fraction": Case(0.0, 0.5),
    "seed": Case(0, 1),
}
ALIGN: dict[str, Case] = {
    "detector": Case("dlib-hog", ["yunet", "whole-image"]),
    "keypoints": Case("dlib68", "detector"),
    "template": Case("loose", "arcface"),
    "size": Case(64, 96),
    "context": Case(0, 64),
    "on_missing": Case("whole-image", "reject"),
    "choose": Case("largest", "central"),
    "max_reject_fraction": Case(0.1, 0.9, {"on_missing": "reject"}),
}
ALIGN_OFF: dict[str, Case] = {
    "keypoints": Case("dlib68", "dlib5", {"template": "none"}),
    "choose": Case("largest", "central", {"detector": "whole-image"}),
    "on_missing": Case("whole-image", "reject", {"detector": ["dlib-hog", "whole-image"]}),
}
LANDMARKS = {
    "extractor": Case("dlib68", "mean-shape"),
    "max_reject_fraction": Case(0.0, 0.9),
}
HEATMAPS = {
    "codebook": Case("corrected", "paper"),
    "geometry": Case("corrected", "paper", {"codebook": "paper"}),
    "size": Case(14, 28),
}


def noise(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    cv2.imwrite(str(path), image)


@pytest.fixture(scope="module", autouse=True)
def files(workspace: Path) -> None:
    """Small data sets of every layout."""
    for root in ("listed", "listed-too", "listed/below"):
        for number in range(12):
            noise(workspace / root / f"{number}.png", number + 100 * len(root))
    (workspace / "listed/linked").mkdir()
    for number in range(12):
        (workspace / f"listed/linked/{number}.png").symlink_to(workspace / f"listed-too/{number}.png")
    for number in range(12):
        noise(workspace / f"listed/twice/{number}.png", number // 2)
    header = "image,label,twin,mood,who,part,fold,face,x0,y0,x1,y1,p,q,lm"
    points = [MEAN_FACE * 20 + [32, 20] + shift for shift in range(12)]
    rows = []
    for number in range(12):
        label = "odd" if number == 11 else ("happy", "sad")[number % 2]
        lm = ";".join(f"{value:.2f}" for value in points[number].ravel())
        cells = (label, f"{(number + 1) % 12}.png", "fear" if number else "anger", f"é{number // 2}")
        rest = (("train", "valid", "test")[number % 3], number % 2, "left", 4, 5, 40 + number, 50, number, 3, lm)
        rows.append(",".join(map(str, (f"{number}.png", *cells, *rest))))
    for root, kept in (("listed", 12), ("listed-too", 10)):
        (workspace / root / "labels.csv").write_text("\n".join([header, *rows[:kept]]) + "\n")
    (workspace / "listed/others.csv").write_text("\n".join([header, *rows[2:]]) + "\n")
    axes = ",".join(f"x{i},y{i}" for i in range(68))
    for name, moved in (("points.csv", 0), ("points-too.csv", 1)):
        table = [f"{n}.png,{11 - n}.png," + ",".join(f"{v:.2f}" for v in (one + moved).ravel())
                 for n, one in enumerate(points)]  # fmt: skip
        (workspace / "listed" / name).write_text("\n".join([f"id,name,{axes}", *table]) + "\n")
    ids = np.array([f"{n}.png" for n in range(12)])
    np.savez(workspace / "listed/points.npz", id=ids, points=np.array(points, np.float32))
    for root, parts in (("folders", [""]), ("split", ["train/", "valid/", "test/"]), ("tested", ["test/"])):
        for part in parts:
            for number in range(8):
                noise(
                    workspace / root / f"{part}{('happy', 'sad')[number % 2]}/{number}.png", number + len(root + part)
                )
    for number in range(4):
        noise(workspace / f"coded/train/train{number}_happiness.png", number)
    (workspace / "coded/train_FER_labels.csv").write_text("".join(f"train{n}_happiness.png,0\n" for n in range(4)))


def surveyed(entry: dict[str, Any]) -> str:
    """Say what ingest makes of an entry, or refuses."""
    try:
        config = validate(create_adapter(entry["adapter"]).Config, entry, "", "test")
        survey = survey_dataset("set", config)
        survey.check_losses("set", config, Path("table"))
    except (ConfigError, DataError) as error:
        return str(error)
    columns = {name: values.tobytes() for name, values in survey.annotations.columns.items()}
    return digest(survey.rows, survey.rejects, survey.annotations.ids, columns)


def test_every_key_has_an_example() -> None:
    csv = create_adapter("csv").Config
    assert set(leaves(csv)) - set(OVERRIDABLE) == set(LISTED)
    assert rules(csv) == set(LISTED_OFF)
    for name in list_adapters():
        assert set(leaves(create_adapter(name).Config)) - set(OVERRIDABLE) <= {*LISTED, *OFFICIAL.get(name, ())}, name
    for model, known in ((DemoConfig, RENDER), (AlignConfig, ALIGN), (LandmarksConfig, LANDMARKS),
                         (HeatmapsConfig, HEATMAPS)):  # fmt: skip
        assert set(leaves(model)) == set(known)
        assert rules(model) <= set(ALIGN_OFF)


@pytest.mark.parametrize("key", LISTED)
def test_a_key_of_a_data_set_changes_what_ingest_makes(key: str) -> None:
    case = LISTED[key]
    results = []
    for value in (case.one, case.other):
        changes = {**case.beside, key: value}
        entry = put({**CSV, "columns": dict(COLUMNS)}, changes)
        results.append(surveyed(entry))
    assert results[0] != results[1]
    assert key != "points.offset" or "no effect" not in " ".join(results)


@pytest.mark.parametrize("key", ["valid_fraction", "test_fraction", "seed", "label_map", "subject_pattern"])
def test_a_key_that_adapters_share_changes_what_they_make(key: str) -> None:
    case = LISTED[key]
    beside = {"valid_fraction": 0.5} if key == "seed" else {}
    one, other = (surveyed({**FOLDER, **beside, key: value}) for value in (case.one, case.other))
    assert one != other


@pytest.mark.parametrize("key", LISTED_OFF)
def test_a_key_of_a_data_set_that_changes_nothing_is_refused(key: str) -> None:
    case = LISTED_OFF[key]
    entry = put({**CSV, "columns": dict(COLUMNS)}, {**case.beside, key: case.other})
    _, faults = examine(create_adapter("csv").Config, entry, "datasets.mine")
    assert [fault.key for fault in faults] == [f"datasets.mine.{key}"]
    assert "has no effect: " in faults[0].text
    quiet = [create_adapter("csv").Config.model_validate(put(dict(entry), {key: value})) for value in case[:2]]
    assert len({digest(survey_dataset("set", one).rows) for one in quiet}) == 1


@pytest.mark.parametrize("name", IDLE)
def test_a_key_that_the_files_leave_nothing_to_decide_is_refused(name: str) -> None:
    entry, text = IDLE[name]
    key, _, said = surveyed(entry).removeprefix("set: ").partition(": ")
    assert said == text
    assert key.split(".")[0] in entry


def test_labels_that_no_face_has_are_named_beside_those_that_some_have() -> None:
    entry = {**FOLDER, "label_map": {"happy": "fear", "glad": "happiness"}}
    config = validate(create_adapter("folder").Config, entry, "", "test")
    assert "label_map: no face has the label glad" in survey_dataset("set", config).notes


@pytest.mark.slow
@pytest.mark.parametrize("key", RENDER)
def test_a_key_of_render_changes_the_pictures(key: str, tmp_path: Path) -> None:
    case = RENDER[key]
    prints = []
    for name, value in (("one", case.one), ("other", case.other)):
        usual = {"identities": 2, "images": 1, "size": 96, "test_fraction": 0.0}
        generate(DemoConfig.model_validate({**usual, **case.beside, key: value}), tmp_path / name)
        prints.append(_contents(tmp_path / name))
    assert prints[0] != prints[1]


def _contents(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def faces(workspace: Path) -> Path:
    """Rendered faces: one alone, a large and a small one in one picture, and a picture without a face; ingested."""
    generate(DemoConfig(identities=2, images=2, size=160, test_fraction=0.0), workspace / "rendered")
    found = [cv2.imread(str(path)) for path in sorted((workspace / "rendered").rglob("*.*g"))][:3]
    wide = np.full((200, 420, 3), 128, np.uint8)
    wide[20:180, 20:180] = found[0]
    small = cv2.resize(found[1], (110, 110))
    wide[45:155, 200:310] = small
    root = workspace / "pictures"
    for name, image in {"a/1": found[2], "a/2": wide, "b/1": np.full((160, 160, 3), 90, np.uint8)}.items():
        path = root / ("anger" if name[0] == "a" else "sad") / f"{name[-1]}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)
    config = create_adapter("folder").Config.model_validate({"adapter": "folder", "root": root, "valid_fraction": 0.0})
    ingest_dataset("faces", config, workspace / "data/faces")
    return workspace / "data/faces"


def made(stage: Any, config: Any, store: str, *places: Path) -> tuple[str, str]:
    """Run a stage: the hash of its store and the store's fingerprint, or what it refuses."""
    try:
        stage(config, *places)
    except (ConfigError, DataError) as error:
        return str(error), str(error)
    made_ = Store.open(places[0] / f"{store}.h5", store)
    return made_.content_sha256, made_.fingerprint


def aligned(changes: dict[str, Any], folder: Path) -> tuple[str, str]:
    config = AlignConfig.model_validate({"size": 64, "max_reject_fraction": 0.9, **changes})
    return made(align_dataset, config, "faces", folder, folder.parents[1] / "pictures")


@pytest.mark.slow
@pytest.mark.parametrize("key", ALIGN)
def test_a_key_of_align_changes_the_crops(key: str, faces: Path) -> None:
    case = ALIGN[key]
    one, other = (aligned({**case.beside, key: value}, faces) for value in (case.one, case.other))
    assert one[0] != other[0]


@pytest.mark.parametrize("key", ALIGN_OFF)
def test_a_key_of_align_that_changes_nothing_is_refused(key: str, faces: Path) -> None:
    case = ALIGN_OFF[key]
    settings = {**case.beside, key: case.other}
    found = examine(AlignConfig, settings, "align")[1]
    said = [str(fault) for fault in found] or [aligned(settings, faces)[0]]
    assert said[0].startswith(f"align.{key}: has no effect: ")


@pytest.mark.slow
@pytest.mark.parametrize("key", LANDMARKS)
def test_a_key_of_landmarks_changes_the_points(key: str, faces: Path) -> None:
    aligned({}, faces)
    case, results = LANDMARKS[key], []
    for value in (case.one, case.other):
        config = LandmarksConfig.model_validate({"max_reject_fraction": 0.9, **case.beside, key: value})
        results.append(made(extract_dataset, config, "landmarks", faces))
    assert results[0] != results[1]


@pytest.mark.slow
@pytest.mark.parametrize("key", HEATMAPS)
def test_a_key_of_heatmaps_changes_the_maps(key: str, faces: Path) -> None:
    aligned({}, faces)
    extract_dataset(LandmarksConfig(extractor="mean-shape", max_reject_fraction=0.9), faces)
    case = HEATMAPS[key]
    one, other = (
        made(render_dataset, HeatmapsConfig.model_validate({**case.beside, key: value}), "heatmaps", faces)
        for value in (case.one, case.other)
    )
    assert one[1] != other[1]
    assert one[0] != other[0]


def test_the_entry_of_a_data_set_is_a_parameter_of_its_stage() -> None:
    text = (Path(__file__).parents[2] / "dvc.yaml").read_text()
    for key in (*(f"settings.{stage}.${{key}}" for stage in STAGES), "render.${key}", "- heatmaps\n"):
        assert key in text
    assert issubclass(create_adapter("demo").Config, DatasetConfig)
