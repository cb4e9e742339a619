from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.main import get_command

from fer_au.cli.entry import app
from fer_au.rejects import read_rejects
from tests.cli.conftest import Call


def test_cache_info_names_the_folder(call: Call, tmp_path: Path) -> None:
    assert call("cache", "info")[:2] == (0, f"{tmp_path / 'cache'}: 0 operation(s), 0 finished or begun, 0.0 MB\n")


def write_faces(folder: Path, *labels: str, count: int = 6) -> None:
    """Class folders with pictures that differ."""
    for number, label in enumerate(labels):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            picture = np.random.default_rng([number, index]).integers(0, 255, (40, 40, 3), np.uint8)
            cv2.imwrite(str(folder / label / f"{label}{index}.png"), picture)


def test_a_key_that_check_data_needs_is_shown_as_it_is_typed(call: Call, tmp_path: Path) -> None:
    write_faces(tmp_path / "faces", "happy")
    missing = "error: command line: labels: required key is missing; give it as "
    assert call("check-data", "csv", "faces") == (2, "", f"{missing}--set labels=VALUE\n")
    for name in ("my legend.csv", "readme.md", "b.tsv"):
        (tmp_path / "faces" / name).touch()
    files = "--set labels=b.tsv or --set labels='my legend.csv'"
    assert call("check-data", "csv", "faces") == (2, "", f"{missing}{files}\n")


@pytest.mark.parametrize(
    ("labels", "settings", "line"),
    [
        (("happy",), ["test_fraction=0.2"], "split train has no class but happiness: training needs two"),
        (
            ("happy", "sad"),
            ["test_fraction=0.2", "valid_fraction=0"],
            "split valid is empty: training looks for its best epoch there; set valid_fraction: 0.1, or",
        ),
        (("train/happy", "train/sad", "test/sad"), ["valid_fraction=0"], "split valid is empty: "),
        (("test/happy", "test/sad"), [], ""),
        (
            ("train/happy", "train/sad", "valid/fear", "test/sad"),
            [],
            "split valid has only fear: training knows happiness, sadness; see label_map",
        ),
        (("train/happy", "train/sad", "test/fear"), [], ""),  # another set's model may know it
        (("happy", "sad"), ["test_fraction=0.2"], ""),
    ],
)
def test_check_data_refuses_what_no_training_takes(
    labels: tuple[str, ...], settings: list[str], line: str, call: Call, tmp_path: Path
) -> None:
    for label in labels:
        write_faces(tmp_path / "faces" / label, "")
    code, out, err = call(
        "check-data", "folder", "faces", "--no-frame", *(word for one in settings for word in ("--set", one))
    )
    assert code == (2 if line else 0), err
    assert f"error: faces: {line}" in err if line else "error" not in err
    assert out.startswith("faces: adapter folder\n\nfaces ")


@pytest.mark.parametrize(("content", "word"), [("", "empty"), ('{"read": {', "damaged"), ("{}", "")])
def test_check_params_says_what_to_do_about_a_broken_file_of_locks(
    content: str, word: str, call: Call, tmp_path: Path
) -> None:
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    (tmp_path / ".dvc/tmp/rwlock").write_text(content)
    (tmp_path / "params.yaml").write_text("datasets: {}\n")
    _, _, err = call("check-params")
    lines = [line for line in err.splitlines() if "rwlock" in line]
    assert lines == (
        [
            f"error: .dvc/tmp/rwlock: an interrupted DVC left it {word}, and every command of DVC would fail; where no "
            "DVC runs, delete it: rm .dvc/tmp/rwlock"
        ]
        if word
        else []
    )


def test_check_data_reports_a_folder_and_writes_nothing(call: Call, tmp_path: Path) -> None:
    for label in ("happy", "sad"):
        (tmp_path / "faces" / label).mkdir(parents=True)
        for index in range(6):
            picture = np.random.default_rng([index, len(label)]).integers(0, 255, (40, 40, 3), np.uint8)
            cv2.imwrite(str(tmp_path / "faces" / label / f"{label}{index}.png"), picture)
    keys = ("--set", "test_fraction=0.5", "--set", "valid_fraction=0.4")
    code, out, err = call("check-data", "folder", "faces", "--no-frame", *keys)
    assert code == 0, err
    assert "\n  split valid has 2 faces: " in out
    assert [line.split() for line in out.splitlines()[2:6]] == [
        ["faces", "train", "valid", "test", "all"],
        ["happiness", "2", "1", "3", "6"],
        ["sadness", "2", "1", "3", "6"],
        ["all", "4", "2", "6", "12"],
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces"]


def test_check_data_names_what_it_refuses_and_no_file_that_is_gone(call: Call, tmp_path: Path) -> None:
    for label in ("happy", "Freude"):
        (tmp_path / "faces" / label).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / f"faces/{label}/1.png"), np.zeros((40, 40, 3), np.uint8))
    (tmp_path / "faces/happy/broken.jpg").write_text("no picture")
    code, out, err = call("check-data", "folder", "faces", "--no-frame")
    assert code == 2
    assert err.splitlines()[-1] == (
        "error: faces: 2 of 3 items rejected (66.7%, max_reject_fraction is 5.0%): 1 not_an_image "
        "(happy/broken.jpg: no JPEG, PNG, WebP, BMP or TIFF header), 1 unknown_label (Freude/1.png: label "
        "'Freude' names no expression; see label_map); see the problems above, and all rows by --rejects FILE.csv"
    )
    assert not list(tmp_path.glob("*.csv"))
    code, again, err = call("check-data", "folder", "faces", "--no-frame", "--rejects", "kept/lost.csv")
    assert (code, again) == (2, out)
    assert err.startswith("kept/lost.csv: 2 rows\n")
    assert err.endswith("; see kept/lost.csv\n")
    assert [reject.id for reject in read_rejects(tmp_path / "kept/lost.csv")] == ["Freude/1.png", "happy/broken.jpg"]
    problems = " ".join(out.partition("problems:\n")[2].split())
    assert problems == (
        "1 not_an_image: no JPEG, PNG, WebP, BMP or TIFF header; read are JPEG, PNG, WebP, BMP and TIFF; take other "
        "files away happy/broken.jpg 1 unknown_label: labels that name no expression: Freude (1); say what they mean, "
        "`label_map: {Freude: EXPRESSION}` (null leaves a label out) Freude/1.png "
        "no face could be put in valid: too few, or all of one subject class happiness has one face; it is in train "
        "split train has no class but happiness: training needs two; see label_map and root "
        "split test is empty: evaluate scores its faces; set test_fraction: 0.2, or evaluate.split to one that it has"
    )
    arguments = ("--set", "label_map={Freude: joy}", "--set", "max_reject_fraction=0.5", "--set", "test_fraction=0.3")
    write_faces(tmp_path / "faces", "happy", "sad")
    code, out, err = call("check-data", "folder", "faces", "--no-frame", *arguments)
    assert code == 0, err
    assert "  1 not_an_image: no JPEG, PNG, WebP, BMP or TIFF header; read are" in out


# A wrong entry on the command line, and the keys of all its lines: those that check-params would name.
@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        (["label=x.csv"], ["label"]),
        (["labels=l.csv", "sed=1"], ["sed"]),
        (["labels=l.csv", "columns.lable=y", "seed=x"], ["columns.lable", "seed"]),
        (["labels=no.csv", "columns.lable=y", "images=no"], ["columns.lable", "images", "labels"]),
        (["labels=no.csv", "encodin=x", "test_fraction=2"], ["encodin", "test_fraction"]),
        (["labels=l.csv", "label_map={Wut: x}"], ["label_map"]),
    ],
)
def test_check_data_tells_all_that_is_wrong_with_an_entry(
    settings: list[str], keys: list[str], call: Call, tmp_path: Path
) -> None:
    write_faces(tmp_path / "faces", "happy")
    (tmp_path / "faces/l.csv").write_text("image,label\n")
    options = [word for setting in settings for word in ("--set", setting)]
    code, out, err = call("check-data", "csv", "faces", *options)
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert all(line.startswith("error: command line: ") for line in lines)
    assert [line.split(": ")[2] for line in lines] == keys


def test_check_data_by_adapter_demo_names_the_adapters_of_pictures(call: Call, tmp_path: Path) -> None:
    write_faces(tmp_path / "faces", "happy")
    for text in (None, "file,label\n"):
        if text:
            (tmp_path / "faces/labels.csv").write_text(text)
        code, _, err = call("check-data", "demo", "faces")
        assert code == 2
        assert "adapter demo reads the faces that `dvc repro render` renders, and no others: adapter folder" in err


def test_check_data_takes_the_home_folder(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write_faces(tmp_path / "home/faces", "happy", "sad")
    code, out, err = call("check-data", "folder", "~/faces", "--no-frame")
    assert code == 0, err
    assert "happiness" in out
    assert call("presets", "write", "best-small", "--output=~/best.yaml")[0] == 0
    assert (tmp_path / "home/best.yaml").is_file()
    code, _, err = call("check-data", "folder", "~nobody-of-that-name/faces")
    assert (code, err) == (2, "error: ~nobody-of-that-name is no home folder\n")


def test_the_cache_may_lie_in_the_home_folder(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FER_AU_CACHE", "~/place")
    assert call("cache", "info")[1].startswith(str(tmp_path / "home/place"))
    monkeypatch.setenv("FER_AU_CACHE", "~nobody-of-that-name")
    assert call("cache", "info")[2] == "error: FER_AU_CACHE: ~nobody-of-that-name is no home folder\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check-data", "foldr", "x"), "did you mean folder?"),
        (("check-data", "folder", "x"), "x"),
        (("check-data", "folder", "x", "--set", "seed"), "expected KEY=VALUE"),
        (("store", "info", "none.h5"), "none.h5: No such file"),
        (("verify", "--nope"), "No such option"),
        (("blub",), "blub"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(call: Call, arguments: tuple[str, ...], message: str) -> None:
    code, _, err = call(*arguments)
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err


def test_help_is_exit_code_0(call: Call) -> None:
    code, out, _ = call("--help")
    assert code == 0
    assert "check-data" in out


def test_another_packages_checkout_is_refused(call: Call, tmp_path: Path) -> None:
    (tmp_path / "fer_au").mkdir()
    code, out, said = call("presets", "list")
    assert (code, out) == (2, "")
    assert said.count("\n") == 1
    assert f"this project is {tmp_path}" in said


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("results", "--latex", "--group"), "error: --latex needs a value, and --group follows"),
        (("results", "--sort", "--csv", "x.csv"), "error: --sort needs a value, and --csv follows"),
        (("store", "export", "a.h5", "--output", "--maps"), "error: --output needs a value, and --maps follows"),
        (("store", "export", "a.h5", "-o", "--maps"), "error: -o needs a value, and --maps follows"),
        (("cache", "prune", "--older-than", "--dry-run"), "error: --older-than needs a value, and --dry-run follows"),
    ],
)
def test_an_option_does_not_take_the_next_one_for_its_value(
    call: Call, tmp_path: Path, words: tuple[str, ...], line: str
) -> None:
    assert call(*words) == (2, "", f"{line}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "settings", [["columns={image: File, label: Mood}"], ["columns.image=File", "columns.label=Mood"]], ids=str
)
def test_check_data_takes_columns_of_a_label_file(call: Call, tmp_path: Path, settings: list[str]) -> None:
    (tmp_path / "faces/pictures").mkdir(parents=True)
    rows = ["File,Mood"]
    for index in range(6):
        picture = np.random.default_rng(index).integers(0, 255, (40, 40, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"faces/pictures/{index}.png"), picture)
        rows.append(f"{index}.png,{('happy', 'sad')[index % 2]}")
    (tmp_path / "faces/legend.csv").write_text("\n".join(rows))
    words = ["check-data", "csv", "faces", "--no-frame", "--set", "labels=legend.csv"]
    code, _, err = call(*words)
    assert code == 2
    assert "no column 'image', 'label'; its columns are: File, Mood" in err
    words += [word for text in settings for word in ("--set", text)]
    code, out, err = call(*words)
    assert code == 2
    assert "0.png is faces/pictures/0.png: say `images: pictures`" in " ".join(out.split())
    assert "passed over" not in out
    code, out, err = call(*words, "--set", "images=pictures")
    assert code == 0, err
    assert "problems: none" not in out  # valid is small
    assert "legend.csv" in out
    assert "did you mean columns.image or images?" in call(*words[:3], "--set", "image=File")[2]


def writers() -> list[tuple[tuple[str, ...], str]]:
    """All options that name a file to write, with the words of their command."""
    found: list[tuple[tuple[str, ...], str]] = []
    waiting: list[tuple[tuple[str, ...], Any]] = [((), get_command(app))]
    while waiting:
        words, command = waiting.pop()
        waiting += [((*words, name), inner) for name, inner in getattr(command, "commands", {}).items()]
        found += [
            (words, option.opts[0])
            for option in command.params
            if option.param_type_name == "option"
            and option.type_descriptor.annotation is Path
            and not {"--published", "--faces", "--dataset", "--overlays", "--folder"}
            & {*option.opts}  # read, or folders
            and (words, option.opts[0]) != (("measure",), "--maps")  # read
        ]
    return found


def test_all_writers_are_looked_at() -> None:
    written = {"--csv", "--figure", "--images", "--json", "--latex", "--maps", "--md", "--output", "--rejects"}
    assert {option for _, option in writers()} == written


@pytest.mark.parametrize(("words", "option"), writers(), ids=str)
@pytest.mark.parametrize("file", ["x.doc", "x", "x.CSV2", "x.md.txt"])
def test_the_suffix_of_every_file_that_is_written_fits(
    call: Call, tmp_path: Path, words: tuple[str, ...], option: str, file: str
) -> None:
    (tmp_path / "params.yaml").write_text("")
    code, out, err = call(*words, "some", option, file)
    assert (code, out) == (2, "")
    assert f"error: {file}: unknown format {Path(file).suffix!r}; name it ." in err
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ("export", "a.h5", "b.onnx"),
            "a.h5: export takes a model; a store is written as csv or npz by `fer-au store ",
        ),
        (("verify", "-debug"), "No such option"),
        (("store", "export", "a.h5", "-output", "x.csv"), "no such option: -output; did you mean --output?"),
        (("store", "export", "a.h5", "--output", "x.csv", "-maps"), "no such option: -maps; did you mean --maps?"),
        (
            ("check-data", "csv", "x", "--labels", "l.csv"),
            "no such option: --labels; keys of the data set are given with ",
        ),
        (("check-data", "csv", "x", "--labels=l.csv"), "are given with --set labels=l.csv"),
        (("check-data", "csv", "x", "--test-fraction", "1"), "are given with --set test_fraction=VALUE"),
        (("results", "--group", "-csv", "x.csv"), "no such option: -csv; did you mean --csv?"),
        (("check-params",), "params.yaml: no such file; run it in a project's folder"),
    ],
)
def test_what_people_type_instead_is_answered(call: Call, tmp_path: Path, words: tuple[str, ...], line: str) -> None:
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert line in err
    assert list(tmp_path.iterdir()) == []
