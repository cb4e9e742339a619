"""Types every command of the two pages about sharing, in order, and checks what each step is there for."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from fer_au.stores import Store
from tests.docs.blocks import read_blocks
from tests.sharing.conftest import FACES, GUIDE, SETTINGS
from tests.sharing.console import Done, GuideError, Lab, Step, Walk, read_steps

CONSOLE = [block for page in GUIDE for block in read_blocks(page, "console")]
BLOCKS = [SETTINGS, *CONSOLE]
STEPS = read_steps(CONSOLE)
STORES = ("annotations.h5", "faces.h5", "landmarks.h5", "heatmaps.h5")
EVERY_STAGE = ["ingest@wild", "align@wild", "landmarks@wild", "heatmaps@wild", "train@au", "evaluate@au", "report"]
PICTURE_FILES = ("data/wild/faces.h5", "report/index.html")

Check = Callable[[Lab, list[Done]], None]
CHECKS: dict[str, Check] = {}


def check(name: str) -> Callable[[Check], Check]:
    """Register what must hold right after a step."""

    def add(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return add


@pytest.fixture(scope="module")
def walk(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Walk]:
    """The guide's steps up to the last one that is asked for, under way."""
    asked = [item.callspec.params.get("step") for item in request.session.items if hasattr(item, "callspec")]
    last = max(number for number, step in enumerate(STEPS) if step in asked)
    walk = Walk(lab, STEPS[: last + 1], lambda step, done: CHECKS[step.name](lab, done))
    yield walk
    walk.end()


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_the_step_does_what_the_guide_says(step: Step, walk: Walk) -> None:
    try:
        walk.wait_for(step.name)
    except GuideError as error:
        pytest.fail(str(error), pytrace=False)


def test_every_step_is_checked_and_every_check_is_a_step() -> None:
    assert [step.name for step in STEPS] == list(CHECKS)


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def in_cache(folder: Path, content: bytes) -> bool:
    """Whether a DVC cache or remote holds a file."""
    digest = md5(content)
    return (folder / "files/md5" / digest[:2] / digest[2:]).exists()


def same_stores(lab: Lab, one: str, other: str) -> bool:
    return all(lab.read(one, f"data/wild/{name}") == lab.read(other, f"data/wild/{name}") for name in STORES)


def stages(done: list[Done]) -> list[str]:
    """The stages that a step really ran."""
    return [stage for one in done for stage in one.stages]


@check("disk")
def _(lab: Lab, done: list[Done]) -> None:
    for name in ("git", "dvc-cache", "dvc-remote", "fer_au_cache"):
        assert stat.S_IMODE((lab.disk / name).stat().st_mode) == 0o2775
    assert (lab.disk / "git/fer.git/objects").stat().st_mode & 0o2070 == 0o2070


@check("trust")
def _(lab: Lab, done: list[Done]) -> None:
    assert set(lab.type("ana", "git config --get-all safe.directory")[0].split()) == {f"{lab.disk}/git/fer.git"}


@check("first-run")
def _(lab: Lab, done: list[Done]) -> None:
    assert stages(done) == EVERY_STAGE
    files = [path for path in (lab.disk / "dvc-cache/files").rglob("*") if path.is_file()]
    assert len(files) > len(STORES)
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o444}
    folders = [path for path in (lab.disk / "dvc-cache/files").rglob("*") if path.is_dir()]
    assert all(folder.stat().st_mode & 0o2070 == 0o2070 for folder in folders)


@check("same-disk")
def _(lab: Lab, done: list[Done]) -> None:
    assert stages(done) == []
    assert same_stores(lab, "ben", "ana")
    assert all((lab.home("ben") / f"fer/data/wild/{name}").stat().st_mode & 0o222 == 0 for name in STORES)
    assert lab.type("ben", "dvc status")[0].split() == ["stamp:", "always", "changed"]


@check("gc")
def _(lab: Lab, done: list[Done]) -> None:
    alone, named = (one.output for one in done if "gc" in one.command.text)
    for name in STORES:
        digest = md5(lab.read("ana", f"data/wild/{name}"))
        digest = f"{digest[:2]}/{digest[2:]}"
        assert digest in alone
        assert digest not in named
        assert in_cache(lab.disk / "dvc-cache", lab.read("ana", f"data/wild/{name}"))


@check("remote")
def _(lab: Lab, done: list[Done]) -> None:
    remote = lab.disk / "dvc-remote"
    assert in_cache(remote, lab.read("ana", "data/wild/landmarks.h5"))
    assert list((remote / "runs").rglob("*"))
    for name in PICTURE_FILES:
        assert not in_cache(remote, lab.read("ana", name))


@check("without-pictures")
def _(lab: Lab, done: list[Done]) -> None:
    assert stages(done) == []
    clone = lab.home("cem") / "fer"
    for name in PICTURE_FILES:
        assert not (clone / name).exists()
    for name in ("data/wild/landmarks.h5", "data/wild/heatmaps.h5", "evaluation/au.h5", "metrics/au.json"):
        assert lab.read("cem", name) == lab.read("ana", name)
    assert "au.json" in done[-1].output


@check("without-pictures-codebook")
def _(lab: Lab, done: list[Done]) -> None:
    assert stages(done) == ["heatmaps@wild"]
    assert lab.read("cem", "data/wild/heatmaps.h5") != lab.read("ana", "data/wild/heatmaps.h5")


@check("without-pictures-training")
def _(lab: Lab, done: list[Done]) -> None:
    assert stages(done) == []


@check("without-pictures-back")
def _(lab: Lab, done: list[Done]) -> None:
    assert lab.read("cem", "data/wild/heatmaps.h5") == lab.read("ana", "data/wild/heatmaps.h5")
    # From now on, the remote for pictures is out of Cem's reach.
    with (lab.home("cem") / "fer/.dvc/config.local").open("a") as file:
        file.write("['remote \"private\"']\n    url = /out/of/reach\n")


@check("private-remote")
def _(lab: Lab, done: list[Done]) -> None:
    for name in PICTURE_FILES:
        assert in_cache(lab.disk / "private-remote", lab.read("ana", name))
        assert not in_cache(lab.disk / "dvc-remote", lab.read("ana", name))


@check("private-colleagues")
def _(lab: Lab, done: list[Done]) -> None:
    assert stages(done) == []
    assert same_stores(lab, "dia", "ana")


@check("private-outsider")
def _(lab: Lab, done: list[Done]) -> None:
    assert stages(done) == []
    assert not (lab.home("cem") / "fer/data/wild/faces.h5").exists()


@check("import")
def _(lab: Lab, done: list[Done]) -> None:
    study = lab.home("eva") / "study"
    assert (study / "landmarks.h5").read_bytes() == lab.read("ana", "data/wild/landmarks.h5")
    assert _pinned(lab) == _commit(lab, "v1")


def _pinned(lab: Lab) -> str:
    imported = yaml.safe_load((lab.home("eva") / "study/landmarks.h5.dvc").read_text())
    return str(imported["deps"][0]["repo"]["rev_lock"])


def _commit(lab: Lab, tag: str) -> str:
    return lab.type("ana", f"git rev-parse {tag}")[0].strip()


@check("import-stage")
def _(lab: Lab, done: list[Done]) -> None:
    assert stages(done) == ["points"]
    assert len((lab.home("eva") / "study/points.csv").read_text().splitlines()) == FACES + 1


@check("publish")
def _(lab: Lab, done: list[Done]) -> None:
    assert stages(done) == ["landmarks@wild"]
    # The stamp is of the branch that ran last; every `dvc repro` makes it anew, `dvc status` does not.
    assert lab.type("ana", "python stages/stamp.py && dvc status")[0].split() == ["stamp:", "always", "changed"]


@check("update")
def _(lab: Lab, done: list[Done]) -> None:
    assert stages(done) == ["points"]
    assert _pinned(lab) == _commit(lab, "v2")
    assert (lab.home("eva") / "study/landmarks.h5").read_bytes() != lab.read("ana", "data/wild/landmarks.h5")


@check("get")
def _(lab: Lab, done: list[Done]) -> None:
    assert (lab.home("eva") / "study/v1.h5").read_bytes() == lab.read("ana", "data/wild/landmarks.h5")


@check("shard-cache")
def _(lab: Lab, done: list[Done]) -> None:
    assert stages(done) == ["ingest@wild", "align@wild", "landmarks@wild", "heatmaps@wild"]
    assert same_stores(lab, "fay", "ana")
    assert not (lab.home("fay") / "fer/.fer_au/cache").exists()
    root = lab.disk / "fer_au_cache"
    shards = list(root.glob("??/*/*.h5"))
    assert shards
    for path in shards:
        assert stat.S_IMODE(path.stat().st_mode) == 0o444
        assert {stat.S_IMODE(folder.stat().st_mode) for folder in path.parents[:2]} == {0o2775}


@check("shard-cache-upkeep")
def _(lab: Lab, done: list[Done]) -> None:
    assert list((lab.disk / "fer_au_cache").rglob("*.h5"))


@check("shared-trainings")
def _(lab: Lab, done: list[Done]) -> None:
    assert stages(done) == ["train@au"]
    assert lab.read("fay", "models/au/model.safetensors") == lab.read("ana", "models/au/model.safetensors")


@check("dask")
def _(lab: Lab, done: list[Done]) -> None:
    assert stages(done) == ["ingest@wild", "align@wild"]
    assert lab.read("gil", "data/wild/faces.h5") == lab.read("ana", "data/wild/faces.h5")
    _install_slurm_stub(lab)


def _install_slurm_stub(lab: Lab) -> None:
    """Two commands that run a batch script here as Slurm would on a node: no cluster is at hand in a test."""
    folder = lab.home("gil") / "bin"
    folder.mkdir()
    (folder / "srun").write_text('#!/bin/bash\nexec "$@"\n')
    (folder / "sbatch").write_text(
        '#!/bin/bash\nwhile [[ $1 == --* ]]; do shift; done\nSLURM_JOB_ID=1 exec bash "$@"\n'
    )
    for path in folder.iterdir():
        path.chmod(0o755)
    lab.type("gil", 'export PATH="$HOME/bin:$PATH"')


@check("slurm")
def _(lab: Lab, done: list[Done]) -> None:
    assert stages(done) == ["landmarks@wild", "heatmaps@wild"]
    assert same_stores(lab, "gil", "ana")
    assert not list((lab.home("gil") / "fer/.fer_au").glob("slurm-*"))


@check("merge")
def _(lab: Lab, done: list[Done]) -> None:
    study = lab.home("eva") / "study"
    merged, part = Store.open(study / "both.h5", "landmarks"), Store.open(study / "v1.h5", "landmarks")
    assert merged.ids == part.ids
    assert np.array_equal(merged["points"], part["points"])


@check("merge-refused")
def _(lab: Lab, done: list[Done]) -> None:
    assert not (lab.home("eva") / "study/mixed.h5").exists()
