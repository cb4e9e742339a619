"""From a folder alone to an entry that ``check-params`` and ``ingest`` take; of large sets, a sample is opened."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from fer_au.config.experiments import ExperimentConfig
from fer_au.data_check import holdings
from fer_au.data_check.document import write_document
from fer_au.data_check.duplicates import look_at_files
from fer_au.data_check.gather import check_folder, recognise
from fer_au.data_check.page import write_page
from fer_au.data_check.result import Copies, Counts, DataCheck, Fit, Frame, Guess, Pictures, Problem
from fer_au.datasets.base import examine_dataset
from fer_au.datasets.stage import survey_dataset
from fer_au.rejects import Reason
from fer_au.yaml_files import parse_yaml
from tests.data_check.conftest import Write

SETS = (
    "affectnet",
    "ckplus",
    "disfa",
    "expw",
    "fer2013",
    "ferplus",
    "jaffe",
    "kdef",
    "rafdb",
    "sfew",
    "tfeid",
    "video",
)
CLASSES = [f"{label}/{number}.png" for label in ("happy", "sad") for number in range(20)]


@pytest.fixture(autouse=True)
def one_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FER_AU_WORKERS", "1")
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "cache"))


def look(root: Path, *, whole: bool = False, **settings: Any) -> DataCheck:
    return check_folder(root, recognise(root, settings), whole=whole, framing="none", keep=lambda rejects: "table")


def ingested(check: DataCheck) -> int:
    """Take the pasted entry as ``ingest`` does; give the number of faces."""
    entry = parse_yaml(json.loads(write_document(check))["params"], "params.yaml")["datasets"][check.name]
    config, faults = examine_dataset("x", entry)
    assert not faults
    assert config is not None
    survey = survey_dataset("x", config)
    survey.check_losses("x", config, "table")
    return len(survey.rows)


@pytest.mark.parametrize("name", SETS)
def test_a_known_set_is_recognised_and_its_entry_taken(name: str, tmp_path: Path) -> None:
    import_module(f"tests.datasets.miniatures.{name}").write(tmp_path / "set")
    check = look(tmp_path / "set")
    assert (check.usable, check.errors) == (True, ())
    assert check.entry["adapter"] == name
    assert check.counts is not None
    faces = sum(sum(numbers.values()) for numbers in check.counts.faces.values())
    assert 0 < faces == ingested(check)


def test_pictures_of_the_other_kind_are_taken_where_the_usual_ones_are_missing(tmp_path: Path) -> None:
    import_module("tests.datasets.miniatures.sfew").write(tmp_path / "set", "_Aligned_Faces")
    check = look(tmp_path / "set")
    assert (check.usable, check.entry["adapter"], check.entry["pictures"]) == (True, "sfew", "aligned")
    assert [guess.why for guess in check.fits[0].guesses] == ["the folder has no original ones"]
    assert ingested(check) == 35
    assert "can't take it" in look(tmp_path / "set", pictures="original").errors[0]  # what was given is not guessed


def test_of_many_clips_some_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_module("tests.datasets.miniatures.video").write(tmp_path / "set")
    monkeypatch.setattr(holdings, "FEWEST", 3)
    config, _ = examine_dataset("x", {"adapter": "video", "root": str(tmp_path / "set"), "every": 4})
    assert config is not None
    some, all_ = (holdings.take_stock("x", config, whole=whole) for whole in (False, True))
    assert (some.sampled, all_.sampled) == (True, False)
    assert (some.listed, len(some.opened), len(some.opened_rows)) == (9 + 6, 9, 9)
    assert (all_.listed, len(all_.opened_rows)) == (27, 27)
    assert not some.survey.rejects


def test_a_label_file_is_guessed_told_and_taken(write: Write) -> None:
    names = ["neutral", "happy", "surprise", "fear", "anger", "disgust"] * 4
    rows = [f"{number}.png,{name},p{number % 12}" for number, name in enumerate(names)]
    root = write(*(f"pics/{number}.png" for number in range(24)), legend__csv="\n".join(["File,Mood,subject", *rows]))
    check = look(root)
    assert check.usable
    columns = {"image": "File", "label": "Mood", "subject": "subject"}
    assert {key: check.entry[key] for key in ("adapter", "labels", "images", "columns", "test_fraction")} == {
        "adapter": "csv",
        "labels": "legend.csv",
        "images": "pics",
        "columns": columns,
        "test_fraction": 0.2,
    }
    assert ingested(check) == 24
    page = write_page(check, 80)
    assert "guessed, so look whether it is right" in page
    assert "columns.label: Mood (100% of its cells name an expression)" in page
    assert "    columns: {image: File, label: Mood, subject: subject}\n    test_fraction: 0.2\nexperiments:" in page
    mine = look(root, columns={"subject": None}, test_fraction=0.4)
    assert mine.entry["columns"] == {**columns, "subject": None}
    assert not {"columns.subject", "test_fraction"} & {guess.key for guess in mine.fits[0].guesses}


def test_what_is_printed_is_all_that_a_first_run_needs(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    check = look(write(*CLASSES))
    page = write_page(check, 80)
    assert "into params.yaml; where it has a section" in page
    text = page.partition("datasets:")[2].partition("\n\n")[0]
    params = parse_yaml(f"datasets:{text}", "params.yaml")
    assert params["datasets"] == {check.name: check.entry}
    assert ExperimentConfig.model_validate(params["experiments"]["set-first"]).dataset == check.name
    assert "evaluate@set-first" in page
    monkeypatch.chdir("/")
    assert "of a project, which is a clone" in write_page(check, 80)


def test_of_a_set_with_folds_the_first_is_held_out(tmp_path: Path) -> None:
    import_module("tests.datasets.miniatures.jaffe").write(tmp_path / "set")
    assert "    fold: '0'" in write_page(look(tmp_path / "set"), 80)


def test_names_of_files_that_look_like_persons_are_told(write: Write) -> None:
    names = [f"{first}_{last}_000{n}" for first in ("Ann", "Bob", "Cy", "Di", "Ed") for last in "ABCD" for n in (1, 2)]
    paths = [f"{label}/{name}.png" for label, half in (("happy", names[:20]), ("sad", names[20:])) for name in half]
    root = write(*paths)
    page = write_page(look(root), 80)
    assert "40 files are named like Ann_A_0001.png, maybe by 20 persons" in " ".join(page.split())
    known = look(root, subject_pattern=r"^(.+)_\d+$")
    assert known.counts is not None
    assert known.counts.persons == 20
    assert "maybe by" not in write_page(known, 80)


def test_codes_are_asked_for_and_the_answer_is_taken(write: Write) -> None:
    table = "\n".join(["image,label", *(f"{number}.png,{number % 2}" for number in range(24))])
    root = write(*(f"{number}.png" for number in range(24)), labels__csv=table)
    check = look(root)
    assert not check.usable
    assert "0 (12), 1 (12); say what they mean, `label_map: {0: EXPRESSION, 1: EXPRESSION}`" in check.errors[0]
    assert json.loads(write_document(check))["params"] is None
    assert "columns.label: label (its header 'label'" in write_page(check, 200)
    assert ingested(look(root, label_map={0: "joy", 1: "anger"})) == 24


def test_guessed_points_that_cant_be_right_are_told_and_left_out(write: Write) -> None:
    cell = " ".join(["0.5"] * 136)
    rows = [f'{number}.png,{("happy", "sad")[number % 2]},"{cell}"' for number in range(8)]
    root = write(*(f"{number}.png" for number in range(8)), labels__csv="\n".join(["image,label,lm", *rows]))
    check = look(root)
    assert "points" not in check.entry
    assert any(doubt.startswith("points aren't used: labels.csv, column lm: 8 of 8") for doubt in check.fits[0].doubts)
    assert not any(problem.kind == "bad_points" for problem in check.problems)
    assert "8 of 8 faces have unusable points" in look(root, points={"column": "lm"}).errors[0]


def test_a_known_set_comes_before_a_layout_that_it_also_has(tmp_path: Path) -> None:
    import_module("tests.datasets.miniatures.sfew").write(tmp_path / "set")
    fits = recognise(tmp_path / "set", {})
    assert fits[0].adapter == "sfew"
    assert "folder" in [fit.adapter for fit in fits]


def test_of_a_large_set_a_sample_is_opened_and_the_rest_is_counted(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(*(f"{part}/{path}" for part in ("train", "test") for path in CLASSES))
    (root / "test/sad/copy.png").write_bytes((root / "train/sad/3.png").read_bytes())
    (root / "train/happy/broken.png").write_bytes(b"no picture")
    whole = look(root)
    monkeypatch.setattr(holdings, "MOST", 10)
    monkeypatch.setattr(holdings, "FEWEST", 5)
    some = look(root)
    assert whole.pictures is not None
    assert some.pictures is not None
    assert (whole.pictures.listed, whole.pictures.opened) == (82, 82)
    assert some.pictures.listed == 82
    assert 10 <= some.pictures.opened < 20
    assert some.copies is not None
    assert whole.copies is not None
    assert some.copies.exact == whole.copies.exact == 2  # of all pictures
    assert some.copies.lines == whole.copies.lines
    assert some.copies.near_among == some.pictures.opened
    assert whole.counts is not None
    assert some.counts is not None
    assert some.counts.faces["test"] == whole.counts.faces["test"]
    assert f"{some.pictures.opened} opened (--full opens all)" in write_page(some, 200)
    assert look(root, whole=True) == whole


def test_in_a_sample_damaged_pictures_count_by_the_sample(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(*CLASSES)
    for path in sorted((root / "happy").iterdir())[:14]:
        path.write_bytes(b"no picture" + path.name.encode())
    monkeypatch.setattr(holdings, "MOST", 10)
    monkeypatch.setattr(holdings, "FEWEST", 5)
    (error,) = look(root, test_fraction=0.2, max_reject_fraction=0.3).errors
    assert error.startswith(f"{root}, pictures opened: 4 of 10 items rejected (40.0%")


def test_copies_are_found_among_files_of_one_size_and_of_one_end(tmp_path: Path) -> None:
    middle = bytes(9000)
    files = {
        "a": b"1" * 9000,
        "b": b"1" * 9000,
        "c": b"1" * 5000 + b"2" + b"1" * 3999,
        "d": middle,
        "e": b"x",
        "f": b"y",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    found = look_at_files(tmp_path, [*files, "gone", "../a"], "x")
    assert found.content["a"] == found.content["b"]
    assert len(set(found.content.values())) == 5
    assert found.size == {name: len(data) for name, data in files.items()}
    assert [reject.reason for reject in found.rejects] == [Reason.MISSING_FILE, Reason.OUTSIDE_ROOT]


def test_a_link_out_of_the_root_is_no_file_of_the_set(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "far").mkdir()
    (tmp_path / "far/1.png").write_bytes(b"x")
    (tmp_path / "set/1.png").symlink_to(tmp_path / "far/1.png")
    (tmp_path / "set/far").symlink_to(tmp_path / "far")
    paths = ["1.png", "far/1.png"]
    assert {one.reason for one in look_at_files(tmp_path / "set", paths, "x").rejects} == {Reason.OUTSIDE_ROOT}
    assert look_at_files(tmp_path / "set", paths, "x", follow_links=True).size == dict.fromkeys(paths, 1)


def test_the_document_has_every_fact_in_order_and_the_page_fits(write: Write) -> None:
    root = write(*CLASSES)
    (root / "happy/broken.png").write_bytes(b"no picture")
    check = look(root, max_reject_fraction=0.5)
    text = write_document(check)
    found = json.loads(text)
    assert list(found) == ["schema", *DataCheck.__dataclass_fields__, "params"]
    assert list(found["fits"][0]) == list(Fit.__dataclass_fields__)
    assert found["problems"][0]["kind"] == "not_an_image"
    assert found["problems"][0]["examples"] == ["happy/broken.png"]
    assert text == write_document(look(root, max_reject_fraction=0.5))
    page = write_page(check, 80)
    assert max(map(len, page.partition("into params.yaml")[0].splitlines())) <= 80
    assert len(page.splitlines()) < 45


def test_the_page_of_data_sets_names_every_key_of_the_document() -> None:
    page = (Path(__file__).parents[2] / "docs/datasets.md").read_text(encoding="utf-8")
    table = page.partition("### As JSON")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", table))
    kinds = (DataCheck, Fit, Guess, Counts, Pictures, Problem, Copies, Frame)
    assert {key for kind in kinds for key in kind.__dataclass_fields__} - named == set()
