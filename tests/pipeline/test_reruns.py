"""What an edit makes stale, by the real DVC: code reruns what uses it, words rerun nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2
import pytest

from fer_au.stores import Store
from tests.pipeline.conftest import Project

DATA = {"ingest@demo", "align@demo", "landmarks@demo", "heatmaps@demo"}
TRAINED = {"train@vanilla", "train@au"}
SCORED = {"evaluate@vanilla", "evaluate@au"}
ALL = DATA | TRAINED | SCORED | {"report", "render@demo"}


def stale(project: Project) -> set[str]:
    """The stages whose own parameters or code changed, as DVC sees it after the stage that it always runs first."""
    project.run("python", "stages/stamp.py")
    found = json.loads(project.run("dvc", "status", "--json").stdout)
    return found.keys() - {"stamp"}


@contextmanager
def edited(folder: Path, name: str, edit: Callable[[str], str]) -> Iterator[None]:
    """A file of the project as an edit leaves it, for a while."""
    path = folder / name
    before = path.read_bytes() if path.exists() else None
    text = edit(before.decode() if before is not None else "")
    assert text.encode() != before
    path.write_text(text)
    try:
        yield
    finally:
        path.unlink() if before is None else path.write_bytes(before)


def comment(text: str) -> str:
    return f"{text}\n# a comment, and no more\n"


def code(text: str) -> str:
    return f"{text}\nEDITED = 1\n"


def reformatted(text: str) -> str:
    """Every short argument list one argument a line, single quotes where there were double ones."""
    text = re.sub(r"\(([a-z]+), ([a-z]+)\)", r"(\n\1,\n    \2,\n)", text)
    return re.sub(r'"([a-z_]+)"', r"'\1'", text)


def other_docstring(text: str) -> str:
    return re.sub(r'^"""[^"]*"""', '"""Other words."""', text)


WORDS = [
    ("fer_au/errors.py", comment),
    ("fer_au/errors.py", other_docstring),
    ("fer_au/training/trainer.py", comment),
    ("fer_au/training/trainer.py", reformatted),
    ("fer_au/faces/warp.py", other_docstring),
    ("fer_au/models/heads/gap.py", reformatted),
    ("stages/train.py", comment),
    ("fer_au/bundled/README.md", comment),
    ("README.md", comment),
    ("fer_au/models/heads/acol.py", code),  # a head that nobody here uses
    ("fer_au/faces/dlib_mmod.py", code),
    ("fer_au/landmarks/mean_shape.py", code),
    ("fer_au/cues/background.py", code),
    ("fer_au/training/losses/masses.py", code),
    ("fer_au/cues/paper.py", code),
    ("fer_au/datasets/folder.py", code),
    ("fer_au/cues/codebooks/paper.yaml", comment),
    ("fer_au/presets/writing.py", code),
    ("fer_au/cli/cache.py", code),
    ("fer_au/code/stages.py", code),
    ("fer_au/checks/networks.py", code),
]


@pytest.mark.parametrize("edit", [comment, other_docstring, reformatted, code])
def test_words_and_parts_that_nobody_uses_rerun_nothing(reproduced: Project, edit: Callable[[str], str]) -> None:
    names = [name for name, own in WORDS if own is edit]
    with ExitStack() as edits:  # all at once: a look of DVC's takes seconds
        for name in names:
            edits.enter_context(edited(reproduced.folder, name, edit))
        together = stale(reproduced)
    if together:
        assert {name: _stale_after(reproduced, name, edit) for name in names} == {name: set() for name in names}
    assert together == set()


def _stale_after(project: Project, name: str, edit: Callable[[str], str]) -> set[str]:
    with edited(project.folder, name, edit):
        return stale(project)


CODE = [
    ("fer_au/errors.py", ALL),
    ("fer_au/training/trainer.py", TRAINED),
    ("fer_au/models/heads/gap.py", TRAINED | SCORED),
    ("fer_au/cues/corrected.py", {"heatmaps@demo", "train@au"} | SCORED),
    ("fer_au/cues/codebooks/corrected.yaml", {"heatmaps@demo", "train@au"}),
    ("fer_au/faces/yunet.py", {"align@demo", "landmarks@demo"}),
    ("fer_au/landmarks/dlib68.py", {"landmarks@demo"}),
    ("fer_au/datasets/demo.py", {"ingest@demo", "report"}),
    ("fer_au/demo/hair.py", {"render@demo"}),
    ("fer_au/cam/methods.py", SCORED),
    ("fer_au/report/templates/guide.html.j2", {"report"}),
    ("fer_au/report/script/keys.js", {"report"}),
    ("stages/landmarks.py", {"landmarks@demo"}),
]


@pytest.mark.parametrize(("name", "stages"), CODE, ids=[name for name, _ in CODE])
def test_an_edit_of_code_reruns_what_uses_it(reproduced: Project, name: str, stages: set[str]) -> None:
    edit = code if name.endswith(".py") else comment  # data counts by its bytes
    assert _stale_after(reproduced, name, edit) == stages


def test_an_edit_that_is_undone_leaves_nothing_stale(reproduced: Project) -> None:
    with edited(reproduced.folder, "fer_au/errors.py", code):
        reproduced.run("python", "stages/stamp.py")
    assert stale(reproduced) == set()


NEW_PARTS = [
    ("heads", "models/heads/base.py", "models/heads/"),
    ("nets", "models/nets/base.py", "models/nets/"),
    ("cues", "cues/cue.py", "cues/"),
    ("losses", "training/losses/base.py", "training/losses/"),
    ("cams", "cam/registry.py", "cam/"),
    ("extractors", "landmarks/extractors.py", "landmarks/"),
    ("detectors", "faces/detectors.py", "faces/"),
    ("adapters", "datasets/base.py", "datasets/"),
    ("geometries", "cues/geometries.py", "cues/"),
]


def with_line(group: str, room: str) -> Callable[[str], str]:
    """The edit that names a new part in a registry."""

    def edit(text: str) -> str:
        head, line = re.split(rf'(?<="fer_au\.{group}",)\s+built_in={{', text, maxsplit=1)
        return f'{head}\n    built_in={{\n        "new": "fer_au.{room.replace("/", ".")}new",{line}'

    return edit


def _add_part(edits: ExitStack, project: Project, group: str, registry: str, room: str) -> None:
    edits.enter_context(edited(project.folder, f"fer_au/{registry}", with_line(group, room)))
    module = project.folder / f"fer_au/{room}new.py"
    if not module.exists():  # two registries of one room
        edits.enter_context(edited(project.folder, f"fer_au/{room}new.py", lambda text: f"{text}A_NEW_PART = 1\n"))


def _stale_with(project: Project, *parts: tuple[str, str, str]) -> set[str]:
    with ExitStack() as edits:
        for part in parts:
            _add_part(edits, project, *part)
        return stale(project)


def test_a_new_part_and_its_line_in_the_registry_rerun_nothing(reproduced: Project) -> None:
    together = _stale_with(reproduced, *NEW_PARTS)
    if together:
        assert {part[0]: _stale_with(reproduced, part) for part in NEW_PARTS} == {part[0]: set() for part in NEW_PARTS}
    assert together == set()


def test_a_new_release_reruns_nothing(reproduced: Project) -> None:
    with edited(
        reproduced.folder, "pyproject.toml", lambda text: re.sub(r'(?m)^version = ".*"', 'version = "9.9.9"', text)
    ):
        assert stale(reproduced) == set()


def test_an_edit_that_is_undone_comes_from_the_run_cache(reproduced: Project) -> None:
    before = reproduced.bytes_of("data/demo/heatmaps.h5")
    with edited(reproduced.folder, "fer_au/cues/stage.py", code):
        assert reproduced.ran("heatmaps") == ["stamp", "heatmaps@demo"]
        assert reproduced.bytes_of("data/demo/heatmaps.h5") == before
    assert reproduced.ran() == ["stamp"]


def test_a_stage_refuses_to_run_for_dvc_on_code_that_dvc_did_not_see(reproduced: Project) -> None:
    with edited(reproduced.folder, "fer_au/cues/stage.py", code):
        done = reproduced.run("dvc", "repro", "-f", "--single-item", "heatmaps@demo", check=False)
        assert done.returncode != 0
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
        assert "stages/stamp.json: the code of stage heatmaps was edited" in line
        reproduced.run("python", "stages/heatmaps.py", "demo")  # without DVC nothing is recorded
    assert reproduced.ran() == ["stamp"]


def test_another_clones_package_is_refused(reproduced: Project, tmp_path: Path) -> None:
    other = Project(tmp_path / "other", runnable=False)
    done = reproduced.run("python", "stages/heatmaps.py", "demo", check=False, PYTHONPATH=str(other.folder))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"fer_au is imported from {other.folder}, and this project is {reproduced.folder}" in done.stderr


def test_workers_run_the_code_of_their_parent(reproduced: Project, tmp_path: Path) -> None:
    """Another package in the working directory, or installed, is not looked at."""
    other = Project(tmp_path / "other", runnable=False)
    (other.folder / "fer_au/decoding.py").write_text("raise SystemExit('the wrong package')\n")
    program = (
        "from fer_au.compute import map_ordered\n"
        "import fer_au.decoding\n"
        "print(*map_ordered(fer_au.decoding.decode_image, [], label='none'))\n"
        "from tests_worker import where\n"
        "print(*set(map_ordered(where, list(range(8)), label='where', workers=2)))\n"
    )
    (tmp_path / "tests_worker.py").write_text("def where(_):\n    import fer_au.decoding\n    return fer_au.__file__\n")
    done = reproduced.run(
        "python",
        "-c",
        f"import os; os.chdir({str(other.folder)!r})\n{program}",
        PYTHONPATH=f"{reproduced.folder}:{tmp_path}",
        PYTHONSAFEPATH="1",
    )
    assert done.stdout.split() == [str(reproduced.folder / "fer_au/__init__.py")]


def loaded(project: Project, stage: str, *names: str) -> set[str]:
    """The package's files that a stage's own process really loads."""
    program = (
        "import runpy, sys\n"
        f"sys.argv = ['stages/{stage}.py', *{list(names)!r}]\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "files = [m.__file__ for n, m in sys.modules.items() if n.partition('.')[0] == 'fer_au' and m.__file__]\n"
        "print(*files, sep='\\n')\n"
    )
    done = project.run("python", "-c", program, FER_AU_WORKERS="1")
    return {line for line in done.stdout.splitlines() if line.startswith(str(project.folder))}


@pytest.mark.parametrize("stage", ["ingest", "align", "landmarks", "heatmaps", "train", "evaluate", "report"])
def test_a_stage_loads_nothing_that_its_hash_leaves_out(reproduced: Project, stage: str) -> None:
    """Otherwise an edit would be without effect. One experiment of each kind of part is in the demo."""
    names = [] if stage == "report" else ["demo" if f"{stage}@demo" in DATA else "au"]
    listed = reproduced.run(
        "python",
        "-c",
        f"from fer_au.code.stages import stage_files; print(*stage_files({stage!r}, *{names!r}), sep='\\n')",
    ).stdout.splitlines()
    missing = loaded(reproduced, stage, *names) - set(listed)
    assert {path for path in missing if "/fer_au/code/" not in path} == set()


def trained(project: Project) -> list[str]:
    """Run everything; the epochs that were really trained, such as ``vanilla 1/1``, and evaluations that were made."""
    said = project.run("dvc", "repro").stderr
    return re.findall(r"(?m)^(\S+ \d+/\d+): ", said)


def fetched(project: Project) -> list[str]:
    """The trainings and evaluations that the last run took from the cache."""
    return re.findall(r"(?m)^(\S+ \S+): (?:trained|evaluated) before", project.run("dvc", "repro").stderr)


@pytest.fixture
def settings(reproduced: Project) -> Iterator[Project]:
    """The small project, which is put back afterwards: its settings, what DVC wrote down, and the outputs of that."""
    names = ("params.yaml", "dvc.lock", "stages/stamp.json")
    saved = reproduced.bytes_of(*names)
    yield reproduced
    for name, data in zip(names, saved, strict=True):
        (reproduced.folder / name).write_bytes(data)
    reproduced.run("dvc", "checkout", "-q", "--force")


def test_a_renamed_experiment_is_neither_trained_nor_evaluated(settings: Project) -> None:
    path = settings.folder / "params.yaml"
    before = settings.bytes_of("models/au/model.safetensors", "evaluation/au.h5", "metrics/au.json")
    path.write_text(path.read_text().replace("  au:", "  guided:"))
    assert fetched(settings) == ["train guided", "evaluate guided"]
    names = ("models/guided/model.safetensors", "evaluation/guided.h5", "metrics/guided.json")
    assert settings.bytes_of(*names) == before


@pytest.mark.parametrize(
    "change",
    [
        {"landmarks.extractor": "mean-shape"},
        {"heatmaps.codebook": "paper", "heatmaps.geometry": "paper"},
    ],
    ids=["extractor", "maps"],
)
def test_other_landmarks_or_maps_train_what_is_guided_alone(settings: Project, change: dict[str, object]) -> None:
    settings.edit("params.yaml", change)
    said = settings.run("dvc", "repro").stderr
    assert re.findall(r"(?m)^(\S+) \d+/\d+: ", said) == ["au"]
    assert "vanilla: trained before" in said


def size_of(project: Project, name: str) -> int:
    """The side of a stage's outputs in pixels or cells."""
    if name == "raw":
        return int(cv2.imread(str(next((project.folder / "data/demo/raw/images").rglob("*.jpg")))).shape[0])
    store = Store.open_any(project.folder / f"data/demo/{name}.h5")
    return int(store["map"].shape[1] if name == "heatmaps" else store.attributes["image_size"])


@pytest.mark.parametrize(
    ("stage", "key", "name"),
    [
        ("render", "render.demo.size", "raw"),
        ("align", "align.size", "faces"),
        ("heatmaps", "heatmaps.size", "heatmaps"),
    ],
)
def test_a_size_is_a_setting_like_any_other(settings: Project, stage: str, key: str, name: str) -> None:
    """DVC's run cache overlooks parameters of this name: it brought back the outputs of the size before."""
    before = size_of(settings, name)
    for size in (before + 4, before + 8):
        settings.edit("params.yaml", {key: size})
        assert settings.ran(f"{stage}@demo")[:2] == ["stamp", f"{stage}@demo"]
        assert size_of(settings, name) == size
    settings.edit("params.yaml", {key: before})
    settings.run("dvc", "repro", f"{stage}@demo")
    assert size_of(settings, name) == before


def prepared(project: Project) -> set[str]:
    """What is stale of the stages that a data set has settings of its own for."""
    return {name for name in stale(project) if name.split("@")[0] in ("ingest", "align", "landmarks")}


def test_settings_of_one_data_set_rerun_it_alone(settings: Project) -> None:
    targets = ("landmarks@demo", "landmarks@other")
    settings.edit("params.yaml", {"datasets.other": {"adapter": "demo", "root": "data/demo/raw", "valid_fraction": 0}})
    settings.run("dvc", "repro", "landmarks@other")
    settings.edit("params.yaml", {"datasets.other.align": {"size": 80}})
    assert settings.ran(*targets) == ["stamp", "align@other", "landmarks@other"]
    faces = [Store.open(settings.folder / f"data/{name}/faces.h5", "faces") for name in ("demo", "other")]
    assert [store.attributes["image_size"] for store in faces] == [96, 80]
    settings.edit("params.yaml", {"align.size": 88})  # the other data set doesn't read it
    assert prepared(settings) == {"align@demo"}
    settings.edit("params.yaml", {"align.size": 96, "datasets.other.landmarks": {"extractor": "mean-shape"}})
    assert prepared(settings) == {"landmarks@other"}
    settings.edit("params.yaml", {"landmarks.extractor": "mean-shape"})
    assert prepared(settings) == {"landmarks@demo", "landmarks@other"}
    settings.edit("params.yaml", {"datasets.other.valid_fraction": 0.3, "landmarks.extractor": "dlib68"})
    assert prepared(settings) == {"ingest@other", "landmarks@other"}


def test_a_stage_refuses_settings_that_dvc_did_not_see(settings: Project) -> None:
    """DVC takes them from the stamp: it would record what was made with new settings under the old ones."""
    settings.run("python", "stages/stamp.py")
    settings.edit("params.yaml", {"datasets.demo.align": {"size": 80}})
    done = settings.run("dvc", "repro", "-f", "--single-item", "align@demo", check=False)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "the code of stage align was edited since DVC looked at it, or its settings were; run `dvc repro`" in line
    settings.edit("params.yaml", {"datasets.demo.align": {}})
    settings.run("dvc", "checkout")


def test_a_setting_that_an_experiment_pins_or_a_default_trains_nothing(settings: Project) -> None:
    settings.edit("params.yaml", {"experiments.au.train": {"epochs": 1}, "experiments.vanilla.train": {"epochs": 1}})
    settings.edit("params.yaml", {"train.epochs": 3, "train.early_stopping": None})
    assert trained(settings) == []
