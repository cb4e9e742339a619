"""Labels, columns, files and persons that people take for the same, however they are spelt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest

from fer_au.datasets import Scan, create_adapter, ingest_dataset, list_adapters, read_manifest
from fer_au.datasets.base import examine_dataset
from fer_au.datasets.labels import LabelMapConfig
from fer_au.datasets.spelling import Spellings
from fer_au.rejects import Reason, read_rejects

LABELLED = [name for name in list_adapters() if issubclass(create_adapter(name).Config, LabelMapConfig)]
FORMS = ["NFC", "NFD"]
HEADER = ",".join(f"x{i},y{i}" for i in range(68))
POINTS = ",".join(f"{i % 9},{i // 9}" for i in range(68))


def config(adapter: str, root: Path, **keys: object) -> Any:
    made, faults = examine_dataset("x", {"adapter": adapter, "root": str(root), **keys})
    assert not faults
    return made


def scan(adapter: str, root: Path, **keys: object) -> Scan:
    return create_adapter(adapter).scan(config(adapter, root, **keys))


@pytest.mark.parametrize("adapter", LABELLED)
@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (("Wut", "wut"), "Wut and wut"),
        (("Wut", " Wut"), "'Wut' and ' Wut'"),
        (("sehr wütend", "Sehr  Wütend"), "sehr wütend and Sehr  Wütend"),
        ((normalize("NFC", "Ärger"), normalize("NFD", "ärger")), "are one label"),
        ((1, "1"), "1 and '1'"),
    ],
    ids=["case", "blanks", "inner blanks", "Unicode forms", "number and text"],
)
def test_two_meanings_of_one_label_are_refused(adapter: str, keys: tuple[str | int, str | int], said: str) -> None:
    entry = {"adapter": adapter, "root": "x", "labels": "l.csv"}
    entry = {key: value for key, value in entry.items() if key in create_adapter(adapter).Config.model_fields}

    def faults(*meanings: str | None) -> list[str]:
        found = examine_dataset("x", {**entry, "label_map": dict(zip(keys, meanings, strict=True))})[1]
        return [str(fault) for fault in found]

    for meanings in (("anger", "fear"), ("anger", None)):
        (line,) = faults(*meanings)
        assert line.startswith("datasets.x.label_map: ")
        assert said in line
        assert f"are one label, and mean anger and {meanings[1] or 'null'}" in line
    assert faults("anger", "Angry") == []


@pytest.mark.parametrize("written", FORMS)
@pytest.mark.parametrize("stored", FORMS)
def test_a_label_is_found_in_any_unicode_form(
    written: str, stored: str, tmp_path: Path, add: Callable[..., Path]
) -> None:
    meaning = {normalize(written, "Überraschung"): "surprise", normalize(written, "Wüste"): None}
    for name in ("Überraschung", "Wüste"):
        add(tmp_path / "folder" / normalize(stored, name) / "1.jpg")
    add(tmp_path / "csv/1.jpg")
    (tmp_path / "csv/l.csv").write_text(normalize(stored, "image,Gefühl\n1.jpg,ÜBERRASCHUNG\n2.jpg,wüste\n"))
    add(tmp_path / "sep/train/1.jpg")
    (tmp_path / "sep/train_labels.csv").write_text(normalize(stored, "1.jpg,Überraschung\n2.jpg,Wüste\n"))
    columns = {"label": normalize(written, "Gefühl")}
    keys: dict[str, dict[str, object]] = {"folder": {}, "csv": {"labels": "l.csv", "columns": columns}, "sep": {}}
    for adapter, own in keys.items():
        found = scan(adapter, tmp_path / adapter, label_map=meaning, **own)
        assert [record.label for record in found.records] == ["surprise"]
        assert {reject.reason for reject in found.rejects} == {Reason.UNLABELLED}


@pytest.mark.parametrize("written", FORMS)
@pytest.mark.parametrize("stored", FORMS)
def test_files_are_found_in_any_unicode_form_and_keep_their_names(
    written: str, stored: str, tmp_path: Path, add: Callable[..., Path]
) -> None:
    picture = normalize(stored, "grün.jpg")
    add(tmp_path / "csv" / normalize(stored, "Köpfe") / picture)
    (tmp_path / "csv" / normalize(stored, "Schlüssel.csv")).write_text(
        normalize(written, "image,label\ngrün.jpg,fear\n")
    )
    (tmp_path / "csv" / normalize(stored, "Züge.csv")).write_text(
        normalize(written, f"id,{HEADER}\ngrün.jpg,{POINTS}\n")
    )
    add(tmp_path / "sep/train" / picture)
    (tmp_path / "sep/train_labels.csv").write_text(normalize(written, "grün.jpg,fear\n"))
    keys = {"labels": "Schlüssel.csv", "images": "Köpfe"}
    own: dict[str, object] = {key: normalize(written, value) for key, value in keys.items()}
    found = scan("csv", tmp_path / "csv", **own, points={"file": normalize(written, "Züge.csv")})
    assert [record.id for record in found.records] == [normalize(stored, "Köpfe/grün.jpg")]
    assert found.annotations.ids == (normalize(stored, "Köpfe/grün.jpg"),)
    assert found.rejects == found.notes == ()
    found = scan("sep", tmp_path / "sep", label_map={"fear": "fear"})
    assert [record.id for record in found.records] == [f"train/{picture}"]
    assert found.rejects == ()


def test_rows_of_one_file_in_two_forms_are_one_face(tmp_path: Path, add: Callable[..., Path]) -> None:
    add(tmp_path / normalize("NFD", "ä.jpg"))
    add(tmp_path / normalize("NFD", "ö.jpg"))
    rows = ["ä.jpg,fear", normalize("NFD", "ä.jpg,fear"), "ö.jpg,fear", normalize("NFD", "ö.jpg,anger")]
    (tmp_path / "l.csv").write_text("\n".join(["image,label", *rows]))
    found = scan("csv", tmp_path, labels="l.csv")
    assert [record.id for record in found.records] == [normalize("NFD", "ä.jpg")]
    assert [(reject.id, reject.reason) for reject in found.rejects] == [
        (normalize("NFD", "ö.jpg"), Reason.CONFLICTING_LABELS)
    ]


def test_files_that_differ_in_their_form_alone_are_rejected(tmp_path: Path, add: Callable[..., Path]) -> None:
    for name in ("grün.jpg", normalize("NFD", "grün.jpg"), "blau.jpg"):
        add(tmp_path / "raw/fear" / name)
    if len(list((tmp_path / "raw/fear").iterdir())) == 2:
        pytest.skip("the file system takes both forms for one name")
    ingest_dataset("x", config("folder", tmp_path / "raw", max_reject_fraction=0.9), tmp_path / "out")
    assert [row.id for row in read_manifest(tmp_path / "out/manifest.csv")] == ["fear/blau.jpg"]
    rejects = read_rejects(tmp_path / "out/rejects/ingest.csv")
    assert {reject.id for reject in rejects} == {f"fear/{normalize(form, 'grün.jpg')}" for form in FORMS}
    assert {(reject.reason, reject.detail) for reject in rejects} == {
        (Reason.DUPLICATE_ID, "another name differs from it in its Unicode form alone; rename one")
    }


def test_a_person_stays_in_one_split_in_any_form(tmp_path: Path, add: Callable[..., Path]) -> None:
    for number in range(12):
        add(tmp_path / "raw/fear" / f"{normalize(FORMS[number % 2], f'Jürgen{number // 6}')}_{number}.jpg")
    keys = {"subject_pattern": "^(.+)_", "test_fraction": 0.5, "valid_fraction": 0.0}
    ingest_dataset("x", config("folder", tmp_path / "raw", **keys), tmp_path / "out")
    rows = read_manifest(tmp_path / "out/manifest.csv")
    assert {row.subject for row in rows} == {"Jürgen0", "Jürgen1"}
    assert len({(row.subject, row.split) for row in rows}) == 2


def test_a_spelling_that_is_right_or_not_certain_stays() -> None:
    composed, decomposed, mixed = "éé", normalize("NFD", "éé"), "é" + normalize("NFD", "é")
    assert Spellings([decomposed]).find(composed) == decomposed
    both = Spellings([composed, decomposed])
    assert [both.find(name) for name in (composed, decomposed, mixed, "x")] == [composed, decomposed, mixed, "x"]
