"""The sharing guide holds for several users of one machine: uids and groups of their own, no rights but the group's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sharing.conftest import ROOT, furnish
from tests.sharing.console import Lab
from tests.sharing.test_sharing_guide import CHECKS, STEPS, in_cache

pytestmark = pytest.mark.slow

GROUP = 61000
PEOPLE = {"ana": 61001, "ben": 61002, "eva": 61003, "fay": 61004}
WALKED = ("disk", "trust", "first-run", "same-disk", "remote", "import", "shard-cache")


PROGRAMS = {
    "dvc": "from dvc.cli import main",
    "fer-au": "from fer_au.cli import main",
}


def interpreter() -> str | None:
    """A Python of this version that other users can run; None without one."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        try:
            subprocess.run([path, "-c", ""], user=PEOPLE["ana"], group=GROUP, cwd="/", check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return path
    return None


def lay_environment(folder: Path, python: str) -> Path:
    """An environment for all users, with the packages of this one; gives its folder of programs."""
    packages = Path(pytest.__file__).parents[1]
    library = folder / "lib" / packages.parent.name
    library.mkdir(parents=True)
    (library / "site-packages").symlink_to(packages)
    (folder / "pyvenv.cfg").write_text(f"home = {Path(python).parent}\n")
    programs = folder / "bin"
    programs.mkdir()
    (programs / "python").symlink_to(python)
    for name, line in PROGRAMS.items():
        (programs / name).write_text(f"#!{programs}/python\nimport sys\n{line}\nsys.exit(main())\n")
        (programs / name).chmod(0o755)
    return programs


@pytest.fixture(scope="module")
def users() -> Iterator[Lab]:
    """A lab whose people are users; pytest's own folders are closed to them."""
    if os.geteuid() != 0:
        pytest.skip("only root can act as other users")
    python = interpreter()
    if python is None:
        pytest.skip("no Python of this version is open to other users")
    folder = Path(tempfile.mkdtemp(prefix="fer_au-users-"))
    folder.chmod(0o755)
    programs = lay_environment(folder / "env", python)
    lab = Lab(folder, {r"-g lab\b": f"-g {GROUP}"}, ROOT, PEOPLE, GROUP, programs)
    output, code = lab.type("ana", "python -c 'import dvc, torch, fer_au'")
    if code:
        pytest.skip(f"another user can't import the packages of this environment: {output.splitlines()[-1:]}")
    furnish(lab)
    yield lab
    shutil.rmtree(folder)


def test_the_shared_steps_of_the_guide_work_between_users(users: Lab) -> None:
    steps = {step.name: step for step in STEPS}
    for name in WALKED:
        if name == "trust":
            refused, code = users.type("ben", f"git clone -q {users.disk}/git/fer.git early")
            assert code != 0
            assert "detected dubious ownership" in refused
        CHECKS[name](users, users.run(steps[name]))
    owners = {path.stat().st_uid for path in (users.disk / "fer_au_cache").rglob("*.h5")}
    assert PEOPLE["ana"] in owners
    for place in ("dvc-cache", "fer_au_cache", "git/fer.git/objects"):
        groups = {path.stat().st_gid for path in (users.disk / place).rglob("*")}
        assert groups == {GROUP}, place


def test_each_user_may_add_what_the_others_read(users: Lab) -> None:
    """Ben changes a setting that Ana ran first; both can push, and Ana takes his result from the cache."""
    change = "sed -i 's/codebook: corrected/codebook: paper/' params.yaml"
    for person, text in (
        ("ben", f"{change} && dvc repro heatmaps && git commit -qam 'Another codebook' && git pull -q --rebase"),
        ("ben", "git push -q origin HEAD"),
        ("ana", "git pull -q --rebase && dvc checkout data/wild/heatmaps.h5"),
    ):
        output, code = users.type(person, text)
        assert code == 0, output
    content = users.read("ana", "data/wild/heatmaps.h5")
    assert content == users.read("ben", "data/wild/heatmaps.h5")
    assert in_cache(users.disk / "dvc-cache", content)


def test_who_is_not_in_the_group_changes_nothing(users: Lab) -> None:
    stranger = {"user": 61009, "group": 61009, "extra_groups": []}
    for place in ("dvc-cache", "fer_au_cache", "git/fer.git/objects"):
        done = subprocess.run(["touch", str(users.disk / place / "x")], **stranger, capture_output=True, check=False)
        assert done.returncode != 0
