from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from fer_au.code.closure import this_code
from fer_au.code.stages import stamp
from fer_au.config.reading import read_params
from fer_au.scaffold.init import init_project
from fer_au.scaffold.record import RECORD, content_hash
from fer_au.scaffold.template import read_template
from fer_au.scaffold.upgrade import upgrade_project
from tests.cli.conftest import Call
from tests.cli.conftest import call as call


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A project that was made by an older release, in which three files were other ones."""
    folder = tmp_path / "lab"
    init_project(folder)
    record = json.loads((folder / RECORD).read_text())
    for path in ("stages/align.py", "dvc.yaml"):
        (folder / path).write_bytes(b"# older\n" + (folder / path).read_bytes())
        record["files"][path] = content_hash((folder / path).read_bytes())
    (folder / "stages/gone.py").write_text("# of the older release\n")
    record["files"]["stages/gone.py"] = content_hash(b"# of the older release\n")
    del record["files"]["stages/report.py"]
    (folder / "stages/report.py").unlink()
    (folder / RECORD).write_text(json.dumps({**record, "fer_au": "0.0.9"}))
    return folder


def test_an_upgrade_renews_adds_and_removes(lab: Path) -> None:
    done = upgrade_project(lab)
    assert (done.before, done.replaced, done.added, done.removed, done.kept) == (
        "0.0.9", ["dvc.yaml", "stages/align.py"], ["stages/report.py"], ["stages/gone.py"], [],
    )  # fmt: skip
    template = read_template()
    assert {path: (lab / path).read_bytes() for path in template} == template
    assert not (lab / "stages/gone.py").exists()
    again = upgrade_project(lab)
    assert (again.before, again.replaced, again.added, again.removed) == (again.after, [], [], [])


def test_what_the_lab_edited_stays_and_the_new_version_lies_beside_it(lab: Path) -> None:
    (lab / "dvc.yaml").write_text("# ours\n" + (lab / "dvc.yaml").read_text())
    (lab / "stages/gone.py").write_text("# ours\n")
    (lab / "stages/train.py").write_text(
        "# ours\n" + (lab / "stages/train.py").read_text()
    )  # this release's is the old one
    (lab / "constraints.txt").unlink()
    before = {
        path: (lab / path).read_bytes() for path in ("dvc.yaml", "stages/gone.py", "stages/train.py", "params.yaml")
    }
    done = upgrade_project(lab)
    assert sorted(done.kept) == ["constraints.txt", "dvc.yaml", "stages/gone.py", "stages/train.py"]
    assert {path: (lab / path).read_bytes() for path in before} == before
    assert sorted(path.name for path in lab.rglob("*.new")) == ["dvc.yaml.new"]
    assert (lab / "dvc.yaml.new").read_bytes() == read_template()["dvc.yaml"]
    assert not (lab / "constraints.txt").exists()  # deleted on purpose


def test_ends_of_lines_are_no_edit(lab: Path) -> None:
    path = lab / "stages/align.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert "stages/align.py" in upgrade_project(lab).replaced


def locked(lab: Path, old: tuple[str, ...]) -> None:
    """Write the ``dvc.lock`` of a finished run, in which the code of some entries was another one."""
    stamped = stamp(read_params(lab / "params.yaml"), lab / "params.yaml")

    def stage(key: str, deps: list[str], outs: list[str]) -> dict[str, object]:
        name, _, item = key.partition(".")
        entry = stamped[name]
        value = "0" * 32 if key in old else entry[item] if isinstance(entry, dict) else entry
        files = [[{"path": path, "hash": "md5", "md5": "0" * 32} for path in paths] for paths in (deps, outs)]
        return {"cmd": "", "deps": files[0], "params": {"stages/stamp.json": {key: value}}, "outs": files[1]}

    stages = {
        "align@demo": stage("align.demo", ["data/demo/manifest.csv"], ["data/demo/faces.h5"]),
        "train@au": stage("train.au", ["data/demo/faces.h5"], ["models/au"]),
        "train@vanilla": stage("train.vanilla", ["data/demo/faces.h5"], ["models/vanilla"]),
        "evaluate@au": stage("evaluate.au", ["models/au"], ["metrics/au.json"]),
        "report": stage("report", ["metrics"], ["report"]),
    }
    with (lab / "dvc.lock").open("w") as file:
        YAML().dump({"schema": "2.0", "stages": stages}, file)


def test_an_upgrade_says_what_runs_again_and_why(lab: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade_project(lab)
    locked(lab, ("train.au",))
    monkeypatch.chdir(lab)
    code, out, err = call("upgrade")
    assert (code, err) == (0, "")
    assert out.splitlines()[1:] == [
        "all files are this release's",
        "`dvc repro` runs train@au: its code has changed",
        "`dvc repro` runs evaluate@au: train@au runs again, and may give another result",
        "`dvc repro` runs report: evaluate@au runs again, and may give another result",
    ]
    locked(lab, ())
    assert call("upgrade")[1].splitlines()[-1] == "`dvc repro` runs nothing again because of this release's code"


def test_a_dry_run_writes_nothing_and_counts_renewed_scripts(lab: Path) -> None:
    (lab / "stages/report.py").write_bytes(read_template()["stages/report.py"])
    (lab / "stages/align.py").write_text("print('older')\n")
    locked(lab, ())  # with the older script
    record = json.loads((lab / RECORD).read_text())
    record["files"]["stages/align.py"] = content_hash((lab / "stages/align.py").read_bytes())
    (lab / RECORD).write_text(json.dumps(record))
    (lab / "stages/report.py").unlink()
    before = {path: path.read_bytes() for path in lab.rglob("*") if path.is_file() and ".fer_au" not in path.parts}
    done = upgrade_project(lab, write=False)
    assert {path: path.read_bytes() for path in before} == before
    assert done.replaced == ["dvc.yaml", "stages/align.py"]
    assert done.reruns["align@demo"] == "its code has changed"
    this_code.cache_clear()  # a process reads a source file once
    assert done.reruns == upgrade_project(lab).reruns


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (None, "no such file; was this project made by `fer-au init`?"),
        ("", "isn't a record of `fer-au init`"),
        ("[]", "isn't a record of `fer-au init`"),
        ('{"fer_au": "1"}', "isn't a record of `fer-au init`"),
        ('{"fer_au": "1", "files": ["dvc.yaml"]}', "isn't a record of `fer-au init`"),
        ('{"fer_au": "1", "files": {"../../outside.txt": "0"}}', "isn't a record of `fer-au init`"),
    ],
)
def test_a_folder_that_is_no_such_project_is_one_line(
    record: str | None, line: str, lab: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lab / RECORD).unlink()
    if record is not None:
        (lab / RECORD).write_text(record)
    monkeypatch.chdir(lab)
    code, out, err = call("upgrade")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert line in err


def test_the_repository_itself_is_upgraded_by_git(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    code, _, err = call("upgrade")
    assert code == 2
    assert err.endswith("has a fer_au of its own, and is upgraded by git\n")
